//! Predictions that met their outcomes.

use leadscore_domain::{LeadId, Score};
use leadscore_store::{Decile, PeriodPerformance, Store};

use crate::support::{Backend, append_one, at, derived, email, event, score};

async fn scored(store: &Store, name: &str, scores: &[(i64, u8, &str)]) -> LeadId {
    let lead = append_one(store, event(name, &[email(name)], 0)).await;
    for (calculated, value, version) in scores {
        let mut commit = derived(store.partition_of(lead), 0, 0);
        commit.scores = vec![Score { model_version: (*version).to_owned(), ..score(lead, 1, *calculated, *value) }];
        store.commit(commit).await.unwrap();
    }
    lead
}

fn period(version: &str, n: u64) -> PeriodPerformance {
    PeriodPerformance {
        model_version: version.to_owned(),
        period_start: at(10),
        n,
        positives: 1,
        accuracy: 0.5,
        precision: 0.25,
        recall: 1.0,
        f1: 0.4,
        log_loss: Some(0.7),
        auc: None,
        ece: Some(0.125),
        test_date: at(99),
        calibration: vec![
            Decile { decile: 1, n: 1, probability: 0.1, share: 0.0 },
            Decile { decile: 2, n: 1, probability: 0.9, share: 1.0 },
        ],
    }
}

pub async fn the_first_prediction_of_each_lead_in_a_period_is_found(backend: &impl Backend) {
    let store = backend.open().await;
    assert_eq!(store.first_scored_at().await.unwrap(), None);
    let ann = scored(&store, "ann", &[(9, 1, "v1"), (12, 2, "v1"), (11, 3, "v1"), (10, 4, "v2"), (20, 5, "v1")]).await;
    let bob = scored(&store, "bob", &[(19, 6, "v1")]).await;
    scored(&store, "cid", &[(20, 7, "v1"), (21, 8, "v3")]).await;
    assert_eq!(store.first_scored_at().await.unwrap(), Some(at(9)));
    let week = (at(10), at(20));
    let found = store.first_predictions("v1", week, None, 10).await.unwrap();
    let mut expected = vec![(ann, at(11)), (bob, at(19))];
    expected.sort_unstable();
    assert_eq!(found.iter().map(|p| (p.lead_id, p.calculated_at)).collect::<Vec<_>>(), expected);
    let first = found.iter().find(|prediction| prediction.lead_id == ann).unwrap();
    assert!((first.probability - 3.0 / 101.0).abs() < 1e-12);
    let second = store.first_predictions("v1", week, Some(found[0].lead_id), 10).await.unwrap();
    assert_eq!(second, found[1..]);
    assert_eq!(store.first_predictions("v1", week, None, 1).await.unwrap(), found[..1]);
    assert_eq!(store.unmeasured_models(week.0, week.1).await.unwrap(), ["v1", "v2"]);
    store.record_period(period("v1", 2)).await.unwrap();
    assert_eq!(store.unmeasured_models(week.0, week.1).await.unwrap(), ["v2"]);
}

pub async fn a_period_is_kept_once_with_its_calibration(backend: &impl Backend) {
    let store = backend.open().await;
    store.record_period(period("v1", 2)).await.unwrap();
    store.record_period(period("v1", 3)).await.unwrap();
    let later = PeriodPerformance { period_start: at(20), calibration: Vec::new(), ..period("v1", 0) };
    store.record_period(later.clone()).await.unwrap();
    store.record_period(period("v2", 4)).await.unwrap();
    assert_eq!(store.periods(Some("v1")).await.unwrap(), [later.clone(), period("v1", 2)]);
    assert_eq!(store.periods(None).await.unwrap(), [later, period("v1", 2), period("v2", 4)]);
    assert_eq!(store.performance("v1").await.unwrap(), [], "tests before release are others");
}

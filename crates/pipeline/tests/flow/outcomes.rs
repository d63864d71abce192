//! Predictions that meet their outcomes.

use leadscore_domain::{
    Clock, ConsentState, LeadId, Timestamp,
    event::{EmailAction, OutcomeResult},
    time::DAY_US,
};
use leadscore_engine::scorecard::SCORECARD_VERSION;
use leadscore_pipeline::outcomes::measure;
use leadscore_store::PeriodPerformance;
use tokio_util::sync::CancellationToken;

use crate::support::{Brokerage, applied, created, crm, email, event, outcome};

/// A Monday.
const MONDAY: &str = "2026-03-02T00:00:00Z";

async fn met(brokerage: &Brokerage, from: Option<Timestamp>) -> (Option<Timestamp>, Vec<PeriodPerformance>) {
    let now = brokerage.clock.now();
    let until = measure(&brokerage.store, now, from, &CancellationToken::new()).await.unwrap();
    (until, brokerage.store.periods(None).await.unwrap())
}

async fn scored_leads(brokerage: &Brokerage, names: &[&str]) -> Vec<LeadId> {
    let now = brokerage.clock.now();
    let events = names.iter().map(|name| created(now, name, Some(ConsentState::Granted))).collect();
    let leads = brokerage.append(events).await.iter().map(applied).collect();
    brokerage.catch_up().await;
    leads
}

#[tokio::test]
async fn a_week_is_measured_when_the_last_of_its_predictions_is_thirty_days_old() {
    let brokerage = Brokerage::open().await;
    assert_eq!(met(&brokerage, None).await, (None, vec![]), "nothing was ever predicted");
    let monday: Timestamp = MONDAY.parse().unwrap();
    brokerage.clock.set(monday);
    let win = async |name| {
        brokerage.append(vec![outcome(brokerage.clock.now(), name, OutcomeResult::Won)]).await;
        brokerage.catch_up().await;
    };
    // "early" is won before its first prediction of the week and "merged" becomes part of "won".
    brokerage.append(vec![outcome(monday.plus_micros(-DAY_US), "early", OutcomeResult::Won)]).await;
    let leads = scored_leads(&brokerage, &["won", "merged", "late", "lost", "early", "erased"]).await;
    // A second prediction in the week does not count.
    let now = brokerage.clock.now();
    brokerage.append(vec![email(now, "lost", EmailAction::Opened)]).await;
    brokerage.catch_up().await;
    brokerage.clock.set(monday.plus_micros(20 * DAY_US));
    win("won").await;
    let now = brokerage.clock.now();
    brokerage
        .append(vec![event(now, vec![crm("won"), crm("merged")], email(now, "won", EmailAction::Clicked).body)])
        .await;
    brokerage.store.erase_lead(leads[5]).await.unwrap().unwrap();
    brokerage.clock.set(monday.plus_micros(31 * DAY_US));
    win("late").await;

    brokerage.clock.set(monday.plus_micros(37 * DAY_US - 1));
    assert_eq!(met(&brokerage, None).await, (Some(monday), vec![]), "its last day may still be won");
    brokerage.clock.set(monday.plus_micros(37 * DAY_US));
    let (until, periods) = met(&brokerage, None).await;
    let week_later = monday.plus_micros(7 * DAY_US);
    assert_eq!(until, Some(week_later));
    let [period] = periods.as_slice() else { panic!("{periods:?}") };
    assert_eq!((period.model_version.as_str(), period.period_start), (SCORECARD_VERSION, monday));
    assert_eq!((period.n, period.positives), (4, 2), "won and merged of won, merged, late and lost");
    assert_eq!(period.calibration.iter().map(|decile| decile.n).sum::<u64>(), 4);
    assert!(period.log_loss.is_some() && period.auc.is_some() && period.accuracy > 0.0);

    assert_eq!(met(&brokerage, None).await, (until, periods.clone()), "again, from the beginning");
    assert_eq!(met(&brokerage, until).await, (until, periods), "again, from where it was");
}

//! Committing what was derived.

use leadscore_domain::LeadId;
use leadscore_store::{DeadFilter, DeadLetter, DeadOrigin, DeadPlace, ModelPerformance, Store, StoreError};
use uuid::Uuid;

use crate::support::{Backend, append_one, at, derived, email, event, score};

/// A lead with one event, and its partition.
async fn one_lead(store: &Store) -> (LeadId, u16) {
    let lead = append_one(store, event("1", &[email("ann")], 0)).await;
    (lead, store.partition_of(lead))
}

pub async fn a_reader_from_another_position_is_fenced_and_changes_nothing(backend: &impl Backend) {
    let store = backend.open().await;
    let (lead, partition) = one_lead(&store).await;
    store.commit(derived(partition, 0, 1)).await.unwrap();
    let mut late = derived(partition, 0, 1);
    late.states = vec![(lead, b"stale".to_vec())];
    late.scores = vec![score(lead, 1, 1, 10)];
    let Err(StoreError::Fenced { expected: 0, found: 1, .. }) = store.commit(late).await else { panic!("not fenced") };
    assert!(store.states(&[lead]).await.unwrap().is_empty());
    assert_eq!(store.latest_score(lead).await.unwrap(), None);
    assert!(matches!(store.commit(derived(partition, 1, 0)).await, Err(StoreError::Invalid(_))));
    assert_eq!(store.position("scorer", partition).await.unwrap(), 1);
    assert_eq!(store.position("other", partition).await.unwrap(), 0, "groups do not see each other");
}

pub async fn the_latest_score_never_goes_backwards(backend: &impl Backend) {
    let store = backend.open().await;
    let (lead, partition) = one_lead(&store).await;
    let steps = [
        // position, calculated, value, latest afterwards
        (5, 10, 50, 50),
        (4, 20, 40, 50),
        (5, 9, 41, 50),
        (5, 11, 60, 60),
        (6, 1, 70, 70),
    ];
    for (position, calculated, value, latest) in steps {
        let mut commit = derived(partition, 0, 0);
        commit.scores = vec![score(lead, position, calculated, value)];
        store.commit(commit).await.unwrap();
        assert_eq!(store.latest_score(lead).await.unwrap().unwrap().score.score, latest, "after {value}");
    }
    assert_eq!(store.score_history(lead, None, 100).await.unwrap().len(), steps.len());
}

pub async fn withheld_leads_have_no_latest_score_and_keep_their_history(backend: &impl Backend) {
    let store = backend.open().await;
    let (lead, partition) = one_lead(&store).await;
    let mut commit = derived(partition, 0, 1);
    commit.scores = vec![score(lead, 1, 1, 50)];
    store.commit(commit).await.unwrap();
    let mut commit = derived(partition, 1, 2);
    commit.withheld = vec![lead];
    store.commit(commit).await.unwrap();
    assert_eq!(store.latest_score(lead).await.unwrap(), None);
    assert_eq!(store.score_history(lead, None, 10).await.unwrap().len(), 1);
}

pub async fn states_and_scores_survive_unchanged(backend: &impl Backend) {
    let store = backend.open().await;
    let (lead, partition) = one_lead(&store).await;
    let bytes: Vec<u8> = (0..=255).cycle().take(5_000).collect();
    let kept = [score(lead, 1, 1, 0), score(lead, 2, 2, 99), score(lead, 3, 3, 100)];
    let mut commit = derived(partition, 0, 3);
    commit.states = vec![(lead, bytes.clone())];
    commit.scores = kept.to_vec();
    store.commit(commit).await.unwrap();
    let state = &store.states(&[lead]).await.unwrap()[&lead];
    assert_eq!((state.bytes == bytes, state.log_position), (true, 3));
    let latest = store.latest_score(lead).await.unwrap().unwrap();
    assert_eq!((latest.partition, &latest.score), (partition, &kept[2]));
    let history: Vec<_> = store.score_history(lead, None, 10).await.unwrap().into_iter().map(|s| s.score).collect();
    assert_eq!(history, kept.into_iter().rev().collect::<Vec<_>>());
}

pub async fn absorbed_erased_and_unknown_leads_get_neither_state_nor_score(backend: &impl Backend) {
    let store = backend.open().await;
    let older = append_one(&store, event("1", &[email("ann")], 0)).await;
    let absorbed = append_one(&store, event("2", &[email("bob")], 1)).await;
    append_one(&store, event("3", &[email("ann"), email("bob")], 2)).await;
    let erased = append_one(&store, event("4", &[email("cid")], 3)).await;
    store.erase_lead(erased).await.unwrap();
    let gone = [absorbed, erased, LeadId(Uuid::from_u128(1))];
    let mut commit = derived(0, 0, 1);
    commit.states = gone.iter().chain([&older]).map(|id| (*id, b"state".to_vec())).collect();
    commit.scores = gone.iter().chain([&older]).map(|id| score(*id, 1, 1, 50)).collect();
    let mut left_out = store.commit(commit).await.unwrap();
    left_out.sort_unstable();
    let mut expected = gone;
    expected.sort_unstable();
    assert_eq!(left_out, expected, "the committer knows of whom nobody may be told");
    assert!(store.states(&gone).await.unwrap().is_empty());
    assert!(store.latest_scores(&gone).await.unwrap().is_empty());
    assert_eq!(store.states(&[older]).await.unwrap().len(), 1);
    assert!(store.latest_score(older).await.unwrap().is_some());
}

pub async fn dead_letters_and_lag_are_reported(backend: &impl Backend) {
    let store = backend.open().await;
    let (lead, partition) = one_lead(&store).await;
    append_one(&store, event("2", &[email("ann")], 1)).await;
    backend.clock().set(at(77));
    let letter =
        DeadLetter { position: 1, event_id: event("1", &[], 0).id, lead_id: lead, reason: "no such thing".to_owned() };
    let mut commit = derived(partition, 0, 1);
    commit.dead = vec![letter.clone()];
    store.commit(commit).await.unwrap();
    let dead = store.dead_letters(&DeadFilter::default(), 10).await.unwrap();
    let place = DeadPlace { group: "scorer".to_owned(), partition, position: 1 };
    assert_eq!((dead.len(), dead[0].place.as_ref(), dead[0].recorded_at), (1, Some(&place), at(77)));
    assert_eq!((dead[0].event_id, dead[0].lead_id), (Some(letter.event_id), Some(lead)));
    assert_eq!((dead[0].origin, dead[0].reason.as_str()), (DeadOrigin::Log, "no such thing"));
    let health = store.health().await.unwrap();
    assert!(health.writable && health.size_bytes > 0);
    assert_eq!(health.heads.len(), 8);
    assert_eq!((health.groups.len(), health.groups[0].lag()), (1, 1));
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.leads, counts.events, counts.dead), (1, 2, 1));
}

pub async fn expired_scores_are_found_oldest_first(backend: &impl Backend) {
    let store = backend.open().await;
    let mut leads = Vec::new();
    for i in 0..4_i64 {
        leads.push(append_one(&store, event(&i.to_string(), &[email(&i.to_string())], i)).await);
    }
    let mut commit = derived(0, 0, 0);
    commit.scores = leads.iter().zip([30, 10, 20, 40]).map(|(id, calculated)| score(*id, 1, calculated, 5)).collect();
    store.commit(commit).await.unwrap();
    assert_eq!(store.expired(at(3_600 + 9), 10).await.unwrap(), []);
    assert_eq!(store.expired(at(3_600 + 30), 10).await.unwrap(), [leads[1], leads[2], leads[0]]);
    assert_eq!(store.expired(at(9_999), 1).await.unwrap(), [leads[1]]);
}

pub async fn performance_of_models_is_kept(backend: &impl Backend) {
    let store = backend.open().await;
    let test = |seconds| ModelPerformance {
        model_version: "v1".to_owned(),
        accuracy: 0.91,
        precision: 0.5,
        recall: 0.25,
        f1: 1.0 / 3.0,
        test_date: at(seconds),
    };
    for seconds in [1, 2] {
        store.record_performance(test(seconds)).await.unwrap();
    }
    assert_eq!(store.performance("v1").await.unwrap(), [test(2), test(1)]);
    assert_eq!(store.performance("v2").await.unwrap(), []);
}

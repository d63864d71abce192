//! What scores were calculated from.

use leadscore_domain::LeadId;
use uuid::Uuid;

use crate::support::{Backend, append_one, at, derived, email, event, merged, of, score};

const NEEDLE: &[u8] = b"nobody may read this vector";

pub async fn a_score_is_kept_with_what_it_was_calculated_from(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, event("1", &[email("ann")], 0)).await;
    let partition = store.partition_of(lead);
    let mut commit = derived(partition, 0, 1);
    commit.scores = vec![score(lead, 1, 1, 40), score(lead, 1, 2, 50)];
    commit.features = vec![(lead, NEEDLE.to_vec())];
    store.commit(commit).await.unwrap();
    let mut commit = derived(partition, 1, 1);
    commit.scores = vec![score(lead, 1, 3, 60)];
    store.commit(commit).await.unwrap();
    let mut commit = derived(partition, 1, 1);
    commit.scores = vec![score(lead, 1, 4, 70)];
    commit.features = vec![(lead, vec![7])];
    store.commit(commit).await.unwrap();

    let found = store.features_of(&[lead]).await.unwrap();
    let kept: Vec<_> = found.iter().map(|one| (one.created_at, one.vector.as_slice())).collect();
    assert_eq!(kept, [(at(2), NEEDLE), (at(4), [7].as_slice())], "the latest of a commit, and none without features");
    let said = score(lead, 1, 2, 50);
    assert_eq!((found[0].lead_id, found[0].breakdown), (lead, said.breakdown));
    assert_eq!((&found[0].model_version, &found[0].features_hash), (&said.model_version, &said.features_hash));
    assert_ne!(found[0].score_id, found[1].score_id);
    store.close().await;
    for bytes in backend.kept().await {
        assert!(!bytes.windows(NEEDLE.len()).any(|window| window == NEEDLE), "in the clear");
    }
}

pub async fn absorbed_erased_and_unknown_leads_get_no_features(backend: &impl Backend) {
    let store = backend.open().await;
    let older = append_one(&store, event("1", &[email("ann")], 0)).await;
    let absorbed = append_one(&store, event("2", &[email("bob")], 1)).await;
    append_one(&store, of("3", Some(older), &[], 2, merged(absorbed))).await;
    let erased = append_one(&store, event("4", &[email("cid")], 3)).await;
    store.erase_lead(erased).await.unwrap();
    let gone = [absorbed, erased, LeadId(Uuid::from_u128(1))];
    let mut commit = derived(0, 0, 1);
    commit.scores = gone.iter().chain([&older]).map(|id| score(*id, 1, 1, 50)).collect();
    commit.features = gone.iter().chain([&older]).map(|id| (*id, vec![1])).collect();
    store.commit(commit).await.unwrap();
    assert_eq!(store.features_of(&gone).await.unwrap(), []);
    assert_eq!(store.features_of(&[older]).await.unwrap().len(), 1);
    store.erase_lead(older).await.unwrap();
    assert_eq!(store.features_of(&[older]).await.unwrap(), []);
    assert_eq!(backend.count("lead_features").await, 0, "nothing is left, not even sealed");
}

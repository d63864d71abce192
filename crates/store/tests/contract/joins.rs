//! Joining handles and merging leads.

use std::collections::{BTreeMap, BTreeSet};

use leadscore_domain::{EventBody, Identity, LeadId, PendingEvent};
use leadscore_store::{Appended, Store};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::support::{Backend, Embedded, append_one, arrival, crm, derived, email, event, living, merged, of, score};

pub async fn handles_of_two_leads_merge_them_into_the_older(backend: &impl Backend) {
    let store = backend.open().await;
    let younger = append_one(&store, arrival("1", &[email("ann")], 10, "Ann Young")).await;
    let older = append_one(&store, event("2", &[crm("7")], 5)).await;
    assert_ne!(older, younger);
    let lead = append_one(&store, event("3", &[crm("7"), email("ann")], 20)).await;
    assert_eq!(lead, older);

    let record = store.lead(older).await.unwrap().unwrap();
    assert_eq!(record.identities, [email("ann"), crm("7")]);
    assert_eq!(record.name.as_deref(), Some("Ann Young"), "the absorbed lead's name moved");
    let absorbed = store.lead(younger).await.unwrap().unwrap();
    assert_eq!((absorbed.merged_into, absorbed.identities.len()), (Some(older), 0));
    assert_eq!(store.absorbed(&[older, younger]).await.unwrap(), [(younger, older)].into());
    assert_eq!(living(&store).await, [older]);

    let events = store.events_of(&[older]).await.unwrap().remove(&older).unwrap();
    let merge = events.iter().filter(|e| e.body == merged(younger)).count();
    assert_eq!((events.len(), merge), (4, 1), "three events and the merge");
    let records = store.read_log(store.partition_of(older), 0, 10).await.unwrap();
    let merge = records.iter().find(|r| r.event.as_ref().is_ok_and(|e| e.body == merged(younger))).unwrap();
    assert_eq!(merge.lead_id, older, "the merge stands in the survivor's partition");

    // Whoever still names the absorbed lead means the survivor.
    let later = of("4", Some(younger), &[], 30, event("x", &[], 0).body);
    assert_eq!(append_one(&store, later).await, older);
    assert_eq!(
        store.append(vec![event("1", &[email("ann")], 10)], None).await.unwrap(),
        [Appended::Duplicate { event_id: event("1", &[], 0).id, lead_id: older }]
    );
}

pub async fn merges_are_transitive_and_happen_once(backend: &impl Backend) {
    let store = backend.open().await;
    let mut leads = Vec::new();
    for (i, who) in ["ann", "bob", "cid", "dan"].iter().enumerate() {
        let seconds = 10 - i64::try_from(i).unwrap();
        leads.push(append_one(&store, event(who, &[email(who)], seconds)).await);
    }
    for (i, (a, b)) in [("ann", "bob"), ("bob", "cid"), ("ann", "dan"), ("ann", "bob")].iter().enumerate() {
        append_one(&store, event(&format!("join {i}"), &[email(a), email(b)], 20)).await;
    }
    let oldest = leads[3];
    assert_eq!(living(&store).await, [oldest]);
    let expected: BTreeMap<LeadId, LeadId> = leads[..3].iter().map(|id| (*id, oldest)).collect();
    let absorbed: BTreeMap<_, _> = store.absorbed(&leads).await.unwrap().into_iter().collect();
    assert_eq!(absorbed, expected, "nobody has to follow a chain");
    let events = store.events_of(&[oldest]).await.unwrap().remove(&oldest).unwrap();
    assert_eq!(events.len(), 4 + 4 + 3);
    let merges: BTreeSet<LeadId> = events.iter().filter_map(|e| absorbed_by(&e.body)).collect();
    assert_eq!(merges, leads[..3].iter().copied().collect());
    assert_eq!(store.counts().await.unwrap().events, 11);
    assert_eq!(store.integrity_problems().await.unwrap(), Vec::<String>::new());
}

pub async fn a_merge_within_one_batch_equals_one_across_batches(backend: &impl Backend) {
    let store = backend.open().await;
    let events = vec![
        arrival("1", &[email("ann")], 1, "Ann"),
        event("2", &[crm("7")], 2),
        arrival("3", &[crm("8")], 3, "Ann Later"),
        event("4", &[crm("7"), email("ann"), crm("8")], 4),
    ];
    let answers = store.append(events, None).await.unwrap();
    let leads: Vec<LeadId> = answers.iter().map(applied).collect();
    assert_eq!(leads[3], leads[0]);
    assert_eq!(living(&store).await, [leads[0]]);
    let record = store.lead(leads[0]).await.unwrap().unwrap();
    assert_eq!(record.identities, [email("ann"), crm("7"), crm("8")]);
    assert_eq!(record.name.as_deref(), Some("Ann Later"));
    assert_eq!(store.events_of(&[leads[0]]).await.unwrap()[&leads[0]].len(), 4 + 2);
}

pub async fn a_source_can_say_which_lead_absorbs_which(backend: &impl Backend) {
    let store = backend.open().await;
    let older = append_one(&store, event("1", &[email("ann")], 1)).await;
    let younger = append_one(&store, event("2", &[email("bob")], 2)).await;
    for id in ["3", "4"] {
        append_one(&store, of(id, Some(younger), &[], 3, merged(older))).await;
    }
    assert_eq!(living(&store).await, [younger]);
    assert_eq!(store.find(&email("ann")).await.unwrap(), Some(younger));
    assert_eq!(store.counts().await.unwrap().events, 5, "four of the source and one merge");
}

pub async fn the_absorbed_lead_loses_state_and_score(backend: &impl Backend) {
    let store = backend.open().await;
    let older = append_one(&store, event("1", &[email("ann")], 1)).await;
    let younger = append_one(&store, event("2", &[email("bob")], 2)).await;
    let partition = store.partition_of(younger);
    let mut commit = derived(partition, 0, store.head(partition).await.unwrap());
    commit.states = vec![(younger, b"state".to_vec())];
    commit.scores = vec![score(younger, commit.to, 1, 50)];
    store.commit(commit).await.unwrap();
    append_one(&store, event("3", &[email("ann"), email("bob")], 3)).await;
    assert!(store.states(&[older, younger]).await.unwrap().is_empty());
    assert!(store.latest_scores(&[older, younger]).await.unwrap().is_empty());
    assert_eq!(store.score_history(younger, None, 10).await.unwrap().len(), 1, "what was answered stays explainable");
}

fn absorbed_by(body: &EventBody) -> Option<LeadId> {
    if let EventBody::LeadMerged(data) = body { Some(data.absorbed) } else { None }
}

fn applied(answer: &Appended) -> LeadId {
    let Appended::Applied { lead_id, .. } = answer else { panic!("{answer:?}") };
    *lead_id
}

/// The leads as sets of handles with the ids of their events, without the leads' own ids and without merges.
async fn shape(store: &Store) -> BTreeSet<(Vec<Identity>, BTreeSet<String>, Option<String>)> {
    let mut shape = BTreeSet::new();
    let leads = living(store).await;
    let mut events = store.events_of(&leads).await.unwrap();
    for id in leads {
        let record = store.lead(id).await.unwrap().unwrap();
        let own = events.remove(&id).unwrap();
        let own = own.iter().filter(|e| absorbed_by(&e.body).is_none()).map(|e| e.id.to_string()).collect();
        shape.insert((record.identities, own, record.name));
    }
    shape
}

/// Events over a few handles, a shuffled order of the same, and where to cut both into batches.
fn orders() -> impl Strategy<Value = (Vec<PendingEvent>, Vec<PendingEvent>, usize)> {
    let handles = prop::collection::vec(0_u8..8, 1..4);
    let events = prop::collection::vec((handles, 0_i64..50), 1..14).prop_map(|events| {
        let make = |(i, (handles, seconds)): (usize, (Vec<u8>, i64))| {
            let identities: Vec<Identity> = handles.iter().map(|handle| crm(&handle.to_string())).collect();
            if i % 3 == 0 {
                arrival(&i.to_string(), &identities, seconds, &format!("Name {i}"))
            } else {
                event(&i.to_string(), &identities, seconds)
            }
        };
        events.into_iter().enumerate().map(make).collect::<Vec<_>>()
    });
    events.prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle(), 1_usize..6))
}

#[test]
fn any_order_and_any_batches_of_the_same_events_end_with_the_same_leads() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let result = runner.run(&orders(), |(events, shuffled, batch)| {
        let (one, other) = runtime.block_on(async {
            let (one, other) = (Embedded::new(), Embedded::new());
            let (one, other) = (one.open().await, other.open().await);
            one.append(events, None).await.unwrap();
            for batch in shuffled.chunks(batch) {
                other.append(batch.to_vec(), None).await.unwrap();
            }
            let shapes = (shape(&one).await, shape(&other).await);
            assert!(one.integrity_problems().await.unwrap().is_empty());
            assert!(other.integrity_problems().await.unwrap().is_empty());
            one.close().await;
            other.close().await;
            shapes
        });
        prop_assert_eq!(one, other);
        Ok(())
    });
    result.unwrap();
}

//! What could not be applied: kept once, listed, tried again, dropped, erased.

use leadscore_domain::{EventId, LeadId};
use leadscore_store::{DeadFilter, DeadLetter, DeadOrigin, DeadPlace, DeadRecord, Store, Undelivered};
use uuid::Uuid;

use crate::support::{Backend, append_one, at, derived, email, event};

/// An event that came by the API and could not be applied.
fn undelivered(id: &str, reason: &str) -> Undelivered {
    Undelivered {
        origin: DeadOrigin::Api,
        place: None,
        event_id: Some(EventId::derive("test", id)),
        lead_id: None,
        identities: Vec::new(),
        reason: reason.to_owned(),
        tries: 1,
        payload: format!("payload of {id}").into_bytes(),
    }
}

/// A record of a topic that could not be read.
fn foreign(position: i64) -> Undelivered {
    let place = DeadPlace { group: "events".to_owned(), partition: 3, position };
    let reason = "no JSON".to_owned();
    Undelivered {
        origin: DeadOrigin::Topic,
        place: Some(place),
        event_id: None,
        tries: 5,
        reason,
        ..undelivered("", "")
    }
}

async fn all(store: &Store) -> Vec<DeadRecord> {
    store.dead_letters(&DeadFilter::default(), 100).await.unwrap()
}

pub async fn the_same_place_and_the_same_event_are_one_letter(backend: &impl Backend) {
    let store = backend.open().await;
    store.bury(Vec::new()).await.unwrap();
    store.bury(vec![undelivered("1", "late"), foreign(7), undelivered("1", "late")]).await.unwrap();
    store.bury(vec![foreign(7), foreign(8)]).await.unwrap();
    let letters = all(&store).await;
    let mut tries: Vec<(DeadOrigin, Option<i64>, u16)> =
        letters.iter().map(|l| (l.origin, l.place.as_ref().map(|place| place.position), l.tries)).collect();
    tries.sort_by_key(|(_, position, _)| *position);
    let expected = [(DeadOrigin::Api, None, 2), (DeadOrigin::Topic, Some(7), 6), (DeadOrigin::Topic, Some(8), 5)];
    assert_eq!(tries, expected);
    for letter in &letters {
        let (record, payload) = store.dead_letter(letter.id).await.unwrap().unwrap();
        assert_eq!((&record, record.has_payload), (letter, true));
        let expected = if letter.origin == DeadOrigin::Api { "payload of 1" } else { "payload of " };
        assert_eq!(payload.as_deref(), Some(expected.as_bytes()));
    }
    assert_eq!(store.counts().await.unwrap().dead, 3);
}

pub async fn letters_are_listed_by_page_origin_and_reason(backend: &impl Backend) {
    let store = backend.open().await;
    for i in 0..5_i64 {
        backend.clock().set(at(i));
        store
            .bury(vec![undelivered(&i.to_string(), if i < 2 { "late" } else { "unknown" }), foreign(i)])
            .await
            .unwrap();
    }
    let mut seen = Vec::new();
    let mut filter = DeadFilter::default();
    loop {
        let page = store.dead_letters(&filter, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some((last.recorded_at, last.id));
        seen.extend(page);
    }
    assert_eq!(seen, all(&store).await);
    assert!(seen.is_sorted_by_key(|letter| std::cmp::Reverse((letter.recorded_at, letter.id))), "{seen:?}");
    assert_eq!(seen.len(), 10);
    let late = DeadFilter { reason: Some("late".to_owned()), ..DeadFilter::default() };
    assert_eq!(store.dead_letters(&late, 10).await.unwrap().len(), 2);
    let foreign = DeadFilter { origin: Some(DeadOrigin::Topic), ..DeadFilter::default() };
    assert_eq!(store.dead_letters(&foreign, 10).await.unwrap().len(), 5);
    let neither = DeadFilter { origin: Some(DeadOrigin::Topic), ..late };
    assert_eq!(store.dead_letters(&neither, 10).await.unwrap(), []);
}

pub async fn a_dropped_letter_is_gone_and_a_revived_one_asks_for_its_lead(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, event("1", &[email("ann")], 0)).await;
    let mut commit = derived(store.partition_of(lead), 0, 1);
    let event_id = event("1", &[], 0).id;
    commit.dead = vec![DeadLetter { position: 1, event_id, lead_id: lead, reason: "damaged".to_owned() }];
    store.commit(commit).await.unwrap();
    store.bury(vec![undelivered("2", "late")]).await.unwrap();
    for letter in all(&store).await {
        match letter.origin {
            DeadOrigin::Log => {
                store.retried_dead_letter(letter.id, "still damaged".to_owned()).await.unwrap();
                let (again, payload) = store.dead_letter(letter.id).await.unwrap().unwrap();
                assert_eq!((again.tries, again.reason.as_str(), payload), (2, "still damaged", None));
                assert!(store.revive_dead_letter(letter.id, lead).await.unwrap());
                assert!(!store.revive_dead_letter(letter.id, lead).await.unwrap());
            }
            DeadOrigin::Api | DeadOrigin::Topic => {
                assert!(store.drop_dead_letter(letter.id).await.unwrap());
                assert!(!store.drop_dead_letter(letter.id).await.unwrap());
            }
        }
        assert_eq!(store.dead_letter(letter.id).await.unwrap(), None);
    }
    assert_eq!(store.asked_rebuilds(10).await.unwrap(), [lead]);
    store.ask_rebuild(vec![lead, lead]).await.unwrap();
    store.rebuilt(vec![lead]).await.unwrap();
    assert_eq!(store.asked_rebuilds(10).await.unwrap(), []);
}

pub async fn an_erasure_takes_the_letters_of_the_lead_and_of_its_handles(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, event("1", &[email("ann")], 0)).await;
    let by_id = Undelivered { lead_id: Some(lead), ..undelivered("2", "late") };
    let by_handle = Undelivered { identities: vec![email("ann")], ..undelivered("3", "late") };
    let other = Undelivered {
        lead_id: Some(LeadId(Uuid::from_u128(1))),
        identities: vec![email("bob")],
        ..undelivered("4", "late")
    };
    store.bury(vec![by_id, by_handle, other]).await.unwrap();
    store.erase_lead(lead).await.unwrap().unwrap();
    let left: Vec<Option<EventId>> = all(&store).await.iter().map(|letter| letter.event_id).collect();
    assert_eq!(left, [Some(EventId::derive("test", "4"))]);
}

pub async fn payloads_are_sealed(backend: &impl Backend) {
    let store = backend.open().await;
    let secret = Undelivered { payload: b"Wilhelmina calls".to_vec(), ..undelivered("1", "late") };
    store.bury(vec![secret]).await.unwrap();
    store.close().await;
    for bytes in backend.kept().await {
        assert!(!bytes.windows(10).any(|window| window == b"Wilhelmina"));
    }
}

pub async fn a_process_is_there_for_as_long_as_it_said(backend: &impl Backend) {
    let store = backend.open().await;
    let (one, other) = (store.presence(), store.presence());
    store.announce(one, "scorer", 10_000_000).await.unwrap();
    store.announce(other, "scorer", 20_000_000).await.unwrap();
    assert_eq!((store.present("scorer").await.unwrap(), store.present("api").await.unwrap()), (2, 0));
    backend.clock().set(at(10));
    assert_eq!(store.present("scorer").await.unwrap(), 1);
    store.announce(one, "scorer", 1).await.unwrap();
    store.leave(other).await.unwrap();
    assert_eq!(store.present("scorer").await.unwrap(), 1);
}

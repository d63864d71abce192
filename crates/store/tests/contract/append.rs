//! Appending and reading.

use std::collections::BTreeMap;

use leadscore_domain::{EventId, LeadId, MarketSnapshot};
use leadscore_store::{APPEND_MAX_EVENTS, Appended, Checkpoint, StoreError};
use uuid::Uuid;

use crate::support::{Backend, append_one, arrival, at, crm, email, event, living, of};

pub async fn events_get_dense_positions_from_one_in_each_partition(backend: &impl Backend) {
    let store = backend.open().await;
    let mut given: BTreeMap<u16, Vec<i64>> = BTreeMap::new();
    for batch in 0..3 {
        let events = (0..700).map(|i| event(&format!("{batch}/{i}"), &[crm(&format!("{}", i % 50))], batch)).collect();
        for answer in store.append(events, None).await.unwrap() {
            let Appended::Applied { lead_id, partition, position, .. } = answer else { panic!("{answer:?}") };
            assert_eq!(partition, store.partition_of(lead_id));
            given.entry(partition).or_default().push(position);
        }
    }
    assert_eq!(given.values().map(Vec::len).sum::<usize>(), 2_100);
    for (partition, positions) in given {
        let dense: Vec<i64> = (1..=i64::try_from(positions.len()).unwrap()).collect();
        assert_eq!(positions, dense);
        assert_eq!(store.head(partition).await.unwrap(), *dense.last().unwrap());
        let read = store.read_log(partition, 0, 10_000).await.unwrap();
        assert_eq!(read.iter().map(|record| record.position).collect::<Vec<_>>(), dense);
    }
    assert_eq!(store.integrity_problems().await.unwrap(), Vec::<String>::new());
    assert_eq!(living(&store).await.len(), 50);
    store.close().await;
}

pub async fn the_same_event_has_one_effect_however_often_it_arrives(backend: &impl Backend) {
    let store = backend.open().await;
    let first = event("1", &[email("ann")], 0);
    let answers = store.append(vec![first.clone(), first.clone()], None).await.unwrap();
    let Appended::Applied { lead_id, created: true, .. } = answers[0] else { panic!("{answers:?}") };
    let duplicate = Appended::Duplicate { event_id: first.id, lead_id };
    assert_eq!(answers[1], duplicate);
    // Again, with another handle: a duplicate joins nothing.
    let again = event("1", &[email("bob")], 5);
    assert_eq!(store.append(vec![again], None).await.unwrap(), [duplicate]);
    assert_eq!(store.find(&email("bob")).await.unwrap(), None);
    assert_eq!(store.counts().await.unwrap().events, 1);
}

pub async fn unknown_leads_reserved_sources_and_nobody_are_refused_and_the_rest_goes_on(backend: &impl Backend) {
    let store = backend.open().await;
    let stranger = LeadId(Uuid::from_u128(7));
    let body = || event("x", &[], 0).body;
    let mut reserved = event("3", &[email("eve")], 0);
    reserved.source = "leadscore".to_owned();
    let events = vec![
        of("1", Some(stranger), &[email("ann")], 0, body()),
        of("2", None, &[], 0, body()),
        reserved,
        of("4", None, &[email("ann")], 0, crate::support::merged(stranger)),
        event("5", &[email("ann")], 0),
    ];
    let answers = store.append(events, None).await.unwrap();
    let fields: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Appended::Refused(invalid) => invalid.field.as_str(),
            Appended::Applied { created: true, position: 1, .. } => "applied",
            Appended::Applied { .. } | Appended::Duplicate { .. } => panic!("{answer:?}"),
        })
        .collect();
    assert_eq!(fields, ["lead.lead_id", "lead", "source", "data.absorbed", "applied"]);
    assert_eq!(store.counts().await.unwrap().events, 1);
    assert_eq!(store.find(&email("eve")).await.unwrap(), None);
}

pub async fn too_many_events_are_refused_whole(backend: &impl Backend) {
    let store = backend.open().await;
    let events = (0..=APPEND_MAX_EVENTS).map(|i| event(&i.to_string(), &[email("ann")], 0)).collect();
    let Err(StoreError::Invalid(invalid)) = store.append(events, None).await else { panic!("accepted") };
    assert_eq!(invalid.field, "events");
    assert_eq!(store.counts().await.unwrap().events, 0);
}

pub async fn what_was_read_equals_what_was_appended(backend: &impl Backend) {
    let store = backend.open().await;
    let pending = arrival("1", &[email("ann"), crm("7")], 3, "Ann Ağ 🏡");
    let lead = append_one(&store, pending.clone()).await;
    let records = store.read_log(store.partition_of(lead), 0, 10).await.unwrap();
    let read = records[0].event.clone().unwrap();
    assert_eq!((read.id, read.lead_id, read.source.as_str()), (pending.id, lead, "test"));
    assert_eq!((read.occurred_at, read.received_at, &read.body), (at(3), at(3), &pending.body));
    assert_eq!(store.events_of(&[lead]).await.unwrap()[&lead], [read]);
    let record = store.lead(lead).await.unwrap().unwrap();
    assert_eq!(record.name.as_deref(), Some("Ann Ağ 🏡"));
    assert_eq!(record.identities, [email("ann"), crm("7")]);
    assert_eq!((record.created_at, record.merged_into), (at(3), None));
    assert_eq!(store.lead(LeadId(Uuid::nil())).await.unwrap(), None);
}

pub async fn the_latest_name_counts_whatever_the_order(backend: &impl Backend) {
    let store = backend.open().await;
    // The second pair arrives at the same time: then the event's id decides, not the order.
    for (pair, seconds) in [("late", [10, 5]), ("tie", [7, 7])] {
        let mut kept = Vec::new();
        for order in [[0, 1], [1, 0]] {
            let who = format!("{pair}{order:?}");
            let names = [0, 1].map(|i| format!("{pair} {i}"));
            for i in order {
                let mut event = arrival(&who, &[crm(&who)], seconds[i], &names[i]);
                // Distinct ids, of which that of the second name is the greater one in both orders.
                event.id =
                    EventId(Uuid::from_u128(u128::from_be_bytes(*event.id.0.as_bytes()) >> 1 | (i as u128) << 127));
                append_one(&store, event).await;
            }
            let lead = store.find(&crm(&who)).await.unwrap().unwrap();
            kept.push(store.lead(lead).await.unwrap().unwrap().name.unwrap());
        }
        let expected = if pair == "late" { "late 0" } else { "tie 1" };
        assert_eq!(kept, [expected, expected]);
    }
}

pub async fn readers_are_woken(backend: &impl Backend) {
    let store = backend.open().await;
    let mut appended = store.appended();
    assert!(!appended.has_changed().unwrap());
    append_one(&store, event("1", &[email("ann")], 0)).await;
    appended.changed().await.unwrap();
}

pub async fn checkpoints_are_committed_with_their_rows(backend: &impl Backend) {
    let store = backend.open().await;
    let checkpoint =
        |row, done| Checkpoint { key: "k".repeat(64), row, imported: row, duplicates: 1, rejected: 2, done };
    let key = checkpoint(0, false).key;
    assert_eq!(store.import_checkpoint(&key).await.unwrap(), None);
    store.append(vec![event("1", &[email("ann")], 0)], Some(checkpoint(1, false))).await.unwrap();
    assert_eq!(store.import_checkpoint(&key).await.unwrap(), Some(checkpoint(1, false)));
    store.append(Vec::new(), Some(checkpoint(9, true))).await.unwrap();
    assert_eq!(store.import_checkpoint(&key).await.unwrap(), Some(checkpoint(9, true)));
    let mut damaged = snapshot("Austin", 1.0);
    damaged.median_price = Some(f64::NAN);
    assert!(store.put_market(vec![damaged], Some(checkpoint(11, true))).await.is_err());
    assert_eq!(store.import_checkpoint(&key).await.unwrap(), Some(checkpoint(9, true)));
}

pub async fn market_data_of_the_same_month_is_replaced(backend: &impl Backend) {
    let store = backend.open().await;
    store.put_market(vec![snapshot("Austin, TX", 1.0), snapshot("Boston", 2.0)], None).await.unwrap();
    store.put_market(vec![snapshot("AUSTIN, TX", 3.0)], None).await.unwrap();
    assert_eq!(store.market().await.unwrap(), [snapshot("AUSTIN, TX", 3.0), snapshot("Boston", 2.0)]);
}

fn snapshot(area: &str, price: f64) -> MarketSnapshot {
    MarketSnapshot {
        area: area.to_owned(),
        period_start: at(0),
        published_at: at(100),
        median_price: Some(price),
        active_listings: None,
        new_listings: None,
        homes_sold: None,
        days_on_market: Some(0.1 + 0.2),
        months_of_supply: None,
        price_reduced_share: None,
        sale_to_list: None,
    }
}

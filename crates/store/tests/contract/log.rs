//! Reading the log as a member of a group: the same over a table of the database and over a topic of Kafka.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use leadscore_domain::{
    EventBody, EventId, LeadId,
    event::{Direction, VoiceCall},
};
use leadscore_store::{Appended, Batch, Derived, LogReader, LogRecord, Store, StoreError, Unreadable};

use crate::support::{Backend, append_one, crm, derived, email, event, living, of};

/// The group of these tests.
const GROUP: &str = "scorer";
/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads and commits until nothing is left; the records by partition, and the letters of the dead.
pub async fn drain(store: &Store, reader: &mut LogReader) -> BTreeMap<u16, Vec<LogRecord>> {
    let mut read: BTreeMap<u16, Vec<LogRecord>> = BTreeMap::new();
    loop {
        reader.see();
        for (partition, _) in reader.owned() {
            while let Some(records) = step(store, reader, partition).await {
                read.entry(partition).or_default().extend(records);
            }
        }
        if behind(store).await == 0 {
            return read;
        }
        tokio::time::timeout(PATIENCE, reader.changed()).await.expect("the log must arrive");
    }
}

/// What stands in a partition behind a position.
pub async fn read(reader: &mut LogReader, partition: u16, after: i64) -> Option<Batch> {
    let mut batches = reader.read(&[(partition, after, 100)]).await.unwrap();
    let (read, batch) = batches.pop()?;
    assert!(read == partition && batch.count > 0 && batches.is_empty());
    Some(batch)
}

/// Reads and commits one batch; `None` where there is none.
async fn step(store: &Store, reader: &mut LogReader, partition: u16) -> Option<Vec<LogRecord>> {
    let from = store.position(GROUP, partition).await.unwrap();
    let batch = read(reader, partition, from).await?;
    let records = batch.records.clone();
    match store.commit(commit_of(partition, from, batch)).await {
        Ok(_) => Some(records),
        Err(StoreError::Overtaken) => {
            reader.doubt();
            Some(Vec::new())
        }
        Err(error) => panic!("{error}"),
    }
}

pub fn commit_of(partition: u16, from: i64, batch: Batch) -> Derived {
    let Batch { to, dead, undelivered, log, .. } = batch;
    Derived { dead, undelivered, log, ..derived(partition, from, to) }
}

async fn behind(store: &Store) -> i64 {
    let mut behind = 0;
    for (partition, head) in (0..).zip(store.heads().await.unwrap()) {
        behind += head - store.position(GROUP, partition).await.unwrap();
    }
    behind
}

/// Appends events of 40 leads; the ids of the events.
async fn fill(store: &Store, name: &str, count: i64) -> BTreeSet<EventId> {
    let events: Vec<_> = (0..count).map(|i| event(&format!("{name}/{i}"), &[crm(&format!("{}", i % 40))], i)).collect();
    let ids = events.iter().map(|event| event.id).collect();
    let answers = store.append(events, None).await.unwrap();
    assert!(answers.iter().all(|answer| matches!(answer, Appended::Applied { .. })));
    ids
}

fn ids(read: &BTreeMap<u16, Vec<LogRecord>>) -> Vec<EventId> {
    read.values().flatten().map(|record| record.event_id).collect()
}

pub async fn a_group_reads_every_event_once_and_goes_on_where_it_stood(backend: &impl Backend) {
    let store = backend.open().await;
    let appended = fill(&store, "a", 500).await;
    let mut reader = LogReader::join(&store, GROUP).unwrap();
    let read = drain(&store, &mut reader).await;
    for (partition, records) in &read {
        assert!(records.iter().all(|record| store.partition_of(record.lead_id) == *partition));
        assert!(records.windows(2).all(|pair| pair[0].position < pair[1].position), "positions rise");
        for record in records {
            let event = record.event.as_ref().unwrap();
            assert_eq!((event.id, event.lead_id), (record.event_id, record.lead_id));
        }
    }
    assert_eq!(ids(&read).len(), 500);
    assert_eq!(ids(&read).into_iter().collect::<BTreeSet<_>>(), appended);
    assert_eq!(store.counts().await.unwrap().events, 500);
    reader.leave().await;

    let later = fill(&store, "b", 100).await;
    let mut reader = LogReader::join(&store, GROUP).unwrap();
    let read = drain(&store, &mut reader).await;
    assert_eq!(ids(&read).len(), 100, "what was read before does not come again");
    assert_eq!(ids(&read).into_iter().collect::<BTreeSet<_>>(), later);
    reader.leave().await;
    let leads = living(&store).await;
    let events: usize = store.events_of(&leads).await.unwrap().values().map(Vec::len).sum();
    assert_eq!((leads.len(), events), (40, 600), "the database has them all");
}

pub async fn what_is_not_committed_comes_again(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, event("1", &[email("ann")], 0)).await;
    let partition = store.partition_of(lead);
    let mut reader = LogReader::join(&store, GROUP).unwrap();
    let batch = next(&mut reader, partition, 0).await;
    let again = read(&mut reader, partition, 0).await.unwrap();
    assert_eq!((batch.to, &batch.records), (again.to, &again.records));
    reader.leave().await;
    let mut reader = LogReader::join(&store, GROUP).unwrap();
    assert_eq!(next(&mut reader, partition, 0).await.records, batch.records);
    // Of two readers with the same batch one commits.
    store.commit(commit_of(partition, 0, batch)).await.unwrap();
    let late = store.commit(commit_of(partition, 0, again)).await;
    assert!(matches!(late, Err(StoreError::Fenced { .. })), "{late:?}");
    assert_eq!(store.events_of(&[lead]).await.unwrap()[&lead].len(), 1);
    reader.leave().await;
}

/// The first batch of a partition after `after`.
pub async fn next(reader: &mut LogReader, partition: u16, after: i64) -> Batch {
    let wait = async {
        loop {
            reader.see();
            if let Some(batch) = read(reader, partition, after).await {
                return batch;
            }
            reader.changed().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("a record must arrive")
}

pub async fn an_event_that_is_appended_twice_is_applied_once(backend: &impl Backend) {
    let store = backend.open().await;
    let other = backend.open().await;
    let lead = append_one(&store, event("0", &[email("ann")], 0)).await;
    // Before anybody has read them: neither of the two knows of the other's.
    let twice = event("1", &[email("ann")], 1);
    store.append(vec![twice.clone()], None).await.unwrap();
    other.append(vec![twice.clone(), twice.clone()], None).await.unwrap();
    let mut reader = LogReader::join(&store, GROUP).unwrap();
    assert_eq!(ids(&drain(&store, &mut reader).await).len(), 2);
    let known = store.append(vec![twice.clone()], None).await.unwrap();
    assert_eq!(known, [Appended::Duplicate { event_id: twice.id, lead_id: lead }]);
    assert_eq!(ids(&drain(&store, &mut reader).await).len(), 0);
    assert_eq!(store.events_of(&[lead]).await.unwrap()[&lead].len(), 2);
    reader.leave().await;
}

pub async fn leads_that_merge_while_their_events_wait_end_with_one_history(backend: &impl Backend) {
    let store = backend.open().await;
    let (ann, bob) = (append_one(&store, event("1", &[email("ann")], 0)).await, {
        append_one(&store, event("2", &[email("bob")], 1)).await
    });
    let mut reader = LogReader::join(&store, GROUP).unwrap();
    drain(&store, &mut reader).await;
    // Unread events of both, a merge, and an event by a handle that has moved.
    for (id, who) in [("3", "bob"), ("4", "ann"), ("5", "bob")] {
        append_one(&store, event(id, &[email(who)], 2)).await;
    }
    append_one(&store, event("6", &[email("ann"), email("bob")], 3)).await;
    append_one(&store, event("7", &[email("bob")], 4)).await;
    drain(&store, &mut reader).await;
    assert_eq!(living(&store).await, [ann]);
    assert_eq!(store.absorbed(&[bob]).await.unwrap()[&bob], ann);
    let history = store.records_of(&[ann]).await.unwrap().remove(&ann).unwrap();
    let own: BTreeSet<EventId> = history.iter().map(|record| record.event_id).collect();
    for id in 1..=7 {
        assert!(own.contains(&EventId::derive("test", &id.to_string())), "event {id} is missing");
    }
    // The seven, and the merge.
    assert_eq!((own.len(), history.len()), (8, 8));
    assert!(history.iter().all(|record| record.event.is_ok()));
    reader.leave().await;
}

pub async fn events_of_an_erased_lead_are_passed_over(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, event("1", &[email("ann")], 0)).await;
    store.erase_lead(lead).await.unwrap().unwrap();
    let mut reader = LogReader::join(&store, GROUP).unwrap();
    let read = drain(&store, &mut reader).await;
    let fates: Vec<_> = read.values().flatten().map(|record| record.event.clone()).collect();
    assert_eq!(fates, [Err(Unreadable::Erased)]);
    assert!(store.events_of(&[lead]).await.unwrap().is_empty());
    reader.leave().await;
}

pub async fn a_lead_that_is_erased_after_its_events_were_read_gets_nothing(backend: &impl Backend) {
    let store = backend.open().await;
    let lead: LeadId = append_one(&store, event("1", &[email("ann")], 0)).await;
    let partition = store.partition_of(lead);
    let mut reader = LogReader::join(&store, GROUP).unwrap();
    let batch = next(&mut reader, partition, 0).await;
    store.erase_lead(lead).await.unwrap().unwrap();
    let mut commit = commit_of(partition, 0, batch);
    commit.states = vec![(lead, b"state".to_vec())];
    match store.commit(commit).await {
        // Where the log is in the database the event is there already; otherwise the batch is read anew.
        Ok(_) | Err(StoreError::Overtaken) => {}
        Err(error) => panic!("{error}"),
    }
    drain(&store, &mut reader).await;
    assert!(store.states(&[lead]).await.unwrap().is_empty());
    assert!(store.events_of(&[lead]).await.unwrap().is_empty());
    reader.leave().await;
}

pub async fn figures_of_events_stand_in_their_columns_until_the_lead_is_erased(backend: &impl Backend) {
    let store = backend.open().await;
    let call = EventBody::VoiceCall(VoiceCall {
        direction: Direction::Outbound,
        answered: true,
        duration_ms: 181_400,
        ai_voice: true,
        turns: Vec::new(),
        sentiment: Some(-0.342),
        call_id: None,
    });
    let lead = append_one(&store, of("1", None, &[email("ann")], 0, call)).await;
    append_one(&store, event("2", &[email("ann")], 1)).await;
    let mut reader = LogReader::join(&store, GROUP).unwrap();
    drain(&store, &mut reader).await;
    reader.leave().await;
    let of_call =
        |column: &str| format!("SELECT {column} FROM lead_interactions WHERE interaction_type = 'voice_call'");
    let sentiment = backend.number(&of_call("sentiment_score")).await.unwrap();
    assert!((sentiment + 0.3).abs() < 1e-12, "{sentiment}");
    assert_eq!(backend.number(&of_call("engagement_duration")).await, Some(181.0));
    let said = "SELECT COUNT(sentiment_score) + COUNT(engagement_duration) FROM lead_interactions";
    assert_eq!(backend.number(said).await, Some(2.0), "an e-mail says neither");
    assert_eq!(store.erase_lead(lead).await.unwrap().unwrap().events, 2);
    assert_eq!(backend.number(said).await, Some(0.0));
}

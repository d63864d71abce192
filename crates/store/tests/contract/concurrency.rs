//! Several writers.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use leadscore_domain::LeadId;
use leadscore_store::{Appended, Store, StoreError};
use tokio::task::JoinSet;

use sqlx::{Connection as _, Executor as _};

use crate::support::{Backend, Embedded, Postgres, append_one, crm, derived, email, event, living};

pub async fn two_handles_on_one_folder_keep_positions_dense_and_leads_single(backend: &impl Backend) {
    let stores = [backend.open().await, backend.open().await];
    let mut writers = JoinSet::new();
    for (who, store) in stores.iter().enumerate() {
        for task in 0..4 {
            writers.spawn(write(store.clone(), who, task));
        }
    }
    let mut given: BTreeMap<u16, BTreeSet<i64>> = BTreeMap::new();
    let mut leads = BTreeSet::new();
    let mut applied = 0;
    while let Some(answers) = writers.join_next().await {
        for answer in answers.unwrap() {
            let Appended::Applied { lead_id, partition, position, .. } = answer else { panic!("{answer:?}") };
            applied += 1;
            leads.insert(lead_id);
            assert!(given.entry(partition).or_default().insert(position), "a position was given twice");
        }
    }
    assert_eq!((applied, leads.len()), (2 * 4 * 10 * 20, 25));
    for store in &stores {
        for (partition, positions) in &given {
            let head = store.head(*partition).await.unwrap();
            assert_eq!(positions.iter().copied().collect::<Vec<_>>(), (1..=head).collect::<Vec<_>>());
        }
        assert_eq!(living(store).await.len(), 25);
        assert_eq!(store.integrity_problems().await.unwrap(), Vec::<String>::new());
    }
    for store in stores {
        store.close().await;
    }
}

async fn write(store: Store, who: usize, task: usize) -> Vec<Appended> {
    let mut answers = Vec::new();
    for batch in 0..10 {
        let make = |i: usize| event(&format!("{who}/{task}/{batch}/{i}"), &[crm(&format!("{}", (batch + i) % 25))], 0);
        answers.extend(store.append((0..20).map(make).collect(), None).await.unwrap());
    }
    answers
}

pub async fn a_failing_write_does_not_spoil_those_that_share_its_transaction(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, event("0", &[email("ann")], 0)).await;
    let partition = store.partition_of(lead);
    let (first, fenced, second) = tokio::join!(
        store.append(vec![event("1", &[email("ann")], 1)], None),
        async {
            let mut commit = derived(partition, 5, 6);
            commit.states = vec![(lead, b"stale".to_vec())];
            store.commit(commit).await
        },
        store.append(vec![event("2", &[email("ann")], 2)], None),
    );
    assert!(matches!(fenced, Err(StoreError::Fenced { found: 0, .. })));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(store.head(partition).await.unwrap(), 3);
    assert!(store.states(&[lead]).await.unwrap().is_empty());
}

#[tokio::test]
async fn another_process_on_a_server_is_woken() {
    let backend = Postgres::new().await;
    let (one, other) = (backend.open().await, backend.open().await);
    let mut appended = other.appended();
    // Listening begins when it can: append until it is heard.
    let heard = async {
        for i in 0.. {
            append_one(&one, event(&i.to_string(), &[email("ann")], 0)).await;
            if tokio::time::timeout(Duration::from_millis(200), appended.changed()).await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), heard).await.expect("it was never woken");
}

pub async fn closing_writes_what_waits(backend: &impl Backend) {
    let store = backend.open().await;
    let mut writers = JoinSet::new();
    for i in 0..50 {
        let store = store.clone();
        writers.spawn(async move { store.append(vec![event(&i.to_string(), &[email("ann")], 0)], None).await });
    }
    tokio::task::yield_now().await;
    store.close().await;
    let mut durable = 0;
    while let Some(answer) = writers.join_next().await {
        match answer.unwrap() {
            Ok(_) => durable += 1,
            Err(error) => assert!(matches!(error, StoreError::Closed), "{error:?}"),
        }
    }
    assert!(matches!(store.counts().await, Err(StoreError::Closed)));
    assert!(matches!(store.append(vec![event("x", &[email("ann")], 0)], None).await, Err(StoreError::Closed)));
    let again = backend.open().await;
    assert_eq!(again.counts().await.unwrap().events, durable, "what was acknowledged is there, and nothing else");
    let leads: Vec<LeadId> = living(&again).await;
    assert!(leads.len() <= 1);
}

#[tokio::test]
async fn a_full_queue_refuses_after_a_short_wait_and_loses_nothing() {
    // More than one transaction and the queue hold.
    const WAITING: usize = 600;
    let backend = Embedded::new();
    let mut options = backend.options();
    options.append_timeout = Duration::from_millis(50);
    let store = Store::open(options).await.unwrap();
    // Whoever holds the write lock holds up the task that writes.
    let file = backend.folder().join("data/leadscore.db");
    let holder = rusqlite::Connection::open(file).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut senders = JoinSet::new();
    for i in 0..WAITING {
        let store = store.clone();
        senders.spawn(async move { store.append(vec![event(&i.to_string(), &[email("ann")], 0)], None).await });
    }
    // The queue is bounded: some are refused while the others wait.
    let first = senders.join_next().await.unwrap().unwrap();
    assert!(matches!(first, Err(StoreError::Busy)), "{first:?}");
    holder.execute_batch("ROLLBACK").unwrap();
    let (mut acknowledged, mut refused) = (0, 1);
    while let Some(answer) = senders.join_next().await {
        match answer.unwrap() {
            Ok(_) => acknowledged += 1,
            Err(error) => {
                assert!(matches!(error, StoreError::Busy), "{error:?}");
                refused += 1;
            }
        }
    }
    assert_eq!(acknowledged + refused, WAITING);
    assert!(acknowledged >= 256, "{acknowledged} were taken");
    let events = store.counts().await.unwrap().events;
    assert_eq!(events, acknowledged as u64, "what was refused had no effect");
}

/// A scorer holds the lead's row while it writes what it derived; whoever takes the lead away comes right then.
async fn nothing_is_left_of(lead: LeadId, database: &Postgres, taken_away: impl Future<Output = ()>) {
    let mut scorer = database.connect().await;
    let lead_id = sqlx::types::Uuid::from_bytes(*lead.0.as_bytes());
    let mut commit = scorer.begin().await.unwrap();
    commit.execute(sqlx::query("SELECT 1 FROM leads WHERE id = $1 FOR SHARE").bind(lead_id)).await.unwrap();
    let commit = async {
        let waiting = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
                       WHERE NOT l.granted AND a.datname = current_database()";
        while database.number(waiting).await == Some(0.0) {
            tokio::task::yield_now().await;
        }
        let state = "INSERT INTO lead_states (lead_id, state, log_position) VALUES ($1, '', 1)";
        commit.execute(sqlx::query(state).bind(lead_id)).await.unwrap();
        commit.commit().await.unwrap();
    };
    let both = async { tokio::join!(commit, taken_away) };
    tokio::time::timeout(Duration::from_secs(60), both).await.expect("one waits for the other, not for ever");
    let left = format!("SELECT count(*) FROM lead_states WHERE lead_id = '{lead}'");
    assert_eq!(database.number(&left).await, Some(0.0));
}

#[tokio::test]
async fn a_merge_waits_for_what_is_being_committed_and_drops_it() {
    let database = Postgres::new().await;
    let store = database.open().await;
    append_one(&store, event("1", &[email("ann")], 0)).await;
    let younger = append_one(&store, event("2", &[crm("7")], 1)).await;
    let merge = async {
        append_one(&store, event("3", &[email("ann"), crm("7")], 2)).await;
    };
    nothing_is_left_of(younger, &database, merge).await;
}

#[tokio::test]
async fn an_erasure_waits_for_what_is_being_committed_and_removes_it() {
    let database = Postgres::new().await;
    let store = database.open().await;
    let lead = append_one(&store, event("1", &[email("ann")], 0)).await;
    let erasure = async {
        assert!(store.erase_lead(lead).await.unwrap().is_some());
    };
    nothing_is_left_of(lead, &database, erasure).await;
}

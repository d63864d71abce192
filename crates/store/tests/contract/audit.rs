//! The audit log.

use std::{path::PathBuf, time::Duration};

use leadscore_domain::LeadId;
use leadscore_store::{
    PostgresOptions, Role, Store, StoreError, StoreOptions,
    audit::{Act, Actor, ActorKind, AuditFilter, AuditLog, AuditOptions, Object, Place, Verdict, Verified},
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, postgres::PgConnectOptions};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{Backend, Postgres, append_one, at, email, event, merged, of};

/// A log with its file of checkpoints, in a folder that goes with it.
struct Logged {
    log: AuditLog,
    file: PathBuf,
    _folder: TempDir,
}

/// Begins a log, with blocks that wait for somebody who asks for them.
async fn begin(store: &Store) -> Logged {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit/checkpoints.jsonl");
    let log = AuditLog::start(store.clone(), options(&file)).await.unwrap();
    Logged { log, file, _folder: folder }
}

fn options(file: &std::path::Path) -> AuditOptions {
    AuditOptions { block_interval: Duration::from_secs(3_600), ..AuditOptions::new(file) }
}

fn act(seconds: i64, operation: &'static str, lead: Option<LeadId>) -> Act {
    Act {
        at: at(seconds),
        actor: Actor { kind: ActorKind::User, id: Some(Uuid::from_u128(7)), role: Some(Role::Agent) },
        operation: operation.into(),
        object: lead.map(Object::Lead),
        status: 200,
        reason: None,
        address: Some([192, 0, 2, 7].into()),
        request_id: Some(format!("request-{seconds}")),
    }
}

/// Records each as a block of its own.
async fn record(log: &AuditLog, acts: impl IntoIterator<Item = Act>) {
    for act in acts {
        log.record(act).await.unwrap();
        log.flush().await.unwrap();
    }
}

async fn verify(store: &Store, file: &std::path::Path) -> Verdict {
    store.verify_audit(&[file.to_owned()], &|_, _| {}).await.unwrap()
}

async fn sound(store: &Store, file: &std::path::Path) -> Verified {
    match verify(store, file).await {
        Verdict::Sound(verified) => verified,
        Verdict::Bad(fault) => panic!("{fault}"),
    }
}

/// Every entry's operation, the newest first, by pages of `limit`.
async fn found(store: &Store, filter: &AuditFilter, limit: usize) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.audit_newest(filter, after, limit).await.unwrap();
        found.extend(page.entries.into_iter().map(|entry| entry.act.operation.into_owned()));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

pub async fn what_was_done_is_found_page_by_page_and_verifies(backend: &impl Backend) {
    let store = backend.open().await;
    let Logged { log, file, _folder } = begin(&store).await;
    let older = append_one(&store, event("1", &[email("ann")], 0)).await;
    let younger = append_one(&store, event("2", &[email("bob")], 1)).await;
    append_one(&store, of("3", Some(older), &[], 2, merged(younger))).await;
    for second in 0..3 {
        log.record(act(second, "show_score", Some(older))).await.unwrap();
    }
    log.record(act(3, "show_lead", Some(younger))).await.unwrap();
    log.flush().await.unwrap();
    log.record(Act { actor: Actor::CLI, ..act(4, "models promote", None) }).await.unwrap();
    log.flush().await.unwrap();

    let any = AuditFilter::default();
    for limit in [1, 2, 10] {
        assert_eq!(found(&store, &any, limit).await, ["models promote", "show_lead", "show_score"], "{limit}");
    }
    let of_lead = AuditFilter { lead: Some(older), ..any.clone() };
    assert_eq!(found(&store, &of_lead, 1).await, ["show_lead", "show_score"], "those of the merged one too");
    for (filter, expected) in [
        (AuditFilter { actor: Some(Uuid::from_u128(7)), ..any.clone() }, 2),
        (AuditFilter { actor: Some(Uuid::nil()), ..any.clone() }, 0),
        (AuditFilter { operation: Some("show_lead".to_owned()), ..any.clone() }, 1),
        (AuditFilter { from: Some(at(3)), ..any.clone() }, 2),
        (AuditFilter { until: Some(at(3)), ..any.clone() }, 1),
        (AuditFilter { lead: Some(LeadId(Uuid::nil())), ..any.clone() }, 0),
    ] {
        assert_eq!(found(&store, &filter, 10).await.len(), expected, "{filter:?}");
    }
    let page = store.audit_oldest(&any, None, 10).await.unwrap();
    assert_eq!(
        page.entries.iter().map(|entry| (entry.number, entry.count)).collect::<Vec<_>>(),
        [(1, 3), (2, 1), (3, 1)]
    );
    assert_eq!(page.entries[0].act, act(0, "show_score", Some(older)));
    let (mut numbers, mut after) = (Vec::new(), None);
    loop {
        let page = store.audit_oldest(&any, after, 1).await.unwrap();
        numbers.extend(page.entries.iter().map(|entry| entry.number));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(numbers, [1, 2, 3]);

    log.close().await;
    assert!(matches!(log.record(act(9, "late", None)).await, Err(StoreError::Closed)));
    let verified = sound(&store, &file).await;
    assert_eq!((verified.blocks, verified.entries, verified.checkpoints, verified.last_checkpoint), (3, 3, 1, 3));
}

pub async fn several_processes_write_one_chain(backend: &impl Backend) {
    let (one, two) = (backend.open().await, backend.open().await);
    let (first, second) = (begin(&one).await, begin(&two).await);
    for number in 0..10 {
        let (a, b) = (act(number, "a", None), act(number, "b", None));
        tokio::join!(record(&first.log, [a]), record(&second.log, [b]));
    }
    first.log.close().await;
    second.log.close().await;
    let files = [first.file.clone(), second.file.clone()];
    let verdict = one.verify_audit(&files, &|_, _| {}).await.unwrap();
    let Verdict::Sound(verified) = verdict else { panic!("{verdict:?}") };
    assert_eq!(verified.entries, 20);
    assert_eq!(verified.last_checkpoint, verified.blocks);
}

pub async fn rows_are_added_and_nothing_else(backend: &impl Backend) {
    let store = backend.open().await;
    let Logged { log, file, _folder } = begin(&store).await;
    record(&log, [act(0, "a", None), act(1, "b", None)]).await;
    log.close().await;
    let mut statements = vec![
        "UPDATE audit_blocks SET entry_count = 0",
        "UPDATE audit_blocks SET entry_count = 0 WHERE sequence = 1",
        "DELETE FROM audit_blocks",
        "DELETE FROM audit_blocks WHERE sequence = 2",
    ];
    let copy = "(sequence, since, at, first_entry, entry_count, has_checkpoint, previous_hash, root, hash, signature, \
                entries) SELECT sequence, since, at, 9, 9, 0, hash, hash, hash, hash, hash FROM audit_blocks";
    let insert = format!("INSERT INTO audit_blocks {copy}");
    let replace = format!("REPLACE INTO audit_blocks {copy}");
    statements.push(&insert);
    statements.push(if backend.is_embedded() { &replace } else { "TRUNCATE audit_blocks" });
    for sql in statements {
        assert!(backend.run(sql).await.is_err(), "{sql}");
    }
    sound(&store, &file).await;
}

/// Takes away what keeps the table as it is.
async fn disarm(backend: &impl Backend) {
    let sql = if backend.is_embedded() {
        "DROP TRIGGER audit_blocks_update; DROP TRIGGER audit_blocks_delete; DROP TRIGGER audit_blocks_insert;"
    } else {
        "DROP TRIGGER audit_blocks_change ON audit_blocks"
    };
    backend.run(sql).await.unwrap();
}

pub async fn a_tampered_block_is_named(backend: &impl Backend) {
    let store = backend.open().await;
    let Logged { log, file, _folder } = begin(&store).await;
    record(&log, (0..5).map(|second| act(second, "a", None))).await;
    log.close().await;
    disarm(backend).await;
    for (sql, sequence, first_entry) in [
        ("UPDATE audit_blocks SET since = (SELECT MIN(since) FROM audit_blocks) WHERE sequence = 4", 4, 4),
        ("UPDATE audit_blocks SET entries = hash WHERE sequence = 3", 3, 3),
        ("DELETE FROM audit_blocks WHERE sequence = 2", 2, 2),
        ("DELETE FROM audit_blocks WHERE sequence = 1", 1, 1),
    ] {
        backend.run(sql).await.unwrap();
        let Verdict::Bad(fault) = verify(&store, &file).await else { panic!("{sql}") };
        assert_eq!(fault.place, Place::Block { sequence, first_entry }, "{sql}: {fault}");
    }
}

pub async fn a_log_that_is_cut_short_is_found_out(backend: &impl Backend) {
    let store = backend.open().await;
    let Logged { log, file, _folder } = begin(&store).await;
    record(&log, [act(0, "a", None), act(1, "b", None)]).await;
    log.close().await;
    let lines = std::fs::read(&file).unwrap();
    std::fs::write(&file, b"").unwrap();
    let Verdict::Bad(fault) = verify(&store, &file).await else { panic!("without its checkpoints") };
    assert!(matches!(fault.place, Place::Block { sequence: 3, .. }), "{fault}");
    std::fs::write(&file, &lines).unwrap();
    sound(&store, &file).await;
    disarm(backend).await;
    backend.run("DELETE FROM audit_blocks WHERE sequence > 1").await.unwrap();
    let Verdict::Bad(fault) = verify(&store, &file).await else { panic!("without its end") };
    assert_eq!(fault.place, Place::Checkpoint { file: file.clone(), line: 1 }, "{fault}");
    backend.run("DELETE FROM audit_blocks").await.unwrap();
    assert!(matches!(verify(&store, &file).await, Verdict::Bad(_)), "without anything");
}

pub async fn an_erasure_takes_reasons_and_leaves_the_log_sound(backend: &impl Backend) {
    let store = backend.open().await;
    let Logged { log, file, _folder } = begin(&store).await;
    let lead = append_one(&store, event("1", &[email("wilhelmina")], 0)).await;
    let because = |reason: &str, act: Act| Act { reason: Some(reason.to_owned()), ..act };
    let acts = [
        because("Wilhelmina asked for it", act(0, "show_lead", Some(lead))),
        because("Wilhelmina never was", act(1, "show_lead", Some(LeadId(Uuid::nil())))),
        because("spring cleaning", act(2, "revoke_api_key", None)),
    ];
    record(&log, acts).await;
    let reasons = async || {
        let page = store.audit_oldest(&AuditFilter::default(), None, 10).await.unwrap();
        page.entries.into_iter().map(|entry| entry.act.reason).collect::<Vec<_>>()
    };
    let cleaning = Some("spring cleaning".to_owned());
    assert_eq!(reasons().await, [Some("Wilhelmina asked for it".to_owned()), None, cleaning.clone()]);
    store.erase_lead(lead).await.unwrap().unwrap();
    assert_eq!(reasons().await, [None, None, cleaning]);
    let of_lead = AuditFilter { lead: Some(lead), ..AuditFilter::default() };
    assert_eq!(found(&store, &of_lead, 10).await, ["show_lead"], "that it was read stays");
    log.close().await;
    assert_eq!(sound(&store, &file).await.entries, 3);
    store.close().await;
    for bytes in backend.kept().await {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        assert!(!text.contains("wilhelmina") && !text.contains("spring"));
    }
}

pub async fn a_log_that_cannot_be_written_takes_nothing_more_and_loses_nothing(backend: &impl Backend) {
    let store = backend.open().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoints.jsonl");
    let options = AuditOptions {
        block_interval: Duration::ZERO,
        patience: Duration::from_millis(300),
        ..AuditOptions::new(&file)
    };
    let log = AuditLog::start(store.clone(), options).await.unwrap();
    backend.run("ALTER TABLE audit_blocks RENAME TO elsewhere").await.unwrap();
    let mut taken = 0;
    loop {
        match log.record(act(taken, "a", Some(LeadId(Uuid::from_u128(taken as u128))))).await {
            Ok(()) => taken += 1,
            Err(StoreError::Busy) => break,
            Err(error) => panic!("{error}"),
        }
        assert!(matches!(log.flush().await, Err(StoreError::Busy)));
    }
    assert!(taken > 0 && log.check().is_err());
    backend.run("ALTER TABLE elsewhere RENAME TO audit_blocks").await.unwrap();
    while log.check().is_err() {
        tokio::task::yield_now().await;
    }
    record(&log, [act(taken, "after", None)]).await;
    log.close().await;
    assert_eq!(sound(&store, &file).await.entries, taken + 1);
}

pub async fn a_checkpoint_that_a_crash_left_out_is_written(backend: &impl Backend) {
    let store = backend.open().await;
    let Logged { log, file, _folder } = begin(&store).await;
    record(&log, [act(0, "a", None)]).await;
    log.close().await;
    // The line was begun when the power failed.
    let line = std::fs::read(&file).unwrap();
    std::fs::write(&file, &line[..line.len() / 2]).unwrap();
    assert!(matches!(verify(&store, &file).await, Verdict::Bad(_)));
    let log = AuditLog::start(store.clone(), options(&file)).await.unwrap();
    sound(&store, &file).await;
    record(&log, [act(1, "b", None)]).await;
    log.close().await;
    assert_eq!(sound(&store, &file).await.checkpoints, 2);
}

/// The rights that docs/AUDIT.md gives the role of the server.
#[tokio::test]
async fn a_role_that_may_only_add_writes_the_log_and_cannot_change_it() {
    let database = Postgres::new().await;
    let role = format!("app_{}", Uuid::new_v4().simple());
    let made = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'app'; GRANT {role} TO CURRENT_USER; GRANT CREATE ON SCHEMA public TO {role}"
    );
    database.run(&made).await.unwrap();
    let url = database.url_of(&role, "app");
    let postgres = PostgresOptions { connections_max: 4, migrate: true, ..PostgresOptions::new(url.clone()) };
    let store = Store::open(StoreOptions { postgres: Some(postgres), ..database.options() }).await.unwrap();
    let taken = format!(
        "ALTER TABLE audit_blocks OWNER TO CURRENT_USER; ALTER FUNCTION audit_append_only() OWNER TO CURRENT_USER; \
         GRANT SELECT, INSERT ON audit_blocks TO {role}"
    );
    database.run(&taken).await.unwrap();
    append_one(&store, event("1", &[email("ann")], 0)).await;
    let Logged { log, file, _folder } = begin(&store).await;
    record(&log, [act(0, "a", None)]).await;
    log.close().await;
    sound(&store, &file).await;
    store.close().await;
    let mut conn = url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    for sql in [
        "UPDATE audit_blocks SET entry_count = 0",
        "DELETE FROM audit_blocks",
        "TRUNCATE audit_blocks",
        "DROP TRIGGER audit_blocks_change ON audit_blocks",
        "ALTER TABLE audit_blocks DISABLE TRIGGER ALL",
        "CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "DROP TABLE audit_blocks",
    ] {
        let refused = sqlx::raw_sql(sql).execute(&mut conn).await.unwrap_err();
        let code = refused.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
        assert_eq!(code, "42501", "{sql}: {refused}");
    }
    conn.close().await.unwrap();
    let gone = format!("DROP OWNED BY {role}; DROP ROLE {role}");
    sqlx::raw_sql(AssertSqlSafe(gone)).execute(&mut database.connect().await).await.unwrap();
}

//! Opening: again, with the wrong key, of another release, of a damaged file.

use std::{fs, os::unix::fs::PermissionsExt as _};

use leadscore_store::{MasterKey, NextMasterKey, Store, StoreError};
use uuid::Uuid;

use crate::support::{Backend, Embedded, append_one, arrival, derived, email, event, score};

pub async fn everything_is_there_after_reopening(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, arrival("1", &[email("ann")], 0, "Ann")).await;
    let partition = store.partition_of(lead);
    let mut commit = derived(partition, 0, 1);
    commit.states = vec![(lead, b"state".to_vec())];
    commit.scores = vec![score(lead, 1, 1, 50)];
    store.commit(commit).await.unwrap();
    let before = (store.lead(lead).await.unwrap(), store.latest_score(lead).await.unwrap());
    store.close().await;

    let store = backend.open().await;
    assert_eq!((store.lead(lead).await.unwrap(), store.latest_score(lead).await.unwrap()), before);
    assert_eq!(store.states(&[lead]).await.unwrap()[&lead].bytes, b"state");
    assert_eq!(store.position("scorer", partition).await.unwrap(), 1);
    assert_eq!(append_one(&store, event("2", &[email("ann")], 1)).await, lead);
    assert_eq!(store.head(partition).await.unwrap(), 2);
}

pub async fn the_number_of_partitions_stays(backend: &impl Backend) {
    let partitions = backend.open().await.partitions();
    assert_eq!(partitions, 8);
    assert_eq!(backend.open().await.partitions(), partitions);
}

#[tokio::test]
async fn an_existing_folder_keeps_its_partitions_whatever_is_asked() {
    let backend = Embedded::new();
    let mut options = backend.options();
    options.partitions = 3;
    assert_eq!(Store::open(options).await.unwrap().partitions(), 3);
    assert_eq!(backend.open().await.partitions(), 3);
}

#[tokio::test]
async fn only_the_owner_can_read_the_folder_and_the_key() {
    let backend = Embedded::new();
    let store = backend.open().await;
    append_one(&store, event("1", &[email("ann")], 0)).await;
    let folder = backend.folder().join("data");
    let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("master.key"), mode("leadscore.db")), (0o700, 0o600, 0o600));
    let key = fs::read_to_string(folder.join("master.key")).unwrap();
    assert!(key.parse::<MasterKey>().is_ok());
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("master.key.")), "{left:?}");
}

#[tokio::test]
async fn another_or_a_missing_master_key_is_noticed_and_nothing_is_made() {
    let backend = Embedded::new();
    backend.open().await.close().await;
    let mut options = backend.options();
    options.master_key = Some("11".repeat(32).parse().unwrap());
    assert!(matches!(Store::open(options).await, Err(StoreError::WrongKey(_))));
    let file = backend.folder().join("data/master.key");
    fs::write(&file, "22".repeat(32)).unwrap();
    assert!(matches!(Store::open(backend.options()).await, Err(StoreError::WrongKey(_))));
    fs::write(&file, "not a key").unwrap();
    assert!(matches!(Store::open(backend.options()).await, Err(StoreError::WrongKey(_))));
    fs::remove_file(&file).unwrap();
    assert!(matches!(Store::open(backend.options()).await, Err(StoreError::WrongKey(_))));
    assert!(!file.exists());
}

#[tokio::test]
async fn a_key_that_is_handed_in_is_not_written_down() {
    let backend = Embedded::new();
    let mut options = backend.options();
    options.master_key = Some("33".repeat(32).parse().unwrap());
    Store::open(options.clone()).await.unwrap().close().await;
    assert!(!backend.folder().join("data/master.key").exists());
    assert!(matches!(Store::open(backend.options()).await, Err(StoreError::WrongKey(_))));
    assert!(Store::open(options).await.is_ok());
}

#[tokio::test]
async fn the_master_key_is_exchanged_and_everything_stays_readable() {
    let backend = Embedded::new();
    let store = backend.open().await;
    let lead = append_one(&store, event("1", &[email("ann")], 0)).await;
    let folder = backend.folder().join("data");
    let (file, next) = (folder.join("master.key"), folder.join("master.key.next"));
    let read = || fs::read_to_string(&file).unwrap();
    // Found by the look-up key, and opened by the lead's own.
    let found = async |store: &Store| {
        let known = append_one(store, event(&Uuid::new_v4().to_string(), &[email("ann")], 0)).await;
        known == lead && store.events_of(&[lead]).await.unwrap()[&lead].len() > 1
    };
    let old = read();
    store.rotate_master_key(NextMasterKey::InFolder(folder.clone())).await.unwrap();
    assert!(read() != old && !next.exists() && found(&store).await, "what is open stays open");
    store.close().await;
    let store = backend.open().await;
    assert!(found(&store).await);
    // A process that dies on its way leaves both; either is good.
    let new = read();
    store.rotate_master_key(NextMasterKey::InFolder(folder.clone())).await.unwrap();
    store.close().await;
    fs::write(&next, read()).unwrap();
    fs::write(&file, &new).unwrap();
    let store = backend.open().await;
    assert!(found(&store).await && !next.exists() && read() != new, "the exchange was finished");
    fs::write(&next, "cut o").unwrap();
    assert!(found(&backend.open().await).await);

    let given: MasterKey = "44".repeat(32).parse().unwrap();
    store.rotate_master_key(NextMasterKey::Given(given.clone())).await.unwrap();
    store.close().await;
    assert!(matches!(Store::open(backend.options()).await, Err(StoreError::WrongKey(_))), "the old one is over");
    let mut options = backend.options();
    options.master_key = Some(given);
    assert!(found(&Store::open(options).await.unwrap()).await);
}

#[tokio::test]
async fn a_database_from_before_there_were_root_keys_opens_and_its_master_key_is_exchanged() {
    let backend = Embedded::new();
    let folder = backend.folder().join("data");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("master.key"), "55".repeat(32)).unwrap();
    backend.open().await.close().await;
    // As such a database was made: everything hangs on the master key itself, whose check value this is.
    let check = "37ac6e9861877d2477637ae552336dc95356096c153de4b0ce649e5bb419f6ee";
    backend.run(&format!("UPDATE meta SET value = '{check}' WHERE name = 'key_check'")).await.unwrap();
    backend.run("DELETE FROM meta WHERE name = 'root_key'").await.unwrap();
    let store = backend.open().await;
    let lead = append_one(&store, event("1", &[email("ann")], 0)).await;
    store.rotate_master_key(NextMasterKey::InFolder(folder)).await.unwrap();
    store.close().await;
    assert_eq!(backend.open().await.events_of(&[lead]).await.unwrap()[&lead].len(), 1);
}

#[test]
fn keys_are_64_hexadecimal_digits() {
    for text in ["", "11", &"1".repeat(63), &"g".repeat(64), &"1".repeat(65), &"é".repeat(32)] {
        let error = text.parse::<MasterKey>().unwrap_err().to_string();
        assert!(!error.contains("11"), "a key must not be repeated: {error}");
    }
    assert_eq!(format!("{:?}", "ab".repeat(32).parse::<MasterKey>().unwrap()), "MasterKey(…)");
}

#[tokio::test]
async fn a_newer_schema_and_a_damaged_file_are_refused() {
    let backend = Embedded::new();
    backend.open().await.close().await;
    let file = backend.folder().join("data/leadscore.db");
    assert!(!backend.folder().join("data/leadscore.db-wal").exists(), "closing folds the log into the database");
    let mut bytes = fs::read(&file).unwrap();
    // The user version stands at byte 60 of a database's header (https://www.sqlite.org/fileformat.html).
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(&file, &bytes).unwrap();
    assert!(matches!(Store::open(backend.options()).await, Err(StoreError::SchemaTooNew { found: 99, .. })));
    fs::write(&file, b"this is no database, but it is long enough to look at".repeat(100)).unwrap();
    assert!(matches!(Store::open(backend.options()).await, Err(StoreError::Corrupt(_))));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(Store::open(backend.options()).await.is_err());
}

#[tokio::test]
async fn two_processes_may_open_a_new_folder_at_the_same_time() {
    let backend = Embedded::new();
    let (one, other) = tokio::join!(Store::open(backend.options()), Store::open(backend.options()));
    let (one, other) = (one.unwrap(), other.unwrap());
    let lead = append_one(&one, event("1", &[email("ann")], 0)).await;
    assert_eq!(append_one(&other, event("2", &[email("ann")], 1)).await, lead);
    assert_eq!(other.events_of(&[lead]).await.unwrap()[&lead].len(), 2);
}

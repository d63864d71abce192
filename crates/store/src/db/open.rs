//! Folder, file, settings, master key.

use std::{
    fs::{self, DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _, Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use subtle::ConstantTimeEq as _;

use super::{Conn, StoreOptions, migrations};
use crate::{MasterKey, StoreError, error::io_at, keyring::Keyring};

/// The database in the folder.
const FILE: &str = "leadscore.db";
/// How long a connection waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a reader waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that read at the same time.
const READERS_MAX: u32 = 4;
/// Rows on their way from the database's thread to the caller.
const ROW_BUFFER: usize = 1_024;
/// Statements kept prepared: each query, and each bulk statement in every power of two.
const STATEMENTS_MAX: usize = 256;
/// How often a busy file is tried, and how long to wait in between.
const CONNECT_ATTEMPTS: u32 = 50;
const CONNECT_PAUSE: Duration = Duration::from_millis(20);
/// Most partitions of a log.
const PARTITIONS_MAX: u16 = 1_024;

pub(super) struct Opened {
    pub(super) path: PathBuf,
    pub(super) partitions: u16,
    pub(super) keyring: Keyring,
    pub(super) writer: Conn,
    pub(super) readers: SqlitePool,
}

pub(super) async fn open(options: &StoreOptions) -> Result<Opened, StoreError> {
    make_folder(&options.folder)?;
    let path = options.folder.join(FILE);
    let connect = SqliteConnectOptions::new()
        .filename(&path)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS_MAX)
        .row_buffer_size(ROW_BUFFER)
        .disable_statement_logging();
    let writer = connect
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // Durable at the commit, also when the power fails.
        .synchronous(SqliteSynchronous::Full)
        // 64 MiB of pages, so that the index of event ids stays in memory while a million events come in.
        .pragma("cache_size", "-65536")
        // Pages between checkpoints (32 MiB): fewer, larger ones than the default make imports faster.
        .pragma("wal_autocheckpoint", "8192")
        // What undoes a statement or savepoint stays in memory: in a file it took a fifth of an import's time.
        .pragma("temp_store", "MEMORY")
        // Deleted keys are overwritten, not only unlinked.
        .pragma("secure_delete", "ON");
    let mut writer = connect_retrying(&writer).await?;
    restrict(&path)?;
    migrations::run(&mut writer).await?;
    let keyring = key_ring(options, &mut writer).await?;
    let partitions = partitions(options.partitions, &mut writer).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(connect.read_only(true).pragma("cache_size", "-16384"))
        .await?;
    Ok(Opened { path, partitions, keyring, writer, readers })
}

/// Changing a new file to write-ahead logging does not wait for other processes that do the same: try again.
async fn connect_retrying(options: &SqliteConnectOptions) -> Result<Conn, StoreError> {
    let mut attempt = 1;
    loop {
        match options.connect().await.map_err(StoreError::from) {
            Err(StoreError::Busy) if attempt < CONNECT_ATTEMPTS => attempt += 1,
            result => return result,
        }
        tokio::time::sleep(CONNECT_PAUSE).await;
    }
}

fn make_folder(folder: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io_at(folder))?;
    fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(io_at(folder))
}

fn restrict(file: &Path) -> Result<(), StoreError> {
    fs::set_permissions(file, Permissions::from_mode(0o600)).map_err(io_at(file))
}

/// The key ring, if the master key is the one that the database was made with.
async fn key_ring(options: &StoreOptions, conn: &mut Conn) -> Result<Keyring, StoreError> {
    let known = meta(conn, "key_check").await?;
    let master = match (&options.master_key, &known) {
        (Some(key), _) => key.clone(),
        (None, Some(_)) => MasterKey::read(&options.folder)?,
        (None, None) => MasterKey::read_or_create(&options.folder)?,
    };
    let keyring = Keyring::new(&master);
    let check = keyring.check_value();
    // Another process may have been first: what is stored counts.
    let stored = put_meta_once(conn, "key_check", &check).await?;
    if bool::from(stored.as_bytes().ct_eq(check.as_bytes())) {
        Ok(keyring)
    } else {
        Err(StoreError::WrongKey("the database was made with another one".to_owned()))
    }
}

/// The number of partitions that the log was made with.
async fn partitions(asked: u16, conn: &mut Conn) -> Result<u16, StoreError> {
    let stored = put_meta_once(conn, "partitions", &asked.clamp(1, PARTITIONS_MAX).to_string()).await?;
    stored
        .parse::<u16>()
        .ok()
        .filter(|count| (1..=PARTITIONS_MAX).contains(count))
        .ok_or_else(|| StoreError::Corrupt("the number of partitions".to_owned()))
}

async fn meta(conn: &mut Conn, name: &str) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT value FROM meta WHERE name = $1").bind(name).fetch_optional(conn).await?;
    Ok(row.map(|row| row.try_get("value")).transpose()?)
}

/// Keeps `value` unless there is one; what is kept.
async fn put_meta_once(conn: &mut Conn, name: &str, value: &str) -> Result<String, StoreError> {
    if let Some(stored) = meta(conn, name).await? {
        return Ok(stored);
    }
    let mut transaction = conn.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(value)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    let stored = meta(conn, name).await?;
    stored.ok_or_else(|| StoreError::Corrupt(format!("the setting {name}")))
}

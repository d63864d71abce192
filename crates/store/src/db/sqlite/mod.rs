//! The embedded database: folder, file, settings.

use std::{
    fs::{self, DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Conn, query::Ends};
use crate::{StoreError, error::io_at};

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

/// An open file: the connection that writes it, and what further ones are opened with.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) writer: Conn,
    connect: SqliteConnectOptions,
}

/// Opens the file in `folder`, making both where they are missing.
pub(super) async fn open(folder: &Path) -> Result<File, StoreError> {
    make_folder(folder)?;
    let path = folder.join(FILE);
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
    let writer = connect_retrying(&writer).await?;
    restrict(&path)?;
    Ok(File { path, writer: Conn::Writer(Box::new(writer)), connect })
}

impl File {
    /// Connections that read.
    pub(super) async fn readers(&self) -> Result<SqlitePool, StoreError> {
        let options = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false);
        Ok(options.connect_with(self.connect.clone().read_only(true).pragma("cache_size", "-16384")).await?)
    }
}

/// Empties the write-ahead log, so that what was deleted is gone from the disk.
pub(super) async fn scrub(conn: &mut Conn) -> Result<(), StoreError> {
    if let Ends::Sqlite(conn) = conn.ends() {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(conn).await?;
    }
    Ok(())
}

/// Closes the connection that writes, which folds the write-ahead log into the database.
pub(super) async fn close(conn: Conn) -> Result<(), StoreError> {
    if let Conn::Writer(conn) = conn {
        conn.close().await?;
    }
    Ok(())
}

/// Changing a new file to write-ahead logging does not wait for other processes that do the same: try again.
async fn connect_retrying(options: &SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    let mut attempt = 1;
    loop {
        match options.connect().await.map_err(StoreError::from) {
            Err(StoreError::Busy) if attempt < CONNECT_ATTEMPTS => attempt += 1,
            result => return result,
        }
        tokio::time::sleep(CONNECT_PAUSE).await;
    }
}

/// Makes the folder, which only its owner may look into.
pub(super) fn make_folder(folder: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io_at(folder))?;
    fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(io_at(folder))
}

fn restrict(file: &Path) -> Result<(), StoreError> {
    fs::set_permissions(file, Permissions::from_mode(0o600)).map_err(io_at(file))
}

//! The embedded database: folder, file, settings.

mod checkpoint;
mod readers;
mod statement;

use std::{
    fs::{self, DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::{Connection, config::DbConfig};

use self::checkpoint::Checkpoints;
pub(super) use self::{
    readers::{Reader, Readers},
    statement::{Answer, SqliteRow, run},
};
use super::{Conn, query};
use crate::{StoreError, error::io_at};

/// The database in the folder.
const FILE: &str = "leadscore.db";
/// How long a connection waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements kept prepared: each query, and each bulk statement in every power of two.
const STATEMENTS_MAX: usize = 256;
/// How often a busy file is tried, and how long to wait in between.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// What the connection that writes is set to.
const WRITER: &str = "
    PRAGMA journal_mode = WAL;
    -- Durable at the commit, also when the power fails; what can be derived from the log again does not wait for it.
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    -- 64 MiB of pages, so that the index of event ids stays in memory while a million events come in.
    PRAGMA cache_size = -65536;
    -- Pages from which on the writer empties the write-ahead log (32 MiB), most of which was moved beside it by then.
    PRAGMA wal_autocheckpoint = 8192;
    -- What undoes a statement or savepoint stays in memory: in a file it took a fifth of an import's time.
    PRAGMA temp_store = MEMORY;
    -- Deleted keys are overwritten, not only unlinked.
    PRAGMA secure_delete = ON;
";

/// An open file, and the connection that is to write it.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) conn: Conn,
}

/// What writes a file.
pub(super) struct Writer {
    conn: Conn,
    /// Whether a commit waits for the disk.
    waits: bool,
    checkpoints: Checkpoints,
}

impl Writer {
    pub(super) fn new(conn: Conn, path: &Path) -> Self {
        Self { conn, waits: true, checkpoints: Checkpoints::start(path.to_owned()) }
    }

    /// The connection, for a transaction whose commit waits for the disk or does not.
    pub(super) fn conn(&mut self, waits: bool) -> Result<&mut Conn, StoreError> {
        if self.waits != waits {
            if let Conn::Writer(conn) = &self.conn {
                conn.execute_batch(if waits { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" })?;
            }
            self.waits = waits;
        }
        Ok(&mut self.conn)
    }

    /// A transaction was committed.
    pub(super) fn committed(&self) {
        self.checkpoints.committed();
    }

    /// Empties the write-ahead log, so that what was deleted is gone from the disk.
    pub(super) async fn scrub(&mut self) -> Result<(), StoreError> {
        let until = Instant::now() + BUSY_TIMEOUT;
        loop {
            let done = query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut self.conn).await?;
            // Whether somebody else was at it, or reads from it.
            if done.get::<i64>(0)? == 0 {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(StoreError::Busy);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Closes the file, which folds the write-ahead log into the database.
    pub(super) async fn close(self) -> Result<(), StoreError> {
        self.checkpoints.stop().await;
        close(self.conn)
    }
}

/// Opens the file in `folder`, making both where they are missing.
pub(super) async fn open(folder: &Path) -> Result<File, StoreError> {
    make_folder(folder)?;
    let path = folder.join(FILE);
    let writer = connect_retrying(&path).await?;
    restrict(&path)?;
    Ok(File { path, conn: Conn::Writer(Box::new(writer)) })
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let conn = Connection::open(path)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    stable_plans(&conn)?;
    conn.execute_batch(WRITER)?;
    Ok(conn)
}

/// Closes the connection that writes, which folds the write-ahead log into the database.
pub(super) fn close(conn: Conn) -> Result<(), StoreError> {
    if let Conn::Writer(conn) = conn {
        conn.close().map_err(|(_, error)| error)?;
    }
    Ok(())
}

/// Changing a new file to write-ahead logging does not wait for other processes that do the same: try again.
async fn connect_retrying(path: &Path) -> Result<Connection, StoreError> {
    let mut attempt = 1;
    loop {
        match connect(path) {
            Err(StoreError::Busy) if attempt < ATTEMPTS => attempt += 1,
            result => return result,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Keeps statements as they were prepared: otherwise each is planned anew for the values that it gets.
fn stable_plans(conn: &Connection) -> Result<(), StoreError> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Makes the folder, which only its owner may look into.
pub(super) fn make_folder(folder: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io_at(folder))?;
    fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(io_at(folder))
}

fn restrict(file: &Path) -> Result<(), StoreError> {
    fs::set_permissions(file, Permissions::from_mode(0o600)).map_err(io_at(file))
}

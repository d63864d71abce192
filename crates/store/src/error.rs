//! The one error of the store's boundary, by what the caller can do about it.

use std::{io, path::PathBuf, sync::Arc};

use leadscore_domain::Invalid;
use rdkafka::error::KafkaError;

/// Why the store did not do what was asked. Never carries personal data.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the database, or it cannot be reached: try again later.
    #[error("the database is busy or cannot be reached; try again")]
    Busy,
    /// Another reader of the same group went on from here: forget what was derived and start from its position.
    #[error("group {group} stands at {found} in partition {partition}, not at {expected}")]
    Fenced {
        /// The group of readers.
        group: String,
        /// The partition of the log.
        partition: u16,
        /// Position that the caller started from.
        expected: i64,
        /// Position that is stored.
        found: i64,
    },
    /// Stored data is damaged or was altered: restore from a backup.
    #[error("stored data is damaged: {0}")]
    Corrupt(String),
    /// The master key does not fit the folder: hand in the key that the folder was made with.
    #[error("the master key does not fit: {0}")]
    WrongKey(String),
    /// The folder was written by a newer release: upgrade.
    #[error("the database has schema {found}, this release knows up to {known}; upgrade leadscore")]
    SchemaTooNew {
        /// Version of the folder's schema.
        found: i64,
        /// Newest version that this release knows.
        known: i64,
    },
    /// The database was made by an earlier release: migrate it.
    #[error("the database has schema {found}, this release needs {known}; run `leadscore migrate`")]
    SchemaTooOld {
        /// Version of the stored schema.
        found: i64,
        /// Version that this release works with.
        known: i64,
    },
    /// What was derived from no longer holds: a lead was merged or erased, or an event applied elsewhere, meanwhile. Read
    /// and derive it anew.
    #[error("what was read has changed meanwhile")]
    Overtaken,
    /// Kafka refused or cannot be reached: try again later.
    #[error("Kafka failed: {0}")]
    Kafka(#[source] Arc<KafkaError>),
    /// There is no room left: make some, then try again.
    #[error("the disk is full")]
    Full,
    /// The request itself is wrong: correct it.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What it said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The database refuses these very rows, today and tomorrow.
    #[error("the database refuses what was to be written: {0}")]
    Unfit(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The database refused for another reason.
    #[error("the database failed: {0}")]
    Db(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Whether a server is away or a disk full, so that the same request succeeds once that is over.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        match self {
            Self::Busy | Self::Full | Self::Kafka(_) => true,
            Self::Fenced { .. }
            | Self::Overtaken
            | Self::Unfit(_)
            | Self::Corrupt(_)
            | Self::WrongKey(_)
            | Self::SchemaTooNew { .. }
            | Self::SchemaTooOld { .. }
            | Self::Invalid(_)
            | Self::Closed
            | Self::Db(_)
            | Self::Io { .. } => false,
        }
    }
}

/// Primary result codes of SQLite (<https://www.sqlite.org/rescode.html>); extended codes keep them in the low byte.
const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_IOERR: i32 = 10;
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_FULL: i32 = 13;
const SQLITE_TOOBIG: i32 = 18;
const SQLITE_CONSTRAINT: i32 = 19;
const SQLITE_MISMATCH: i32 = 20;
const SQLITE_NOTADB: i32 = 26;

/// Classes and codes of PostgreSQL's errors after which the same request may succeed: no connection, a transaction that
/// lost against another one, no room, a server that stops or starts
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
const POSTGRES_TRANSIENT: [&str; 5] = ["08", "40", "53", "55P03", "57P"];
/// No room on the disk.
const POSTGRES_FULL: &str = "53100";
/// A row that no constraint admits, or no table of those that it could go to.
const POSTGRES_CHECK: &str = "23514";
/// Classes of errors about the rows themselves: their values, or constraints on them.
const POSTGRES_UNFIT: [&str; 2] = ["22", "23"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::Io(_)) {
            return Self::Busy;
        }
        if matches!(error, sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed) {
            return Self::Closed;
        }
        let Some(refused) = error.as_database_error() else { return Self::Db(Arc::new(error)) };
        let code = refused.code().unwrap_or_default();
        let is_one_of = |classes: &[&str]| classes.iter().any(|prefix| code.starts_with(prefix));
        match () {
            () if code == POSTGRES_FULL => Self::Full,
            () if is_one_of(&POSTGRES_TRANSIENT) => Self::Busy,
            // No table for the row's month: it was dropped just now, and is made again for the next try.
            () if code == POSTGRES_CHECK && refused.constraint().is_none() => Self::Busy,
            () if is_one_of(&POSTGRES_UNFIT) => Self::Unfit(Arc::new(error)),
            () => Self::Db(Arc::new(error)),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error().map(|failure| failure.extended_code & 0xff) {
            Some(SQLITE_BUSY | SQLITE_LOCKED | SQLITE_IOERR) => Self::Busy,
            Some(SQLITE_FULL) => Self::Full,
            Some(SQLITE_TOOBIG | SQLITE_CONSTRAINT | SQLITE_MISMATCH) => Self::Unfit(Arc::new(error)),
            Some(SQLITE_CORRUPT | SQLITE_NOTADB) => Self::Corrupt("the database file".to_owned()),
            Some(_) | None => Self::Db(Arc::new(error)),
        }
    }
}

/// Names the path in an I/O error.
pub(crate) fn io_at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.into();
    move |source| StoreError::Io { path, source: Arc::new(source) }
}

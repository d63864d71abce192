//! The database: opening it, its one writer, its readers.
//!
//! Invariant: all writes of a process go through one task, which commits what waits in one durable transaction.
//! Several processes may open one folder; SQLite's write lock puts their transactions in order.

mod bulk;
mod migrations;
mod open;
mod writer;

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc};

use leadscore_domain::{Clock, Timestamp};
use sqlx::{SqlitePool, pool::PoolConnection, sqlite::Sqlite};
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::{
    bulk::{insert, select_in},
    migrations::version as schema_version,
    writer::After,
};
use crate::{MasterKey, StoreError, keyring::Keyring};

/// One connection of the backend.
pub(crate) type Conn = sqlx::SqliteConnection;
/// One row of the backend.
pub(crate) type Row = sqlx::sqlite::SqliteRow;
/// What a write answers, once it is durable.
pub(crate) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

/// Where and how to open a store.
#[derive(Clone)]
pub struct StoreOptions {
    /// The folder that holds everything; made with permissions 0700 where it is missing.
    pub folder: PathBuf,
    /// Partitions of the log of a new folder, from 1; an existing folder keeps the number that it was made with.
    pub partitions: u16,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// The master key; `None` reads `master.key` in the folder, and makes it for a new folder.
    pub master_key: Option<MasterKey>,
}

impl StoreOptions {
    /// Partitions of the log unless said otherwise.
    pub const PARTITIONS: u16 = 8;

    /// The defaults for a folder.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self { folder: folder.into(), partitions: Self::PARTITIONS, clock, master_key: None }
    }
}

/// A handle to an open store. Clones share one writer and one pool of readers.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    path: PathBuf,
    partitions: u16,
    clock: Arc<dyn Clock>,
    keyring: Arc<Keyring>,
    jobs: mpsc::Sender<Box<dyn writer::Job>>,
    readers: SqlitePool,
    appended: watch::Sender<u64>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Store {
    /// Opens the folder, making and migrating it where needed.
    ///
    /// # Errors
    /// [`StoreError::WrongKey`], [`StoreError::SchemaTooNew`], [`StoreError::Corrupt`], [`StoreError::Io`]; where the
    /// database fails.
    pub async fn open(options: StoreOptions) -> Result<Self, StoreError> {
        let opened = open::open(&options).await?;
        let tasks = TaskTracker::new();
        let closing = CancellationToken::new();
        let (jobs, queue) = mpsc::channel(writer::QUEUE_JOBS_MAX);
        tasks.spawn(writer::run(opened.writer, queue, closing.clone()));
        tasks.close();
        Ok(Self(Arc::new(Inner {
            path: opened.path,
            partitions: opened.partitions,
            clock: options.clock,
            keyring: Arc::new(opened.keyring),
            jobs,
            readers: opened.readers,
            appended: watch::Sender::new(0),
            tasks,
            closing,
        })))
    }

    /// Writes what waits, then closes. Later calls answer [`StoreError::Closed`].
    pub async fn close(&self) {
        // The writer goes last: only it can fold the write-ahead log into the database.
        self.0.readers.close().await;
        self.0.closing.cancel();
        self.0.tasks.wait().await;
    }

    /// Partitions of the log.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        self.0.partitions
    }

    /// Runs `work` in the writer's next transaction and answers once that is durable. `rows` is about how many rows
    /// it writes. An error undoes this work alone.
    pub(crate) async fn write<T, F>(&self, rows: usize, after: After, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> Work<'c, T> + Send + 'static,
    {
        let (job, answer) = writer::job(rows, after, work);
        self.0.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// A connection that can only read.
    pub(crate) async fn reader(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        Ok(self.0.readers.acquire().await?)
    }

    pub(crate) fn keyring(&self) -> &Arc<Keyring> {
        &self.0.keyring
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(crate) fn appends(&self) -> &watch::Sender<u64> {
        &self.0.appended
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.0.path
    }
}

//! The database, a file or a PostgreSQL server: opening it, writing, reading.
//!
//! Invariant: all writes of a process go through one task for each lane, which commits what waits in one durable
//! transaction. Several processes may share a database: SQLite's write lock, or an advisory lock on a server, puts the
//! appends of all of them in order.

mod bulk;
mod migrations;
mod moment;
mod open;
mod postgres;
mod query;
mod sqlite;
mod transaction;
mod value;
mod writer;

use std::{
    future::Future,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Weak},
    time::Duration,
};

use leadscore_domain::{Clock, Invalid, Timestamp};
use sqlx::PgPool;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::{
    bulk::{Bind, Inserts, insert, keys, select_each, select_in, select_lists, update},
    migrations::version as schema_version,
    postgres::{acquire, wake::wake},
    query::{Conn, Pieces, Query, query},
    transaction::{begin, end},
    value::{Kind, Row},
    writer::After,
};
pub use self::{open::NextMasterKey, postgres::PostgresOptions};
use self::{
    postgres::months::{self, Months},
    writer::Source,
};
use crate::{
    KafkaOptions, MasterKey, StoreError,
    keyring::Keyring,
    log::{
        Intake,
        kafka::{Kafka, outbox},
    },
    overrides::{self, Overridden},
    privacy::ledger::Ledger,
    retention::Aging,
    webhooks::{self, Hub},
};

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
    /// The server that holds the database; `None` for the embedded one, a file in the folder.
    pub postgres: Option<PostgresOptions>,
    /// Where events are logged; `None` for the database. Needs a server.
    pub kafka: Option<KafkaOptions>,
    /// How long an append waits for a place in the queue of the task that writes; then it is [`StoreError::Busy`], and
    /// had no effect.
    pub append_timeout: Duration,
    /// Whether scores are to be committed with what they were calculated from; see [`Store::keeps_features`].
    pub keep_features: bool,
    /// The erasure ledger, a file that is best kept apart from the database; what it names is erased before the store is
    /// open. `None` keeps none.
    pub erasure_ledger: Option<PathBuf>,
}

impl StoreOptions {
    /// Partitions of the log unless said otherwise.
    pub const PARTITIONS: u16 = 8;
    /// Wait for a place in the queue unless said otherwise.
    pub const APPEND_TIMEOUT: Duration = Duration::from_secs(2);

    /// The defaults for a folder.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self {
            folder: folder.into(),
            partitions: Self::PARTITIONS,
            clock,
            master_key: None,
            postgres: None,
            kafka: None,
            append_timeout: Self::APPEND_TIMEOUT,
            keep_features: true,
            erasure_ledger: None,
        }
    }
}

/// What [`Store::migrate`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// Version of the schema before; 0 for an empty database.
    pub from: i64,
    /// Version of the schema now.
    pub to: i64,
}

/// A handle to an open store. Clones share one writer and one pool of readers.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

/// What handles to a store share.
pub(crate) struct Inner {
    database: Database,
    partitions: u16,
    clock: Arc<dyn Clock>,
    keyring: Arc<Keyring>,
    intake: Intake,
    lanes: Lanes,
    kafka: Option<Arc<Kafka>>,
    append_timeout: Duration,
    keep_features: bool,
    appended: watch::Sender<u64>,
    hub: Hub,
    overridden: Overridden,
    ledger: Option<Ledger>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

/// Where everything is read.
enum Database {
    Embedded { path: PathBuf, readers: Arc<sqlite::Readers> },
    Postgres { pool: PgPool, months: Months },
}

/// Which of the tasks that write does a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// What comes in: its transactions follow one another in all processes.
    Intake,
    /// What is derived: transactions of different partitions do not wait for each other.
    Derive,
    /// The audit log, whose blocks follow one another in all processes.
    Audit,
}

/// The queues of the tasks that write; the embedded database has one for all.
struct Lanes {
    intake: mpsc::Sender<Box<dyn writer::Job>>,
    derive: mpsc::Sender<Box<dyn writer::Job>>,
    audit: mpsc::Sender<Box<dyn writer::Job>>,
}

impl Store {
    /// Opens the folder, making and migrating it where needed; of a server, the schema is only checked unless
    /// [`PostgresOptions::migrate`] says otherwise.
    ///
    /// # Errors
    /// [`StoreError::WrongKey`], [`StoreError::SchemaTooNew`], [`StoreError::SchemaTooOld`], [`StoreError::Corrupt`],
    /// [`StoreError::Io`]; where the database fails.
    pub async fn open(options: StoreOptions) -> Result<Self, StoreError> {
        let tasks = TaskTracker::new();
        let closing = CancellationToken::new();
        let lane = |source| writer::start(source, &tasks, closing.clone());
        let appended = watch::Sender::new(0);
        let (database, lanes, made, hub, overridden) = match &options.postgres {
            None => {
                let mut file = sqlite::open(&options.folder).await?;
                migrations::run(&mut file.conn).await?;
                let made = open::made(&options, &mut file.conn).await?;
                let hub = webhooks::open(&mut file.conn).await?;
                let overridden = overrides::present(&mut file.conn).await?;
                let readers = sqlite::Readers::new(&file.path);
                let intake = lane(Source::Own(sqlite::Writer::new(file.conn, &file.path)))?;
                let lanes = Lanes { derive: intake.clone(), audit: intake.clone(), intake };
                (Database::Embedded { path: file.path, readers }, lanes, made, hub, overridden)
            }
            Some(server) => {
                let pool = postgres::connect(server).await?;
                let mut conn = acquire(&pool).await?;
                if server.migrate {
                    migrations::run(&mut conn).await?;
                }
                migrations::check(&mut conn).await?;
                let made = open::made(&options, &mut conn).await?;
                let hub = webhooks::open(&mut conn).await?;
                let overridden = overrides::present(&mut conn).await?;
                let source = |lock| Source::Pool { pool: pool.clone(), lock };
                let lanes = Lanes {
                    intake: lane(source(Some(writer::APPEND_LOCK)))?,
                    derive: lane(source(None))?,
                    audit: lane(source(Some(writer::AUDIT_LOCK)))?,
                };
                tasks.spawn(postgres::wake::listen(pool.clone(), appended.clone(), closing.clone()));
                (Database::Postgres { pool, months: Months::default() }, lanes, made, hub, overridden)
            }
        };
        let kafka = match (options.kafka, &database) {
            (None, _) => None,
            (Some(_), Database::Embedded { .. }) => {
                return Err(Invalid::new("kafka.brokers", "needs PostgreSQL", "set store.postgres too").into());
            }
            (Some(kafka), Database::Postgres { pool, .. }) => {
                let kafka = Arc::new(Kafka::open(kafka, made.partitions).await?);
                tasks.spawn(outbox::relay(Arc::clone(&kafka), pool.clone(), closing.clone()));
                Some(kafka)
            }
        };
        tasks.close();
        let store = Self(Arc::new_cyclic(|store| Inner {
            intake: Intake::start(Weak::clone(store)),
            kafka,
            database,
            partitions: made.partitions,
            clock: options.clock,
            keyring: Arc::new(made.keyring),
            lanes,
            append_timeout: options.append_timeout,
            keep_features: options.keep_features,
            appended,
            hub,
            overridden: Overridden::new(Arc::new(overridden)),
            ledger: options.erasure_ledger.map(Ledger::new),
            tasks,
            closing,
        }));
        store.replay_erasures().await?;
        Ok(store)
    }

    /// Brings the schema of the database to what this release works with.
    ///
    /// # Errors
    /// [`StoreError::SchemaTooNew`]; where the database cannot be reached or fails: then nothing was changed.
    pub async fn migrate(options: &StoreOptions) -> Result<Migrated, StoreError> {
        let (from, to) = match &options.postgres {
            None => {
                let mut file = sqlite::open(&options.folder).await?;
                let done = migrations::run(&mut file.conn).await;
                sqlite::close(file.conn)?;
                done?
            }
            Some(server) => {
                let pool = postgres::connect(server).await?;
                migrations::run(&mut acquire(&pool).await?).await?
            }
        };
        Ok(Migrated { from, to })
    }

    /// Writes what waits, then closes. Later calls answer [`StoreError::Closed`].
    pub async fn close(&self) {
        self.0.intake.close().await;
        // Of the embedded database the writer goes last: only it can fold the write-ahead log into the file.
        if let Database::Embedded { readers, .. } = &self.0.database {
            readers.close().await;
        }
        self.0.closing.cancel();
        self.0.tasks.wait().await;
        if let Database::Postgres { pool, .. } = &self.0.database {
            pool.close().await;
        }
    }

    /// The store, unless its last handle is gone.
    pub(crate) fn of(inner: &Weak<Inner>) -> Option<Self> {
        inner.upgrade().map(Self)
    }

    /// Partitions of the log.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        self.0.partitions
    }

    /// Whether scores are to be committed with what they were calculated from.
    #[must_use]
    pub fn keeps_features(&self) -> bool {
        self.0.keep_features
    }

    /// Runs `work` in the lane's next transaction and answers once that is durable. `rows` is about how many rows it
    /// writes. An error undoes this work alone.
    pub(crate) async fn write<T, F>(&self, lane: Lane, rows: usize, after: After, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> Work<'c, T> + Send + 'static,
    {
        let place = match lane {
            // Who sends can send again; who derives has nothing else to do.
            Lane::Intake => {
                timeout(self.0.append_timeout, self.0.lanes.intake.reserve()).await.map_err(|_| StoreError::Busy)?
            }
            Lane::Derive => self.0.lanes.derive.reserve().await,
            Lane::Audit => self.0.lanes.audit.reserve().await,
        };
        let (job, answer) = writer::job(rows, after, work);
        place.map_err(|_| StoreError::Closed)?.send(job);
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// A connection for reading.
    pub(crate) async fn reader(&self) -> Result<Conn, StoreError> {
        match &self.0.database {
            Database::Embedded { readers, .. } => Ok(Conn::Reader(readers.acquire().await?)),
            Database::Postgres { pool, .. } => acquire(pool).await,
        }
    }

    /// Sees to it that there are tables for the rows of these times.
    pub(crate) async fn make_months(&self, times: impl Iterator<Item = Timestamp>) -> Result<(), StoreError> {
        if let Database::Postgres { pool, months } = &self.0.database {
            let unknown = months.unknown(times, self.now());
            if !unknown.is_empty() {
                months::make(&mut acquire(pool).await?, &unknown).await?;
                months.learn(unknown);
            }
        }
        Ok(())
    }

    /// Drops tables of months before `before`: rows that went, and old ones that stay. The embedded database has none.
    pub(crate) async fn drop_months(
        &self,
        aging: Aging,
        before: Timestamp,
        dry_run: bool,
    ) -> Result<(u64, u64), StoreError> {
        match &self.0.database {
            Database::Embedded { .. } => Ok((0, 0)),
            Database::Postgres { pool, .. } => {
                months::expire(&mut acquire(pool).await?, aging, before, self.partitions(), dry_run).await
            }
        }
    }

    /// The file of the embedded database.
    pub(crate) fn file(&self) -> Option<&std::path::Path> {
        match &self.0.database {
            Database::Embedded { path, .. } => Some(path),
            Database::Postgres { .. } => None,
        }
    }

    /// Whether the database is a server.
    pub(crate) fn is_server(&self) -> bool {
        matches!(self.0.database, Database::Postgres { .. })
    }

    /// Where events are logged; `None` for the database.
    pub(crate) fn kafka(&self) -> Option<&Arc<Kafka>> {
        self.0.kafka.as_ref()
    }

    pub(crate) fn intake(&self) -> &Intake {
        &self.0.intake
    }

    /// How long a request waits for a place in the queue of the intake.
    pub(crate) fn append_timeout(&self) -> Duration {
        self.0.append_timeout
    }

    pub(crate) fn keyring(&self) -> &Arc<Keyring> {
        &self.0.keyring
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.0.hub
    }

    pub(crate) fn overridden(&self) -> &Overridden {
        &self.0.overridden
    }

    pub(crate) fn ledger(&self) -> Option<&Ledger> {
        self.0.ledger.as_ref()
    }

    pub(crate) fn appends(&self) -> &watch::Sender<u64> {
        &self.0.appended
    }
}

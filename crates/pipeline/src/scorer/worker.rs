//! The task that owns a group's partitions: events first, then scores whose time has come.

use std::{sync::Arc, time::Duration};

use leadscore_domain::Clock;
use leadscore_engine::score::Scorer;
use leadscore_store::{Store, StoreError};
use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{cache::StateCache, derive::Judge, sweep::Sweep};
use crate::publish::Publisher;

/// The group of readers of the log that keeps states and scores.
pub const GROUP: &str = "scorer";

/// How long an idle scorer waits before it looks for other processes' appends and for expired scores.
const POLL: Duration = Duration::from_millis(500);
/// Most states kept in memory.
const CACHED_LEADS_MAX: usize = 16_384;
/// How often a failed piece of work is tried again before the task gives up.
const RETRIES_MAX: u32 = 6;
/// Wait before the first repetition; each further one waits twice as long.
const RETRY_FIRST: Duration = Duration::from_millis(50);

/// Why the scorer gave up.
#[derive(Debug, thiserror::Error)]
pub enum ScorerError {
    /// The store failed, again and again or for good.
    #[error("the scorer stopped: {0}")]
    Store(#[from] StoreError),
}

/// Whether the scorer works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It reads the log.
    Running,
    /// It was told to stop, and did.
    Stopped,
    /// It gave up, for this reason.
    Failed(String),
}

/// What a scorer has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Records of the log that were read and committed, of whatever fate.
    pub events: u64,
    /// Scores that were committed.
    pub scores: u64,
    /// Leads whose score was taken back or never given, for want of consent.
    pub withheld: u64,
    /// Events that were set aside as unreadable.
    pub dead: u64,
    /// Leads that became part of others.
    pub absorbed: u64,
    /// Records still to be read, as far as known when it was asked.
    pub behind: u64,
}

/// Reads the log for all partitions and keeps states and scores.
pub struct ScorerTask {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) publisher: Publisher,
    pub(super) scorer: watch::Receiver<Arc<Scorer>>,
    /// Where the group stands, by partition.
    pub(super) positions: Vec<i64>,
    pub(super) cache: StateCache,
    pub(super) sweep: Sweep,
    pub(super) tally: Tally,
}

/// A bounded piece of work that can be tried again.
#[derive(Debug, Clone, Copy)]
enum Piece {
    Batch(u16),
    Renewal,
}

impl ScorerTask {
    /// A scorer that goes on where its group stands. It first looks through all leads for scores of another model or
    /// of an earlier position, which a stop may have left behind.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn open(
        store: Store,
        clock: Arc<dyn Clock>,
        publisher: Publisher,
        scorer: watch::Receiver<Arc<Scorer>>,
    ) -> Result<Self, ScorerError> {
        let mut task = Self {
            store,
            clock,
            publisher,
            scorer,
            positions: Vec::new(),
            cache: StateCache::new(CACHED_LEADS_MAX),
            sweep: Sweep::start(),
            tally: Tally::default(),
        };
        for partition in 0..task.store.partitions() {
            let position = task.store.position(GROUP, partition).await?;
            task.positions.push(position);
        }
        Ok(task)
    }

    /// Works until `shutdown`, finishing the batch at hand.
    ///
    /// # Errors
    /// See [`ScorerError`]; what was committed stays.
    pub async fn run(&mut self, shutdown: &CancellationToken) -> Result<(), ScorerError> {
        let mut appended = self.store.appended();
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !shutdown.is_cancelled() {
            // Marked as seen before the log is read: an append during the round wakes the next one.
            appended.borrow_and_update();
            if self.round(shutdown).await? > 0 {
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                Ok(()) = appended.changed() => {}
                Ok(()) = self.scorer.changed() => {}
                _ = poll.tick() => {}
            }
        }
        Ok(())
    }

    /// Works until the log is read and every score is up to date, telling `progress` after each piece.
    ///
    /// # Errors
    /// See [`ScorerError`].
    pub async fn catch_up(
        &mut self,
        shutdown: &CancellationToken,
        progress: &(dyn Fn(Tally) + Send + Sync),
    ) -> Result<Tally, ScorerError> {
        while !shutdown.is_cancelled() && self.round(shutdown).await? > 0 {
            self.tally.behind = self.behind().await?;
            progress(self.tally);
        }
        Ok(self.tally)
    }

    /// What it reads and writes.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// What was done so far.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// One batch of each partition, then one page of renewals: neither can starve the other. Returns the amount of
    /// work done; 0 says that there is none.
    async fn round(&mut self, shutdown: &CancellationToken) -> Result<usize, ScorerError> {
        let mut worked = 0;
        for partition in 0..self.store.partitions() {
            if shutdown.is_cancelled() {
                return Ok(worked);
            }
            worked += self.attempt(Piece::Batch(partition), shutdown).await?;
        }
        Ok(worked + self.attempt(Piece::Renewal, shutdown).await?)
    }

    /// Does a piece of work, again after transient failures, anew after another scorer of the group went ahead.
    async fn attempt(&mut self, piece: Piece, shutdown: &CancellationToken) -> Result<usize, ScorerError> {
        let mut wait = RETRY_FIRST;
        for retry in 0.. {
            let done = match piece {
                Piece::Batch(partition) => self.batch(partition).await,
                Piece::Renewal => self.renew().await,
            };
            match done {
                Ok(worked) => return Ok(worked),
                Err(StoreError::Fenced { partition, found, .. }) => {
                    tracing::warn!(partition, position = found, "another scorer went ahead");
                    self.adopt(partition).await?;
                    return Ok(1);
                }
                Err(error) if retry < RETRIES_MAX && is_transient(&error) => {
                    tracing::warn!(retry, error = %error, "the store failed; trying again");
                    tokio::select! {
                        () = shutdown.cancelled() => return Ok(0),
                        () = tokio::time::sleep(wait) => wait *= 2,
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(0)
    }

    /// The present scorer and instant.
    pub(super) fn judge(&mut self) -> Judge {
        let scorer = Arc::clone(&self.scorer.borrow_and_update());
        Judge { scorer, at: self.clock.now(), deferred: false }
    }

    async fn behind(&self) -> Result<u64, StoreError> {
        let mut behind = 0;
        for (partition, &position) in (0..).zip(&self.positions) {
            behind += u64::try_from(self.store.head(partition).await? - position).unwrap_or(0);
        }
        Ok(behind)
    }
}

/// Whether the same request may succeed later.
fn is_transient(error: &StoreError) -> bool {
    match error {
        StoreError::Busy | StoreError::Db(_) | StoreError::Io { .. } => true,
        StoreError::Fenced { .. }
        | StoreError::Corrupt(_)
        | StoreError::WrongKey(_)
        | StoreError::SchemaTooNew { .. }
        | StoreError::SchemaTooOld { .. }
        | StoreError::Invalid(_)
        | StoreError::Closed => false,
    }
}

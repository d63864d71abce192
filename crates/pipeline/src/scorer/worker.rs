//! The task that works for a group's partitions: events first, then scores whose time has come.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use leadscore_domain::{Clock, LeadId};
use leadscore_engine::score::Scorer;
use leadscore_store::{Announcement, LogReader, Store, StoreError};
use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{
    batch::{BATCH_EVENTS_MAX, Fault},
    cache::StateCache,
    derive::Judge,
    sweep::Sweep,
};
use crate::publish::Publisher;

/// The group of readers of the log that keeps states and scores.
pub const GROUP: &str = "scorer";

/// How long an idle scorer waits before it looks for other processes' appends and for expired scores.
const POLL: Duration = Duration::from_millis(500);
/// Most states kept in memory.
const CACHED_LEADS_MAX: usize = 16_384;
/// How often a piece of work that fails for no known reason is tried again before the task gives up.
const RETRIES_MAX: u32 = 6;
/// Wait before the first repetition; each further one waits twice as long, up to [`RETRY_LONGEST`].
const RETRY_FIRST: Duration = Duration::from_millis(50);
/// Longest wait before a repetition: how soon work goes on after a server came back.
const RETRY_LONGEST: Duration = Duration::from_secs(1);
/// What is left of a batch that holds an event which cannot be applied, until that event is alone: at the fifth try.
const SHRINK: usize = 8;

/// Why the scorer gave up.
#[derive(Debug, thiserror::Error)]
pub enum ScorerError {
    /// The store failed, again and again or for good.
    #[error("the scorer stopped: {0}")]
    Store(#[from] StoreError),
    /// A score cannot be calculated.
    #[error("a score cannot be calculated: {0}")]
    Defect(String),
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
    /// Of these, records that had been applied before.
    pub duplicates: u64,
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

/// Reads the log for the partitions that it owns, and keeps states and scores.
pub struct ScorerTask {
    pub(super) store: Store,
    pub(super) reader: LogReader,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) publisher: Publisher,
    pub(super) scorer: watch::Receiver<Arc<Scorer>>,
    /// The partitions that this task owns.
    pub(super) places: BTreeMap<u16, Place>,
    pub(super) cache: StateCache,
    pub(super) sweep: Sweep,
    /// What is being said of the scores of a partition's last commits, and up to which position each.
    pub(super) announcing: BTreeMap<u16, VecDeque<(i64, Announcement)>>,
    /// Leads of whose scores nobody was told, though it was tried, and that are not listed yet.
    pub(super) untold: BTreeMap<u16, Vec<LeadId>>,
    /// Positions in partitions that somebody else went ahead in: what was published since is not known here.
    lost: BTreeMap<u16, i64>,
    /// Whether the next batch of each partition is to be committed by itself.
    apart: bool,
    /// An event that cannot be applied: partition, position before it, reason.
    pub(super) poison: Option<(u16, i64, String)>,
    pub(super) tally: Tally,
}

/// A partition that the task owns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Of the ownership: a later one knows nothing of what an earlier one remembered.
    generation: u64,
    /// Where the group stands.
    pub(super) position: i64,
    /// Up to where everybody was told of the scores, or it is listed that they have to be.
    pub(super) announced: i64,
    /// Most events of the next batch.
    pub(super) batch_max: usize,
}

/// A bounded piece of work that can be tried again.
#[derive(Debug, Clone, Copy)]
enum Piece {
    /// Which partitions are owned.
    Survey,
    /// A batch of all partitions.
    Together,
    /// A batch of one partition.
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
        let reader = LogReader::join(&store, GROUP)?;
        let mut task = Self::new(store, reader, clock, publisher, scorer);
        task.survey().await?;
        Ok(task)
    }

    /// A scorer that reads nothing, and works beside those that do.
    #[must_use]
    pub fn beside(
        store: Store,
        clock: Arc<dyn Clock>,
        publisher: Publisher,
        scorer: watch::Receiver<Arc<Scorer>>,
    ) -> Self {
        let reader = LogReader::idle(&store);
        Self::new(store, reader, clock, publisher, scorer)
    }

    fn new(
        store: Store,
        reader: LogReader,
        clock: Arc<dyn Clock>,
        publisher: Publisher,
        scorer: watch::Receiver<Arc<Scorer>>,
    ) -> Self {
        Self {
            reader,
            store,
            clock,
            publisher,
            scorer,
            places: BTreeMap::new(),
            cache: StateCache::new(CACHED_LEADS_MAX),
            sweep: Sweep::start(),
            announcing: BTreeMap::new(),
            untold: BTreeMap::new(),
            poison: None,
            lost: BTreeMap::new(),
            apart: false,
            tally: Tally::default(),
        }
    }

    /// Works until `shutdown`, finishing the batch at hand.
    ///
    /// # Errors
    /// See [`ScorerError`]; what was committed stays.
    pub async fn run(&mut self, shutdown: &CancellationToken) -> Result<(), ScorerError> {
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !shutdown.is_cancelled() {
            // Marked as seen before the log is read: an append during the round wakes the next one.
            self.reader.see();
            if self.round(shutdown).await? > 0 {
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.reader.changed() => {}
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
        while !shutdown.is_cancelled() {
            self.reader.see();
            let worked = self.round(shutdown).await?;
            self.tally.behind = self.behind().await?;
            progress(self.tally);
            if worked > 0 {
                continue;
            }
            if self.tally.behind == 0 {
                break;
            }
            // The records are on their way, or another member of the group has them.
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.reader.changed() => {}
                () = tokio::time::sleep(RETRY_FIRST) => {}
            }
        }
        Ok(self.tally)
    }

    /// Leaves the group, so that others take over at once, after everybody was told of what was committed.
    pub async fn leave(mut self) {
        let mut untold: Vec<LeadId> = std::mem::take(&mut self.untold).into_values().flatten().collect();
        for (_, announcement) in std::mem::take(&mut self.announcing).into_values().flatten() {
            untold.extend(announcement.failed().await);
        }
        if let Err(error) = self.store.list_untold(untold).await {
            // Whoever takes over finds by the position that it was not said.
            tracing::debug!(%error, "what was not told could not be listed");
        }
        self.reader.leave().await;
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

    /// One batch of all partitions, then one page of renewals: neither can starve the other. Returns the amount of
    /// work done; 0 says that there is none.
    async fn round(&mut self, shutdown: &CancellationToken) -> Result<usize, ScorerError> {
        self.attempt(Piece::Survey, shutdown).await?;
        let mut worked = self.attempt(Piece::Together, shutdown).await?;
        if self.apart {
            // One of the partitions holds up the others: each for itself, once.
            self.apart = false;
            let partitions: Vec<u16> = self.places.keys().copied().collect();
            for partition in partitions {
                worked += self.attempt(Piece::Batch(partition), shutdown).await?;
            }
        }
        if shutdown.is_cancelled() {
            return Ok(worked);
        }
        Ok(worked + self.attempt(Piece::Renewal, shutdown).await?)
    }

    /// Sees which partitions the task owns, and where the group stands in those that it did not own before.
    async fn survey(&mut self) -> Result<(), StoreError> {
        let owned: BTreeMap<u16, u64> = self.reader.owned().into_iter().collect();
        self.places.retain(|partition, place| owned.get(partition) == Some(&place.generation));
        for (partition, generation) in owned {
            if self.places.contains_key(&partition) {
                continue;
            }
            // Somebody else may have changed its leads since they were remembered, here or by readers.
            self.cache.clear();
            self.publisher.reset();
            let (position, announced) = self.store.standing(GROUP, partition).await?;
            let from = self.lost.get(&partition).map_or(announced, |lost| announced.min(*lost));
            self.publish_again(partition, from, position).await?;
            self.lost.remove(&partition);
            self.announcing.remove(&partition);
            self.untold.remove(&partition);
            let place = Place { generation, position, announced: position, batch_max: BATCH_EVENTS_MAX };
            self.places.insert(partition, place);
            self.sweep.again();
        }
        Ok(())
    }

    /// Takes the group's position in a partition for its own, for work beside those who read.
    pub(super) async fn stand(&mut self, partition: u16) -> Result<(), StoreError> {
        let (position, announced) = self.store.standing(GROUP, partition).await?;
        self.announcing.remove(&partition);
        self.places.insert(partition, Place { generation: 0, position, announced, batch_max: 0 });
        Ok(())
    }

    /// Does a piece of work, again after transient failures, anew after another scorer of the group went ahead.
    async fn attempt(&mut self, piece: Piece, shutdown: &CancellationToken) -> Result<usize, ScorerError> {
        let mut wait = RETRY_FIRST;
        for retry in 0_u32.. {
            let done = match piece {
                Piece::Survey => self.survey().await.map(|()| 0).map_err(Fault::from),
                Piece::Together => {
                    let partitions: Vec<u16> = self.places.keys().copied().collect();
                    self.batch(&partitions).await
                }
                Piece::Batch(partition) => self.batch(&[partition]).await,
                Piece::Renewal => self.renew().await,
            };
            let error = match (done, piece) {
                (Ok(worked), _) => return Ok(worked),
                (Err(Fault::Store(StoreError::Fenced { partition, found, .. })), _) => {
                    tracing::warn!(partition, position = found, "another scorer went ahead");
                    if let Some(place) = self.places.remove(&partition) {
                        self.lost.insert(partition, place.position);
                    }
                    return Ok(1);
                }
                // It is read and derived anew.
                (Err(Fault::Store(StoreError::Overtaken)), _) => {
                    self.reader.doubt();
                    return Ok(1);
                }
                (Err(Fault::Poison(_)), Piece::Together) => {
                    self.apart = true;
                    self.places.values_mut().for_each(|place| place.batch_max = shrunk(place.batch_max));
                    return Ok(1);
                }
                (Err(Fault::Poison(reason)), Piece::Batch(partition)) => {
                    self.isolate(partition, reason);
                    continue;
                }
                (Err(Fault::Poison(reason)), Piece::Survey | Piece::Renewal) => {
                    tracing::error!(reason, "a score cannot be renewed; passed over");
                    return Ok(0);
                }
                (Err(Fault::Store(error)), _) => error,
            };
            if !may_pass(&error, retry) {
                return Err(error.into());
            }
            if retry == 0 {
                tracing::warn!(error = %error, "the store failed; trying again");
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(0),
                () = tokio::time::sleep(wait) => wait = (2 * wait).min(RETRY_LONGEST),
            }
        }
        Ok(0)
    }

    /// Makes the next batch smaller, after one that holds an event which cannot be applied; one that holds nothing else
    /// sets it aside.
    fn isolate(&mut self, partition: u16, reason: String) {
        if let Some(place) = self.places.get_mut(&partition) {
            if place.batch_max == 1 {
                self.poison = Some((partition, place.position, reason));
            } else {
                place.batch_max = shrunk(place.batch_max);
            }
        }
    }

    /// The present scorer and instant.
    pub(super) fn judge(&mut self) -> Judge {
        let scorer = Arc::clone(&self.scorer.borrow_and_update());
        Judge { scorer, at: self.clock.now(), deferred: false, features: self.store.keeps_features() }
    }

    /// Records that the group has still to read, in all partitions.
    async fn behind(&self) -> Result<u64, StoreError> {
        let mut behind = 0;
        for (partition, head) in (0..).zip(self.store.heads().await?) {
            let position = self.store.position(GROUP, partition).await?;
            behind += u64::try_from(head - position).unwrap_or(0);
        }
        Ok(behind)
    }
}

/// The size of the next batch after one of this size held an event that cannot be applied.
fn shrunk(batch_max: usize) -> usize {
    (batch_max / SHRINK).max(1)
}

/// Whether the same request may succeed later: for as long as a server is away or a disk full, and a few times where
/// nobody knows.
fn may_pass(error: &StoreError, retry: u32) -> bool {
    let unclear = matches!(error, StoreError::Db(_) | StoreError::Io { .. });
    error.is_outage() || (unclear && retry < RETRIES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_cannot_be_applied_is_tried_five_times_at_most() {
        let sizes = std::iter::successors(Some(BATCH_EVENTS_MAX), |size| (*size > 1).then(|| shrunk(*size)));
        assert_eq!(sizes.count(), 5);
    }
}

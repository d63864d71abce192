//! Readers of the log: members of a group that share its partitions.
//!
//! Invariant: what a reader hands out is in order, and stays until the group's position has moved past it. Two readers
//! of a group may believe for a moment that they own the same partition; the position, which only one of them can
//! move, decides.

use std::collections::BTreeMap;

use tokio::sync::watch;

use super::kafka::{self, Batch, Member, Trust};
use crate::{Store, StoreError, Unreadable, states::DeadLetter};

/// A member of a group of readers.
pub struct LogReader {
    store: Store,
    source: Source,
    trust: Trust,
}

/// Where the records come from.
enum Source {
    /// The log in the database: one process reads all partitions.
    Database { appended: watch::Receiver<u64> },
    /// None at all.
    Nothing,
    /// The topic: its partitions are shared among the group's members.
    Kafka(Member),
}

impl LogReader {
    /// Joins `group`.
    ///
    /// # Errors
    /// Where Kafka cannot be asked.
    pub fn join(store: &Store, group: &str) -> Result<Self, StoreError> {
        let source = match store.kafka() {
            Some(kafka) => Source::Kafka(Member::join(store, kafka, group)?),
            None => Source::Database { appended: store.appended() },
        };
        Ok(Self { store: store.clone(), source, trust: Trust::Memory })
    }

    /// A reader that belongs to no group and owns nothing.
    #[must_use]
    pub fn idle(store: &Store) -> Self {
        Self { store: store.clone(), source: Source::Nothing, trust: Trust::Memory }
    }

    /// The partitions that it owns at present, in order, each with a number that changes when it came back after
    /// somebody else may have had it: what was remembered of it is then to be forgotten.
    #[must_use]
    pub fn owned(&self) -> Vec<(u16, u64)> {
        match &self.source {
            Source::Database { .. } => (0..self.store.partitions()).map(|partition| (partition, 0)).collect(),
            Source::Nothing => Vec::new(),
            Source::Kafka(member) => member.owned(),
        }
    }

    /// What stands in partitions behind positions: of each (partition, position, limit) up to `limit` records.
    /// Partitions without any are missing. The same call gives the same records again until the position is moved.
    /// Whether events are new, and leads as they were, is verified by the commit.
    ///
    /// # Errors
    /// Where database or Kafka fail.
    pub async fn read(&mut self, places: &[(u16, i64, usize)]) -> Result<Vec<(u16, Batch)>, StoreError> {
        match &self.source {
            Source::Nothing => Ok(Vec::new()),
            Source::Database { .. } => self.read_database(places).await,
            Source::Kafka(member) => {
                let waiting =
                    places.iter().flat_map(|(partition, after, limit)| member.waiting(*partition, *after, *limit));
                let raws: Vec<_> = waiting.collect();
                let kafka = self.store.kafka().ok_or(StoreError::Closed)?;
                let trust = std::mem::replace(&mut self.trust, Trust::Memory);
                kafka::take(&self.store, kafka, &raws, trust).await
            }
        }
    }

    async fn read_database(&self, places: &[(u16, i64, usize)]) -> Result<Vec<(u16, Batch)>, StoreError> {
        let mut batches: BTreeMap<u16, Batch> = BTreeMap::new();
        for record in self.store.read_logs(places).await? {
            let batch = batches.entry(record.partition).or_default();
            (batch.to, batch.count) = (record.position, batch.count + 1);
            if record.event == Err(Unreadable::Corrupt) {
                let (event_id, position, lead_id) = (record.event_id, record.position, record.lead_id);
                tracing::error!(%event_id, position, "an event of the log is damaged; set aside");
                batch.dead.push(DeadLetter { position, event_id, lead_id, reason: Unreadable::Corrupt.to_string() });
            } else {
                batch.records.push(record);
            }
        }
        Ok(batches.into_iter().collect())
    }

    /// Lets the next [`Self::read`] look up whatever it says: what the last one said was [`StoreError::Overtaken`].
    pub fn doubt(&mut self) {
        self.trust = Trust::Nothing;
    }

    /// Marks what there is now as seen, for [`Self::changed`].
    pub fn see(&mut self) {
        match &mut self.source {
            Source::Database { appended } => {
                appended.borrow_and_update();
            }
            Source::Nothing => {}
            Source::Kafka(member) => member.see(),
        }
    }

    /// Waits until there may be something that was not there when [`Self::see`] was called. Appends of other processes
    /// to an embedded database are found by looking only.
    pub async fn changed(&mut self) {
        match &mut self.source {
            Source::Database { appended } => {
                if appended.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            Source::Nothing => std::future::pending().await,
            Source::Kafka(member) => member.changed().await,
        }
    }

    /// Leaves the group, so that others need not miss it first.
    pub async fn leave(self) {
        match self.source {
            Source::Database { .. } | Source::Nothing => {}
            Source::Kafka(member) => member.leave().await,
        }
    }
}

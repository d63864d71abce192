//! The event log: partitioned by lead, dense positions from 1, never altered.

use std::collections::HashMap;

use leadscore_domain::{Event, EventId, Invalid, LeadId, PendingEvent};
use tokio::sync::watch;

use crate::{Checkpoint, Store, StoreError};

/// Most events in one call of [`Store::append`].
pub const APPEND_MAX_EVENTS: usize = 10_000;

/// What became of one event handed to [`Store::append`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// It is in the log, durably.
    Applied {
        /// The event.
        event_id: EventId,
        /// The lead that it was found to be about.
        lead_id: LeadId,
        /// Partition of the log.
        partition: u16,
        /// Position in the partition, from 1.
        position: i64,
        /// Whether the lead came into being with this event.
        created: bool,
    },
    /// It was there before; nothing happened.
    Duplicate {
        /// The event.
        event_id: EventId,
        /// The lead that it belongs to now.
        lead_id: LeadId,
    },
    /// It is not in the log, for this reason.
    Refused(Invalid),
}

/// Why an event of the log cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Its lead was erased: pass it over.
    #[error("the lead was erased")]
    Erased,
    /// Its bytes are damaged or were altered: a dead letter.
    #[error("the stored event is damaged")]
    Corrupt,
}

/// One place of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRecord {
    /// Partition of the log.
    pub partition: u16,
    /// Position in the partition, from 1 without gaps.
    pub position: i64,
    /// The event's id, also where the event cannot be read.
    pub event_id: EventId,
    /// The lead at the time of the append, also where the event cannot be read.
    pub lead_id: LeadId,
    /// The event.
    pub event: Result<Event, Unreadable>,
}

impl Store {
    /// Puts events into the log in one durable transaction, shared with others that wait: finds or creates each
    /// event's lead, joins handles, merges leads that turn out to be one, drops duplicates. Answers in the order of
    /// `events`. The checkpoint is committed in the same transaction.
    ///
    /// # Errors
    /// More than [`APPEND_MAX_EVENTS`] events; where the database fails: then none of them was applied.
    pub async fn append(
        &self,
        events: Vec<PendingEvent>,
        checkpoint: Option<Checkpoint>,
    ) -> Result<Vec<Appended>, StoreError> {
        let _ = (events, checkpoint);
        todo!()
    }

    /// Up to `limit` records of a partition after position `after`, in order and without gaps.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn read_log(&self, partition: u16, after: i64, limit: usize) -> Result<Vec<LogRecord>, StoreError> {
        let _ = (partition, after, limit);
        todo!()
    }

    /// The last position of a partition; 0 where it is empty.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn head(&self, partition: u16) -> Result<i64, StoreError> {
        let _ = partition;
        todo!()
    }

    /// All readable events of leads, each with those of the leads that it absorbed, in the order of their receipt.
    /// Leads without readable events are missing.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where an event is damaged; where the database fails.
    pub async fn events_of(&self, ids: &[LeadId]) -> Result<HashMap<LeadId, Vec<Event>>, StoreError> {
        let _ = ids;
        todo!()
    }

    /// As [`Self::events_of`], with the place of each event, and with those that cannot be read.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn records_of(&self, ids: &[LeadId]) -> Result<HashMap<LeadId, Vec<LogRecord>>, StoreError> {
        let _ = ids;
        todo!()
    }

    /// Changes after each append by this handle and its clones. Appends of other processes are found by polling
    /// [`Self::head`].
    #[must_use]
    pub fn appended(&self) -> watch::Receiver<u64> {
        todo!()
    }

    /// The partition of a lead's events.
    #[must_use]
    pub fn partition_of(&self, lead: LeadId) -> u16 {
        let _ = lead;
        todo!()
    }
}

//! What readers of the log derived, committed together with how far they read.

use std::collections::HashMap;

use leadscore_domain::{EventId, LeadId, Score, Timestamp};

use crate::{Store, StoreError};

/// A lead's state as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredState {
    /// As the committer handed it in.
    pub bytes: Vec<u8>,
    /// Position of the lead's partition that the state includes.
    pub log_position: i64,
}

/// What a reader derived from the records `(from, to]` of a partition.
#[derive(Debug, Clone, Default)]
pub struct Derived {
    /// The group of readers that share the work.
    pub group: String,
    /// Partition of the log.
    pub partition: u16,
    /// Position that the group stood at; it must still stand there.
    pub from: i64,
    /// Position that the group stands at afterwards; the same where only scores are renewed.
    pub to: i64,
    /// New states of leads.
    pub states: Vec<(LeadId, Vec<u8>)>,
    /// New scores of leads.
    pub scores: Vec<Score>,
    /// Leads that must not have a score now.
    pub withheld: Vec<LeadId>,
    /// Events that could not be applied.
    pub dead: Vec<DeadLetter>,
}

/// An event that could not be applied. It stays in the log and can be replayed from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Position in the partition.
    pub position: i64,
    /// The event.
    pub event_id: EventId,
    /// Its lead.
    pub lead_id: LeadId,
    /// Why; never personal data.
    pub reason: String,
}

/// A dead letter as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadRecord {
    /// The group that could not apply it.
    pub group: String,
    /// Partition of the log.
    pub partition: u16,
    /// The event and the reason.
    pub letter: DeadLetter,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl Store {
    /// States of those of `ids` that have one.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where a state is damaged; where the database fails.
    pub async fn states(&self, ids: &[LeadId]) -> Result<HashMap<LeadId, StoredState>, StoreError> {
        let _ = ids;
        todo!()
    }

    /// Commits what was derived and the position that it was derived from, in one transaction. A latest score is
    /// only replaced by one of a later position (or a later calculation at the same position); absorbed and erased
    /// leads get neither state nor score.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] where the group does not stand at `from`; where the database fails. Then nothing was
    /// committed.
    pub async fn commit(&self, derived: Derived) -> Result<(), StoreError> {
        let _ = derived;
        todo!()
    }

    /// Where a group of readers stands; 0 at the start.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn position(&self, group: &str, partition: u16) -> Result<i64, StoreError> {
        let _ = (group, partition);
        todo!()
    }

    /// The newest dead letters, up to `limit`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadRecord>, StoreError> {
        let _ = limit;
        todo!()
    }
}

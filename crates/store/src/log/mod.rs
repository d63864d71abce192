//! The event log: partitioned by lead, rising positions from 1, never altered. It is a table of the database, with
//! positions without gaps, or a topic of Apache Kafka, whose events the database keeps a copy of once they are applied.

mod append;
mod book;
mod intake;
pub(crate) mod kafka;
mod merge;
mod read;
mod reader;
pub(crate) mod rows;
mod sealed;
mod visible;

use leadscore_domain::{Event, EventId, Invalid, LeadId};
use tokio::sync::watch;

pub(crate) use self::{intake::Intake, read::record};
pub use self::{
    kafka::{Announcement, Batch, KafkaOptions},
    reader::LogReader,
    sealed::SealedHistory,
    visible::visible,
};
use crate::Store;

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
        /// Position in the partition, from 1; 0 where Kafka has not taken it yet.
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
    /// Position in the partition, from 1.
    pub position: i64,
    /// The event's id, also where the event cannot be read.
    pub event_id: EventId,
    /// The lead at the time of the append, also where the event cannot be read.
    pub lead_id: LeadId,
    /// The event.
    pub event: Result<Event, Unreadable>,
}

impl Store {
    /// Changes after each append by this handle and its clones, and, on a server, by those of other processes; perhaps
    /// also without one. Appends of other processes to an embedded database are found by polling [`Self::head`].
    #[must_use]
    pub fn appended(&self) -> watch::Receiver<u64> {
        self.appends().subscribe()
    }

    /// The partition of a lead's events.
    #[must_use]
    pub fn partition_of(&self, lead: LeadId) -> u16 {
        partition_of(lead, self.partitions())
    }
}

/// FNV-1a of 64 bits (draft-eastlake-fnv) over the id, folded to 32 bits: the same on every machine, for ever.
pub(crate) fn partition_of(lead: LeadId, partitions: u16) -> u16 {
    let hash = lead
        .0
        .as_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let partition = ((hash >> 32) ^ hash) % u64::from(partitions.max(1));
    u16::try_from(partition).expect("less than the number of partitions")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn partitions_never_change_and_are_evenly_filled() {
        let known: Vec<u16> = (0..8).map(|i| partition_of(LeadId(Uuid::from_u128(i)), 8)).collect();
        assert_eq!(known, [4, 3, 6, 5, 0, 7, 2, 1], "the log of existing folders depends on it");
        let mut counts = [0; 8];
        for i in 0..8_000 {
            counts[usize::from(partition_of(LeadId(Uuid::from_u128(i << 40 | 0x7)), 8))] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }
}

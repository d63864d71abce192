//! Whether the store works, and how much it holds.

use crate::{Store, StoreError};

/// How much the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Living leads.
    pub leads: u64,
    /// Leads absorbed by others.
    pub absorbed: u64,
    /// Erased leads.
    pub erased: u64,
    /// Events of the log.
    pub events: u64,
    /// Leads with a latest score.
    pub scores: u64,
    /// Dead letters.
    pub dead: u64,
    /// Market snapshots.
    pub market: u64,
}

/// Where a group of readers stands in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLag {
    /// The group.
    pub group: String,
    /// The partition.
    pub partition: u16,
    /// Where the group stands.
    pub position: i64,
    /// Where the log ends.
    pub head: i64,
}

impl GroupLag {
    /// Events that the group has still to read.
    #[must_use]
    pub const fn lag(&self) -> i64 {
        self.head - self.position
    }
}

/// Whether the store works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether a write became durable just now.
    pub writable: bool,
    /// Version of the schema.
    pub schema: i64,
    /// Size of the database with its write-ahead log.
    pub size_bytes: u64,
    /// Last position of each partition.
    pub heads: Vec<i64>,
    /// Every group of readers in every partition that it has read.
    pub groups: Vec<GroupLag>,
}

impl Store {
    /// Writes and reads a little: cheap enough for a readiness probe.
    ///
    /// # Errors
    /// Where the database cannot even be read.
    pub async fn health(&self) -> Result<Health, StoreError> {
        todo!()
    }

    /// Reads the whole database and checks its structure; an empty answer is a sound database.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn integrity_problems(&self) -> Result<Vec<String>, StoreError> {
        todo!()
    }

    /// How much the store holds.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        todo!()
    }
}

//! Points at which a process can be told to die, for the proof of the guarantees.
//!
//! Owns: their names, and the abort. Invariant: nothing happens unless `LEADSCORE_FAIL_POINT=NAME:N` is in the
//! environment of a development build; then the N-th passage of the point NAME ends the process as a crash would,
//! without any destructor. In a release build nothing is left of it. Deliberately absent: errors and delays, which the
//! real servers give when they are stopped.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

/// A place between two steps that a crash must not be able to tear apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailPoint {
    /// The intake has written its rows, and not committed.
    AppendBefore,
    /// The intake has committed, and not answered.
    AppendAfter,
    /// Events are about to be given to Kafka.
    ProduceBefore,
    /// Kafka has events, and nobody knows.
    ProduceAfter,
    /// Kafka has rows of the outbox, which still holds them.
    OutboxBefore,
    /// The outbox let go of rows.
    OutboxAfter,
    /// What was derived is written with its position, and not committed.
    CommitBefore,
    /// What was derived is committed, and nobody was told.
    CommitAfter,
    /// Scores are about to be published.
    PublishBefore,
    /// The topic of scores was told, the cache was not.
    Announce,
    /// Scores are published.
    PublishAfter,
}

impl FailPoint {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::AppendBefore,
        Self::AppendAfter,
        Self::ProduceBefore,
        Self::ProduceAfter,
        Self::OutboxBefore,
        Self::OutboxAfter,
        Self::CommitBefore,
        Self::CommitAfter,
        Self::PublishBefore,
        Self::Announce,
        Self::PublishAfter,
    ];

    /// Its name, as `LEADSCORE_FAIL_POINT` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AppendBefore => "append.before",
            Self::AppendAfter => "append.after",
            Self::ProduceBefore => "produce.before",
            Self::ProduceAfter => "produce.after",
            Self::OutboxBefore => "outbox.before",
            Self::OutboxAfter => "outbox.after",
            Self::CommitBefore => "commit.before",
            Self::CommitAfter => "commit.after",
            Self::PublishBefore => "publish.before",
            Self::Announce => "announce",
            Self::PublishAfter => "publish.after",
        }
    }

    /// Whether it is passed with the log in Kafka only.
    #[must_use]
    pub const fn needs_kafka(self) -> bool {
        match self {
            Self::ProduceBefore | Self::ProduceAfter | Self::OutboxBefore | Self::OutboxAfter => true,
            Self::AppendBefore
            | Self::AppendAfter
            | Self::CommitBefore
            | Self::CommitAfter
            | Self::PublishBefore
            | Self::Announce
            | Self::PublishAfter => false,
        }
    }

    /// Passes the point; does not return where it is time to die.
    #[inline]
    pub fn pass(self) {
        if cfg!(debug_assertions) {
            self.pass_armed();
        }
    }

    fn pass_armed(self) {
        let Some((name, left)) = armed() else { return };
        if name == self.name() && left.fetch_sub(1, Ordering::Relaxed) == 1 {
            std::process::abort();
        }
    }
}

/// The point that is armed, and how many passages are left to it.
fn armed() -> Option<&'static (String, AtomicU32)> {
    static ARMED: OnceLock<Option<(String, AtomicU32)>> = OnceLock::new();
    let read = || {
        let wanted = std::env::var("LEADSCORE_FAIL_POINT").ok()?;
        let (name, count) = wanted.split_once(':')?;
        Some((name.to_owned(), AtomicU32::new(count.parse().ok()?)))
    };
    ARMED.get_or_init(read).as_ref()
}

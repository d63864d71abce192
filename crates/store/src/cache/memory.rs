//! The process's own memory of latest scores: bounded, and trusted only while it is known to miss nothing.
//!
//! Invariant: an entry answers only in the generation that it was made in; whatever may have missed a change begins
//! another generation. A reader that was slow therefore cannot bring back what was forgotten meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use leadscore_domain::{LeadId, Obstacle, Score};
use moka::{
    ops::compute::{CompResult, Op},
    sync::Cache,
};

use super::{Cached, Change};

/// Of the state: whether the memory may be believed. The bits above are the generation.
const TRUSTED: u64 = 1;

/// See the module.
#[derive(Debug)]
pub(super) struct Memory {
    latest: Cache<LeadId, Entry>,
    state: AtomicU64,
}

#[derive(Debug, Clone)]
struct Entry {
    generation: u64,
    known: Known,
}

#[derive(Debug, Clone)]
enum Known {
    Score(Arc<Score>),
    Withheld { log_position: i64, obstacle: Obstacle },
    Unknown { log_position: i64 },
}

impl Memory {
    pub(super) fn new(leads_max: u64, trusted: bool) -> Self {
        Self { latest: Cache::new(leads_max), state: AtomicU64::new(u64::from(trusted)) }
    }

    /// What is known of a lead and can be believed.
    pub(super) fn get(&self, id: LeadId) -> Option<Cached> {
        let state = self.state.load(Ordering::Acquire);
        if state & TRUSTED == 0 {
            return None;
        }
        let Entry { generation, known } = self.latest.get(&id)?;
        if generation != state >> 1 {
            return None;
        }
        match known {
            Known::Score(score) => Some(Cached::Score(score)),
            Known::Withheld { log_position, obstacle } => Some(Cached::Withheld { log_position, obstacle }),
            Known::Unknown { .. } => None,
        }
    }

    /// Whether it may be believed at present.
    pub(super) fn is_trusted(&self) -> bool {
        self.state.load(Ordering::Acquire) & TRUSTED != 0
    }

    /// The present generation.
    pub(super) fn generation(&self) -> u64 {
        self.state.load(Ordering::Acquire) >> 1
    }

    /// Begins another generation, and says whether it may be believed.
    pub(super) fn begin(&self, trusted: bool) {
        self.turn(|_| u64::from(trusted));
    }

    /// Begins another generation that may be believed as far as the one before.
    pub(super) fn renew(&self) {
        self.turn(|state| state & TRUSTED);
    }

    fn turn(&self, trust: impl Fn(u64) -> u64) {
        let next = |state: u64| Some((((state >> 1) + 1) << 1) | trust(state));
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).ok();
        self.latest.invalidate_all();
    }

    /// Keeps what is newer than what is known; whether it is.
    pub(super) fn keep(&self, generation: u64, change: &Change) -> bool {
        let known = Known::from(change);
        let result = self.latest.entry(change.lead_id()).and_compute_with(|held| {
            let newer = held.is_none_or(|held| {
                let held = held.value();
                (generation, known.order()) > (held.generation, held.known.order())
            });
            if newer { Op::Put(Entry { generation, known: known.clone() }) } else { Op::Nop }
        });
        matches!(result, CompResult::Inserted(_) | CompResult::ReplacedWith(_))
    }

    /// Leads held, about.
    pub(super) fn len(&self) -> u64 {
        self.latest.run_pending_tasks();
        self.latest.entry_count()
    }
}

impl From<&Change> for Known {
    fn from(change: &Change) -> Self {
        match change {
            Change::Score(score) => Self::Score(Arc::clone(score)),
            Change::Withheld { log_position, obstacle, .. } => {
                Self::Withheld { log_position: *log_position, obstacle: *obstacle }
            }
            Change::Unknown { log_position, .. } => Self::Unknown { log_position: *log_position },
        }
    }
}

impl Known {
    /// Later is newer; a score at the position of a withdrawal is older than the withdrawal.
    fn order(&self) -> (i64, i64) {
        match self {
            Self::Score(score) => (score.log_position, score.calculated_at.as_micros()),
            Self::Withheld { log_position, .. } | Self::Unknown { log_position } => (*log_position, i64::MAX),
        }
    }
}

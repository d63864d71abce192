//! Telling readers what was committed: the score cache and everybody who watches it.
//!
//! Owns: the step after a commit. Invariant: only committed scores come here, so that no reader ever sees what a
//! crash could take back. Deliberately absent: the wire formats of sockets and webhooks.

use std::sync::Arc;

use leadscore_domain::{LeadId, Score};
use leadscore_store::ScoreCache;

/// Hands committed scores to the cache and, through it, to the watchers.
#[derive(Debug, Clone)]
pub struct Publisher {
    cache: ScoreCache,
}

impl Publisher {
    /// A publisher into `cache`.
    #[must_use]
    pub const fn new(cache: ScoreCache) -> Self {
        Self { cache }
    }

    /// Publishes committed scores; one that is older than what readers know already is passed over.
    pub fn publish(&self, scores: Vec<Score>) {
        for score in scores {
            self.cache.publish(Arc::new(score));
        }
    }

    /// Takes back the scores of leads that must not have one from `log_position` of their partition on.
    pub fn withhold(&self, leads: &[LeadId], log_position: i64) {
        for &lead in leads {
            self.cache.withhold(lead, log_position);
        }
    }

    /// Forgets leads that became part of others.
    pub fn forget(&self, leads: &[LeadId]) {
        for &lead in leads {
            self.cache.forget(lead);
        }
    }
}

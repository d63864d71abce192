//! Telling readers what was committed: the score cache, the caches of other processes, and everybody who watches.
//!
//! Owns: the step after a commit. Invariant: only committed scores come here, so that no reader ever sees what a
//! crash could take back. Deliberately absent: the wire formats of sockets and webhooks.

use std::sync::Arc;

use leadscore_domain::{LeadId, Obstacle, Score};
use leadscore_store::{Change, ScoreCache};

/// Hands committed scores to the cache and, through it, to the watchers.
#[derive(Debug, Clone)]
pub struct Publisher {
    cache: ScoreCache,
}

impl Publisher {
    /// A publisher into `cache`. What an earlier one committed and did not come to publish is unknown: all readers
    /// forget what they know, and look.
    #[must_use]
    pub fn new(cache: ScoreCache) -> Self {
        cache.reset();
        Self { cache }
    }

    /// Makes all readers forget what they know: somebody else may have committed what nobody was told of.
    pub fn reset(&self) {
        self.cache.reset();
    }

    /// Publishes committed scores; one that is older than what readers know already is passed over.
    pub fn publish(&self, scores: Vec<Score>) {
        self.send(scores.into_iter().map(|score| Change::Score(Arc::new(score))));
    }

    /// Takes back the scores of leads that must not have one from `log_position` of their partition on.
    pub fn withhold(&self, leads: &[(LeadId, Obstacle)], log_position: i64) {
        self.send(leads.iter().map(|&(lead_id, obstacle)| Change::Withheld { lead_id, log_position, obstacle }));
    }

    /// Makes readers look at the database for leads of which only that says what holds at `log_position`.
    pub fn doubt(&self, leads: &[LeadId], log_position: i64) {
        self.send(leads.iter().map(|&lead_id| Change::Unknown { lead_id, log_position }));
    }

    /// Forgets leads that became part of others.
    pub fn forget(&self, leads: &[LeadId]) {
        self.send(leads.iter().copied().map(Change::gone));
    }

    fn send(&self, changes: impl Iterator<Item = Change>) {
        let changes: Vec<Change> = changes.collect();
        if !changes.is_empty() {
            self.cache.publish(changes);
        }
    }
}

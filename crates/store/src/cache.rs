//! Latest scores in memory, and their fan-out to whoever watches.

use std::sync::Arc;

use leadscore_domain::{LeadId, Score};
use moka::{
    ops::compute::{CompResult, Op},
    sync::Cache,
};
use tokio::sync::broadcast;

/// What the cache knows of a lead.
#[derive(Debug, Clone)]
pub enum Cached {
    /// Its latest score.
    Score(Arc<Score>),
    /// That it must not have a score, from a position of the log on.
    Withheld {
        /// Position in the lead's partition.
        log_position: i64,
    },
}

/// Latest scores by lead: bounded, and never going back to an earlier position of the log.
///
/// Only committed scores may enter. Clones share one cache.
#[derive(Debug, Clone)]
pub struct ScoreCache {
    latest: Cache<LeadId, Cached>,
    updates: broadcast::Sender<Arc<Score>>,
}

impl ScoreCache {
    /// A cache of at most `leads_max` leads whose watchers may lag by at most `lag_max` scores.
    ///
    /// # Panics
    /// Where `lag_max` is 0.
    #[must_use]
    pub fn new(leads_max: u64, lag_max: usize) -> Self {
        let (updates, _) = broadcast::channel(lag_max);
        Self { latest: Cache::new(leads_max), updates }
    }

    /// What is known of a lead; `None` sends the caller to the database.
    #[must_use]
    pub fn get(&self, id: LeadId) -> Option<Cached> {
        self.latest.get(&id)
    }

    /// Keeps a committed score without telling anybody: for scores that were read from the database. Whether it was
    /// newer than what was known.
    pub fn fill(&self, score: Arc<Score>) -> bool {
        let id = score.lead_id;
        self.replace(id, Cached::Score(score))
    }

    /// Keeps a score that was committed just now and tells the watchers, unless a newer one is known.
    pub fn publish(&self, score: Arc<Score>) -> bool {
        let newer = self.fill(Arc::clone(&score));
        if newer {
            // An error only says that nobody watches.
            self.updates.send(score).ok();
        }
        newer
    }

    /// Forgets a lead's score, because from this position on it must not have one.
    pub fn withhold(&self, id: LeadId, log_position: i64) {
        self.replace(id, Cached::Withheld { log_position });
    }

    /// Forgets everything of a lead: it was erased or absorbed.
    pub fn forget(&self, id: LeadId) {
        self.latest.invalidate(&id);
    }

    /// Every score published from now on. A slow receiver is told how many it missed and goes on with newer ones.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Score>> {
        self.updates.subscribe()
    }

    /// Leads held, about.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.latest.run_pending_tasks();
        self.latest.entry_count()
    }

    /// Whether no lead is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn replace(&self, id: LeadId, cached: Cached) -> bool {
        let result = self.latest.entry(id).and_compute_with(|known| {
            let newer = known.is_none_or(|known| cached.order() > known.value().order());
            if newer { Op::Put(cached) } else { Op::Nop }
        });
        matches!(result, CompResult::Inserted(_) | CompResult::ReplacedWith(_))
    }
}

impl Cached {
    /// Later is newer; a score at the position of a withdrawal is older than the withdrawal.
    fn order(&self) -> (i64, i64) {
        match self {
            Self::Score(score) => (score.log_position, score.calculated_at.as_micros()),
            Self::Withheld { log_position } => (*log_position, i64::MAX),
        }
    }
}

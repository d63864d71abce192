//! Latest scores close to who reads them, and their fan-out to whoever watches: within the process, and through Redis
//! to all processes.
//!
//! Invariants: only what is committed comes in; a lead's version never goes backwards; the process's own memory answers
//! only while it hears of every change; Redis is never the only copy. A reader asks the memory ([`ScoreCache::get`]),
//! then Redis ([`ScoreCache::read`]), then the database, and hands in what it found there ([`ScoreCache::fill`]).
//! Deliberately absent: the database.

mod memory;
mod shared;

use std::sync::Arc;

use leadscore_domain::{LeadId, Obstacle, Score};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use self::{memory::Memory, shared::Shared};
use crate::{Redis, redis::Epoch};

/// What the cache knows of a lead.
#[derive(Debug, Clone)]
pub enum Cached {
    /// Its latest score.
    Score(Arc<Score>),
    /// That it must not have a score, from a position of the log on.
    Withheld {
        /// Position in the lead's partition.
        log_position: i64,
        /// Why.
        obstacle: Obstacle,
    },
}

/// Something committed that changes what readers are to know of a lead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It has this score.
    Score(Arc<Score>),
    /// It must not have a score from a position on.
    Withheld {
        /// Whose.
        lead_id: LeadId,
        /// Position in the lead's partition.
        log_position: i64,
        /// Why; an earlier release does not say.
        #[serde(default)]
        obstacle: Obstacle,
    },
    /// Nothing older than a position holds, and the database says what does.
    Unknown {
        /// Whose.
        lead_id: LeadId,
        /// Position in the lead's partition.
        log_position: i64,
    },
}

impl Change {
    /// That a lead was absorbed or erased: it will never have a score again.
    #[must_use]
    pub const fn gone(lead_id: LeadId) -> Self {
        Self::Unknown { lead_id, log_position: i64::MAX }
    }

    /// Whose.
    #[must_use]
    pub fn lead_id(&self) -> LeadId {
        match self {
            Self::Score(score) => score.lead_id,
            Self::Withheld { lead_id, .. } | Self::Unknown { lead_id, .. } => *lead_id,
        }
    }
}

/// What a watcher is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// A lead changed.
    Changed(Change),
    /// Changes may have been missed: the database knows.
    Missed,
}

/// What [`ScoreCache::read`] found.
#[derive(Debug, Clone)]
pub enum Seen {
    /// This is known.
    Known(Cached),
    /// Nothing: ask the database, and hand in what it says with this.
    Unknown(Reading),
}

/// When a reader began to ask the database: what it finds is kept only if nothing was forgotten since.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    generation: u64,
    epoch: Option<Epoch>,
}

/// Latest scores by lead. Clones share one cache.
#[derive(Debug, Clone)]
pub struct ScoreCache {
    memory: Arc<Memory>,
    updates: broadcast::Sender<Update>,
    shared: Option<Shared>,
}

impl ScoreCache {
    /// For the only process that scores and answers: its memory hears of everything. It holds at most `leads_max`
    /// leads; watchers may lag by at most `lag_max` changes.
    ///
    /// # Panics
    /// Here and below: where `lag_max` is 0.
    #[must_use]
    pub fn sole_writer(leads_max: u64, lag_max: usize) -> Self {
        Self::new(Memory::new(leads_max, true), lag_max)
    }

    /// For one process of several that cannot tell each other what they score: every read goes to the database, and
    /// watchers hear of this process's scores alone.
    #[must_use]
    pub fn untrusted(leads_max: u64, lag_max: usize) -> Self {
        Self::new(Memory::new(leads_max, false), lag_max)
    }

    /// For one process of several that tell each other by `redis`, until that is closed.
    #[must_use]
    pub fn with_redis(redis: &Redis, leads_max: u64, lag_max: usize) -> Self {
        let mut cache = Self::untrusted(leads_max, lag_max);
        cache.shared = Some(Shared::start(redis, Arc::clone(&cache.memory), cache.updates.clone()));
        cache
    }

    fn new(memory: Memory, lag_max: usize) -> Self {
        let (updates, _) = broadcast::channel(lag_max);
        Self { memory: Arc::new(memory), updates, shared: None }
    }

    /// What this process's memory knows of a lead.
    #[must_use]
    pub fn get(&self, id: LeadId) -> Option<Cached> {
        self.memory.get(id)
    }

    /// What memory or Redis know of a lead.
    pub async fn read(&self, id: LeadId) -> Seen {
        if let Some(cached) = self.get(id) {
            return Seen::Known(cached);
        }
        let mut reading = Reading { generation: self.memory.generation(), epoch: None };
        let Some(shared) = &self.shared else { return Seen::Unknown(reading) };
        let (epoch, change) = shared.read(id).await;
        reading.epoch = epoch;
        if let Some(change) = &change {
            self.memory.keep(reading.generation, change);
        }
        match change {
            Some(Change::Score(score)) => Seen::Known(Cached::Score(score)),
            Some(Change::Withheld { log_position, obstacle, .. }) => {
                Seen::Known(Cached::Withheld { log_position, obstacle })
            }
            Some(Change::Unknown { .. }) | None => Seen::Unknown(reading),
        }
    }

    /// Keeps what the database said, without telling anybody. A score goes to Redis too; a verdict that the reader
    /// reached itself stays here.
    pub fn fill(&self, reading: Reading, change: Change) {
        if reading.generation == self.memory.generation() {
            self.memory.keep(reading.generation, &change);
        }
        if let (Some(shared), Some(epoch), Change::Score(score)) = (&self.shared, reading.epoch, change) {
            shared.fill(epoch, score);
        }
    }

    /// Keeps what was committed just now and tells everybody, except what is older than what is known.
    pub fn publish(&self, changes: Vec<Change>) {
        let generation = self.memory.generation();
        for change in &changes {
            if self.memory.keep(generation, change) {
                // An error only says that nobody watches.
                self.updates.send(Update::Changed(change.clone())).ok();
            }
        }
        if let Some(shared) = &self.shared {
            shared.publish(changes);
        }
    }

    /// Makes all processes forget everything: something committed may not have been published, as where another
    /// process ended between the two.
    pub fn reset(&self) {
        self.memory.renew();
        self.updates.send(Update::Missed).ok();
        if let Some(shared) = &self.shared {
            shared.reset();
        }
    }

    /// Every change published from now on. A slow receiver is told how many it missed and goes on with newer ones.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Update> {
        self.updates.subscribe()
    }

    /// Whether [`Self::get`] answers: this process hears of every change.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.memory.is_trusted()
    }

    /// Leads held, about.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.memory.len()
    }

    /// Whether no lead is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

//! The states that were committed last, kept in memory so that a busy lead is not read and decoded for each event.
//!
//! Owns: a bounded map. Invariant: what it holds is what the database holds at the position of the scorer; a state is
//! taken out to be changed, and comes back only after its commit. Deliberately absent: eviction by exact age.

use std::collections::HashMap;

use leadscore_domain::LeadId;
use leadscore_engine::features::LeadState;

/// States by lead in two generations: when the young one is full it becomes the old one, and the old one is dropped.
#[derive(Debug)]
pub(super) struct StateCache {
    young: HashMap<LeadId, LeadState>,
    old: HashMap<LeadId, LeadState>,
    generation_max: usize,
}

impl StateCache {
    /// A cache of at most `leads_max` leads.
    pub(super) fn new(leads_max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), generation_max: (leads_max / 2).max(1) }
    }

    /// Takes a state out, to be changed.
    pub(super) fn take(&mut self, lead: LeadId) -> Option<LeadState> {
        self.young.remove(&lead).or_else(|| self.old.remove(&lead))
    }

    /// Keeps a committed state.
    pub(super) fn put(&mut self, lead: LeadId, state: LeadState) {
        if self.young.len() >= self.generation_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&lead);
        self.young.insert(lead, state);
    }

    /// Forgets everything: somebody else may have changed the database.
    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(number: u128) -> LeadId {
        format!("{number:032x}").parse().unwrap()
    }

    #[test]
    fn it_never_holds_more_than_it_may() {
        let mut cache = StateCache::new(10);
        for number in 0..1_000 {
            cache.put(lead(number), LeadState::default());
            assert!(cache.young.len() + cache.old.len() <= 10);
        }
        assert!(cache.take(lead(999)).is_some());
        assert!(cache.take(lead(999)).is_none(), "a state that is out is not in");
        assert!(cache.take(lead(0)).is_none());
    }
}

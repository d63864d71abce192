//! How many live connections there are, of the process and of each user or key.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use leadscore_store::telemetry::Transport;
use uuid::Uuid;

/// See the module.
pub struct Seats {
    taken: Mutex<Taken>,
    max: usize,
    of_one_max: usize,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_principal: HashMap<Uuid, usize>,
}

/// A connection's seat, which is free again when this is dropped.
pub struct Seat {
    seats: Arc<Seats>,
    transport: Transport,
    principal: Option<Uuid>,
}

impl Seats {
    /// At most so many, and so many of one user or key.
    pub fn new(max: usize, of_one_max: usize) -> Self {
        Self { taken: Mutex::default(), max, of_one_max }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Nothing here panics halfway.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for a connection of whom it is not known whose it is; `None` where all are taken.
    pub fn take(self: &Arc<Self>, transport: Transport) -> Option<Seat> {
        let mut taken = self.lock();
        if taken.all >= self.max {
            return None;
        }
        taken.all += 1;
        transport.add(1);
        Some(Seat { seats: Arc::clone(self), transport, principal: None })
    }
}

impl Seat {
    /// Says whose the seat is; whether they may have one more.
    #[must_use]
    pub fn claim(&mut self, principal: Uuid) -> bool {
        let mut taken = self.seats.lock();
        let held = taken.by_principal.entry(principal).or_default();
        if *held >= self.seats.of_one_max {
            return false;
        }
        *held += 1;
        self.principal = Some(principal);
        true
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        taken.all -= 1;
        if let Some(principal) = self.principal
            && let Some(held) = taken.by_principal.get_mut(&principal)
        {
            *held -= 1;
            if *held == 0 {
                taken.by_principal.remove(&principal);
            }
        }
        self.transport.add(-1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_bounded_and_free_again_when_they_are_left() {
        let seats = Arc::new(Seats::new(3, 1));
        let (ann, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut one = seats.take(Transport::WebSocket).unwrap();
        assert!(one.claim(ann));
        let mut two = seats.take(Transport::WebSocket).unwrap();
        assert!(!two.claim(ann), "one is all that she may have");
        assert!(two.claim(bob));
        let three = seats.take(Transport::EventStream).unwrap();
        assert!(seats.take(Transport::WebSocket).is_none());
        drop((one, three));
        let mut again = seats.take(Transport::WebSocket).unwrap();
        assert!(again.claim(ann));
        drop((two, again));
        assert!(seats.lock().by_principal.is_empty());
    }
}

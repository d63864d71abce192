//! Time is handed in. The system's clock is read in one place only, the binary.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use crate::Timestamp;

/// Where the present instant comes from.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// A clock that stands still until it is moved: for tests, replay and simulation.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(start.as_micros())))
    }

    /// Sets the clock.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }

    /// Moves the clock by `micros`.
    pub fn advance_micros(&self, micros: i64) {
        self.set(self.now().plus_micros(micros));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst)).expect("only valid instants are stored")
    }
}

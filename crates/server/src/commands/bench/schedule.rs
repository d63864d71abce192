//! When requests are due: fixed before the first one is sent, whatever the server does.
//!
//! A generator that waits for an answer before it sends the next request asks a stalling server less often, and leaves
//! out of its percentiles those who would have waited (coordinated omission). Here a request counts from the instant at
//! which it was due, also where no connection was free to send it then.

use std::{
    thread,
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

/// Arrivals at a constant rate.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    start: Instant,
    per_second: f64,
    total: u64,
}

impl Schedule {
    /// As many arrivals as fall into `duration`, at least one.
    pub fn new(start: Instant, per_second: f64, duration: Duration) -> Self {
        let total = (per_second * duration.as_secs_f64()).round().max(1.0) as u64;
        Self { start, per_second, total }
    }

    /// Number of arrivals.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// When arrival `index`, counted from 0, is due.
    pub fn due(&self, index: u64) -> Instant {
        self.start + Duration::from_secs_f64(index as f64 / self.per_second)
    }

    /// Adds a permit for each arrival when it is due, and at the end one for each of those who wait, so that they see
    /// that it is over.
    ///
    /// Blocks its thread: the runtime's timers are a millisecond off, which is more than an answer takes.
    pub fn release(&self, permits: &Semaphore, waiting: usize) {
        let mut released = 0;
        while released < self.total {
            let now = Instant::now();
            let due = (released..self.total).take_while(|index| self.due(*index) <= now).count();
            permits.add_permits(due);
            released += due as u64;
            if due == 0 {
                thread::sleep(self.due(released) - now);
            }
        }
        permits.add_permits(waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_do_not_drift() {
        let start = Instant::now();
        let schedule = Schedule::new(start, 3.0, Duration::from_secs(3_600));
        assert_eq!(schedule.total(), 10_800);
        assert_eq!(schedule.due(0), start);
        assert_eq!(schedule.due(10_800), start + Duration::from_secs(3_600));
        assert_eq!(Schedule::new(start, 0.5, Duration::from_millis(1)).total(), 1);
    }

    #[test]
    fn nothing_is_released_before_it_is_due() {
        let permits = Semaphore::new(0);
        let schedule = Schedule::new(Instant::now(), 2_000.0, Duration::from_millis(50));
        thread::scope(|scope| {
            scope.spawn(|| schedule.release(&permits, 7));
            let mut seen = 0;
            while seen < 107 {
                let released = permits.available_permits();
                // Read after the permits: what was released by then was due by now.
                let now = Instant::now();
                assert!(released <= 100 || now >= schedule.due(99));
                assert!(released == 0 || schedule.due(released.min(100) as u64 - 1) <= now);
                assert!(released >= seen);
                seen = released;
            }
        });
        assert_eq!(permits.available_permits(), 107);
    }
}

//! Bounds log-in attempts per e-mail address and client address.
//!
//! Invariant: memory is bounded; a full table forgets the attempts that are least recent, never the newest.

use std::net::IpAddr;

use leadscore_domain::Timestamp;
use moka::{policy::EvictionPolicy, sync::Cache};

/// Most pairs of addresses that are remembered.
const PAIRS_MAX: u64 = 100_000;

/// Counts attempts in fixed windows that start with a pair's first attempt.
pub struct Throttle {
    attempts: Cache<Pair, Attempts>,
    max: u32,
    window_us: i64,
}

/// E-mail address as it was typed, in lower case, and where the attempt comes from.
type Pair = (String, Option<IpAddr>);

#[derive(Clone, Copy)]
struct Attempts {
    since: Timestamp,
    count: u32,
}

impl Throttle {
    /// At most `max` attempts in `window_us`.
    #[must_use]
    pub fn new(max: u32, window_us: i64) -> Self {
        let attempts = Cache::builder().max_capacity(PAIRS_MAX).eviction_policy(EvictionPolicy::lru()).build();
        Self { attempts, max, window_us }
    }

    /// Counts an attempt.
    ///
    /// # Errors
    /// The seconds until the next one is allowed, where there were too many.
    pub fn attempt(&self, email: &str, address: Option<IpAddr>, now: Timestamp) -> Result<(), u64> {
        let entry = self.attempts.entry((email.trim().to_lowercase(), address)).and_upsert_with(|known| {
            match known.map(|entry| entry.into_value()) {
                Some(Attempts { since, count }) if now.since(since) < self.window_us => {
                    Attempts { since, count: count.saturating_add(1) }
                }
                Some(_) | None => Attempts { since: now, count: 1 },
            }
        });
        let Attempts { since, count } = entry.into_value();
        if count <= self.max {
            return Ok(());
        }
        let left_us = self.window_us - now.since(since);
        Err(u64::try_from(left_us / 1_000_000).unwrap_or(0) + 1)
    }

    /// Forgets the attempts of a pair that has logged in.
    pub fn forget(&self, email: &str, address: Option<IpAddr>) {
        self.attempts.invalidate(&(email.trim().to_lowercase(), address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_per_pair_and_window() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let throttle = Throttle::new(2, 60_000_000);
        let home = Some(IpAddr::from([127, 0, 0, 1]));
        assert!(throttle.attempt("ann@example.com", home, now).is_ok());
        assert!(throttle.attempt(" ANN@example.com", home, now).is_ok());
        assert_eq!(throttle.attempt("ann@example.com", home, now.plus_micros(10_000_000)), Err(51));
        assert!(throttle.attempt("ann@example.com", None, now).is_ok());
        assert!(throttle.attempt("bob@example.com", home, now).is_ok());
        assert!(throttle.attempt("ann@example.com", home, now.plus_micros(60_000_000)).is_ok());
        assert!(throttle.attempt("bob@example.com", home, now).is_ok());
        throttle.forget("bob@example.com", home);
        assert!(throttle.attempt("bob@example.com", home, now).is_ok());
    }
}

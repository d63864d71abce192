//! The arithmetic of buckets and of what is taken from them ahead.
//!
//! Invariant: a token is spent at most once: what is in a lease has left its bucket. Pure: time comes in.

use std::time::{Duration, Instant};

use crate::Rate;

/// Which part of a full bucket a process takes ahead.
const AHEAD_PART: u32 = 16;

/// How long a refusal counts before the bucket is asked again.
const REFUSAL_MAX_S: f64 = 1.0;

/// Tokens, filled at a constant rate.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    tokens: f64,
}

impl Bucket {
    /// A bucket that holds all that it can.
    pub fn full(rate: Rate) -> Self {
        Self { tokens: f64::from(rate.burst) }
    }

    /// The tokens that are there.
    pub const fn tokens(&self) -> f64 {
        self.tokens
    }

    /// Fills for `elapsed_s`, and gives what is asked for and up to `ahead` more; `None` where it has less.
    pub fn take(&mut self, rate: Rate, asked: f64, ahead: f64, elapsed_s: f64) -> Option<f64> {
        self.tokens = f64::from(rate.burst).min(self.tokens + elapsed_s * rate.per_s);
        let taken = (self.tokens >= asked).then(|| self.tokens.min(asked + ahead))?;
        self.tokens -= taken;
        Some(taken)
    }
}

/// What a sender got.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grant {
    /// Whether the tokens were taken.
    pub taken: bool,
    /// What is left, as far as is known.
    pub left: f64,
}

/// Tokens of the shared bucket that a process holds for a sender.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lease {
    held: f64,
    /// What the bucket had when it was last looked at.
    behind: f64,
    /// From when on what is held is worth nothing: the bucket is full by then without it.
    until: Option<Instant>,
    /// A refusal that holds for whoever asks for as much or more.
    refused: Option<Refusal>,
}

/// That there was not enough, and from when on it can be otherwise.
#[derive(Debug, Clone, Copy)]
struct Refusal {
    asked: f64,
    until: Instant,
}

impl Lease {
    /// How many tokens are taken ahead; none of a small bucket.
    pub fn ahead(rate: Rate) -> f64 {
        f64::from(rate.burst / AHEAD_PART)
    }

    /// Answers without the bucket where that can be; `None` where it must be asked.
    pub fn take(&mut self, asked: f64, now: Instant) -> Option<Grant> {
        if self.until.is_some_and(|until| now >= until) {
            (self.held, self.until) = (0.0, None);
        }
        if self.held > 0.0 && self.held >= asked {
            self.held -= asked;
            return Some(Grant { taken: true, left: self.behind + self.held });
        }
        let Refusal { asked: least, until } = self.refused?;
        (least <= asked && now < until).then_some(Grant { taken: false, left: self.behind + self.held })
    }

    /// What the bucket must give so that there is enough.
    pub fn missing(&self, asked: f64) -> f64 {
        asked - self.held
    }

    /// Takes up what the bucket answered: the tokens that it gave, or none, and those that are left.
    pub fn settle(&mut self, rate: Rate, asked: f64, given: Option<f64>, left: f64, now: Instant) -> Grant {
        self.behind = left;
        if let Some(given) = given {
            self.held += given - asked;
            self.until = Some(now + seconds(f64::from(rate.burst) / rate.per_s));
            self.refused = None;
        } else {
            let wait_s = ((asked - self.held - left) / rate.per_s).min(REFUSAL_MAX_S);
            self.refused = Some(Refusal { asked, until: now + seconds(wait_s) });
        }
        Grant { taken: given.is_some(), left: self.behind + self.held }
    }
}

/// No more than a day, which any clock can add.
fn seconds(s: f64) -> Duration {
    Duration::from_secs_f64(s.clamp(0.0, 86_400.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROCESSES: usize = 4;

    #[derive(Debug, Clone, Copy)]
    struct Step {
        process: usize,
        asked: u32,
        elapsed_ms: u64,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        // Mostly small requests close together, some large, some pauses.
        let asked = prop_oneof![8 => Just(1), 2 => 1..40_u32, 1 => Just(0)];
        let elapsed_ms = prop_oneof![8 => 0..30_u64, 1 => 0..5_000_u64];
        let step = (0..PROCESSES, asked, elapsed_ms).prop_map(|(process, asked, elapsed_ms)| Step {
            process,
            asked,
            elapsed_ms,
        });
        prop::collection::vec(step, 1..600)
    }

    fn rate() -> impl Strategy<Value = Rate> {
        (1.0..200.0_f64, 1..300_u32).prop_map(|(per_s, burst)| Rate { per_s, burst })
    }

    /// What passed, and when, in seconds.
    fn run(rate: Rate, steps: &[Step]) -> Vec<(f64, f64)> {
        let start = Instant::now();
        let (mut bucket, mut leases) = (Bucket::full(rate), [Lease::default(); PROCESSES]);
        let (mut now_ms, mut looked_ms, mut passed) = (0, 0, Vec::new());
        for step in steps {
            now_ms += step.elapsed_ms;
            let now = start + Duration::from_millis(now_ms);
            let asked = f64::from(step.asked.min(rate.burst));
            let lease = &mut leases[step.process];
            let grant = lease.take(asked, now).unwrap_or_else(|| {
                let elapsed_s = (now_ms - looked_ms) as f64 / 1e3;
                looked_ms = now_ms;
                let given = bucket.take(rate, lease.missing(asked), Lease::ahead(rate), elapsed_s);
                lease.settle(rate, asked, given, bucket.tokens(), now)
            });
            assert!(grant.left >= 0.0 && lease.held >= -1e-9, "{lease:?}");
            assert!(lease.held <= Lease::ahead(rate) + 1e-6, "{lease:?}");
            if grant.taken {
                passed.push((now_ms as f64 / 1e3, asked));
            }
        }
        passed
    }

    proptest! {
        #[test]
        fn no_more_passes_than_the_rate_allows(rate in rate(), steps in steps()) {
            let passed = run(rate, &steps);
            let slack = PROCESSES as f64 * Lease::ahead(rate) + 1e-6;
            for (from, (start_s, _)) in passed.iter().enumerate() {
                let mut sum = 0.0;
                for (end_s, tokens) in &passed[from..] {
                    sum += tokens;
                    let allowed = f64::from(rate.burst) + rate.per_s * (end_s - start_s);
                    // From the very beginning nobody holds anything yet.
                    let allowed = if from == 0 { allowed + rate.per_s * start_s + 1e-6 } else { allowed + slack };
                    prop_assert!(sum <= allowed, "{sum} from {start_s} s to {end_s} s, {allowed} allowed");
                }
            }
        }
    }

    #[test]
    fn a_refusal_holds_until_the_tokens_can_be_there() {
        let (rate, now) = (Rate { per_s: 10.0, burst: 5 }, Instant::now());
        let mut lease = Lease::default();
        assert_eq!(lease.take(3.0, now), None, "nobody was asked yet");
        assert!(!lease.settle(rate, 3.0, None, 1.0, now).taken);
        let soon = now + Duration::from_millis(100);
        assert_eq!(lease.take(3.0, soon), Some(Grant { taken: false, left: 1.0 }));
        assert_eq!(lease.take(2.0, soon), None, "who asks for less may ask");
        assert_eq!(lease.take(3.0, now + Duration::from_millis(201)), None);
        let slow = Rate { per_s: 0.01, burst: 5 };
        lease.settle(slow, 3.0, None, 1.0, now);
        assert_eq!(lease.take(3.0, now + Duration::from_millis(1_001)), None, "the bucket may have been made anew");
    }
}

//! Random numbers: one ChaCha stream per lead and purpose, so that a lead never depends on another one.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// One stream of random numbers.
pub(crate) struct Draw(ChaCha8Rng);

/// Stream of the agents; leads use the low numbers.
pub(crate) const AGENTS_STREAM: u64 = u64::MAX;
/// First of the areas' streams, counted downwards: an area's path does not depend on the length of another one's.
pub(crate) const MARKET_STREAM: u64 = u64::MAX - 1;

/// What a lead's streams are for. Apart, so that one part of a life does not depend on the length of another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    /// The lasting traits.
    Person,
    /// The agent's diary.
    Diary,
    /// The hidden states.
    States,
    /// What is seen.
    Visible,
}

impl Draw {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// The stream of one part of a lead's life.
    pub(crate) fn of_lead(seed: u64, number: u64, part: Part) -> Self {
        Self::new(seed, number * 4 + part as u64)
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        self.0.random()
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in [low, high).
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform among 0..count.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        self.0.random_range(0..count)
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    /// Standard normal (Box and Muller 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Log-normal with the given median.
    pub(crate) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// Exponential with the given mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Poisson (Knuth's product of uniforms: means here are small), at most `max`.
    pub(crate) fn poisson(&mut self, mean: f64, max: u32) -> u32 {
        let floor = (-mean).exp();
        let mut product = self.unit();
        let mut count = 0;
        while product > floor && count < max {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// An index with probability in proportion to its weight; the last where all are zero.
    pub(crate) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut rest = self.unit() * weights.iter().sum::<f64>();
        for (i, weight) in weights.iter().enumerate() {
            rest -= weight;
            if rest < 0.0 {
                return i;
            }
        }
        weights.len() - 1
    }
}

/// The logistic function.
pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Days as microseconds.
pub(crate) fn days_us(days: f64) -> i64 {
    (days * leadscore_domain::time::DAY_US as f64) as i64
}

/// Minutes as microseconds.
pub(crate) fn minutes_us(minutes: f64) -> i64 {
    (minutes * 60e6) as i64
}

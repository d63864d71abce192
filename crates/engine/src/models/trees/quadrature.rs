//! Points and weights of Gauss and Legendre between 0 and 1.
//!
//! Owns: rules that integrate polynomials exactly. Invariant: a rule of n points is exact up to degree 2n − 1, to
//! rounding.

use std::f64::consts::PI;

/// Rules of 1, 2, … points.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Rules(Vec<Vec<Point>>);

/// A point with its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) at: f64,
    pub(super) weight: f64,
}

impl Rules {
    /// Makes sure that there are rules for products of up to `factors` linear factors.
    pub(super) fn reach(&mut self, factors: usize) {
        while self.0.len() < factors.div_ceil(2) + 1 {
            self.0.push(rule(self.0.len()));
        }
    }

    /// The rule that is exact for products of fewer than `factors` linear factors.
    ///
    /// # Panics
    /// Where [`Self::reach`] did not go so far.
    pub(super) fn of(&self, factors: usize) -> &[Point] {
        &self.0[factors.div_ceil(2)]
    }
}

/// The roots of the Legendre polynomial of degree `count` by Newton's method from Tricomi's guesses, moved from
/// [−1, 1] to [0, 1] (Press et al., Numerical Recipes, 3rd edition, 4.6.1).
fn rule(count: usize) -> Vec<Point> {
    let n = count as f64;
    let root = |i: usize| {
        let mut x = (PI * (i as f64 + 0.75) / (n + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..100 {
            let (mut before, mut value) = (0.0, 1.0);
            for k in 0..count {
                let k = k as f64;
                (before, value) = (value, ((2.0 * k + 1.0) * x * value - k * before) / (k + 1.0));
            }
            slope = n * (x * value - before) / (x * x - 1.0);
            let step = value / slope;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        Point { at: (1.0 + x) / 2.0, weight: 1.0 / ((1.0 - x * x) * slope * slope) }
    };
    (0..count).map(root).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_integrated_exactly() {
        let mut rules = Rules::default();
        rules.reach(64);
        for factors in 1..=64_usize {
            for degree in 0..factors {
                let sum: f64 = rules.of(factors).iter().map(|point| point.weight * point.at.powi(degree as i32)).sum();
                assert!((sum - 1.0 / (degree as f64 + 1.0)).abs() < 1e-13, "{factors} {degree}: {sum}");
            }
        }
    }
}

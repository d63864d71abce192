//! How well probabilities agree with what happens, and how well they could.
//!
//! Owns: bins of equally many examples, the expected calibration error and what chance alone makes of it.

use rand::Rng;
use serde::{Deserialize, Serialize};

/// Bins of the expected calibration error.
pub(crate) const BINS: usize = 15;

/// A bin of the reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Mean probability.
    pub probability: f64,
    /// Share that converted.
    pub share: f64,
    /// 5 % quantile of the share that a perfectly calibrated model would show.
    pub lower: f64,
    /// 95 % quantile of that share.
    pub upper: f64,
    /// Examples.
    pub n: usize,
}

/// Examples in the order of their probability, cut into parts of equal size.
pub(crate) struct Bins {
    parts: Vec<Vec<usize>>,
    means: Vec<f64>,
}

impl Bins {
    /// Examples of one probability are taken in the order of the list; fewer than `bins` examples give fewer bins.
    pub(crate) fn new(probabilities: &[f64], bins: usize) -> Self {
        let n = probabilities.len();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&x, &y| probabilities[x].total_cmp(&probabilities[y]));
        let bins = bins.min(n);
        let parts: Vec<Vec<usize>> =
            (0..bins).map(|bin| order[bin * n / bins..(bin + 1) * n / bins].to_vec()).collect();
        let means =
            parts.iter().map(|part| part.iter().map(|&i| probabilities[i]).sum::<f64>() / part.len() as f64).collect();
        Self { parts, means }
    }

    fn shares(&self, label: impl Fn(usize) -> bool) -> Vec<f64> {
        self.parts.iter().map(|part| part.iter().filter(|&&i| label(i)).count() as f64 / part.len() as f64).collect()
    }

    fn error(&self, shares: &[f64]) -> f64 {
        let n: usize = self.parts.iter().map(Vec::len).sum();
        let sum: f64 =
            (0..self.parts.len()).map(|bin| self.parts[bin].len() as f64 * (shares[bin] - self.means[bin]).abs()).sum();
        sum / n as f64
    }

    /// Expected calibration error.
    pub(crate) fn ece(&self, labels: &[bool]) -> f64 {
        self.error(&self.shares(|i| labels[i]))
    }

    /// Mean of [`Self::ece`] over `runs` sets of labels drawn from the probabilities.
    pub(crate) fn ece_noise_floor(&self, probabilities: &[f64], runs: usize, generator: &mut impl Rng) -> f64 {
        let sum: f64 = (0..runs).map(|_| self.error(&self.simulated(probabilities, generator))).sum();
        sum / runs as f64
    }

    /// The bins with the band that chance alone would leave, from `runs` sets of labels drawn from the probabilities.
    pub(crate) fn reliability(
        &self,
        labels: &[bool],
        probabilities: &[f64],
        runs: usize,
        generator: &mut impl Rng,
    ) -> Vec<ReliabilityBin> {
        let drawn: Vec<Vec<f64>> = (0..runs).map(|_| self.simulated(probabilities, generator)).collect();
        let shares = self.shares(|i| labels[i]);
        (0..self.parts.len())
            .map(|bin| {
                let mut chance: Vec<f64> = drawn.iter().map(|run| run[bin]).collect();
                chance.sort_by(f64::total_cmp);
                ReliabilityBin {
                    probability: self.means[bin],
                    share: shares[bin],
                    lower: chance[runs / 20],
                    upper: chance[runs - 1 - runs / 20],
                    n: self.parts[bin].len(),
                }
            })
            .collect()
    }

    fn simulated(&self, probabilities: &[f64], generator: &mut impl Rng) -> Vec<f64> {
        self.parts
            .iter()
            .map(|part| {
                let drawn = part.iter().filter(|&&i| uniform(generator) < probabilities[i]).count();
                drawn as f64 / part.len() as f64
            })
            .collect()
    }
}

/// Uniform in 0..1 with the 32 bits that a comparison needs.
fn uniform(generator: &mut impl Rng) -> f64 {
    (f64::from(generator.next_u32()) + 0.5) / 4_294_967_296.0
}

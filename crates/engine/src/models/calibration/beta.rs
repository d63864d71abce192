//! The calibration map: from the log-odds of a model to those of a probability.
//!
//! Owns: beta calibration, its prior and its uncertainty. Invariant: the map rises strictly between calibrated
//! log-odds of −20 and 20. Deliberately absent: which examples calibrate.
//!
//! # Two slices
//! A map is fitted to examples that the members were not trained on. Where there are two kinds of them, many
//! out-of-fold predictions and a later slice that is nearer to what will be scored, the map of the first is the prior
//! of the second: normal, with the covariance of the first fit, widened by the drift between the two as far as it
//! exceeds their sampling errors (the moment estimator of R. DerSimonian, N. Laird, "Meta-analysis in clinical
//! trials", 1986, in three dimensions). A small later slice so adds no noise, and a real drift is followed.
//!
//! The examples of one lead are not independent: covariances are cluster-robust (K.-Y. Liang, S. Zeger, "Longitudinal
//! data analysis using generalized linear models", 1986), and the later likelihood counts for as much less.

use serde::{Deserialize, Serialize};

use super::{
    Slice,
    linear::{Square, dot, inverse, product, quadratic, solve, sum},
};
use crate::models::numeric::{sigmoid, softplus};

/// Least slope of either branch, so that the map rises strictly.
const MIN_SLOPE: f64 = 0.02;
/// Outcomes of either kind below which the two slopes are fitted as one (Platt).
const MIN_OUTCOMES_FOR_BETA: f64 = 100.0;
/// Newton steps.
const MAX_STEPS: usize = 100;
/// Bound of the calibrated log-odds: probabilities stay within 1e-8 of 0 and 1.
const MAX_LOG_ODDS: f64 = 20.0;

/// How the probability was calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationKind {
    /// Two slopes: M. Kull, T. Silva Filho, P. Flach, "Beta calibration", AISTATS 2017.
    Beta,
    /// One slope: J. Platt, "Probabilistic outputs for support vector machines", 1999.
    Platt,
}

/// A strictly rising map of log-odds.
///
/// With p the uncalibrated probability, `logit(calibrated) = a·ln p − b·ln(1 − p) + c`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationMap {
    /// How it was fitted.
    pub kind: CalibrationKind,
    /// Slope that matters for small probabilities, above 0.
    pub a: f64,
    /// Slope that matters for large probabilities, above 0.
    pub b: f64,
    /// Intercept, in log-odds.
    pub c: f64,
    /// Covariance of `a`, `b` and `c`.
    covariance: Square<3>,
}

impl CalibrationMap {
    /// Fits to a slice, with a weak prior that the log-odds are right as they are.
    #[must_use]
    pub fn fit(slice: &Slice<'_>) -> Self {
        let beta = if slice.converted().min(slice.not_converted()) >= MIN_OUTCOMES_FOR_BETA {
            fit_at_least(&Problem::beta(slice, Prior::IDENTITY))
        } else {
            None
        };
        if let Some((at, covariance)) = beta {
            return Self::new(CalibrationKind::Beta, at, covariance);
        }
        let platt = Problem::platt(slice);
        let fitted = platt
            .minimum([1.0, 0.0, 0.0], [true, false, true])
            .filter(|at| at[0] >= MIN_SLOPE)
            .or_else(|| platt.minimum([MIN_SLOPE, 0.0, 0.0], [false, false, true]))
            .unwrap_or([1.0, 0.0, 0.0]);
        let [slope, _, intercept] = fitted;
        let of_platt = platt.covariance(fitted, [true, false, true]);
        // One coefficient stands for both slopes.
        let place = [0, 0, 2];
        let covariance = std::array::from_fn(|i| std::array::from_fn(|j| of_platt[place[i]][place[j]]));
        Self::new(CalibrationKind::Platt, [slope, slope, intercept], covariance)
    }

    /// Fits to a slice with an earlier map as the prior; see the module.
    #[must_use]
    pub fn fit_from(earlier: &Self, slice: &Slice<'_>) -> Self {
        let before = earlier.coefficients();
        let free = Problem::beta(slice, Prior::IDENTITY);
        let Some((alone, covariance)) = fit_at_least(&free) else { return earlier.clone() };
        let difference: [f64; 3] = std::array::from_fn(|i| alone[i] - before[i]);
        let sampling = sum(&earlier.covariance, &covariance, 1.0);
        let Some(excess) = inverse(&sampling).map(|weight| (quadratic(&weight, &difference) / 3.0 - 1.0).max(0.0))
        else {
            return earlier.clone();
        };
        let Some(precision) = inverse(&sum(&earlier.covariance, &sampling, excess)) else { return earlier.clone() };
        let mut problem = Problem::beta(slice, Prior { mean: before, precision });
        problem.weight = 1.0 / free.design_effect(alone);
        let Some((at, _)) = fit_at_least(&problem) else { return earlier.clone() };
        let posterior = inverse(&problem.derivatives(at, [true; 3]).1).unwrap_or(earlier.covariance);
        Self::new(earlier.kind, at, posterior)
    }

    fn new(kind: CalibrationKind, [a, b, c]: [f64; 3], covariance: Square<3>) -> Self {
        Self { kind, a, b, c, covariance }
    }

    /// Calibrated log-odds, between −20 and 20.
    #[must_use]
    pub fn log_odds(&self, log_odds: f64) -> f64 {
        dot(&row(log_odds), &self.coefficients()).clamp(-MAX_LOG_ODDS, MAX_LOG_ODDS)
    }

    /// Variance of the calibrated log-odds at uncalibrated ones, for what the slices leave open; at least 0.
    #[must_use]
    pub fn variance(&self, log_odds: f64) -> f64 {
        quadratic(&self.covariance, &row(log_odds)).max(0.0)
    }

    fn coefficients(&self) -> [f64; 3] {
        [self.a, self.b, self.c]
    }

    /// Whether the figures can come from a fit; files are not trusted.
    pub(super) fn is_sound(&self) -> bool {
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        finite(&self.coefficients()) && self.covariance.iter().all(|line| finite(line)) && self.a > 0.0 && self.b > 0.0
    }
}

/// What the coefficients multiply.
fn row(log_odds: f64) -> [f64; 3] {
    [-softplus(-log_odds), softplus(log_odds), 1.0]
}

/// A normal prior of the coefficients.
struct Prior {
    mean: [f64; 3],
    precision: Square<3>,
}

impl Prior {
    /// The log-odds are right as they are, give or take a slope of 1; nothing is said of the intercept.
    const IDENTITY: Self =
        Self { mean: [1.0, 1.0, 0.0], precision: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]] };
}

/// A penalised logistic regression of three coefficients with soft targets.
struct Problem<'a> {
    design: Vec<[f64; 3]>,
    targets: &'a [f32],
    leads: &'a [u64],
    prior: Prior,
    /// What an example counts for.
    weight: f64,
}

impl<'a> Problem<'a> {
    fn beta(slice: &Slice<'a>, prior: Prior) -> Self {
        let design = slice.log_odds.iter().map(|&value| row(value)).collect();
        Self { design, targets: slice.targets, leads: slice.leads, prior, weight: 1.0 }
    }

    fn platt(slice: &Slice<'a>) -> Self {
        let design = slice.log_odds.iter().map(|&value| [value, 0.0, 1.0]).collect();
        Self { design, targets: slice.targets, leads: slice.leads, prior: Prior::IDENTITY, weight: 1.0 }
    }

    /// Damped Newton steps over the `free` coefficients; `None` where they do not converge.
    fn minimum(&self, start: [f64; 3], free: [bool; 3]) -> Option<[f64; 3]> {
        let mut at = start;
        let mut loss = self.loss(at);
        for _ in 0..MAX_STEPS {
            let (gradient, hessian) = self.derivatives(at, free);
            let step = solve(&hessian, &gradient)?;
            let mut scale = 1.0;
            let (next, next_loss) = loop {
                let next: [f64; 3] = std::array::from_fn(|i| at[i] - scale * step[i]);
                let next_loss = self.loss(next);
                if next_loss <= loss {
                    break (next, next_loss);
                }
                scale /= 2.0;
                if scale < 1e-8 {
                    return Some(at);
                }
            };
            let moved = (0..3).map(|i| (next[i] - at[i]).abs()).fold(0.0, f64::max);
            (at, loss) = (next, next_loss);
            if moved < 1e-10 {
                return Some(at);
            }
        }
        at.iter().all(|value| value.is_finite()).then_some(at)
    }

    fn off_mean(&self, at: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|i| at[i] - self.prior.mean[i])
    }

    fn loss(&self, at: [f64; 3]) -> f64 {
        let fit: f64 = self
            .design
            .iter()
            .zip(self.targets)
            .map(|(row, &target)| {
                let value = dot(row, &at);
                softplus(value) - f64::from(target) * value
            })
            .sum();
        self.weight * fit + quadratic(&self.prior.precision, &self.off_mean(at)) / 2.0
    }

    fn derivatives(&self, at: [f64; 3], free: [bool; 3]) -> ([f64; 3], Square<3>) {
        let off = self.off_mean(at);
        let mut gradient: [f64; 3] = std::array::from_fn(|i| dot(&self.prior.precision[i], &off));
        let mut hessian = self.prior.precision;
        for (row, &target) in self.design.iter().zip(self.targets) {
            let probability = sigmoid(dot(row, &at));
            let residual = self.weight * (probability - f64::from(target));
            let curvature = self.weight * probability * (1.0 - probability);
            for i in 0..3 {
                gradient[i] += residual * row[i];
                for j in 0..3 {
                    hessian[i][j] += curvature * row[i] * row[j];
                }
            }
        }
        // A fixed coefficient has an equation of its own: no step.
        for i in (0..3).filter(|&i| !free[i]) {
            gradient[i] = 0.0;
            hessian[i] = [0.0; 3];
            hessian.iter_mut().for_each(|line| line[i] = 0.0);
            hessian[i][i] = 1.0;
        }
        (gradient, hessian)
    }

    /// Cluster-robust covariance of the `free` coefficients at the minimum; 0 for the others.
    fn covariance(&self, at: [f64; 3], free: [bool; 3]) -> Square<3> {
        let (_, hessian) = self.derivatives(at, free);
        let Some(bread) = inverse(&hessian) else { return [[0.0; 3]; 3] };
        let mut covariance = product(&product(&bread, &self.scores(at)), &bread);
        for i in (0..3).filter(|&i| !free[i]) {
            covariance[i] = [0.0; 3];
            covariance.iter_mut().for_each(|line| line[i] = 0.0);
        }
        covariance
    }

    /// By how much less an example says than one of a lead of its own; at least 1.
    fn design_effect(&self, at: [f64; 3]) -> f64 {
        let (_, hessian) = self.derivatives(at, [true; 3]);
        let Some(bread) = inverse(&hessian) else { return 1.0 };
        let ratio = product(&bread, &self.scores(at));
        ((0..3).map(|i| ratio[i][i]).sum::<f64>() / 3.0).max(1.0)
    }

    /// Sum over the leads of the outer product of a lead's gradient with itself.
    fn scores(&self, at: [f64; 3]) -> Square<3> {
        let mut order: Vec<usize> = (0..self.leads.len()).collect();
        order.sort_by_key(|&index| (self.leads[index], index));
        let mut total = [[0.0; 3]; 3];
        for lead in order.chunk_by(|&x, &y| self.leads[x] == self.leads[y]) {
            let mut gradient = [0.0; 3];
            for &index in lead {
                let row = &self.design[index];
                let residual = self.weight * (sigmoid(dot(row, &at)) - f64::from(self.targets[index]));
                (0..3).for_each(|i| gradient[i] += residual * row[i]);
            }
            for i in 0..3 {
                (0..3).for_each(|j| total[i][j] += gradient[i] * gradient[j]);
            }
        }
        total
    }
}

/// The minimum under slopes of at least [`MIN_SLOPE`], and its covariance; `None` where there is none.
fn fit_at_least(problem: &Problem<'_>) -> Option<([f64; 3], Square<3>)> {
    let mut start = problem.prior.mean;
    let mut free = [true; 3];
    let mut at = problem.minimum(start, free)?;
    for slope in 0..2 {
        if at[slope] < MIN_SLOPE {
            free[slope] = false;
            start[slope] = MIN_SLOPE;
            at = problem.minimum(start, free)?;
        }
    }
    (at[0] >= MIN_SLOPE && at[1] >= MIN_SLOPE).then(|| (at, problem.covariance(at, free)))
}

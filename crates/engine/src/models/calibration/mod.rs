//! From the log-odds of trees to a probability and its interval.
//!
//! Owns: beta calibration and the grid of intervals. Invariant: the probability rises strictly with the log-odds
//! (between calibrated log-odds of −20 and 20) and lies strictly between 0 and 1; the interval contains it.
//! Deliberately absent: which examples calibrate. They must be ones that the trees were not trained on.
//!
//! # What the interval means
//! It is a 90 % interval of the share that converts among leads that the model scores alike: the Wilson score
//! interval (E. B. Wilson, JASA 22, 1927) of the nearest calibration examples in the order of the score, counted in
//! leads, since the examples of one lead are not independent. It is wide where the calibration data is thin. It is
//! not an interval of the lead's own outcome, which is 0 or 1, nor does it cover what the model cannot know: a
//! market that changed since, or leads of a kind that it never saw.

use serde::{Deserialize, Serialize};

use super::numeric::{sigmoid, softplus};

/// Least slope of either branch, so that the map rises strictly.
const MIN_SLOPE: f64 = 0.02;
/// Outcomes of either kind below which the two slopes are fitted as one (Platt).
const MIN_OUTCOMES_FOR_BETA: usize = 100;
/// Weight of the prior that the log-odds are right as they are, in squared units of a slope.
const IDENTITY_PRIOR: f64 = 1.0;
/// Newton steps.
const MAX_STEPS: usize = 100;
/// Bound of the calibrated log-odds: probabilities stay within 1e-9 of 0 and 1.
const MAX_LOG_ODDS: f64 = 20.0;
/// Grid points of the interval.
const GRID: usize = 256;
/// 95 % quantile of the standard normal distribution: 90 % between both ends.
const Z: f64 = 1.644_853_626_951_472_2;
/// Fewest calibration examples that an interval rests on.
const MIN_NEIGHBOURS: usize = 50;

/// How the probability was calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationKind {
    /// Two slopes: M. Kull, T. Silva Filho, P. Flach, "Beta calibration", AISTATS 2017.
    Beta,
    /// One slope: J. Platt, "Probabilistic outputs for support vector machines", 1999.
    Platt,
}

/// A map from log-odds to a probability and its 90 % interval.
///
/// With p the uncalibrated probability, `logit(calibrated) = a·ln p − b·ln(1 − p) + c`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// How it was fitted.
    pub kind: CalibrationKind,
    /// Slope that matters for small probabilities, above 0.
    pub a: f64,
    /// Slope that matters for large probabilities, above 0.
    pub b: f64,
    /// Intercept, in log-odds.
    pub c: f64,
    /// Calibrated log-odds of the first grid point.
    start: f64,
    /// Calibrated log-odds between neighbouring grid points, above 0.
    step: f64,
    /// Lower ends at the grid points.
    lower: Vec<f64>,
    /// Upper ends at the grid points.
    upper: Vec<f64>,
}

impl Calibration {
    /// Fits to examples that the trees were not trained on: their log-odds, labels and leads, at least one example
    /// of either kind.
    #[must_use]
    pub fn fit(log_odds: &[f64], labels: &[bool], leads: &[u64]) -> Self {
        let (kind, [a, b, c]) = fit_map(log_odds, labels);
        let mut fitted = Self { kind, a, b, c, start: 0.0, step: 1.0, lower: Vec::new(), upper: Vec::new() };
        fitted.fit_intervals(log_odds, labels, leads);
        fitted
    }

    /// Calibrated log-odds, between −20 and 20.
    #[must_use]
    pub fn log_odds(&self, log_odds: f64) -> f64 {
        let calibrated = self.b * softplus(log_odds) - self.a * softplus(-log_odds) + self.c;
        calibrated.clamp(-MAX_LOG_ODDS, MAX_LOG_ODDS)
    }

    /// Probability and both ends of its 90 % interval, from the calibrated log-odds.
    #[must_use]
    pub fn probability(&self, calibrated: f64) -> [f64; 3] {
        let probability = sigmoid(calibrated);
        let last = self.lower.len() - 1;
        let place = ((calibrated - self.start) / self.step).clamp(0.0, last as f64);
        let index = (place as usize).min(last.saturating_sub(1));
        let weight = place - index as f64;
        let at = |grid: &[f64]| grid[index] + weight * (grid[(index + 1).min(last)] - grid[index]);
        [probability, at(&self.lower).min(probability), at(&self.upper).max(probability)]
    }

    /// Whether the figures can come from [`Self::fit`]; files are not trusted.
    pub(crate) fn is_sound(&self) -> bool {
        let finite = [self.a, self.b, self.c, self.start, self.step].iter().all(|value| value.is_finite());
        let share = |value: &f64| (0.0..=1.0).contains(value);
        finite
            && self.a > 0.0
            && self.b > 0.0
            && self.step > 0.0
            && !self.lower.is_empty()
            && self.lower.len() == self.upper.len()
            && self.lower.iter().all(share)
            && self.upper.iter().all(share)
    }

    fn fit_intervals(&mut self, log_odds: &[f64], labels: &[bool], leads: &[u64]) {
        let mut order: Vec<usize> = (0..log_odds.len()).collect();
        order.sort_by(|&x, &y| log_odds[x].total_cmp(&log_odds[y]).then(leads[x].cmp(&leads[y])).then(x.cmp(&y)));
        let calibrated: Vec<f64> = order.iter().map(|&i| self.log_odds(log_odds[i])).collect();
        let n = calibrated.len();
        let (first, last) = (calibrated[n / 1_000], calibrated[n - 1 - n / 1_000]);
        self.start = first;
        self.step = ((last - first) / (GRID - 1) as f64).max(1e-6);
        // The bandwidth that balances noise and bias of a local mean grows with n^(4/5).
        let neighbours = ((n as f64).powf(0.8).ceil() as usize).max(MIN_NEIGHBOURS).min(n);
        for point in 0..GRID {
            let at = self.start + self.step * point as f64;
            let centre = calibrated.partition_point(|&value| value < at);
            let from = centre.saturating_sub(neighbours / 2);
            let to = (centre + neighbours.div_ceil(2)).clamp(from + 1, n);
            let window = &order[from.min(n - 1)..to];
            let mut distinct: Vec<u64> = window.iter().map(|&i| leads[i]).collect();
            distinct.sort_unstable();
            distinct.dedup();
            let observed = window.iter().filter(|&&i| labels[i]).count() as f64 / window.len() as f64;
            let expected =
                calibrated[from.min(n - 1)..to].iter().map(|&value| sigmoid(value)).sum::<f64>() / window.len() as f64;
            // The window is wide: what it says is by how much the probability is off here, not what it is.
            let share = (sigmoid(at) + observed - expected).clamp(0.0, 1.0);
            let (lower, upper) = wilson(share, distinct.len() as f64);
            self.lower.push(lower.min(sigmoid(at)));
            self.upper.push(upper.max(sigmoid(at)));
        }
    }
}

/// 90 % Wilson score interval of a share observed among `n`.
fn wilson(share: f64, n: f64) -> (f64, f64) {
    let z2 = Z * Z;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

fn fit_map(log_odds: &[f64], labels: &[bool]) -> (CalibrationKind, [f64; 3]) {
    let positives = labels.iter().filter(|&&label| label).count();
    if positives.min(labels.len() - positives) >= MIN_OUTCOMES_FOR_BETA
        && let Some(beta) = fit_beta(log_odds, labels)
    {
        return (CalibrationKind::Beta, beta);
    }
    let design: Vec<[f64; 3]> = log_odds.iter().map(|&value| [value, 0.0, 1.0]).collect();
    let [slope, _, intercept] = newton(&design, labels, [1.0, 0.0, 0.0], [true, false, true])
        .filter(|fitted| fitted[0] >= MIN_SLOPE)
        .or_else(|| newton(&design, labels, [MIN_SLOPE, 0.0, 0.0], [false, false, true]))
        .unwrap_or([1.0, 0.0, 0.0]);
    (CalibrationKind::Platt, [slope, slope, intercept])
}

/// Maximum likelihood under slopes of at least [`MIN_SLOPE`]; `None` where it does not converge.
fn fit_beta(log_odds: &[f64], labels: &[bool]) -> Option<[f64; 3]> {
    let design: Vec<[f64; 3]> = log_odds.iter().map(|&value| [-softplus(-value), softplus(value), 1.0]).collect();
    let free = newton(&design, labels, [1.0, 1.0, 0.0], [true; 3])?;
    let fitted = match (free[0] >= MIN_SLOPE, free[1] >= MIN_SLOPE) {
        (true, true) => free,
        (false, _) => newton(&design, labels, [MIN_SLOPE, 1.0, 0.0], [false, true, true])?,
        (true, false) => newton(&design, labels, [1.0, MIN_SLOPE, 0.0], [true, false, true])?,
    };
    (fitted[0] >= MIN_SLOPE && fitted[1] >= MIN_SLOPE).then_some(fitted)
}

/// Damped Newton steps on the penalised log-likelihood, over the `free` coefficients only.
fn newton(design: &[[f64; 3]], labels: &[bool], start: [f64; 3], free: [bool; 3]) -> Option<[f64; 3]> {
    let mut at = start;
    let mut loss = penalised_loss(design, labels, at);
    for _ in 0..MAX_STEPS {
        let (gradient, hessian) = derivatives(design, labels, at, free);
        let step = solve(hessian, gradient)?;
        let mut scale = 1.0;
        let (next, next_loss) = loop {
            let next = [at[0] - scale * step[0], at[1] - scale * step[1], at[2] - scale * step[2]];
            let next_loss = penalised_loss(design, labels, next);
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

fn dot(x: &[f64; 3], y: &[f64; 3]) -> f64 {
    x[0] * y[0] + x[1] * y[1] + x[2] * y[2]
}

fn penalised_loss(design: &[[f64; 3]], labels: &[bool], at: [f64; 3]) -> f64 {
    let fit: f64 = design
        .iter()
        .zip(labels)
        .map(|(row, &label)| {
            let value = dot(row, &at);
            softplus(if label { -value } else { value })
        })
        .sum();
    fit + IDENTITY_PRIOR / 2.0 * ((at[0] - 1.0).powi(2) + (at[1] - 1.0).powi(2))
}

fn derivatives(design: &[[f64; 3]], labels: &[bool], at: [f64; 3], free: [bool; 3]) -> ([f64; 3], [[f64; 3]; 3]) {
    let mut gradient = [IDENTITY_PRIOR * (at[0] - 1.0), IDENTITY_PRIOR * (at[1] - 1.0), 0.0];
    let mut hessian = [[0.0; 3]; 3];
    hessian[0][0] = IDENTITY_PRIOR;
    hessian[1][1] = IDENTITY_PRIOR;
    for (row, &label) in design.iter().zip(labels) {
        let probability = sigmoid(dot(row, &at));
        let residual = probability - f64::from(u8::from(label));
        let weight = probability * (1.0 - probability);
        for i in 0..3 {
            gradient[i] += residual * row[i];
            for j in 0..3 {
                hessian[i][j] += weight * row[i] * row[j];
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

/// Solves a positive definite system by Cholesky's method; `None` where it is not positive definite.
fn solve(matrix: [[f64; 3]; 3], right: [f64; 3]) -> Option<[f64; 3]> {
    let mut lower = [[0.0; 3]; 3];
    for i in 0..3 {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
            let rest = matrix[i][j] - known;
            lower[i][j] = if i == j {
                if rest <= 1e-12 || !rest.is_finite() {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / lower[j][j]
            };
        }
    }
    let mut half = [0.0; 3];
    for i in 0..3 {
        half[i] = (right[i] - (0..i).map(|k| lower[i][k] * half[k]).sum::<f64>()) / lower[i][i];
    }
    let mut solution = [0.0; 3];
    for i in (0..3).rev() {
        solution[i] = (half[i] - (i + 1..3).map(|k| lower[k][i] * solution[k]).sum::<f64>()) / lower[i][i];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(n: usize) -> (Vec<f64>, Vec<bool>, Vec<u64>) {
        let log_odds: Vec<f64> = (0..n).map(|i| -3.0 + 6.0 * ((i * 977) % 3_001) as f64 / 3_001.0).collect();
        let labels = log_odds
            .iter()
            .enumerate()
            .map(|(i, z)| (((i * 1_009 + 3) % 2_999) as f64 / 2_999.0) < sigmoid(0.7 * z - 0.4))
            .collect();
        (log_odds, labels, (0..n as u64).collect())
    }

    /// scikit-learn 1.9.1, logistic regression on ln p and −ln(1 − p) without penalty.
    #[test]
    fn beta_calibration_agrees_with_scikit_learn() {
        let (log_odds, labels, leads) = sample(3_000);
        let fitted = Calibration::fit(&log_odds, &labels, &leads);
        assert_eq!(fitted.kind, CalibrationKind::Beta);
        // Our weak prior moves the slopes a little.
        for (value, expected) in [(fitted.a, 0.804_220_6), (fitted.b, 0.618_514_2), (fitted.c, -0.244_955_5)] {
            assert!((value - expected).abs() < 0.01, "{value} is not {expected}");
        }
        for (z, expected) in [(-3.0, 0.064_970_77), (0.066_977_67, 0.419_181_14)] {
            assert!((sigmoid(fitted.log_odds(z)) - expected).abs() < 1e-3);
        }
    }

    #[test]
    fn the_probability_rises_strictly_whatever_it_is_fitted_to() {
        let (log_odds, labels, leads) = sample(1_000);
        let upside_down: Vec<bool> = labels.iter().map(|label| !label).collect();
        let separable: Vec<bool> = log_odds.iter().map(|&z| z > 0.0).collect();
        let one_won: Vec<bool> = (0..1_000).map(|i| i == 500).collect();
        for labels in [labels, upside_down, separable, one_won] {
            let fitted = Calibration::fit(&log_odds, &labels, &leads);
            let mut last = 0.0;
            for step in -800..=800 {
                let calibrated = fitted.log_odds(f64::from(step) / 100.0);
                let [probability, lower, upper] = fitted.probability(calibrated);
                assert!(probability > last || calibrated.abs() == MAX_LOG_ODDS, "{:?} at {step}", fitted.kind);
                assert!(lower <= probability && probability <= upper && probability < 1.0);
                last = probability;
            }
        }
    }

    #[test]
    fn an_interval_counts_leads_not_examples() {
        let (log_odds, labels, leads) = sample(2_000);
        let few: Vec<u64> = leads.iter().map(|lead| lead % 200).collect();
        let width = |leads: &[u64]| {
            let fitted = Calibration::fit(&log_odds, &labels, leads);
            let [_, lower, upper] = fitted.probability(0.0);
            upper - lower
        };
        assert!(width(&few) > 1.3 * width(&leads));
    }

    /// By hand: 8 of 10, z = 1.645: (0.8 + 0.1353) / 1.2706 ∓ 1.645 / 1.2706 · √(0.016 + 0.00677).
    #[test]
    fn wilson_agrees_with_a_hand_computed_value() {
        let (lower, upper) = wilson(0.8, 10.0);
        assert!((lower - 0.5408).abs() < 5e-4 && (upper - 0.9314).abs() < 5e-4, "{lower} {upper}");
    }
}

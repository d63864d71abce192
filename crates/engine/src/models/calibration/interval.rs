//! The 90 % interval of a probability.
//!
//! Owns: the variance of a prediction's error, and the interval that follows. Invariant: the interval contains the
//! calibrated probability and the Venn–Abers pair. Deliberately absent: the lead's own outcome, which is 0 or 1.
//!
//! # What it means
//! For 90 % of the leads the interval contains the probability with which leads like this one, the same in every
//! feature, convert. The prediction misses that probability because the training examples are a sample, and because
//! a model that is fitted to a sample must stop short of what it cannot tell from chance. By how much is estimated in
//! log-odds, where the error is nearly symmetric, as a sum of variances:
//!
//! 1. **Another sample would have given another model.** The models of K folds, each without one of them, say by how
//!    much: the delete-a-group jackknife, `(K − 1)/K · Σ (z_k − z̄)²` (B. Efron, R. Tibshirani, "An Introduction to
//!    the Bootstrap", 1993, chapter 11), at every row of the slice. All but one of the models saw the row; what a single
//!    lead moves is far less than what a fold does. One row's figure has K − 1 degrees of freedom, so it is smoothed: a
//!    regression of the gamma family with a logarithmic link (P. McCullagh, J. Nelder, "Generalized Linear Models",
//!    1989, chapter 8) on what is known at serving time, the members' disagreement and the log-odds.
//! 2. **A model stops short** of what it cannot tell from chance: its size is the one whose variance and squared bias
//!    add up to the least. For Lipschitz functions of `d` columns together, variance falls with the size as `h^(−d)`
//!    and squared bias as `h²`, so that at the best `h` the squared bias is `d/2` of the variance (C. Stone, "Optimal
//!    global rates of convergence for nonparametric regression", Annals of Statistics 10, 1982). [`INTERACTING`]
//!    columns are taken to act together: as many as the trees ask on the way to one of 16 leaves. See decision 5 for how
//!    well that does.
//! 3. **What all models miss together**: by how much the means of cells of leads alike in score and disagreement differ from
//!    their predictions beyond chance and beyond 1, by the moment estimator of R. DerSimonian and N. Laird, "Meta-
//!    analysis in clinical trials", 1986. Chance is counted in leads, since the examples of one are not independent.
//! 4. **The calibration map** is fitted, and has a covariance.
//!
//! The error is taken to be logistic with that variance: its 5 % and 95 % quantiles are within 1.5 % of the normal
//! ones. Where the Venn–Abers pair reaches further on one side, the other side gives way, down to 90 % in all.
//! The interval does not cover a market that changes after the training.

use serde::{Deserialize, Serialize};

use super::{
    Slice,
    linear::{Square, dot, solve},
};
use crate::models::numeric::{logit, sigmoid};

/// Share that the interval covers.
const COVERAGE: f64 = 0.9;
/// Standard deviation of the logistic distribution with scale 1: π / √3.
const LOGISTIC_SD: f64 = 1.813_799_364_234_217_8;
/// Columns that act together.
const INTERACTING: f64 = 4.0;
/// Variance and squared bias of a model of the best size over its variance.
const BALANCE: f64 = 1.0 + INTERACTING / 2.0;
/// Terms of the regression of the variance.
const TERMS: usize = 5;
/// Disagreement below this share of the mean square says nothing more.
const LEAST_DISAGREEMENT: f64 = 0.05;
/// Steps of the regression.
const MAX_STEPS: usize = 50;
/// Conversions (or their absence, whatever is rarer) per cell.
const OUTCOMES_PER_CELL: f64 = 25.0;
/// Most cells.
const MAX_CELLS: usize = 40;
/// Least variance, in squared log-odds: no interval is a point.
const MIN_VARIANCE: f64 = 1e-4;

/// How much the members of an ensemble differ about one row, in log-odds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Disagreement {
    /// Standard deviation of the members' log-odds, weighted as they are stacked; at least 0.
    pub members: f64,
    /// Standard deviation of the heads of the net; at least 0, and 0 where there is no net.
    pub heads: f64,
}

/// What an interval is fitted to; every list has an entry per example of `slice`.
#[derive(Debug, Clone, Copy)]
pub struct IntervalEvidence<'a> {
    /// Examples that no member saw, with calibrated log-odds.
    pub slice: Slice<'a>,
    /// Calibrated log-odds by each fold's model; nothing is learned from fewer than two.
    pub folds: &'a [Vec<f64>],
    /// How much the members differ.
    pub disagreement: &'a [Disagreement],
}

/// Where an interval is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Calibrated log-odds.
    pub log_odds: f64,
    /// How much the members differ.
    pub disagreement: Disagreement,
    /// Variance of the calibration map there, in squared log-odds.
    pub map_variance: f64,
    /// The Venn–Abers pair.
    pub pair: [f64; 2],
}

/// How wide the interval is where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Coefficients of the logarithm of the variance due to the sample.
    terms: [f64; TERMS],
    /// Mean squares of the disagreement of members and heads, for scale.
    scale: [f64; 2],
    /// Bounds of the logarithm of the sampling variance: as far as was seen.
    range: [f64; 2],
    /// Variance that all models share.
    excess: f64,
}

impl Interval {
    /// Fits to what is known of examples that no member saw.
    #[must_use]
    pub fn fit(evidence: &IntervalEvidence<'_>) -> Self {
        let squares = |of: fn(&Disagreement) -> f64| {
            let total: f64 = evidence.disagreement.iter().map(|one| of(one).powi(2)).sum();
            total / evidence.disagreement.len().max(1) as f64
        };
        let scale = [squares(|one| one.members), squares(|one| one.heads)];
        let mut fitted =
            Self { terms: [0.0; TERMS], scale, range: [MIN_VARIANCE.ln(), MIN_VARIANCE.ln()], excess: 0.0 };
        if evidence.folds.len() >= 2 && !evidence.slice.leads.is_empty() {
            fitted.fit_sampling(evidence);
        }
        fitted.excess = excess(evidence);
        fitted
    }

    fn fit_sampling(&mut self, evidence: &IntervalEvidence<'_>) {
        let design: Vec<[f64; TERMS]> = evidence
            .slice
            .log_odds
            .iter()
            .zip(evidence.disagreement)
            .map(|(&log_odds, disagreement)| self.row(log_odds, disagreement))
            .collect();
        let squares: Vec<f64> =
            (0..design.len()).map(|index| BALANCE * jackknife(evidence.folds.iter().map(|fold| fold[index]))).collect();
        self.terms = gamma_regression(&design, &squares);
        let mut fitted: Vec<f64> = design.iter().map(|row| dot(row, &self.terms)).collect();
        fitted.sort_by(f64::total_cmp);
        // The few rows at either end say little of what is beyond them.
        let end = fitted.len() / 200;
        self.range = [fitted[end], fitted[fitted.len() - 1 - end]].map(|value| value.max(MIN_VARIANCE.ln()));
    }

    /// The interval [lower, upper] of the probability, without allocation.
    #[must_use]
    pub fn at(&self, place: &Place) -> [f64; 2] {
        let scale = self.variance(place).sqrt() / LOGISTIC_SD;
        let [low, high] = place.pair.map(|probability| (logit(probability) - place.log_odds) / scale);
        let [down, up] = reach(-low, high);
        let [lower, upper] = [place.log_odds - down * scale, place.log_odds + up * scale].map(sigmoid);
        let probability = sigmoid(place.log_odds);
        [lower.min(probability).min(place.pair[0]), upper.max(probability).max(place.pair[1])]
    }

    /// Variance of the error, in squared log-odds, above 0.
    #[must_use]
    pub fn variance(&self, place: &Place) -> f64 {
        self.sampling(&self.row(place.log_odds, &place.disagreement)) + self.excess + place.map_variance
    }

    /// The sampling variance, from what the coefficients multiply.
    fn sampling(&self, row: &[f64; TERMS]) -> f64 {
        dot(row, &self.terms).clamp(self.range[0], self.range[1]).exp()
    }

    /// What the coefficients multiply.
    fn row(&self, log_odds: f64, disagreement: &Disagreement) -> [f64; TERMS] {
        let relative = |value: f64, scale: f64| {
            if scale > 0.0 { (LEAST_DISAGREEMENT + value * value / scale).ln() } else { 0.0 }
        };
        let z = log_odds / 4.0;
        [1.0, relative(disagreement.members, self.scale[0]), relative(disagreement.heads, self.scale[1]), z, z * z]
    }

    /// Whether the figures can come from [`Self::fit`]; files are not trusted.
    pub(super) fn is_sound(&self) -> bool {
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        finite(&self.terms)
            && finite(&self.scale)
            && finite(&self.range)
            && self.scale.iter().all(|&value| value >= 0.0)
            && self.range[0] <= self.range[1]
            && (-50.0..=50.0).contains(&self.range[0])
            && (-50.0..=50.0).contains(&self.range[1])
            && self.excess.is_finite()
            && self.excess >= 0.0
    }
}

/// How far the interval reaches down and up, in scales of the logistic distribution, so that it holds [`COVERAGE`]
/// of it and reaches at least `down` and `up`, which may be negative.
fn reach(down: f64, up: f64) -> [f64; 2] {
    let both = logit((1.0 + COVERAGE) / 2.0);
    let other = |reached: f64| -logit(sigmoid(reached) - COVERAGE);
    match (down > both, up > both) {
        (false, false) => [both, both],
        (true, true) => [down, up],
        (false, true) => [down.max(other(up)), up],
        (true, false) => [down, up.max(other(down))],
    }
}

/// Delete-a-group jackknife variance of the mean of all.
fn jackknife(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (count - 1.0) / count * values.map(|value| (value - mean).powi(2)).sum::<f64>()
}

/// Coefficients of the logarithm of the mean of `squares`, by maximum likelihood of the gamma family with a weak
/// ridge on all but the first.
fn gamma_regression(design: &[[f64; TERMS]], squares: &[f64]) -> [f64; TERMS] {
    let count = design.len() as f64;
    let mean = (squares.iter().sum::<f64>() / count).max(MIN_VARIANCE);
    let ridge: [f64; TERMS] = std::array::from_fn(|i| if i == 0 { 0.0 } else { 1e-3 * count });
    let loss = |at: &[f64; TERMS]| {
        let fit: f64 = design
            .iter()
            .zip(squares)
            .map(|(row, square)| {
                let value = dot(row, at);
                square * (-value).exp() + value
            })
            .sum();
        fit + at.iter().zip(ridge).map(|(value, ridge)| ridge * value * value / 2.0).sum::<f64>()
    };
    let mut information: Square<TERMS> = [[0.0; TERMS]; TERMS];
    for row in design {
        (0..TERMS).for_each(|i| (0..TERMS).for_each(|j| information[i][j] += row[i] * row[j]));
    }
    (0..TERMS).for_each(|i| information[i][i] += ridge[i] + 1e-9 * count);
    let mut at = [0.0; TERMS];
    at[0] = mean.ln();
    let mut best = loss(&at);
    for _ in 0..MAX_STEPS {
        let mut gradient: [f64; TERMS] = std::array::from_fn(|i| ridge[i] * at[i]);
        for (row, square) in design.iter().zip(squares) {
            let residual = 1.0 - square * (-dot(row, &at)).exp();
            (0..TERMS).for_each(|i| gradient[i] += residual * row[i]);
        }
        let Some(step) = solve(&information, &gradient) else { return at };
        let candidates = (0..20).map(|halvings| {
            let scale = 0.5_f64.powi(halvings);
            std::array::from_fn(|i| at[i] - scale * step[i])
        });
        let Some((next, lower)) = candidates.map(|next| (next, loss(&next))).find(|(_, lower)| *lower < best) else {
            return at;
        };
        let gained = best - lower;
        (at, best) = (next, lower);
        if gained < 1e-9 * count {
            return at;
        }
    }
    at
}

/// Variance of what all fold models miss together, in squared log-odds; see the module.
fn excess(evidence: &IntervalEvidence<'_>) -> f64 {
    let cells = cells(evidence);
    let of_cell: Vec<Cell> = cells.iter().map(|cell| Cell::of(evidence, cell)).collect();
    let (mut surprise, mut weight, mut explained) = (0.0, 0.0, 0.0);
    for cell in of_cell.iter().filter(|cell| cell.information > 0.0) {
        let precision = cell.information * cell.information / cell.chance;
        surprise += precision * cell.missed * cell.missed - 1.0;
        explained += precision * cell.sampling;
        weight += precision;
    }
    if weight > 0.0 { ((surprise - explained) / weight).max(0.0) } else { 0.0 }
}

/// Examples alike in score and disagreement.
struct Cell {
    /// By how much the observed log-odds differ from the predicted ones.
    missed: f64,
    /// Sum of p(1 − p).
    information: f64,
    /// Variance of the number of conversions, counted in leads.
    chance: f64,
    /// Jackknife variance of the mean log-odds.
    sampling: f64,
}

impl Cell {
    fn of(evidence: &IntervalEvidence<'_>, rows: &[usize]) -> Self {
        let slice = &evidence.slice;
        let mut rows = rows.to_vec();
        rows.sort_by_key(|&row| (slice.leads[row], row));
        let (mut surplus, mut information, mut by_lead) = (0.0, 0.0, 0.0);
        for lead in rows.chunk_by(|&x, &y| slice.leads[x] == slice.leads[y]) {
            let mut of_lead = 0.0;
            for &row in lead {
                let probability = sigmoid(slice.log_odds[row]);
                information += probability * (1.0 - probability);
                of_lead += f64::from(slice.targets[row]) - probability;
            }
            surplus += of_lead;
            by_lead += of_lead * of_lead;
        }
        let means =
            evidence.folds.iter().map(|fold| rows.iter().map(|&row| fold[row]).sum::<f64>() / rows.len().max(1) as f64);
        let sampling = if evidence.folds.len() < 2 { 0.0 } else { jackknife(means) };
        Self { missed: surplus / information, information, chance: by_lead.max(information), sampling }
    }
}

/// Bands of the score with equally many examples, each parted by disagreement.
fn cells(evidence: &IntervalEvidence<'_>) -> Vec<Vec<usize>> {
    let slice = &evidence.slice;
    let rarer = slice.converted().min(slice.not_converted());
    let bands = ((rarer / OUTCOMES_PER_CELL) as usize).clamp(2, MAX_CELLS) / 2;
    let spread = |row: &usize| {
        let one = evidence.disagreement.get(*row).copied().unwrap_or_default();
        one.members.powi(2) + one.heads.powi(2)
    };
    let mut order: Vec<usize> = (0..slice.log_odds.len()).collect();
    order.sort_by(|&x, &y| slice.log_odds[x].total_cmp(&slice.log_odds[y]).then(x.cmp(&y)));
    let size = order.len().div_ceil(bands).max(1);
    let mut cells = Vec::with_capacity(2 * bands);
    for band in order.chunks_mut(size) {
        band.sort_by(|x, y| spread(x).total_cmp(&spread(y)).then(x.cmp(y)));
        let (agreed, differed) = band.split_at(band.len() / 2);
        cells.extend([agreed.to_vec(), differed.to_vec()].into_iter().filter(|cell| !cell.is_empty()));
    }
    cells
}

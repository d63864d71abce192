//! Multinomial logistic regression on a [`Design`], with an offset per example and class.
//!
//! Owns: the penalised fit and its temperature. Invariant: the same examples give the same coefficients on any number
//! of threads. Deliberately absent: what the classes mean.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::design::Design;
use crate::models::{Matrix, logistic::lbfgs};

/// L2 penalty on every coefficient: half its square, against the summed log-loss.
const PENALTY: f64 = 4.0;
/// The same on the constants, which would otherwise not be unique.
const CONSTANT_PENALTY: f64 = 1e-3;
/// Most steps of the fit.
const MAX_STEPS: usize = 60;
/// Examples of one piece of work; fixed, so that sums do not depend on the threads.
const CHUNK: usize = 1_024;
/// Bounds of the temperature.
const TEMPERATURES: [f64; 2] = [0.5, 4.0];
/// Halvings of the search for the temperature.
const TEMPERATURE_STEPS: usize = 40;
/// Least probability of a class.
const MIN_PROBABILITY: f64 = 1e-6;

/// What a [`Softmax`] is fitted to: rows of a table, the class of each, and its offsets.
pub(super) struct Examples<'a, const K: usize> {
    pub(super) matrix: &'a Matrix,
    pub(super) rows: Vec<usize>,
    pub(super) classes: Vec<usize>,
    /// Added to the scores of each class.
    pub(super) offsets: Vec<[f64; K]>,
}

/// Coefficients by input, then by class; the constants are the last line. Probability of class k:
/// `exp(s_k / temperature) / Σ exp(s / temperature)` with `s_k = offset_k + constant_k + Σ coefficient_k · input`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Softmax<const K: usize> {
    design: Design,
    coefficients: Vec<f64>,
    temperature: f64,
}

impl<const K: usize> Softmax<K> {
    /// Fits to all of `examples` by limited-memory BFGS; the temperature stays 1.
    pub(super) fn fit(design: Design, examples: &Examples<'_, K>) -> Self {
        let lines = design.inputs() + 1;
        let mut inputs = vec![0.0_f32; examples.rows.len() * lines];
        for (line, &row) in inputs.chunks_mut(lines).zip(&examples.rows) {
            design.visit(examples.matrix.row(row), |input, value| line[input] = value as f32);
            line[lines - 1] = 1.0;
        }
        let start = vec![0.0; lines * K];
        let coefficients =
            lbfgs::minimise_within(start, MAX_STEPS, |at, gradient| loss::<K>(&inputs, examples, at, gradient));
        Self { design, coefficients, temperature: 1.0 }
    }

    /// The same with the temperature that suits `examples` best, which it was not fitted to.
    pub(super) fn tempered(self, examples: &Examples<'_, K>) -> Self {
        if examples.rows.is_empty() {
            return self;
        }
        let scores: Vec<[f64; K]> = examples
            .rows
            .iter()
            .zip(&examples.offsets)
            .map(|(&row, offsets)| self.scores(examples.matrix.row(row), *offsets))
            .collect();
        // The log-loss is convex in the inverse of the temperature: halve by its slope.
        let slope = |inverse: f64| {
            let each = scores.iter().zip(&examples.classes).map(|(scores, &class)| {
                let probabilities = normalised(scores.map(|score| score * inverse));
                let expected: f64 = scores.iter().zip(probabilities).map(|(score, p)| score * p).sum();
                expected - scores[class]
            });
            each.sum::<f64>()
        };
        let (mut low, mut high) = (1.0 / TEMPERATURES[1], 1.0 / TEMPERATURES[0]);
        for _ in 0..TEMPERATURE_STEPS {
            let middle = f64::midpoint(low, high);
            if slope(middle) > 0.0 { high = middle } else { low = middle }
        }
        Self { temperature: 1.0 / f64::midpoint(low, high), ..self }
    }

    pub(super) fn temperature(&self) -> f64 {
        self.temperature
    }

    /// The same at `temperature`.
    pub(super) fn at_temperature(self, temperature: f64) -> Self {
        Self { temperature, ..self }
    }

    /// Probability of every class; adds up to 1.
    pub(super) fn predict(&self, row: &[f32], offsets: [f64; K]) -> [f64; K] {
        normalised(self.scores(row, offsets).map(|score| score / self.temperature))
    }

    fn scores(&self, row: &[f32], offsets: [f64; K]) -> [f64; K] {
        let mut scores = offsets;
        let mut add = |line: usize, value: f64| {
            let coefficients = &self.coefficients[line * K..(line + 1) * K];
            for (score, coefficient) in scores.iter_mut().zip(coefficients) {
                *score += coefficient * value;
            }
        };
        self.design.visit(row, &mut add);
        add(self.design.inputs(), 1.0);
        scores
    }

    /// Whether the figures can come from [`Self::fit`] on a view of `width` columns; files are not trusted.
    pub(super) fn is_sound(&self, width: usize) -> bool {
        self.design.is_sound(width)
            && self.design.inputs().checked_add(1).and_then(|lines| lines.checked_mul(K))
                == Some(self.coefficients.len())
            && self.coefficients.iter().all(|coefficient| coefficient.is_finite())
            && (TEMPERATURES[0] / 2.0..=TEMPERATURES[1] * 2.0).contains(&self.temperature)
    }
}

/// Mean of −ln of the probability of the class that came.
pub(super) fn log_loss<const K: usize>(predicted: &[[f64; K]], classes: &[usize]) -> f64 {
    let losses = predicted.iter().zip(classes).map(|(p, &class)| -p[class].max(MIN_PROBABILITY).ln());
    losses.sum::<f64>() / predicted.len() as f64
}

/// Share of examples whose most probable class came.
pub(super) fn accuracy<const K: usize>(predicted: &[[f64; K]], classes: &[usize]) -> f64 {
    let best = |p: &[f64; K]| (0..K).max_by(|&x, &y| p[x].total_cmp(&p[y])).unwrap_or_default();
    let right = predicted.iter().zip(classes).filter(|(p, class)| best(p) == **class).count();
    right as f64 / predicted.len() as f64
}

fn normalised<const K: usize>(scores: [f64; K]) -> [f64; K] {
    let most = scores.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let weights = scores.map(|score| (score - most).exp());
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

/// Penalised log-loss at `at`, its derivatives in `gradient`.
fn loss<const K: usize>(inputs: &[f32], examples: &Examples<'_, K>, at: &[f64], gradient: &mut [f64]) -> f64 {
    let lines = at.len() / K;
    let parts: Vec<(f64, Vec<f64>)> = examples
        .classes
        .par_chunks(CHUNK)
        .enumerate()
        .map(|(chunk, classes)| {
            let mut part = vec![0.0; at.len()];
            let mut sum = 0.0;
            for (i, &class) in classes.iter().enumerate() {
                let example = chunk * CHUNK + i;
                let line = &inputs[example * lines..(example + 1) * lines];
                sum += learn_one(line, class, examples.offsets[example], at, &mut part);
            }
            (sum, part)
        })
        .collect();
    gradient.fill(0.0);
    let mut total = 0.0;
    for (sum, part) in parts {
        total += sum;
        for (all, one) in gradient.iter_mut().zip(part) {
            *all += one;
        }
    }
    for (place, (value, slope)) in at.iter().zip(gradient).enumerate() {
        let penalty = if place < at.len() - K { PENALTY } else { CONSTANT_PENALTY };
        total += penalty / 2.0 * value * value;
        *slope += penalty * value;
    }
    total
}

/// Loss of one example; its derivatives are added to `part`.
fn learn_one<const K: usize>(line: &[f32], class: usize, offsets: [f64; K], at: &[f64], part: &mut [f64]) -> f64 {
    let mut scores = offsets;
    for (&input, coefficients) in line.iter().zip(at.chunks_exact(K)).filter(|(input, _)| **input != 0.0) {
        for (score, coefficient) in scores.iter_mut().zip(coefficients) {
            *score += coefficient * f64::from(input);
        }
    }
    let mut residuals = normalised(scores);
    let loss = -residuals[class].max(f64::MIN_POSITIVE).ln();
    residuals[class] -= 1.0;
    for (&input, slopes) in line.iter().zip(part.chunks_exact_mut(K)).filter(|(input, _)| **input != 0.0) {
        for (slope, residual) in slopes.iter_mut().zip(residuals) {
            *slope += residual * f64::from(input);
        }
    }
    loss
}

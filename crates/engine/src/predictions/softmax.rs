//! Multinomial logistic regression on a [`Design`], with an offset per example and class.
//!
//! Owns: the penalised fit and its strength. Invariant: the same examples give the same coefficients on any number
//! of threads. Deliberately absent: what the classes mean.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::design::Design;
use crate::models::{
    Matrix,
    logistic::lbfgs::{self, Until},
};

/// L2 penalty on the constants, which would otherwise not be unique.
const CONSTANT_PENALTY: f64 = 1e-3;
/// Most steps of the fit.
const MAX_STEPS: usize = 30;
/// Examples of one piece of work; fixed, so that sums do not depend on the threads.
const CHUNK: usize = 1_024;
/// Bounds of the strength.
const STRENGTHS: [f64; 2] = [0.0, 2.0];
/// Halvings of the search for the strength.
const STRENGTH_STEPS: usize = 40;
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
/// `exp(s_k) / Σ exp(s)` with `s_k = offset_k + strength · (constant_k + Σ coefficient_k · input)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Softmax<const K: usize> {
    design: Design,
    coefficients: Vec<f64>,
    strength: f64,
}

impl<const K: usize> Softmax<K> {
    /// Fits to all of `examples` by limited-memory BFGS, with an L2 penalty of half of `penalty` times the square of
    /// every coefficient against the summed log-loss; the strength stays 1.
    pub(super) fn fit(design: Design, examples: &Examples<'_, K>, penalty: f64) -> Self {
        let lines = design.inputs() + 1;
        let mut inputs = vec![0.0_f32; examples.rows.len() * lines];
        for (line, &row) in inputs.chunks_mut(lines).zip(&examples.rows) {
            design.visit(examples.matrix.row(row), |input, value| line[input] = value as f32);
            line[lines - 1] = 1.0;
        }
        let coefficients = lbfgs::minimise(
            vec![0.0; lines * K],
            Until { steps: MAX_STEPS, ..Until::default() },
            None,
            |at, gradient| loss::<K>(&inputs, examples, penalty, at, gradient),
        );
        Self { design, coefficients, strength: 1.0 }
    }

    /// The same with the strength that suits `examples` best, which it was not fitted to.
    pub(super) fn suited(self, examples: &Examples<'_, K>) -> Self {
        if examples.rows.is_empty() {
            return self;
        }
        let bends: Vec<[f64; K]> = examples.rows.iter().map(|&row| self.bend(examples.matrix.row(row))).collect();
        // The log-loss is convex in the strength: halve by its slope.
        let slope = |strength: f64| {
            let each = bends.iter().zip(&examples.offsets).zip(&examples.classes).map(|((bend, offsets), &class)| {
                let probabilities = normalised(bent(*offsets, bend, strength));
                bend.iter().zip(probabilities).map(|(bend, p)| bend * p).sum::<f64>() - bend[class]
            });
            each.sum::<f64>()
        };
        let [mut low, mut high] = STRENGTHS;
        for _ in 0..STRENGTH_STEPS {
            let middle = f64::midpoint(low, high);
            if slope(middle) > 0.0 { high = middle } else { low = middle }
        }
        self.at_strength(f64::midpoint(low, high))
    }

    pub(super) fn strength(&self) -> f64 {
        self.strength
    }

    /// The same at `strength`.
    pub(super) fn at_strength(self, strength: f64) -> Self {
        Self { strength, ..self }
    }

    /// Probability of every class; adds up to 1.
    pub(super) fn predict(&self, row: &[f32], offsets: [f64; K]) -> [f64; K] {
        normalised(bent(offsets, &self.bend(row), self.strength))
    }

    /// What a row adds to the scores, at strength 1.
    fn bend(&self, row: &[f32]) -> [f64; K] {
        let mut bend = [0.0; K];
        let mut add = |line: usize, value: f64| {
            let coefficients = &self.coefficients[line * K..(line + 1) * K];
            for (bend, coefficient) in bend.iter_mut().zip(coefficients) {
                *bend += coefficient * value;
            }
        };
        self.design.visit(row, &mut add);
        add(self.design.inputs(), 1.0);
        bend
    }

    /// Whether the figures can come from [`Self::fit`] on a view of `width` columns; files are not trusted.
    pub(super) fn is_sound(&self, width: usize) -> bool {
        let lines = self.design.inputs().checked_add(1);
        self.design.is_sound(width)
            && lines.and_then(|lines| lines.checked_mul(K)) == Some(self.coefficients.len())
            && self.coefficients.iter().all(|coefficient| coefficient.is_finite())
            && (STRENGTHS[0]..=STRENGTHS[1]).contains(&self.strength)
    }
}

fn bent<const K: usize>(mut offsets: [f64; K], bend: &[f64; K], strength: f64) -> [f64; K] {
    offsets.iter_mut().zip(bend).for_each(|(score, bend)| *score += strength * bend);
    offsets
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
fn loss<const K: usize>(
    inputs: &[f32],
    examples: &Examples<'_, K>,
    penalty: f64,
    at: &[f64],
    gradient: &mut [f64],
) -> f64 {
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
        let penalty = if place < at.len() - K { penalty } else { CONSTANT_PENALTY };
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

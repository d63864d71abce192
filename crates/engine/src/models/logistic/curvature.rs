//! The curvature of the loss, roughly: it makes the search for the minimum short.
//!
//! Owns: the second derivatives from a sample of the rows, exact for [`MAX_BLOCK`] coefficients together and alone for
//! the rest. Deliberately absent: exactness; the minimum does not depend on it, only the way there.

use rayon::prelude::*;

use super::Table;
use crate::models::numeric::sigmoid;

/// Rows that the curvature is taken from.
const SAMPLE: usize = 4_096;
/// Rows of one piece of work; fixed, so that sums do not depend on the threads.
const CHUNK: usize = 512;
/// Most coefficients whose curvature is taken together.
const MAX_BLOCK: usize = 512;

/// A symmetric positive definite matrix in a form that vectors are easily divided by.
pub(super) struct Curvature {
    /// Coefficients of the block.
    block: Vec<usize>,
    /// Cholesky factor of the block, line by line.
    lower: Vec<f64>,
    /// The diagonal; of the block nothing is used.
    diagonal: Vec<f64>,
}

impl Curvature {
    /// Of the penalised loss at `at`; what is `held` does not move.
    pub(super) fn new(table: &Table, penalty: f64, at: &[f64], held: &[bool]) -> Self {
        let intercept = at.len() - 1;
        let numbers = table.number_of.iter().copied();
        let is_number = |j: &usize| table.number_of.binary_search(j).is_ok();
        let rest = (0..intercept).filter(|j| !is_number(j));
        let first = std::iter::once(intercept).chain(numbers).chain(rest);
        let block: Vec<usize> = first.filter(|&j| !held[j]).take(MAX_BLOCK).collect();
        let mut place_of = vec![None; at.len()];
        block.iter().enumerate().for_each(|(place, &j)| place_of[j] = Some(place));
        let rows = table.rows();
        let stride = rows.div_ceil(SAMPLE).max(1);
        let sample: Vec<usize> = (0..rows).step_by(stride).collect();
        let parts: Vec<(Vec<f64>, Vec<f64>)> =
            sample.par_chunks(CHUNK).map(|rows| gram(table, at, rows, &place_of, block.len())).collect();
        let (mut square, mut diagonal) = (vec![0.0; block.len() * block.len()], vec![0.0; at.len()]);
        for (part, alone) in parts {
            square.iter_mut().zip(part).for_each(|(all, one)| *all += stride as f64 * one);
            diagonal.iter_mut().zip(alone).for_each(|(all, one)| *all += stride as f64 * one);
        }
        let ridge = |j: usize| if j == intercept { 1e-6 * rows as f64 } else { penalty.max(1e-6 * rows as f64) };
        diagonal.iter_mut().enumerate().for_each(|(j, value)| *value += ridge(j));
        for (place, &j) in block.iter().enumerate() {
            square[place * block.len() + place] += ridge(j);
        }
        match factor(square, block.len()) {
            Some(lower) => Self { block, lower, diagonal },
            None => Self { block: Vec::new(), lower: Vec::new(), diagonal },
        }
    }

    /// Divides a vector by the matrix.
    pub(super) fn divide(&self, vector: &mut [f64]) {
        let n = self.block.len();
        let mut solved: Vec<f64> = self.block.iter().map(|&j| vector[j]).collect();
        for i in 0..n {
            let line = &self.lower[i * n..i * n + i];
            let known: f64 = line.iter().zip(&solved).map(|(x, y)| x * y).sum();
            solved[i] = (solved[i] - known) / self.lower[i * n + i];
        }
        for i in (0..n).rev() {
            let value = solved[i] / self.lower[i * n + i];
            solved[i] = value;
            let line = &self.lower[i * n..i * n + i];
            solved.iter_mut().zip(line).for_each(|(left, x)| *left -= x * value);
        }
        vector.iter_mut().zip(&self.diagonal).for_each(|(value, curvature)| *value /= curvature);
        self.block.iter().zip(solved).for_each(|(&j, value)| vector[j] = value);
    }
}

/// Sums over `rows`: the lower half of the block's square, and the diagonal of all.
fn gram(table: &Table, at: &[f64], rows: &[usize], place_of: &[Option<usize>], block: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut square, mut diagonal) = (vec![0.0; block * block], vec![0.0; at.len()]);
    let mut line: Vec<(usize, f64)> = Vec::new();
    for &row in rows {
        line.clear();
        let probability = sigmoid(table.log_odds(row, at));
        let weight = probability * (1.0 - probability);
        table.visit(row, at.len() - 1, |j, value| {
            diagonal[j] += weight * value * value;
            if let Some(place) = place_of[j] {
                line.push((place, value));
            }
        });
        for &(i, x) in &line {
            let of_line = &mut square[i * block..(i + 1) * block];
            line.iter().filter(|(j, _)| *j <= i).for_each(|&(j, y)| of_line[j] += weight * x * y);
        }
    }
    (square, diagonal)
}

/// Cholesky's factor of a matrix whose lower half is given; `None` where it is not positive definite.
fn factor(mut square: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    for i in 0..n {
        for j in 0..=i {
            let (before, line) = square.split_at(i * n);
            let known: f64 = if i == j {
                line[..j].iter().map(|x| x * x).sum()
            } else {
                line[..j].iter().zip(&before[j * n..j * n + j]).map(|(x, y)| x * y).sum()
            };
            let rest = square[i * n + j] - known;
            square[i * n + j] = if i == j {
                if rest <= 0.0 || !rest.is_finite() {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / square[j * n + j]
            };
        }
    }
    Some(square)
}

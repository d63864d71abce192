//! Logistic regression: a member of the ensemble, and the baseline that every report sets beside the model.
//!
//! Owns: its own encoding (standardised numbers with indicators of what is missing, one indicator per category) and
//! its fit. Invariant: the same examples give the same coefficients on any number of threads, and a number with a
//! direction ([`monotone`]) has no coefficient against it. Deliberately absent: interactions, choices per data set.

mod curvature;
mod encoding;
pub(crate) mod lbfgs;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::{
    curvature::Curvature,
    encoding::{Encoded, encode_columns},
    lbfgs::Until,
};
use super::{
    Matrix,
    numeric::{sigmoid, softplus},
};
use crate::features::monotone;

/// The penalty that suits most tables: weak against hundreds of examples, and enough to bear collinear columns.
pub const PENALTY: f64 = 1.0;
/// Examples of one piece of work; fixed, so that sums do not depend on the threads.
const CHUNK: usize = 2_048;
/// When the fit has settled: what is left to gain is far below what a single example says.
const SETTLED: Until = Until { steps: 300, least_decrease: 1e-7 };
/// Times that a coefficient held at 0 may be let go; the fit has settled long before.
const MAX_RELEASES: usize = 8;

/// L2-regularised logistic regression. Serialises to plain JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Logistic {
    columns: Vec<Encoded>,
    /// The intercept is last.
    coefficients: Vec<f64>,
    /// What each column adds to the log-odds of the average example.
    averages: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    columns: Vec<Encoded>,
    coefficients: Vec<f64>,
    averages: Vec<f64>,
}

/// A stored model does not hold together.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LogisticError {
    /// A column names a coefficient that does not exist, or a figure is out of range.
    #[error("column {0} of the logistic model is broken")]
    Column(usize),
    /// The lists do not belong together, or a coefficient is not a number.
    #[error("the coefficients of the logistic model are broken")]
    Coefficients,
}

impl TryFrom<Stored> for Logistic {
    type Error = LogisticError;

    fn try_from(stored: Stored) -> Result<Self, LogisticError> {
        let Stored { columns, coefficients, averages } = stored;
        let finite = coefficients.iter().chain(&averages).all(|value| value.is_finite());
        if coefficients.is_empty() || averages.len() != columns.len() || !finite {
            return Err(LogisticError::Coefficients);
        }
        match columns.iter().position(|column| !column.is_sound(coefficients.len() - 1)) {
            Some(broken) => Err(LogisticError::Column(broken)),
            None => Ok(Self { columns, coefficients, averages }),
        }
    }
}

/// Encoded examples: numbers densely, indicators by the number of their coefficient.
struct Table {
    numbers: Vec<f64>,
    /// Coefficient of each dense column, ascending.
    number_of: Vec<usize>,
    indicators: Vec<u32>,
    /// Start of each example's indicators, and the end of the last.
    starts: Vec<usize>,
}

impl Logistic {
    /// Fits to the rows of `matrix` by limited-memory BFGS on the cross-entropy plus half of `penalty` times the sum
    /// of the squared coefficients without the intercept.
    ///
    /// `targets` has one probability in [0, 1] per row. A number with a direction gets no coefficient against it: such
    /// a coefficient is held at 0, and let go where its derivative points the allowed way.
    ///
    /// # Panics
    /// Where there is not one target per row.
    #[must_use]
    pub fn fit(matrix: &Matrix, targets: &[f32], penalty: f64) -> Self {
        assert_eq!(matrix.rows(), targets.len(), "one target per row");
        let (columns, count) = encode_columns(matrix);
        let mut signs = vec![0.0; count + 1];
        for (encoded, column) in columns.iter().zip(&matrix.columns) {
            if let (Encoded::Number { coefficient, .. }, Some(direction)) = (encoded, monotone(&column.name)) {
                signs[*coefficient] = direction.sign();
            }
        }
        let table = Table::new(matrix, &columns);
        let positives: f64 = targets.iter().map(|&target| f64::from(target)).sum();
        let mut start = vec![0.0; count + 1];
        start[count] = ((positives + 0.5) / (targets.len() as f64 - positives + 0.5)).ln();
        let coefficients = minimise(&table, targets, penalty, &signs, start);
        let mut fitted = Self { averages: vec![0.0; columns.len()], columns, coefficients };
        fitted.averages = fitted.column_averages(matrix);
        fitted
    }

    /// Number of columns that a row has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Log-odds of a row.
    #[must_use]
    pub fn log_odds(&self, row: &[f32]) -> f64 {
        let sum: f64 = self.columns.iter().zip(row).map(|(column, &value)| self.part(column, value)).sum();
        self.intercept() + sum
    }

    /// Probability of a row.
    #[must_use]
    pub fn predict(&self, row: &[f32]) -> f64 {
        sigmoid(self.log_odds(row))
    }

    /// Log-odds of the average training example: every encoded value at its mean.
    #[must_use]
    pub fn bias(&self) -> f64 {
        self.intercept() + self.averages.iter().sum::<f64>()
    }

    /// Calls `add(column, log_odds)` once for every column that says something of any row: its number and the
    /// indicator of its absence, or the indicators of its categories, less their average. These are the Shapley values
    /// of a linear model with independent columns; with [`Self::bias`] they add up to [`Self::log_odds`].
    pub fn explain(&self, row: &[f32], mut add: impl FnMut(usize, f64)) {
        for (index, (column, &value)) in self.columns.iter().zip(row).enumerate() {
            if !matches!(column, Encoded::Dropped) {
                add(index, self.part(column, value) - self.averages[index]);
            }
        }
    }

    fn intercept(&self) -> f64 {
        self.coefficients.last().copied().unwrap_or_default()
    }

    fn part(&self, column: &Encoded, value: f32) -> f64 {
        let mut part = 0.0;
        column.visit(value, |coefficient, encoded| part += self.coefficients[coefficient] * encoded);
        part
    }

    fn column_averages(&self, matrix: &Matrix) -> Vec<f64> {
        let rows = matrix.rows().max(1) as f64;
        let average = |(index, column): (usize, &Encoded)| {
            let values = matrix.values.iter().skip(index).step_by(matrix.width());
            values.map(|&value| self.part(column, value)).sum::<f64>() / rows
        };
        self.columns.iter().enumerate().map(average).collect()
    }
}

impl Table {
    fn new(matrix: &Matrix, columns: &[Encoded]) -> Self {
        let number = |column: &Encoded| match column {
            Encoded::Number { coefficient, .. } => Some(*coefficient),
            Encoded::Dropped | Encoded::Category { .. } => None,
        };
        let number_of: Vec<usize> = columns.iter().filter_map(number).collect();
        let mut table = Self { numbers: Vec::new(), number_of, indicators: Vec::new(), starts: vec![0] };
        for row in 0..matrix.rows() {
            for (column, &value) in columns.iter().zip(matrix.row(row)) {
                column.visit(value, |coefficient, encoded| {
                    if number(column) == Some(coefficient) {
                        table.numbers.push(encoded);
                    } else {
                        table.indicators.push(coefficient as u32);
                    }
                });
            }
            table.starts.push(table.indicators.len());
        }
        table
    }

    fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    fn numbers(&self, row: usize) -> &[f64] {
        let width = self.number_of.len();
        &self.numbers[row * width..(row + 1) * width]
    }

    fn indicators(&self, row: usize) -> &[u32] {
        &self.indicators[self.starts[row]..self.starts[row + 1]]
    }

    /// Calls `add(coefficient, value)` for everything that a row says, and for its intercept.
    fn visit(&self, row: usize, intercept: usize, mut add: impl FnMut(usize, f64)) {
        self.number_of.iter().zip(self.numbers(row)).for_each(|(&j, &value)| add(j, value));
        self.indicators(row).iter().for_each(|&j| add(j as usize, 1.0));
        add(intercept, 1.0);
    }

    fn log_odds(&self, row: usize, at: &[f64]) -> f64 {
        let mut log_odds = 0.0;
        self.visit(row, at.len() - 1, |j, value| log_odds += at[j] * value);
        log_odds
    }
}

/// The minimum under the signs: an active-set method, which ends at the only minimum as the loss is convex.
fn minimise(table: &Table, targets: &[f32], penalty: f64, signs: &[f64], start: Vec<f64>) -> Vec<f64> {
    let mut held = vec![false; start.len()];
    let mut at = start;
    for release in 0..=MAX_RELEASES {
        loop {
            let curvature = Curvature::new(table, penalty, &at, &held);
            at = lbfgs::minimise(at, SETTLED, Some(&|vector| curvature.divide(vector)), |at, gradient| {
                let value = loss(table, targets, penalty, at, gradient);
                gradient.iter_mut().zip(&held).filter(|(_, held)| **held).for_each(|(slope, _)| *slope = 0.0);
                value
            });
            let forbidden: Vec<usize> = (0..at.len()).filter(|&j| at[j] * signs[j] < 0.0).collect();
            if forbidden.is_empty() {
                break;
            }
            for j in forbidden {
                at[j] = 0.0;
                held[j] = true;
            }
        }
        if release == MAX_RELEASES || !held.contains(&true) {
            break;
        }
        let mut gradient = vec![0.0; at.len()];
        let value = loss(table, targets, penalty, &at, &mut gradient);
        let tolerance = lbfgs::TOLERANCE * value.abs().max(1.0);
        let free: Vec<usize> = (0..at.len()).filter(|&j| held[j] && -gradient[j] * signs[j] > tolerance).collect();
        if free.is_empty() {
            break;
        }
        free.into_iter().for_each(|j| held[j] = false);
    }
    at
}

/// Penalised cross-entropy at `at`, its derivatives in `gradient`.
fn loss(table: &Table, targets: &[f32], penalty: f64, at: &[f64], gradient: &mut [f64]) -> f64 {
    let intercept = at.len() - 1;
    // Side by side, so that several are multiplied at a time.
    let of_numbers: Vec<f64> = table.number_of.iter().map(|&j| at[j]).collect();
    let parts: Vec<(f64, Vec<f64>)> = targets
        .par_chunks(CHUNK)
        .enumerate()
        .map(|(chunk, targets)| {
            let (mut part, mut part_of_numbers) = (vec![0.0; at.len()], vec![0.0; of_numbers.len()]);
            let mut sum = 0.0;
            for (row, &target) in (chunk * CHUNK..).zip(targets) {
                let target = f64::from(target);
                let (numbers, indicators) = (table.numbers(row), table.indicators(row));
                let log_odds =
                    at[intercept] + dot(numbers, &of_numbers) + indicators.iter().map(|&j| at[j as usize]).sum::<f64>();
                sum += target * softplus(-log_odds) + (1.0 - target) * softplus(log_odds);
                let residual = sigmoid(log_odds) - target;
                part_of_numbers.iter_mut().zip(numbers).for_each(|(part, value)| *part += residual * value);
                indicators.iter().for_each(|&j| part[j as usize] += residual);
                part[intercept] += residual;
            }
            table.number_of.iter().zip(part_of_numbers).for_each(|(&j, value)| part[j] = value);
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
    for j in 0..intercept {
        total += penalty / 2.0 * at[j] * at[j];
        gradient[j] += penalty * at[j];
    }
    total
}

/// Inner product, in sums side by side.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    const SIDE: usize = 8;
    let (mut sums, mut rest) = ([0.0; SIDE], 0.0);
    let (xs, ys) = (x.chunks_exact(SIDE), y.chunks_exact(SIDE));
    for (x, y) in xs.remainder().iter().zip(ys.remainder()) {
        rest += x * y;
    }
    for (x, y) in xs.zip(ys) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests;

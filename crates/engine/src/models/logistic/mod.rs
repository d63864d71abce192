//! Logistic regression, the baseline that every report sets beside the model.
//!
//! Owns: its own encoding (standardised numbers with indicators of what is missing, one indicator per category) and
//! its fit. Invariant: the same examples give the same coefficients on any number of threads. Deliberately absent:
//! files; the baseline is never served.

mod lbfgs;

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::{
    Matrix,
    numeric::{sigmoid, softplus},
};
use crate::features::ColumnKind;

/// L2 penalty on every coefficient but the intercept: half its square, against the summed log-loss.
const PENALTY: f64 = 1.0;
/// Standardised numbers are held within this range, so that one wild value does not decide.
const MAX_STANDARDISED: f64 = 8.0;
/// Examples of a category below which it counts as "other".
const MIN_CATEGORY: usize = 5;
/// Standard deviation, relative to the mean, below which a column says nothing.
const MIN_SPREAD: f64 = 1e-9;
/// Examples of one piece of work; fixed, so that sums do not depend on the threads.
const CHUNK: usize = 2_048;

/// How one column becomes coefficients.
#[derive(Debug, Clone, PartialEq)]
enum Encoded {
    /// Says nothing.
    Dropped,
    /// A number; a missing one is the median.
    Number { median: f64, mean: f64, deviation: f64, coefficient: usize, missing: Option<usize> },
    /// The coefficient of each category that has one.
    Category { coefficients: BTreeMap<u32, usize>, missing: Option<usize> },
}

/// L2-regularised logistic regression.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    encoding: Vec<Encoded>,
    /// The intercept is last.
    coefficients: Vec<f64>,
}

/// Encoded examples: numbers densely, indicators by the number of their coefficient.
struct Table {
    numbers: Vec<f64>,
    /// Coefficient of each dense column.
    number_of: Vec<usize>,
    indicators: Vec<u32>,
    /// Start of each example's indicators, and the end of the last.
    starts: Vec<usize>,
}

impl Logistic {
    /// Fits to the rows of `matrix`, one label each, by limited-memory BFGS on the penalised log-likelihood.
    ///
    /// # Panics
    /// Where there is not one label per row.
    #[must_use]
    pub fn fit(matrix: &Matrix, labels: &[bool]) -> Self {
        assert_eq!(matrix.rows(), labels.len(), "one label per row");
        let (encoding, count) = encode_columns(matrix);
        let mut fitted = Self { encoding, coefficients: Vec::new() };
        let table = fitted.table(matrix);
        let positives = labels.iter().filter(|&&label| label).count() as f64;
        let mut start = vec![0.0; count + 1];
        start[count] = ((positives + 0.5) / (labels.len() as f64 - positives + 0.5)).ln();
        fitted.coefficients = lbfgs::minimise(start, |at, gradient| loss(&table, labels, at, gradient));
        fitted
    }

    /// Probability of a row.
    #[must_use]
    pub fn predict(&self, row: &[f32]) -> f64 {
        let mut log_odds = self.coefficients.last().copied().unwrap_or_default();
        self.visit(row, |coefficient, value| log_odds += self.coefficients[coefficient] * value);
        sigmoid(log_odds)
    }

    /// Calls `add(coefficient, value)` for what a row holds.
    fn visit(&self, row: &[f32], mut add: impl FnMut(usize, f64)) {
        for (encoded, &value) in self.encoding.iter().zip(row) {
            match encoded {
                Encoded::Dropped => {}
                Encoded::Number { median, mean, deviation, coefficient, missing } => {
                    let present = if value.is_nan() { *median } else { f64::from(value) };
                    add(*coefficient, standardised(present, *mean, *deviation));
                    if let (true, Some(missing)) = (value.is_nan(), missing) {
                        add(*missing, 1.0);
                    }
                }
                Encoded::Category { coefficients, missing } => {
                    let place = if value.is_nan() { *missing } else { coefficients.get(&(value as u32)).copied() };
                    if let Some(place) = place {
                        add(place, 1.0);
                    }
                }
            }
        }
    }

    fn table(&self, matrix: &Matrix) -> Table {
        let number_of: Vec<usize> = self
            .encoding
            .iter()
            .filter_map(|encoded| match encoded {
                Encoded::Number { coefficient, .. } => Some(*coefficient),
                Encoded::Dropped | Encoded::Category { .. } => None,
            })
            .collect();
        let is_number: std::collections::HashSet<usize> = number_of.iter().copied().collect();
        let mut table = Table { numbers: Vec::new(), number_of, indicators: Vec::new(), starts: vec![0] };
        for row in 0..matrix.rows() {
            self.visit(matrix.row(row), |coefficient, value| {
                if is_number.contains(&coefficient) {
                    table.numbers.push(value);
                } else {
                    table.indicators.push(coefficient as u32);
                }
            });
            table.starts.push(table.indicators.len());
        }
        table
    }
}

fn standardised(value: f64, mean: f64, deviation: f64) -> f64 {
    ((value - mean) / deviation).clamp(-MAX_STANDARDISED, MAX_STANDARDISED)
}

/// The encoding of every column, and the number of coefficients without the intercept.
fn encode_columns(matrix: &Matrix) -> (Vec<Encoded>, usize) {
    let mut count = 0;
    let mut next = || {
        count += 1;
        count - 1
    };
    let mut encoding = Vec::with_capacity(matrix.width());
    for (index, column) in matrix.columns.iter().enumerate() {
        let values = || (0..matrix.rows()).map(move |row| matrix.values[row * matrix.width() + index]);
        let present: Vec<f32> = values().filter(|value| !value.is_nan()).collect();
        let some_missing = !present.is_empty() && present.len() < matrix.rows();
        encoding.push(match column.kind {
            ColumnKind::Numeric => encode_number(present, some_missing, matrix.rows(), &mut next),
            ColumnKind::Categorical { .. } => encode_category(&present, some_missing, &mut next),
        });
    }
    (encoding, count)
}

fn encode_number(mut present: Vec<f32>, some_missing: bool, rows: usize, next: &mut impl FnMut() -> usize) -> Encoded {
    if present.is_empty() {
        return Encoded::Dropped;
    }
    present.sort_by(f32::total_cmp);
    let median = f64::from(present[present.len() / 2]);
    let filled = (rows - present.len()) as f64;
    let n = rows as f64;
    let mean = (present.iter().map(|&value| f64::from(value)).sum::<f64>() + filled * median) / n;
    let squares: f64 = present.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum();
    let deviation = ((squares + filled * (median - mean).powi(2)) / n).sqrt();
    if deviation > MIN_SPREAD * (1.0 + mean.abs()) {
        let coefficient = next();
        return Encoded::Number { median, mean, deviation, coefficient, missing: some_missing.then(next) };
    }
    if some_missing {
        // The value says nothing, its absence may.
        return Encoded::Category { coefficients: BTreeMap::new(), missing: Some(next()) };
    }
    Encoded::Dropped
}

fn encode_category(present: &[f32], some_missing: bool, next: &mut impl FnMut() -> usize) -> Encoded {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for &value in present {
        *counts.entry(value as u32).or_default() += 1;
    }
    let coefficients: BTreeMap<u32, usize> =
        counts.into_iter().filter(|&(_, n)| n >= MIN_CATEGORY).map(|(category, _)| (category, next())).collect();
    let missing = some_missing.then(next);
    if coefficients.is_empty() && missing.is_none() {
        Encoded::Dropped
    } else {
        Encoded::Category { coefficients, missing }
    }
}

/// Penalised log-loss at `at`, its derivatives in `gradient`.
fn loss(table: &Table, labels: &[bool], at: &[f64], gradient: &mut [f64]) -> f64 {
    let width = table.number_of.len();
    let intercept = at.len() - 1;
    let parts: Vec<(f64, Vec<f64>)> = labels
        .par_chunks(CHUNK)
        .enumerate()
        .map(|(chunk, labels)| {
            let mut part = vec![0.0; at.len()];
            let mut sum = 0.0;
            for (i, &label) in labels.iter().enumerate() {
                let row = chunk * CHUNK + i;
                let numbers = &table.numbers[row * width..(row + 1) * width];
                let indicators = &table.indicators[table.starts[row]..table.starts[row + 1]];
                let log_odds = at[intercept]
                    + numbers.iter().zip(&table.number_of).map(|(value, &j)| value * at[j]).sum::<f64>()
                    + indicators.iter().map(|&j| at[j as usize]).sum::<f64>();
                sum += softplus(if label { -log_odds } else { log_odds });
                let residual = sigmoid(log_odds) - f64::from(u8::from(label));
                for (value, &j) in numbers.iter().zip(&table.number_of) {
                    part[j] += residual * value;
                }
                for &j in indicators {
                    part[j as usize] += residual;
                }
                part[intercept] += residual;
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
    for j in 0..intercept {
        total += PENALTY / 2.0 * at[j] * at[j];
        gradient[j] += PENALTY * at[j];
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{Column, Group};

    fn matrix(rows: impl Iterator<Item = [f32; 3]>) -> Matrix {
        let kinds = [ColumnKind::Numeric, ColumnKind::Numeric, ColumnKind::Categorical { cardinality: 4 }];
        let column = |kind| Column { name: "column".to_owned(), group: Group::Timing, kind };
        Matrix { columns: kinds.into_iter().map(column).collect(), values: rows.flatten().collect() }
    }

    /// scikit-learn 1.9.1, `LogisticRegression(C=1)` on the same encoding.
    #[test]
    fn probabilities_agree_with_scikit_learn() {
        let row = |i: i32| {
            let (a, b) = (f64::from((i * 29) % 83) / 83.0, (f64::from(i) * 0.7).sin());
            (a, b, i % 3)
        };
        let labels: Vec<bool> = (0..120)
            .map(|i| {
                let (a, b, c) = row(i);
                f64::from((i * 41 + 5) % 89) / 89.0 < sigmoid(2.0 * a - 1.0 + b + f64::from(u8::from(c == 1)))
            })
            .collect();
        let table = matrix((0..120).map(|i| {
            let (a, b, c) = row(i);
            [a as f32, b as f32, c as f32]
        }));
        assert_eq!(labels.iter().filter(|&&label| label).count(), 66);
        let fitted = Logistic::fit(&table, &labels);
        for (i, expected) in [
            (0, 0.453_222_664_189_404_77),
            (1, 0.774_700_529_340_071_2),
            (2, 0.610_690_630_626_926_7),
            (50, 0.452_066_736_123_832_7),
            (119, 0.616_827_634_588_945_1),
        ] {
            let found = fitted.predict(table.row(i));
            assert!((found - expected).abs() < 1e-4, "row {i}: {found} is not {expected}");
        }
    }

    #[test]
    fn missing_constant_and_unseen_values_are_borne() {
        let table = matrix((0..100).map(|i| {
            let known = if i % 4 == 0 { f32::NAN } else { i as f32 };
            [known, 7.0, if i % 5 == 0 { f32::NAN } else { (i % 2) as f32 }]
        }));
        let labels: Vec<bool> = (0..100).map(|i| i % 4 == 0).collect();
        let fitted = Logistic::fit(&table, &labels);
        // That the number is missing is all there is to know.
        assert!(fitted.predict(&[f32::NAN, 7.0, 0.0]) > 0.7);
        assert!(fitted.predict(&[50.0, 7.0, 1.0]) < 0.3);
        for row in [[f32::NAN; 3], [1e30, -1e30, 3.0]] {
            let probability = fitted.predict(&row);
            assert!((0.0..=1.0).contains(&probability), "{row:?}");
        }
    }

    #[test]
    fn nothing_to_learn_from_gives_the_share() {
        let table = matrix((0..100).map(|_| [f32::NAN, 1.0, f32::NAN]));
        let labels: Vec<bool> = (0..100).map(|i| i % 10 == 0).collect();
        assert!((Logistic::fit(&table, &labels).predict(table.row(0)) - 0.1).abs() < 0.01);
    }
}

//! How a table becomes numbers that coefficients multiply.
//!
//! Owns: medians, standardisation, indicators. Invariant: a value is encoded in training as it is in serving.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::Matrix;
use crate::features::ColumnKind;

/// Standardised numbers are held within this range, so that one wild value does not decide.
const MAX_STANDARDISED: f64 = 8.0;
/// Examples of a category below which it counts as "other".
const MIN_CATEGORY: usize = 5;
/// Standard deviation, relative to the mean, below which a column says nothing.
const MIN_SPREAD: f64 = 1e-9;

/// How one column becomes coefficients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Encoded {
    /// Says nothing.
    Dropped,
    /// A number; a missing one is the median.
    Number { median: f64, mean: f64, deviation: f64, coefficient: usize, missing: Option<usize> },
    /// The coefficient of each category that has one.
    Category { coefficients: BTreeMap<u32, usize>, missing: Option<usize> },
}

impl Encoded {
    /// Calls `add(coefficient, encoded)` for what a value of the column says.
    pub(super) fn visit(&self, value: f32, mut add: impl FnMut(usize, f64)) {
        match self {
            Self::Dropped => {}
            Self::Number { median, mean, deviation, coefficient, missing } => {
                let present = if value.is_nan() { *median } else { f64::from(value) };
                add(*coefficient, standardised(present, *mean, *deviation));
                if let (true, Some(missing)) = (value.is_nan(), missing) {
                    add(*missing, 1.0);
                }
            }
            Self::Category { coefficients, missing } => {
                let place = if value.is_nan() { *missing } else { coefficients.get(&(value as u32)).copied() };
                if let Some(place) = place {
                    add(place, 1.0);
                }
            }
        }
    }

    /// Whether its figures are numbers and its coefficients among the first `count`.
    pub(super) fn is_sound(&self, count: usize) -> bool {
        match self {
            Self::Dropped => true,
            Self::Number { median, mean, deviation, coefficient, missing } => {
                let places = [Some(coefficient), missing.as_ref()];
                median.is_finite()
                    && mean.is_finite()
                    && deviation.is_finite()
                    && *deviation > 0.0
                    && places.into_iter().flatten().all(|&place| place < count)
            }
            Self::Category { coefficients, missing } => {
                coefficients.values().chain(missing).all(|&place| place < count)
            }
        }
    }
}

fn standardised(value: f64, mean: f64, deviation: f64) -> f64 {
    ((value - mean) / deviation).clamp(-MAX_STANDARDISED, MAX_STANDARDISED)
}

/// The encoding of every column, and the number of coefficients without the intercept.
pub(super) fn encode_columns(matrix: &Matrix) -> (Vec<Encoded>, usize) {
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

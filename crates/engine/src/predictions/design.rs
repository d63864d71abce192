//! Rows of a view as inputs of a linear model.
//!
//! Owns: the encoding: numbers on a logarithmic scale and standardised, an indicator of what is missing, one indicator
//! per category. Invariant: training and serving encode by the same code; a row never gives a value beyond
//! [`MAX_STANDARDISED`]. Deliberately absent: coefficients.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    features::{ColumnKind, FEATURES, Feature},
    models::Matrix,
};

/// Standardised numbers are held within this range, so that one wild value does not decide.
const MAX_STANDARDISED: f64 = 6.0;
/// Examples of a category, or with or without a value, below which there is no indicator of it.
const MIN_INDICATED: usize = 30;
/// Standard deviation on the logarithmic scale below which a column says nothing.
const MIN_DEVIATION: f64 = 1e-6;

/// How one column becomes inputs. Inputs are numbered over all columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Encoded {
    /// `(sign(x) · ln(1 + |x|) − mean) / deviation`; 0 where missing.
    Number { input: usize, mean: f64, deviation: f64 },
    /// 1 for the category.
    Category { inputs: BTreeMap<u32, usize> },
}

/// Columns that tell of the calendar and of whole markets rather than of a lead: from the few months that examples
/// often span, a linear model would learn a trend and carry it on.
const TIDES: [Feature; 10] = [
    Feature::SeasonSin,
    Feature::SeasonCos,
    Feature::MedianPrice,
    Feature::MarketChange3m,
    Feature::MarketChange12m,
    Feature::DaysOnMarket,
    Feature::MonthsOfSupply,
    Feature::PriceReducedShare,
    Feature::SaleToList,
    Feature::ListingInflow,
];

/// Whether a column of that name tells of the lead itself.
pub(super) fn is_own(name: &str) -> bool {
    TIDES.iter().all(|feature| FEATURES[*feature as usize].name != name)
}

/// The inputs of one column of the view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    /// The column's place in the view.
    column: usize,
    /// What its value gives; `None` where that says nothing.
    value: Option<Encoded>,
    /// 1 where it is missing.
    missing: Option<usize>,
}

/// The encoding of every column that says something.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Design {
    places: Vec<Place>,
    inputs: usize,
}

impl Design {
    /// Learned from the rows at `rows` of `matrix`; of the columns only those that `admitted` names.
    pub(super) fn learn(matrix: &Matrix, rows: &[usize], admitted: impl Fn(&str) -> bool) -> Self {
        let mut design = Self::default();
        for (column, described) in matrix.columns.iter().enumerate().filter(|(_, column)| admitted(&column.name)) {
            let values = || rows.iter().map(|&row| matrix.row(row)[column]);
            let missing = values().filter(|value| value.is_nan()).count();
            let value = match described.kind {
                ColumnKind::Numeric => design.number(values().filter(|value| !value.is_nan())),
                ColumnKind::Categorical { .. } => design.category(values().filter(|value| !value.is_nan())),
            };
            let indicated = missing >= MIN_INDICATED && rows.len() - missing >= MIN_INDICATED;
            let missing = indicated.then(|| design.next());
            if value.is_some() || missing.is_some() {
                design.places.push(Place { column, value, missing });
            }
        }
        design
    }

    fn next(&mut self) -> usize {
        self.inputs += 1;
        self.inputs - 1
    }

    fn number(&mut self, values: impl Iterator<Item = f32>) -> Option<Encoded> {
        let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for value in values.map(squash) {
            n += 1.0;
            sum += value;
            squares += value * value;
        }
        let mean = sum / n;
        let deviation = (squares / n - mean * mean).max(0.0).sqrt();
        // Also false without any value.
        (deviation > MIN_DEVIATION).then(|| Encoded::Number { input: self.next(), mean, deviation })
    }

    fn category(&mut self, values: impl Iterator<Item = f32>) -> Option<Encoded> {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        for value in values {
            *counts.entry(value as u32).or_default() += 1;
        }
        counts.retain(|_, count| *count >= MIN_INDICATED);
        let inputs: BTreeMap<u32, usize> = counts.into_keys().map(|category| (category, self.next())).collect();
        (!inputs.is_empty()).then_some(Encoded::Category { inputs })
    }

    /// Number of inputs.
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Calls `add(input, value)` for what a row gives; an input that is not named is 0.
    pub(super) fn visit(&self, row: &[f32], mut add: impl FnMut(usize, f64)) {
        for place in &self.places {
            let value = row[place.column];
            if value.is_nan() {
                if let Some(input) = place.missing {
                    add(input, 1.0);
                }
                continue;
            }
            match &place.value {
                Some(Encoded::Number { input, mean, deviation }) => {
                    let standardised = (squash(value) - mean) / deviation;
                    add(*input, standardised.clamp(-MAX_STANDARDISED, MAX_STANDARDISED));
                }
                Some(Encoded::Category { inputs }) => {
                    if let Some(input) = inputs.get(&(value as u32)) {
                        add(*input, 1.0);
                    }
                }
                None => {}
            }
        }
    }

    /// Whether the figures can come from [`Self::learn`] on a view of `width` columns; files are not trusted.
    pub(super) fn is_sound(&self, width: usize) -> bool {
        let known = |input: &usize| *input < self.inputs;
        // Every column has a value at least: a file cannot ask for more memory than it is long.
        self.places.iter().all(|place| {
            let value = match &place.value {
                Some(Encoded::Number { input, mean, deviation }) => {
                    known(input) && mean.is_finite() && deviation.is_finite() && *deviation > 0.0
                }
                Some(Encoded::Category { inputs }) => inputs.values().all(known),
                None => true,
            };
            value && place.column < width && place.missing.as_ref().is_none_or(known)
        })
    }
}

/// Linear for small numbers, logarithmic for large ones.
fn squash(value: f32) -> f64 {
    let value = f64::from(value);
    value.abs().ln_1p().copysign(value)
}

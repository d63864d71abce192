//! Where a row stands on the tables of the network.
//!
//! Owns: the knots of each number and the slots of each category, chosen from the fitted examples. Invariant: every
//! value has a place, whatever it is: what is out of range is at the nearest knot, an unknown category counts as
//! rare, and a column that a row does not have is missing.

use std::collections::BTreeMap;

use leadscore_neural::{Place, Slots};

use crate::{features::ColumnKind, models::Matrix};

/// Most knots of a number.
pub(super) const MAX_KNOTS: usize = 9;
/// Most categories of a column with a slot of their own; those beyond are rare.
pub(super) const MAX_OWN: usize = 64;
/// Examples of a category below which it is rare.
const MIN_OWN: usize = 10;
/// Largest code of a category.
pub(super) const MAX_CODE: u32 = 65_535;
/// Fitted examples that decide on the knots.
const SAMPLE: usize = 10_000;
/// Share of the values outside of the first and the last knot, on either side.
const TAIL: f64 = 0.005;
/// Slot of rare categories.
const RARE: u8 = 0;

/// Where the values of one column stand.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Encoded {
    /// The column of the view.
    pub(super) column: usize,
    /// First slot in the tables.
    pub(super) first_slot: usize,
    pub(super) kind: Kind,
}

/// What the slots of a column stand for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A slot for each of these values, ascending, then the missing value.
    Number(Vec<f32>),
    /// Rare ones, then a slot for each of these codes, ascending, then the missing value.
    Category {
        codes: Vec<u32>,
        /// Slot of each code up to the largest of `codes`.
        slots: Vec<u8>,
    },
}

impl Kind {
    /// A categorical column whose `codes`, ascending, have slots of their own.
    pub(super) fn category(codes: Vec<u32>) -> Self {
        let mut slots = vec![RARE; codes.last().map_or(0, |&code| code as usize + 1)];
        for (i, &code) in codes.iter().enumerate() {
            slots[code as usize] = i as u8 + 1;
        }
        Self::Category { codes, slots }
    }

    pub(super) fn slots(&self) -> Slots {
        match self {
            Self::Number(knots) => Slots::Ordered { knots: knots.len() },
            Self::Category { codes, .. } => Slots::Categories { count: codes.len() + 2 },
        }
    }

    /// The place of a value.
    #[inline]
    pub(super) fn place(&self, value: f32) -> Place {
        match self {
            Self::Number(knots) => number(knots, value),
            Self::Category { codes, .. } if value.is_nan() => Place { slot: codes.len() as u8 + 1, fraction: 0.0 },
            Self::Category { slots, .. } => {
                Place { slot: slots.get(value as usize).copied().unwrap_or(RARE), fraction: 0.0 }
            }
        }
    }
}

#[inline]
fn number(knots: &[f32], value: f32) -> Place {
    if value.is_nan() {
        return Place { slot: knots.len() as u8, fraction: 0.0 };
    }
    let above = knots.iter().filter(|&&knot| knot <= value).count();
    if above == 0 || above == knots.len() {
        return Place { slot: above.saturating_sub(1) as u8, fraction: 0.0 };
    }
    let (low, high) = (f64::from(knots[above - 1]), f64::from(knots[above]));
    let fraction = ((f64::from(value) - low) / (high - low)) as f32;
    // Just below the next knot, rounding may reach it.
    Place { slot: above as u8 - 1, fraction: fraction.min(1.0 - f32::EPSILON) }
}

/// The columns that say something in the rows `fitted`, among those that `read` admits.
pub(super) fn fit(matrix: &Matrix, fitted: &[usize], read: impl Fn(usize) -> bool) -> Vec<Encoded> {
    let mut first_slot = 0;
    let mut encoded = Vec::new();
    for (column, description) in matrix.columns.iter().enumerate().filter(|&(column, _)| read(column)) {
        let values = || fitted.iter().map(move |&row| matrix.values[row * matrix.width() + column]);
        let missing = values().filter(|value| value.is_nan()).count();
        let kind = match description.kind {
            ColumnKind::Numeric => {
                let sample = values().step_by(fitted.len().div_ceil(SAMPLE).max(1));
                let knots = knots(sample.filter(|value| !value.is_nan()).collect());
                let constant = knots.len() < 2 && (missing == 0 || knots.is_empty());
                (!constant).then_some(Kind::Number(knots))
            }
            ColumnKind::Categorical { .. } => {
                let codes = own_codes(values());
                let constant = codes.is_empty() && (missing == 0 || missing == fitted.len());
                (!constant).then(|| Kind::category(codes))
            }
        };
        if let Some(kind) = kind {
            let slots = kind.slots().count();
            encoded.push(Encoded { column, first_slot, kind });
            first_slot += slots;
        }
    }
    encoded
}

/// Knots: all values where they are few, otherwise quantiles; where these coincide, quantiles of the values that are
/// no knot yet.
fn knots(mut values: Vec<f32>) -> Vec<f32> {
    values.sort_by(f32::total_cmp);
    let mut distinct = values.clone();
    distinct.dedup();
    if distinct.len() <= MAX_KNOTS {
        return distinct;
    }
    let mut knots: Vec<f32> = Vec::with_capacity(MAX_KNOTS);
    while knots.len() < MAX_KNOTS {
        let (wanted, first_round) = (MAX_KNOTS - knots.len(), knots.is_empty());
        for i in 0..wanted {
            let share = match first_round {
                true => (i as f64 / (wanted - 1) as f64).clamp(TAIL, 1.0 - TAIL),
                false => (i as f64 + 0.5) / wanted as f64,
            };
            knots.push(values[(share * (values.len() - 1) as f64).round() as usize]);
        }
        knots.sort_by(f32::total_cmp);
        knots.dedup();
        values.retain(|value| !knots.contains(value));
    }
    knots
}

/// The most frequent codes but 0, which stands for any other; ascending.
fn own_codes(values: impl Iterator<Item = f32>) -> Vec<u32> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for value in values.filter(|value| *value >= 1.0 && *value <= MAX_CODE as f32) {
        *counts.entry(value as u32).or_default() += 1;
    }
    let mut frequent: Vec<(u32, usize)> = counts.into_iter().filter(|&(_, count)| count >= MIN_OWN).collect();
    frequent.sort_by_key(|&(code, count)| (std::cmp::Reverse(count), code));
    frequent.truncate(MAX_OWN);
    let mut codes: Vec<u32> = frequent.into_iter().map(|(code, _)| code).collect();
    codes.sort_unstable();
    codes
}

//! What a model read of a lead, to be kept beside the score.
//!
//! Owns: the row of features that a score was calculated from, its hash and its form on disk. Invariant: a vector that
//! was written and read again has the same hash, which is the score's. Deliberately absent: the names of the columns,
//! which the model has.
//!
//! Form 1, little-endian: one byte, the form; two bytes, the number of columns; two bits for each column, four columns
//! a byte with the first in the lowest bits (0 missing, 1 zero, 2 a value); then the values, 4 bytes each (IEEE 754).
//! Columns at the end that are missing are left out.

use crate::features::{MAX_WIDTH, mix};

/// The form that is written.
const FORM: u8 = 1;
/// Bytes before the columns.
const HEAD_BYTES: usize = 3;
/// What two bits say of a column.
const MISSING: u8 = 0;
const ZERO: u8 = 1;
const VALUE: u8 = 2;

/// A row of features; missing ones are NaN.
#[derive(Debug, Clone)]
pub struct FeatureVector(Vec<f32>);

impl FeatureVector {
    /// Of a row, without the missing columns at its end.
    #[must_use]
    pub fn new(row: &[f32]) -> Self {
        let width = row.iter().rposition(|value| !value.is_nan()).map_or(0, |last| last + 1);
        Self(row[..width].to_vec())
    }

    /// The columns in the order of the model's; those behind are missing.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// The hash that a score of it carries.
    #[must_use]
    pub fn hash(&self) -> String {
        hash(&self.0)
    }

    /// As it is kept.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let width = u16::try_from(self.0.len()).expect("no row is wider than MAX_WIDTH");
        let mut bytes = vec![0; HEAD_BYTES + self.0.len().div_ceil(4)];
        bytes[0] = FORM;
        bytes[1..HEAD_BYTES].copy_from_slice(&width.to_le_bytes());
        for (place, value) in self.0.iter().enumerate() {
            let said = if value.is_nan() {
                MISSING
            } else if value.to_bits() == 0 {
                ZERO
            } else {
                bytes.extend(value.to_le_bytes());
                VALUE
            };
            bytes[HEAD_BYTES + place / 4] |= said << (place % 4 * 2);
        }
        bytes
    }

    /// What was kept; `None` where that is damaged or of a later release.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
        let width = usize::from(u16::from_le_bytes([head[1], head[2]]));
        let (columns, values) = rest.split_at_checked(width.div_ceil(4))?;
        if head[0] != FORM || width > MAX_WIDTH {
            return None;
        }
        let (values, torn) = values.as_chunks::<4>();
        let mut values = values.iter();
        let mut row = Vec::with_capacity(width);
        for place in 0..width {
            row.push(match columns[place / 4] >> (place % 4 * 2) & 0b11 {
                MISSING => f32::NAN,
                ZERO => 0.0,
                VALUE => f32::from_le_bytes(*values.next()?),
                _ => return None,
            });
        }
        (torn.is_empty() && values.next().is_none()).then_some(Self(row))
    }
}

/// Hash of a row of features with the missing ones behind it: 64 bits, in under a microsecond. Missing is missing,
/// whatever bits say so.
pub(super) fn hash(row: &[f32]) -> String {
    let bits = |value: &f32| if value.is_nan() { u64::MAX } else { u64::from(value.to_bits()) };
    let behind = std::iter::repeat_n(&f32::NAN, MAX_WIDTH.saturating_sub(row.len()));
    let hash = row.iter().chain(behind).fold(0, |hash: u64, value| mix(hash ^ bits(value)));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_survives_its_bytes_with_its_hash() {
        let mut row = [f32::NAN; MAX_WIDTH];
        row[..6].copy_from_slice(&[f32::NAN, 0.0, -0.0, 1.5, f32::MIN_POSITIVE, f32::NEG_INFINITY]);
        let vector = FeatureVector::new(&row);
        let bytes = vector.to_bytes();
        assert_eq!(bytes.len(), 3 + 2 + 4 * 4);
        let read = FeatureVector::from_bytes(&bytes).unwrap();
        assert_eq!((read.values().len(), read.hash()), (6, hash(&row)));
        assert_eq!((read.values()[1].to_bits(), read.values()[2].to_bits()), (0, (-0.0_f32).to_bits()));
        assert_eq!(FeatureVector::from_bytes(&FeatureVector::new(&[]).to_bytes()).unwrap().values().len(), 0);
    }

    #[test]
    fn damaged_bytes_are_no_vector() {
        let good = FeatureVector::new(&[1.0, 2.0, 0.0]).to_bytes();
        assert!(FeatureVector::from_bytes(&good).is_some());
        for cut in 0..good.len() {
            assert!(FeatureVector::from_bytes(&good[..cut]).is_none(), "{cut}");
        }
        assert!(FeatureVector::from_bytes(&[good.as_slice(), &[0]].concat()).is_none());
        for (place, byte) in [(0, 2), (1, 255), (3, 0b11)] {
            let mut bad = good.clone();
            bad[place] = byte;
            assert!(FeatureVector::from_bytes(&bad).is_none(), "{place}");
        }
    }
}

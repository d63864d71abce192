//! A dense table of encoded examples.

use crate::features::Column;

/// Rows of encoded features, row-major: row `i` is `values[i * columns.len()..][..columns.len()]`.
///
/// A missing value is NaN. A categorical column holds the code of a category, a whole number from 0 to
/// `cardinality - 1`, where 0 stands for every category that the view does not know.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matrix {
    /// What each column holds.
    pub columns: Vec<Column>,
    /// The values, row after row.
    pub values: Vec<f32>,
}

impl Matrix {
    /// Number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Number of whole rows; 0 where there are no columns.
    #[must_use]
    pub fn rows(&self) -> usize {
        if self.columns.is_empty() { 0 } else { self.values.len() / self.columns.len() }
    }

    /// Row `index`.
    ///
    /// # Panics
    /// Where there is no such row.
    #[must_use]
    pub fn row(&self, index: usize) -> &[f32] {
        let width = self.width();
        &self.values[index * width..(index + 1) * width]
    }

    /// The rows of `indices`, in that order, as a table of its own.
    ///
    /// # Panics
    /// Where an index is not a row.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut values = Vec::with_capacity(indices.len() * self.width());
        for &index in indices {
            values.extend_from_slice(self.row(index));
        }
        Self { columns: self.columns.clone(), values }
    }
}

/// Targets for labels that are known: 1 for yes, 0 for no.
#[must_use]
pub fn hard_targets(labels: &[bool]) -> Vec<f32> {
    labels.iter().map(|&label| f32::from(u8::from(label))).collect()
}

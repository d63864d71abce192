//! The columns of a training matrix.

use leadscore_domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Column, LeadState, Market};
use crate::{examples::Snapshot, models::Matrix};

/// Most columns that a view has.
pub const MAX_WIDTH: usize = super::FEATURES.len() + 256;

/// Hash of the fixed catalogue, hexadecimal.
#[must_use]
pub fn schema_hash() -> String {
    todo!()
}

/// Columns learned from examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureView {
    columns: Vec<Column>,
}

#[expect(missing_docs, reason = "documented with the implementation")]
impl FeatureView {
    #[must_use]
    pub fn learn(_snapshots: &[Snapshot]) -> Self {
        todo!()
    }
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
    }
    #[must_use]
    pub fn schema_hash(&self) -> String {
        todo!()
    }
    pub fn fill(&self, _state: &LeadState, _at: Timestamp, _market: &Market, _row: &mut [f32]) {
        todo!()
    }
    pub fn project(&self, _fixed: &[f32], _state: &LeadState, _at: Timestamp, _row: &mut [f32]) {
        todo!()
    }
    #[must_use]
    pub fn encode(&self, _snapshots: &[Snapshot]) -> Matrix {
        todo!()
    }
}

//! How models did on data that they had not seen.

use leadscore_domain::Timestamp;

use crate::{Store, StoreError};

/// One test of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelPerformance {
    /// The model, such as `v3`.
    pub model_version: String,
    /// Share of right decisions, 0 to 1.
    pub accuracy: f64,
    /// Share of predicted conversions that came, 0 to 1.
    pub precision: f64,
    /// Share of conversions that were predicted, 0 to 1.
    pub recall: f64,
    /// Harmonic mean of precision and recall, 0 to 1.
    pub f1: f64,
    /// When the test was made.
    pub test_date: Timestamp,
}

impl Store {
    /// Records a test of a model.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn record_performance(&self, performance: ModelPerformance) -> Result<(), StoreError> {
        let _ = performance;
        todo!()
    }

    /// Tests of a model, the newest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn performance(&self, model_version: &str) -> Result<Vec<ModelPerformance>, StoreError> {
        let _ = model_version;
        todo!()
    }
}

//! Figures of merit of probabilities against labels.

use serde::{Deserialize, Serialize};

/// Figures of one model on one test set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Area under the ROC curve; NaN (JSON null) where a class is absent.
    pub auc: f64,
}

/// Measures `probabilities` against `labels`.
#[must_use]
pub fn metrics(_labels: &[bool], _probabilities: &[f64]) -> Metrics {
    todo!()
}

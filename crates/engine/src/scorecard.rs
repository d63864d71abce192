//! Points by rule: the score of the first day, before there are outcomes to learn from.

use leadscore_domain::Breakdown;

use crate::models::Prediction;

/// The transparent scorecard.
#[derive(Debug, Clone, Default)]
pub struct Scorecard;

impl Scorecard {
    /// Scores a vector of [`crate::features::FEATURES`].
    #[must_use]
    pub fn predict(&self, _features: &[f32]) -> (Prediction, Breakdown) {
        todo!()
    }
}

//! Shapes that several endpoints answer with.

use leadscore_domain::{Approach, Score, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// What is to be expected of a lead, and what to do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Prediction {
    /// Calibrated probability of conversion within 30 days, 4 decimals.
    #[schema(minimum = 0, maximum = 1, example = 0.73)]
    pub conversion_probability: f64,
    /// Start of the next lawful hour in which the lead most likely answers; `null` where there is none.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2026-03-02T15:00:00Z")]
    pub optimal_contact_time: Option<Timestamp>,
    /// What to do.
    #[schema(example = "premium_property_focus")]
    pub recommended_approach: Approach,
}

impl From<&Score> for Prediction {
    fn from(score: &Score) -> Self {
        Self {
            conversion_probability: rounded(score.probability, 4),
            optimal_contact_time: score.optimal_contact_time,
            recommended_approach: score.recommended_approach,
        }
    }
}

/// Parts of a score, each placed in the reference population: 50 is the middle lead.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Breakdown {
    /// What the lead does: searches, visits, showings, calls.
    #[schema(minimum = 0, maximum = 100)]
    behavioral: u8,
    /// How the lead responds: answers, replies, opens, sentiment.
    #[schema(minimum = 0, maximum = 100)]
    engagement: u8,
    /// How the wishes fit the market, and the lead's own attributes.
    #[schema(minimum = 0, maximum = 100)]
    market_fit: u8,
    /// Recency, pace, season.
    #[schema(minimum = 0, maximum = 100)]
    timing: u8,
}

impl From<&Score> for Breakdown {
    fn from(score: &Score) -> Self {
        let leadscore_domain::Breakdown { behavioral, engagement, market_fit, timing } = score.breakdown;
        Self { behavioral, engagement, market_fit, timing }
    }
}

/// `value` with so many decimals.
pub(crate) fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}

//! The fixed catalogue of features.

use leadscore_domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::{LeadState, Market};

/// Part of a score's breakdown that a feature belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// What the lead does: searches, visits, showings, calls.
    Behavioral,
    /// How the lead responds: answers, replies, opens, sentiment.
    Engagement,
    /// How the wishes fit the market, and the lead's own attributes.
    MarketFit,
    /// Recency, pace, season.
    Timing,
}

/// Description of a feature of the fixed catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureSpec {
    /// Unique name.
    pub name: &'static str,
    /// Part of the breakdown.
    pub group: Group,
    /// Unit of the value.
    pub unit: &'static str,
    /// How it is calculated.
    pub formula: &'static str,
    /// Which events it sees.
    pub window: &'static str,
}

/// The catalogue: a feature's place is its index in the vector that [`compute`] fills.
pub static FEATURES: &[FeatureSpec] = &[];

/// Fills `out` with the features of `state` at `at`; missing is NaN.
///
/// # Panics
/// Where `out` is not as long as [`FEATURES`].
pub fn compute(_state: &LeadState, _at: Timestamp, _market: &Market, _out: &mut [f32]) {
    todo!()
}

/// A column of a training matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Unique name.
    pub name: String,
    /// Part of the breakdown.
    pub group: Group,
    /// What the values mean.
    pub kind: ColumnKind,
}

/// What a column's values mean. NaN is missing in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Ordered numbers.
    Numeric,
    /// Codes `0..cardinality` without order; 0 is any value that training did not know.
    Categorical {
        /// Number of codes.
        cardinality: u32,
    },
}

//! How good the parts are, each beside its baseline: what a model card says of them.

use leadscore_domain::QualityClass;
use serde::{Deserialize, Serialize};

use crate::evaluate::Metrics;

/// Figures of every part; `None` where there were too few examples to measure. All but the classes' come from the
/// latest fifth of the leads, by a model that saw none of them and nothing of their time.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartMetrics {
    /// Quality class.
    pub class: Option<ClassMetrics>,
    /// Stage 30 days ahead.
    pub stage: Option<StageMetrics>,
    /// Churn.
    pub churn: Option<ChurnMetrics>,
    /// Hours of answers.
    pub contact: Option<ContactMetrics>,
}

/// What became of each class among examples that no member of the ensemble had seen, coldest first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassMetrics {
    /// Cold, warm, hot.
    pub classes: [ClassShare; 3],
}

/// One class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassShare {
    /// Which.
    pub class: QualityClass,
    /// Examples of it.
    pub examples: usize,
    /// Of these, how many converted within 30 days.
    pub converted: usize,
    /// How many were to convert by their probabilities.
    pub expected: f64,
}

/// The stage 30 days ahead.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageMetrics {
    /// Examples.
    pub n: usize,
    /// Mean of −ln of the probability of the stage that came.
    pub log_loss: f64,
    /// Share of examples whose most probable stage came.
    pub accuracy: f64,
    /// The same of the baseline: what became of leads in the same stage.
    pub baseline_log_loss: f64,
    /// See `baseline_log_loss`.
    pub baseline_accuracy: f64,
}

/// Churn of active leads; a positive is a lead that churned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChurnMetrics {
    /// The part.
    pub model: Metrics,
    /// A logistic curve of the time since the lead's latest activity alone.
    pub baseline: Metrics,
}

/// Hours of answers, measured on the calls of leads that were not fitted to: each call is predicted from the calls of
/// its lead before it. A positive is a call that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactMetrics {
    /// The part.
    pub model: Metrics,
    /// The population's share of answers at that hour of the week.
    pub baseline: Metrics,
}

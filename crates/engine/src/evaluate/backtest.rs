//! Training and testing on parts that share no lead.

use leadscore_domain::Timestamp;
use thiserror::Error;

use super::{Metrics, Split};
use crate::{
    examples::Snapshot,
    models::{Progress, TrainError, TrainOptions},
};

/// A test example with what each model said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct BacktestRow {
    /// Token of the lead.
    pub lead: u64,
    /// Instant of the example.
    pub instant: Timestamp,
    /// Fold that tested it, from 0.
    pub fold: usize,
    /// What happened.
    pub label: bool,
    /// Our probability.
    pub probability: f64,
    /// The logistic baseline's.
    pub logistic: f64,
    /// The share of converted training examples.
    pub majority: f64,
    /// The true probability, where it is known (simulated data).
    pub truth: Option<f64>,
}

/// What a back test found.
#[derive(Debug, Clone)]
pub struct Backtest {
    /// Every test example.
    pub rows: Vec<BacktestRow>,
    /// Our model.
    pub model: Metrics,
    /// The logistic baseline.
    pub logistic: Metrics,
    /// The share of converted training examples as everybody's probability.
    pub majority: Metrics,
    /// The true probability, where it is known.
    pub truth: Option<Metrics>,
}

/// Why there is no back test.
#[derive(Debug, Error)]
pub enum BacktestError {
    /// A part could not be trained.
    #[error("fold {fold}: {source}")]
    Train {
        /// From 0.
        fold: usize,
        /// Why.
        #[source]
        source: TrainError,
    },
}

/// Trains on a part of the leads and predicts the others, for every fold of `split`.
///
/// # Errors
/// See [`BacktestError`].
pub fn backtest(
    _snapshots: &[Snapshot],
    _truth: Option<&[f64]>,
    _horizon_us: i64,
    _split: Split,
    _options: &TrainOptions,
    _progress: &dyn Fn(Progress),
) -> Result<Backtest, BacktestError> {
    todo!()
}

//! Learned models: training, calibration, explanation and their immutable files.
//!
//! Owns: the table of examples, the members of the ensemble and their weights, calibration and intervals, the reference
//! population, and [`Bundle`], which holds all of them with the schema they were trained on. Invariant: the same
//! examples, options and seed give the same bytes on any number of threads, and a bundle that exists is whole.
//! Deliberately absent: where bundles are kept, which one serves, and any tuning per data set.

pub mod bundle;
pub mod calibration;
pub mod card;
pub mod censoring;
mod ensemble;
pub mod folds;
pub mod interop;
pub mod logistic;
pub mod manifest;
pub mod matrix;
pub mod net;
pub(crate) mod numeric;
pub mod reference;
mod stack;
pub mod train;
mod trees;

pub use bundle::{Bundle, BundleError};
pub use manifest::Manifest;
pub use matrix::{Matrix, hard_targets};
pub use train::{Imported, Progress, TrainError, TrainOptions, Trained, TrainingSet, train};
pub use trees::import::{ForeignFormat, ImportError, import as import_trees};

/// What a model says of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Stacked log-odds of the members, before calibration; what the contributions add up to.
    pub log_odds: f64,
    /// Calibrated probability of conversion within the horizon, strictly between 0 and 1.
    pub probability: f64,
    /// Lower end of the 90 % interval, at most `probability`; see [`calibration`] for what it means.
    pub lower: f64,
    /// Upper end of the 90 % interval, at least `probability`.
    pub upper: f64,
    /// Percentile of `probability` in the reference population, 0 to 100.
    pub score: u8,
}

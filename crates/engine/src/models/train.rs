//! From labelled examples to a bundle.

use leadscore_domain::Timestamp;
use thiserror::Error;

use super::{Bundle, Matrix};
use crate::features::FeatureView;

/// Labelled examples with the view that encoded them. All lists have one entry per row of `matrix`.
#[derive(Debug, Clone)]
pub struct TrainingSet {
    /// The view that encoded `matrix`; goes into the bundle.
    pub view: FeatureView,
    /// The encoded examples.
    pub matrix: Matrix,
    /// Whether the lead converted within the horizon.
    pub labels: Vec<bool>,
    /// Token of the lead of each example; examples of one lead are never divided.
    pub leads: Vec<u64>,
    /// The instant of each example.
    pub instants: Vec<Timestamp>,
}

/// How to train. Nothing in it needs to be tuned per data set.
#[derive(Debug, Clone)]
pub struct TrainOptions {
    /// Seed of every random choice.
    pub seed: u64,
    /// Worker threads, at least 1; the result does not depend on it.
    pub threads: usize,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self { seed: 1, threads: 2 }
    }
}

/// How far a training run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: &'static str,
    /// Share done, in percent.
    pub percent: u8,
}

/// Why no model was trained.
#[derive(Debug, Error)]
pub enum TrainError {
    /// Too few examples of one kind to learn from.
    #[error("too few outcomes to train: {won} won and {lost} not won")]
    TooFewOutcomes {
        /// Examples that converted.
        won: usize,
        /// Examples that did not.
        lost: usize,
    },
}

/// Trains a bundle.
///
/// # Errors
/// See [`TrainError`].
pub fn train(
    _set: &TrainingSet,
    _options: &TrainOptions,
    _progress: &dyn Fn(Progress),
) -> Result<Bundle, TrainError> {
    todo!()
}

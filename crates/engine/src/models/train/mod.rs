//! From examples to a bundle.
//!
//! Owns: the order of the steps, and what is served in the end. Invariants: weights, calibration, interval and
//! reference population come from examples whose leads the members had not seen; the served members are then fitted
//! to everything. Deliberately absent: choices per data set.
//!
//! 1. Examples whose horizon is not over get the probability that they still convert (`censoring`).
//! 2. Leads are dealt to folds in the order of their first instants (`plan`).
//! 3. Every member is fitted to all folds but one and judged by that one, which gives the members' sizes and the
//!    weights of the stack (`evidence`).
//! 4. What is said of the last fifth of the leads, by the fold's members that did not see them, gives calibration,
//!    interval and reference population (`assemble`); where the leads all came at once, what is said of all of them.
//! 5. The members with a weight are fitted to all examples in the sizes found.

mod alarms;
mod assemble;
mod check;
mod evidence;
mod guest;
mod plan;
mod sized;

use std::{error::Error, sync::Arc};

use leadscore_domain::{Timestamp, time::DAY_US};
use thiserror::Error;

use self::guest::Guest;
pub use self::guest::Imported;
use super::{
    Bundle, Matrix,
    bundle::IMPORTED_FILE,
    censoring::{self, DelayCurve},
    ensemble::IMPORTED,
    logistic::Logistic,
    matrix::hard_targets,
    net::NetFileError,
    numeric::sigmoid,
    trees::{self, TreesError, Work, import::ImportError},
};
use crate::{
    examples::{Observed, Snapshot},
    features::FeatureView,
};

/// Leads of either kind below which nothing is trained.
pub const MIN_OUTCOMES: usize = 40;
/// Penalty of the logistic model that gives the first guess of unfinished examples.
const FIRST_GUESS_PENALTY: f64 = 10.0;

/// Examples with the view that encoded them. All lists have one entry per row of `matrix`.
#[derive(Debug, Clone)]
pub struct TrainingSet {
    /// The view that encoded `matrix`; goes into the bundle.
    pub view: FeatureView,
    /// The encoded examples.
    pub matrix: Matrix,
    /// What became of each example so far.
    pub observed: Vec<Observed>,
    /// Token of the lead of each example; examples of one lead are never divided.
    pub leads: Vec<u64>,
    /// The instant of each example.
    pub instants: Vec<Timestamp>,
}

impl TrainingSet {
    /// The examples as `view` encodes them.
    #[must_use]
    pub fn new(view: FeatureView, snapshots: &[Snapshot]) -> Self {
        Self {
            matrix: view.encode(snapshots),
            observed: snapshots.iter().map(|one| one.observed).collect(),
            leads: snapshots.iter().map(|one| one.lead).collect(),
            instants: snapshots.iter().map(|one| one.instant).collect(),
            view,
        }
    }

    /// The examples as boosting takes them.
    fn examples<'a>(&'a self, targets: &'a [f32]) -> trees::Examples<'a> {
        trees::Examples { matrix: &self.matrix, targets, leads: &self.leads }
    }

    /// Whether `rows` hold enough known outcomes of either kind to decide anything.
    fn has_outcomes(&self, rows: &[usize]) -> bool {
        let of = |won: bool| rows.iter().filter(|&&row| self.observed[row].label() == Some(won)).count();
        of(true).min(of(false)) >= MIN_OUTCOMES
    }
}

/// How to train, and what to write in the manifest. Nothing in it needs to be tuned per data set.
#[derive(Debug, Clone)]
pub struct TrainOptions {
    /// Seed of every random choice.
    pub seed: u64,
    /// Worker threads, at least 1; the result does not depend on it.
    pub threads: usize,
    /// Time within which a conversion counts, in microseconds.
    pub horizon_us: i64,
    /// When the training was asked for; for the manifest.
    pub created_at: Option<Timestamp>,
    /// Attributes named like a protected characteristic that the operator admitted; for the manifest.
    pub protected_overrides: Vec<String>,
    /// Whether members are also fitted to shuffled labels, which they must not be able to predict.
    pub shuffle_alarm: bool,
    /// A model that was trained elsewhere, to be weighed as a further member.
    pub imported: Option<Arc<Imported>>,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            threads: 2,
            horizon_us: 30 * DAY_US,
            created_at: None,
            protected_overrides: Vec::new(),
            shuffle_alarm: true,
            imported: None,
        }
    }
}

impl TrainOptions {
    fn work(&self, examples: usize) -> Work {
        Work { seed: self.seed, threads: self.threads, examples }
    }
}

/// What a training run came to.
#[derive(Debug)]
pub struct Trained {
    /// The model.
    pub bundle: Bundle,
    /// Calibrated probability and outcome of examples that no member had seen when it judged them. The calibration
    /// itself was fitted to them.
    pub held_out: Vec<(f64, bool)>,
}

/// How far a training run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: &'static str,
    /// Share done, in percent; never falls within a run.
    pub percent: u8,
}

/// Why no model was trained.
#[derive(Debug, Error)]
pub enum TrainError {
    /// Too few leads of one kind to learn from; scores come from the scorecard meanwhile.
    #[error("too few outcomes to train: {won} leads won and {lost} did not; {MIN_OUTCOMES} of either are needed")]
    TooFewOutcomes {
        /// Leads with an example that converted.
        won: usize,
        /// Leads without one.
        lost: usize,
    },
    /// The lists of the training set do not belong together.
    #[error("the training set holds {found} {what} where {expected} are needed")]
    Mismatch {
        /// What is miscounted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// An infinite value.
    #[error("column `{column}` holds an infinite value in row {row}; a missing value is NaN")]
    NotFinite {
        /// Name of the column.
        column: String,
        /// Row, from 0.
        row: usize,
    },
    /// A code that is no category of its column.
    #[error("column `{column}` holds {value} in row {row}, which is no category below {cardinality}")]
    NotACategory {
        /// Name of the column.
        column: String,
        /// Row, from 0.
        row: usize,
        /// The code.
        value: f32,
        /// Categories of the column.
        cardinality: u32,
    },
    /// A column tells the outcome: it was filled in after it.
    #[error(
        "column `{column}` alone predicts the outcome with an AUC of {auc:.3}, which only a value that was filled in \
         after the outcome does; leave it out of the import"
    )]
    Leak {
        /// Name of the column.
        column: String,
        /// Its AUC.
        auc: f64,
    },
    /// Labels that were dealt out at random can be predicted: the outcome reaches the features.
    #[error("shuffled labels are predicted with an AUC of {auc:.3} where 0.500 ± {tolerance:.3} is chance")]
    PredictsNoise {
        /// AUC on examples that were not fitted.
        auc: f64,
        /// How far from one half chance reaches.
        tolerance: f64,
    },
    /// The boosting library refused the data.
    #[error("boosting failed: {0}")]
    Boosting(#[source] Box<dyn Error + Send + Sync>),
    /// The net could not be fitted.
    #[error("the neural net could not be fitted: {0}")]
    Net(#[from] leadscore_neural::TrainError),
    /// The neural net could not be written.
    #[error("the neural net could not be written: {0}")]
    NetFile(#[from] NetFileError),
    /// The model that was trained elsewhere cannot be a member.
    #[error("the imported model cannot be a member: {0}")]
    Imported(#[from] ImportError),
    /// What was trained cannot be read back.
    #[error("the model is not sound: {0}")]
    Bundle(#[source] Box<super::BundleError>),
}

impl From<TreesError> for TrainError {
    fn from(error: TreesError) -> Self {
        Self::Boosting(Box::new(error))
    }
}

/// Trains a bundle, as the head of this module says.
///
/// # Errors
/// See [`TrainError`].
pub fn train(set: &TrainingSet, options: &TrainOptions, progress: &dyn Fn(Progress)) -> Result<Trained, TrainError> {
    progress(Progress { step: "looking for leaks", percent: 0 });
    let data = check::summary(set, options)?;
    alarms::columns(set)?;
    let (targets, delay) = targets(set, options);
    if options.shuffle_alarm {
        alarms::shuffled(set, options)?;
    }
    let plan = plan::Plan::new(&set.leads, &set.instants, options.horizon_us, |rows| set.has_outcomes(rows));
    let guest = options.imported.as_deref().map(|imported| Guest::read(imported, set)).transpose()?;
    let evidence = evidence::gather(set, &targets, &plan, guest.as_ref(), options, progress)?;
    progress(Progress { step: "fitting all examples", percent: evidence::PERCENT.end as u8 });
    let all: Vec<usize> = (0..targets.len()).collect();
    let mut members = sized::fit(set, &targets, &all, &evidence.stack, evidence.sizes, options)?.into_files()?;
    if let Some(guest) = guest.as_ref().filter(|_| evidence.stack.weights[IMPORTED] > 0.0) {
        members.insert(IMPORTED_FILE.to_owned(), guest.file.clone());
    }
    progress(Progress { step: "calibrating", percent: 95 });
    let run = assemble::Run {
        set,
        options,
        guest: guest.as_ref(),
        targets: &targets,
        plan: &plan,
        evidence: &evidence,
        data,
        delay,
    };
    let (parts, held_out) = run.assemble(members);
    let bundle = Bundle::from_parts(parts).map_err(|error| TrainError::Bundle(Box::new(error)))?;
    progress(Progress { step: "done", percent: 100 });
    Ok(Trained { bundle, held_out })
}

/// What each example counts as: 1 where it converted, 0 where it did not, and in between where that is not known yet;
/// with the curve of delays where there are such.
fn targets(set: &TrainingSet, options: &TrainOptions) -> (Vec<f32>, Option<DelayCurve>) {
    let known: Vec<usize> = (0..set.observed.len()).filter(|&row| set.observed[row].complete).collect();
    let converted = |row: &usize| set.observed[*row].converted_after_us.is_some();
    let labels = hard_targets(&known.iter().map(converted).collect::<Vec<_>>());
    if known.len() == set.observed.len() {
        return (labels, None);
    }
    let curve = DelayCurve::fit(&set.observed, options.horizon_us);
    let guess = |table: &Matrix, targets: &[f32]| -> Vec<f64> {
        let model = Logistic::fit(table, targets, FIRST_GUESS_PENALTY);
        (0..set.observed.len()).map(|row| sigmoid(model.log_odds(set.matrix.row(row)))).collect()
    };
    let first = guess(&set.matrix.select(&known), &labels);
    let second = guess(&set.matrix, &censoring::targets(&set.observed, &curve, &first));
    (censoring::targets(&set.observed, &curve, &second), Some(curve))
}

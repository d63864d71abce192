//! From the log to a trained, measured and registered model.
//!
//! Owns: gathering examples of all leads in bounded memory, the honest measurement that goes with every model, and
//! the decision which model becomes champion. Invariants: an example sees only what had been received by its instant;
//! leads without a lawful basis for profiling are left out; examples carry tokens, never ids of leads.
//! Deliberately absent: how examples are drawn, models fitted and figures computed (the engine's).

mod build;
mod champion;
mod evaluate;
mod export;
mod fairness;
mod groups;
mod token;
mod train;

use std::sync::Arc;

pub use build::{TrainingData, build};
pub use evaluate::{EvaluateOptions, Evaluated, Evaluation, EvaluationRow, Truth, Written, evaluate};
pub use export::{ExportError, Exported, export_training_set};
pub use fairness::{FAIRNESS_FILE, compare_groups};
pub use groups::{Groups, GroupsError};
use leadscore_domain::{Timestamp, time::DAY_US};
use leadscore_engine::{
    evaluate::BacktestError,
    models::{BundleError, Imported, Progress, TrainError, TrainOptions},
    score::ScoringPolicy,
};
use leadscore_store::{RegistryError, StoreError};
pub use train::{BACKTEST_FILE, PromotePolicy, TooFewOutcomes, Trained, TrainingOutcome, train};

/// How examples are drawn and models trained. Nothing in it needs to be tuned per data set.
#[derive(Debug, Clone)]
pub struct TrainingOptions {
    /// Seed of every random choice.
    pub seed: u64,
    /// Time within which a conversion counts, in microseconds.
    pub horizon_us: i64,
    /// Most examples of one lead.
    pub per_lead: usize,
    /// Worker threads, at least 1; the result does not depend on it.
    pub threads: usize,
    /// Until when outcomes are known; `None` is the present.
    pub known_until: Option<Timestamp>,
    /// Decides which leads may be profiled.
    pub policy: ScoringPolicy,
    /// Whether the leads come from the simulator; reports then say so.
    pub simulated: bool,
    /// A model that was trained elsewhere, to be weighed as a further member.
    pub imported: Option<Arc<Imported>>,
    /// Groups of people that a model must treat alike before it scores.
    pub groups: Option<Arc<Groups>>,
}

impl Default for TrainingOptions {
    /// 30 days, four examples per lead, two threads.
    fn default() -> Self {
        Self {
            seed: 1,
            horizon_us: 30 * DAY_US,
            per_lead: 4,
            threads: 2,
            known_until: None,
            policy: ScoringPolicy::default(),
            simulated: false,
            imported: None,
            groups: None,
        }
    }
}

impl TrainingOptions {
    /// What the engine needs of them.
    fn for_engine(&self, data: &TrainingData, created_at: Timestamp) -> TrainOptions {
        TrainOptions {
            seed: self.seed,
            threads: self.threads,
            horizon_us: self.horizon_us,
            created_at: Some(created_at),
            protected_overrides: data.acknowledgements.clone(),
            shuffle_alarm: true,
            imported: self.imported.clone(),
        }
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainingProgress {
    /// What is being done, such as `reading leads`.
    pub step: &'static str,
    /// Done so far.
    pub done: u64,
    /// Of how much.
    pub total: u64,
}

/// Told how far a run is, from any thread.
pub type ProgressFn = Arc<dyn Fn(TrainingProgress) + Send + Sync>;

/// Why training or evaluation failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// Leads or events cannot be read.
    #[error("the examples cannot be read: {0}")]
    Store(#[from] StoreError),
    /// The models cannot be read or written.
    #[error("the registry failed: {0}")]
    Registry(#[from] RegistryError),
    /// The champion's files are damaged.
    #[error("the champion cannot be used: {0}")]
    Bundle(#[from] BundleError),
    /// The model could not be fitted.
    #[error("the model could not be trained: {0}")]
    Train(#[from] TrainError),
    /// The back test could not be made.
    #[error("the back test could not be made: {0}")]
    Backtest(#[from] BacktestError),
    /// A report cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Report {
        /// Where.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What the examples are, for a report.
fn describe(data: &TrainingData) -> String {
    let known_until = data.known_until.to_string();
    let day = known_until.split('T').next().unwrap_or_default();
    format!(
        "{} examples of {} leads with {} events, as known on {day}; {} leads left out for want of a basis for profiling.",
        data.snapshots.len(),
        data.leads - data.withheld,
        data.events,
        data.withheld
    )
}

/// What else a reader of a report should know.
fn notes(data: &TrainingData) -> Vec<String> {
    data.acknowledgements
        .iter()
        .map(|note| format!("A protected characteristic was admitted by hand: {note}."))
        .collect()
}

/// Passes the engine's progress on.
fn percent(progress: &ProgressFn) -> impl Fn(Progress) + use<> {
    let progress = Arc::clone(progress);
    move |p: Progress| progress(TrainingProgress { step: p.step, done: p.percent.into(), total: 100 })
}

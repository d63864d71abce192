//! From labelled examples to a bundle.
//!
//! Owns: which examples decide on rounds, calibration and reference population. Invariant: those are examples whose
//! leads the trees had not seen; the served trees are then fitted to everything. Deliberately absent: choices per
//! data set.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
};

use leadscore_domain::Timestamp;
use thiserror::Error;

use super::{
    Bundle, Matrix,
    bundle::Parts,
    calibration::{Calibration, CalibrationEvidence, Disagreement, Rehearsed, Slice},
    folds, hard_targets,
    manifest::{DataSummary, Evidence, FORMAT, Manifest, TrainingSummary},
    numeric::sigmoid,
    reference::{Reference, group_index},
    rehearsal::{Rehearsal, rehearse},
    trees::{Examples, MANY, Trees, TreesError, Work, recorded},
};
use crate::{
    evaluate::metrics,
    features::{Column, ColumnKind, FeatureView},
};

/// Leads of either kind below which nothing is trained.
pub const MIN_OUTCOMES: usize = 40;
/// Share of the leads that come before the hold-out.
const HOLD_OUT_AFTER: f64 = 0.8;
/// Folds for fewer examples.
const FOLDS: usize = 5;
/// Most examples behind the reference of the groups.
const MAX_GROUP_EXAMPLES: usize = 20_000;

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

/// How to train, and what to write in the manifest. Nothing in it needs to be tuned per data set.
#[derive(Debug, Clone)]
pub struct TrainOptions {
    /// Seed of every random choice.
    pub seed: u64,
    /// Worker threads, at least 1; the result does not depend on it.
    pub threads: usize,
    /// Time within which a conversion counts, in microseconds; for the manifest.
    pub horizon_us: i64,
    /// When the training was asked for; for the manifest.
    pub created_at: Option<Timestamp>,
    /// Attributes named like a protected characteristic that the operator admitted; for the manifest.
    pub protected_overrides: Vec<String>,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            threads: 2,
            horizon_us: 30 * leadscore_domain::time::DAY_US,
            created_at: None,
            protected_overrides: Vec::new(),
        }
    }
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
    /// The boosting library refused the data.
    #[error("boosting failed: {0}")]
    Boosting(#[source] Box<dyn Error + Send + Sync>),
}

impl From<TreesError> for TrainError {
    fn from(error: TreesError) -> Self {
        Self::Boosting(Box::new(error))
    }
}

/// Trains a bundle.
///
/// From 50,000 examples on, the later fifth of the leads decides on the number of trees, the calibration and the
/// reference population; below, five folds do, each predicted by trees that saw the other four. The served trees are
/// fitted to all examples with that number of trees.
///
/// # Errors
/// See [`TrainError`].
pub fn train(set: &TrainingSet, options: &TrainOptions, progress: &dyn Fn(Progress)) -> Result<Bundle, TrainError> {
    let data = check(set, options)?;
    let work = Work { seed: options.seed, threads: options.threads, examples: data.examples };
    let targets = hard_targets(&set.labels);
    let examples = Examples { matrix: &set.matrix, targets: &targets, leads: &set.leads, instants: &set.instants };
    progress(Progress { step: "finding the number of trees", percent: 0 });
    let unseen = gather(set, &examples, work, progress)?;
    progress(Progress { step: "fitting all examples", percent: 70 });
    let trees = Trees::fit(&examples, unseen.rounds, work)?.file;
    progress(Progress { step: "calibrating", percent: 95 });
    let parts = assemble(set, options, data, &unseen, trees);
    let bundle = Bundle::from_parts(parts).map_err(|error| TrainError::Boosting(Box::new(error)))?;
    progress(Progress { step: "done", percent: 100 });
    Ok(bundle)
}

fn check(set: &TrainingSet, options: &TrainOptions) -> Result<DataSummary, TrainError> {
    let rows = set.matrix.rows();
    let width = set.matrix.width();
    for (what, expected, found) in [
        ("columns", set.view.width(), width),
        ("values", rows * width, set.matrix.values.len()),
        ("labels", rows, set.labels.len()),
        ("lead tokens", rows, set.leads.len()),
        ("instants", rows, set.instants.len()),
    ] {
        if expected != found {
            return Err(TrainError::Mismatch { what, expected, found });
        }
    }
    check_values(&set.matrix)?;
    let leads: BTreeSet<u64> = set.leads.iter().copied().collect();
    let won: BTreeSet<u64> =
        set.leads.iter().zip(&set.labels).filter(|&(_, &label)| label).map(|(&lead, _)| lead).collect();
    let (won, lost) = (won.len(), leads.len() - won.len());
    if won.min(lost) < MIN_OUTCOMES {
        return Err(TrainError::TooFewOutcomes { won, lost });
    }
    let instants = || set.instants.iter().copied();
    Ok(DataSummary {
        examples: rows,
        positives: set.labels.iter().filter(|&&label| label).count(),
        leads: leads.len(),
        won_leads: won,
        first_instant: instants().min().unwrap_or_default(),
        last_instant: instants().max().unwrap_or_default(),
        horizon_us: options.horizon_us,
    })
}

fn check_values(matrix: &Matrix) -> Result<(), TrainError> {
    for row in 0..matrix.rows() {
        for (column, &value) in matrix.columns.iter().zip(matrix.row(row)) {
            if value.is_infinite() {
                return Err(TrainError::NotFinite { column: column.name.clone(), row });
            }
            if let ColumnKind::Categorical { cardinality } = column.kind
                && !value.is_nan()
                && !(value >= 0.0 && value < cardinality as f32 && value.fract() == 0.0)
            {
                return Err(TrainError::NotACategory { column: column.name.clone(), row, value, cardinality });
            }
        }
    }
    Ok(())
}

/// What trees say of examples whose leads they never saw.
struct Unseen {
    evidence: Evidence,
    rounds: usize,
    /// Rows of the training set.
    rows: Vec<usize>,
    /// Log-odds of each of `rows`.
    log_odds: Vec<f64>,
    /// Contributions by group, of a sample of `rows`.
    groups: Vec<[f64; 4]>,
    /// Of `rows`.
    rehearsal: Option<Rehearsal>,
}

impl Unseen {
    fn new(evidence: Evidence, rounds: usize) -> Self {
        Self { evidence, rounds, rows: Vec::new(), log_odds: Vec::new(), groups: Vec::new(), rehearsal: None }
    }

    fn extend(&mut self, set: &TrainingSet, trees: &Trees, rows: &[usize], stride: usize) {
        let groups = groups_of(&set.matrix.columns);
        for &row in rows {
            let values = set.matrix.row(row);
            self.log_odds.push(trees.log_odds(values));
            if self.rows.len().is_multiple_of(stride) {
                let mut sums = [0.0; 4];
                trees.explain(values, |column, share| sums[usize::from(groups[column])] += share);
                self.groups.push(sums);
            }
            self.rows.push(row);
        }
    }
}

/// The group of each column, as its place in the figures.
pub(super) fn groups_of(columns: &[Column]) -> Vec<u8> {
    columns.iter().map(|column| group_index(column.group) as u8).collect()
}

fn gather(
    set: &TrainingSet,
    examples: &Examples<'_>,
    work: Work,
    progress: &dyn Fn(Progress),
) -> Result<Unseen, TrainError> {
    if set.labels.len() >= MANY {
        let later = folds::later(&set.leads, &set.instants, HOLD_OUT_AFTER);
        let (watched, fitted): (Vec<usize>, Vec<usize>) = (0..set.labels.len()).partition(|&row| later[row]);
        if has_outcomes(set, &watched) && has_outcomes(set, &fitted) {
            return hold_out(set, examples, work, &fitted, &watched);
        }
    }
    out_of_fold(set, examples, work, progress)
}

/// Whether `rows` hold enough of either kind to decide anything.
fn has_outcomes(set: &TrainingSet, rows: &[usize]) -> bool {
    let positives = rows.iter().filter(|&&row| set.labels[row]).count();
    positives.min(rows.len() - positives) >= MIN_OUTCOMES
}

fn hold_out(
    set: &TrainingSet,
    examples: &Examples<'_>,
    work: Work,
    fitted: &[usize],
    watched: &[usize],
) -> Result<Unseen, TrainError> {
    let model = Trees::fit_watched(examples, fitted, watched, work)?;
    let mut unseen = Unseen::new(Evidence::HoldOut, model.rounds);
    let stride = watched.len().div_ceil(MAX_GROUP_EXAMPLES);
    unseen.extend(set, &model.trees, watched, stride);
    let pick = |rows: &[usize]| -> (Vec<u64>, Vec<Timestamp>) {
        rows.iter().map(|&row| (set.leads[row], set.instants[row])).unzip()
    };
    let (leads, instants) = pick(fitted);
    let second = folds::later(&leads, &instants, 0.5);
    let half = |wanted: bool| fitted.iter().zip(&second).filter(move |(_, is)| **is == wanted).map(|(&row, _)| row);
    let halves: [Vec<usize>; 2] = [half(false).collect(), half(true).collect()];
    let mut rounds = 0;
    for (fitted, watched) in [(&halves[0], &halves[1]), (&halves[1], &halves[0])] {
        rounds += Trees::fit_watched(examples, fitted, watched, work)?.rounds;
    }
    unseen.rehearsal = Some(rehearse(examples, &halves, watched, rounds.div_ceil(2), work)?);
    Ok(unseen)
}

fn out_of_fold(
    set: &TrainingSet,
    examples: &Examples<'_>,
    work: Work,
    progress: &dyn Fn(Progress),
) -> Result<Unseen, TrainError> {
    let fold_of = folds::by_lead(&set.leads, &set.labels, FOLDS, work.seed);
    let mut models = Vec::with_capacity(FOLDS);
    let mut best = 0;
    for fold in 0..FOLDS {
        let (watched, fitted): (Vec<usize>, Vec<usize>) = (0..set.labels.len()).partition(|&row| fold_of[row] == fold);
        let model = Trees::fit_watched(examples, &fitted, &watched, work)?;
        best += model.rounds;
        models.push((model.trees, watched));
        progress(Progress { step: "finding the number of trees", percent: (14 * (fold + 1)) as u8 });
    }
    let mut unseen = Unseen::new(Evidence::OutOfFold, (best as f64 / FOLDS as f64).round().max(1.0) as usize);
    let stride = set.labels.len().div_ceil(MAX_GROUP_EXAMPLES);
    for (trees, watched) in models {
        unseen.extend(set, &trees, &watched, stride);
    }
    Ok(unseen)
}

fn assemble(set: &TrainingSet, options: &TrainOptions, data: DataSummary, unseen: &Unseen, trees: Vec<u8>) -> Parts {
    let labels: Vec<bool> = unseen.rows.iter().map(|&row| set.labels[row]).collect();
    let leads: Vec<u64> = unseen.rows.iter().map(|&row| set.leads[row]).collect();
    let targets = hard_targets(&labels);
    let disagreement = vec![Disagreement::default(); targets.len()];
    let matrix = set.matrix.select(&unseen.rows);
    let calibration = Calibration::fit(&CalibrationEvidence {
        earlier: None,
        later: Slice { log_odds: &unseen.log_odds, targets: &targets, leads: &leads },
        folds: &[],
        disagreement: &disagreement,
        fitted_share: 1.0,
        rehearsed: unseen.rehearsal.as_ref().map(|one| Rehearsed {
            matrix: &matrix,
            world: &one.world,
            learned: &one.learned,
            disagreement: &disagreement,
        }),
    });
    let calibrated: Vec<f64> = unseen.log_odds.iter().map(|&value| calibration.log_odds(value)).collect();
    let reference = Reference::new(&calibrated, &unseen.groups);
    let probabilities: Vec<f64> = calibrated.iter().map(|&value| sigmoid(value)).collect();
    let training = TrainingSummary {
        seed: options.seed,
        rounds: unseen.rounds,
        evidence: unseen.evidence,
        evidence_examples: unseen.rows.len(),
        calibration: calibration.map().kind,
        parameters: recorded(set.labels.len()),
    };
    let manifest = Manifest {
        format: FORMAT,
        kind: super::manifest::BOOSTED_TREES.to_owned(),
        created_at: options.created_at,
        schema_hash: set.view.schema_hash(),
        columns: set.view.width(),
        data,
        training,
        metrics: metrics(&labels, &probabilities),
        protected_overrides: options.protected_overrides.clone(),
        files: BTreeMap::new(),
    };
    Parts { view: set.view.clone(), manifest, trees, calibration, reference, extras: BTreeMap::new() }
}

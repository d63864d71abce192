//! Training and testing on parts that share no lead.
//!
//! Owns: the loop over parts, and the baselines. Invariant: columns, trees, calibration and baselines of a part are
//! learned from its training examples alone. Deliberately absent: choosing between models.

use std::collections::{BTreeMap, HashSet};

use leadscore_domain::Timestamp;
use serde::Serialize;
use thiserror::Error;

use super::{Metrics, Split, metrics, split::Part};
use crate::{
    examples::Snapshot,
    features::{FeatureView, Group},
    models::{
        Bundle, Progress, TrainError, TrainOptions, TrainingSet,
        logistic::{Logistic, PENALTY},
        matrix::hard_targets,
        train,
    },
};

/// A test example with what each model said of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BacktestRow {
    /// Token of the lead.
    pub lead: u64,
    /// Instant of the example.
    pub instant: Timestamp,
    /// Part that tested it, from 0.
    pub fold: usize,
    /// Whether the lead converted.
    pub label: bool,
    /// Our probability.
    pub probability: f64,
    /// Our percentile, 0 to 100.
    pub score: u8,
    /// The logistic baseline's probability.
    pub logistic: f64,
    /// The share of converted training examples.
    pub majority: f64,
    /// The true probability, where it is known.
    pub truth: Option<f64>,
}

/// One training and test of a back test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartSummary {
    /// Training examples.
    pub train: usize,
    /// Share of them that converted.
    pub train_share: f64,
    /// Test examples.
    pub test: usize,
    /// Share of them that converted.
    pub test_share: f64,
    /// Training examples besides, whose horizon was not over when the test began.
    pub unfinished: usize,
    /// Whether no training label reaches into the time of the test.
    pub gap: bool,
    /// Columns learned.
    pub columns: usize,
    /// Weight of each member.
    pub members: BTreeMap<String, f64>,
    /// Area under the ROC curve on this part alone; NaN (in JSON null) where it is not defined.
    pub auc: f64,
}

/// How much a column moves the log-odds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Importance {
    /// Name of the column.
    pub column: String,
    /// Its group.
    pub group: Group,
    /// Mean absolute contribution to the log-odds over the test examples.
    pub mean_contribution: f64,
}

/// What a back test found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Backtest {
    /// How the examples were divided.
    #[serde(serialize_with = "as_text")]
    pub split: Split,
    /// Examples without a known label, left out altogether.
    pub censored: usize,
    /// Our model, on all test examples together.
    pub model: Metrics,
    /// The logistic baseline.
    pub logistic: Metrics,
    /// The share of converted training examples as everybody's probability.
    pub majority: Metrics,
    /// The true probability, where it is known: what no model can beat but by chance.
    pub truth: Option<Metrics>,
    /// Each training and test.
    pub parts: Vec<PartSummary>,
    /// Columns by importance, highest first.
    pub importance: Vec<Importance>,
    /// Every test example.
    #[serde(skip)]
    pub rows: Vec<BacktestRow>,
}

fn as_text<S: serde::Serializer>(split: &Split, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(split)
}

/// Why there is no back test.
#[derive(Debug, Error)]
pub enum BacktestError {
    /// The split is out of bounds.
    #[error("the split {0} is out of bounds")]
    Split(Split),
    /// Not one true probability per example.
    #[error("{found} true probabilities for {expected} examples")]
    Truth {
        /// Examples.
        expected: usize,
        /// True probabilities.
        found: usize,
    },
    /// A part has no test example.
    #[error("part {part} of the split has no example to test on: there are too few leads")]
    Empty {
        /// From 1.
        part: usize,
    },
    /// A part could not be trained.
    #[error("part {part} of the split: {source}")]
    Train {
        /// From 1.
        part: usize,
        /// Why.
        #[source]
        source: TrainError,
    },
}

/// Trains on a part of the leads and predicts the others, for every part of `split`. Snapshots without a label are
/// left out; `truth` has the true probability of each snapshot, where they are simulated.
///
/// # Errors
/// See [`BacktestError`].
pub fn backtest(
    snapshots: &[Snapshot],
    truth: Option<&[f64]>,
    split: Split,
    options: &TrainOptions,
    progress: &dyn Fn(Progress),
) -> Result<Backtest, BacktestError> {
    if !split.is_sound() {
        return Err(BacktestError::Split(split));
    }
    if let Some(truth) = truth.filter(|truth| truth.len() != snapshots.len()) {
        return Err(BacktestError::Truth { expected: snapshots.len(), found: truth.len() });
    }
    let known = Known::new(snapshots, truth);
    let parts = split.parts(&known.leads, &known.labels, &known.instants, options.horizon_us, options.seed);
    let mut found = Found::default();
    for (fold, part) in parts.iter().enumerate() {
        let report = |step: Progress| {
            let percent = (fold * 100 + usize::from(step.percent)) / parts.len();
            progress(Progress { percent: percent as u8, ..step });
        };
        known.run(fold, part, options, &report, &mut found)?;
    }
    Ok(found.finish(split, snapshots.len() - known.labels.len()))
}

/// The snapshots whose label is known.
struct Known<'a> {
    snapshots: Vec<&'a Snapshot>,
    labels: Vec<bool>,
    leads: Vec<u64>,
    instants: Vec<Timestamp>,
    truth: Option<Vec<f64>>,
}

impl<'a> Known<'a> {
    fn new(snapshots: &'a [Snapshot], truth: Option<&[f64]>) -> Self {
        let known =
            || snapshots.iter().enumerate().filter_map(|(i, one)| one.observed.label().map(|label| (i, one, label)));
        Self {
            snapshots: known().map(|(_, one, _)| one).collect(),
            labels: known().map(|(_, _, label)| label).collect(),
            leads: known().map(|(_, one, _)| one.lead).collect(),
            instants: known().map(|(_, one, _)| one.instant).collect(),
            truth: truth.map(|truth| known().map(|(i, _, _)| truth[i]).collect()),
        }
    }

    fn pick(&self, rows: &[usize]) -> Vec<Snapshot> {
        rows.iter().map(|&row| self.snapshots[row].clone()).collect()
    }

    fn share(&self, rows: &[usize]) -> f64 {
        rows.iter().filter(|&&row| self.labels[row]).count() as f64 / rows.len() as f64
    }

    fn training_set(&self, part: &Part) -> TrainingSet {
        let start = part.test.iter().map(|&row| self.instants[row]).min().unwrap_or_default();
        let mut rows = part.train.clone();
        rows.extend(&part.unfinished);
        rows.sort_unstable();
        let mut snapshots = self.pick(&rows);
        let unfinished: HashSet<usize> = part.unfinished.iter().copied().collect();
        for (row, snapshot) in rows.iter().zip(&mut snapshots).filter(|(row, _)| unfinished.contains(row)) {
            snapshot.observed = self.snapshots[*row].observed.by(start.since(snapshot.instant));
        }
        TrainingSet::new(FeatureView::learn(&snapshots), &snapshots)
    }

    fn run(
        &self,
        fold: usize,
        part: &Part,
        options: &TrainOptions,
        progress: &dyn Fn(Progress),
        found: &mut Found,
    ) -> Result<(), BacktestError> {
        if part.test.is_empty() {
            return Err(BacktestError::Empty { part: fold + 1 });
        }
        let set = self.training_set(part);
        // Labels are shuffled once, where everything is fitted. What was trained elsewhere may know the test.
        let options = TrainOptions { shuffle_alarm: false, imported: None, ..options.clone() };
        let bundle =
            train(&set, &options, progress).map_err(|source| BacktestError::Train { part: fold + 1, source })?.bundle;
        let majority = self.share(&part.train);
        let baseline = baseline(&set);
        let test = bundle.view().encode(&self.pick(&part.test));
        let first = found.rows.len();
        for (&row, index) in part.test.iter().zip(0..) {
            let values = test.row(index);
            let prediction = bundle.predict(values);
            found.weigh(&bundle, values);
            found.rows.push(BacktestRow {
                lead: self.leads[row],
                instant: self.instants[row],
                fold,
                label: self.labels[row],
                probability: prediction.probability,
                score: prediction.score,
                logistic: baseline.predict(values),
                majority,
                truth: self.truth.as_ref().map(|truth| truth[row]),
            });
        }
        let auc = measure(&found.rows[first..], |row| row.probability).auc;
        found.parts.push(PartSummary {
            train: part.train.len(),
            train_share: majority,
            test: part.test.len(),
            test_share: self.share(&part.test),
            unfinished: part.unfinished.len(),
            gap: part.gap,
            columns: bundle.view().width(),
            members: bundle.manifest().training.weights(),
            auc,
        });
        Ok(())
    }
}

/// Logistic regression on the examples whose outcome is known.
fn baseline(set: &TrainingSet) -> Logistic {
    let known: Vec<usize> = (0..set.observed.len()).filter(|&row| set.observed[row].complete).collect();
    let labels: Vec<bool> = known.iter().map(|&row| set.observed[row].converted_after_us.is_some()).collect();
    Logistic::fit(&set.matrix.select(&known), &hard_targets(&labels), PENALTY)
}

fn measure(rows: &[BacktestRow], probability: impl Fn(&BacktestRow) -> f64) -> Metrics {
    let labels: Vec<bool> = rows.iter().map(|row| row.label).collect();
    let probabilities: Vec<f64> = rows.iter().map(probability).collect();
    metrics(&labels, &probabilities)
}

/// What the parts have found so far.
#[derive(Default)]
struct Found {
    rows: Vec<BacktestRow>,
    parts: Vec<PartSummary>,
    /// Sum of the absolute contributions of each column.
    weights: BTreeMap<String, (Group, f64)>,
    contributions: Vec<f64>,
}

impl Found {
    fn weigh(&mut self, bundle: &Bundle, row: &[f32]) {
        let columns = bundle.view().columns();
        self.contributions.resize(columns.len(), 0.0);
        bundle.contributions(row, &mut self.contributions);
        for (column, contribution) in columns.iter().zip(&self.contributions) {
            if *contribution == 0.0 {
                continue;
            }
            match self.weights.get_mut(&column.name) {
                Some((_, sum)) => *sum += contribution.abs(),
                None => {
                    self.weights.insert(column.name.clone(), (column.group, contribution.abs()));
                }
            }
        }
    }

    fn finish(self, split: Split, censored: usize) -> Backtest {
        let n = self.rows.len() as f64;
        let mut importance: Vec<Importance> = self
            .weights
            .into_iter()
            .map(|(column, (group, sum))| Importance { column, group, mean_contribution: sum / n })
            .collect();
        importance.sort_by(|x, y| y.mean_contribution.total_cmp(&x.mean_contribution).then(x.column.cmp(&y.column)));
        let known = self.rows.iter().all(|row| row.truth.is_some());
        Backtest {
            split,
            censored,
            model: measure(&self.rows, |row| row.probability),
            logistic: measure(&self.rows, |row| row.logistic),
            majority: measure(&self.rows, |row| row.majority),
            truth: known.then(|| measure(&self.rows, |row| row.truth.unwrap_or(f64::NAN))),
            parts: self.parts,
            importance,
            rows: self.rows,
        }
    }
}

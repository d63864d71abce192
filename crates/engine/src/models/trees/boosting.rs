//! The parameters of boosting, and the way from examples to a model. The only place that trains by the library.
//!
//! Owns: parameters, the same for every data set, and the table that is boosted. Invariant: the same examples, rounds
//! and seed give the same bytes on any number of threads. Deliberately absent: choices per data set.

use std::{collections::BTreeMap, num::NonZeroUsize};

use hessboost::{
    config::{GrowPolicy, Monotone, TrainingParams, TreeMethod},
    data::{DMatrix, FeatureType},
    error::HessboostError,
    metric::EvalMetric,
    model::{BoostedModel, ModelFormat},
    objective::{Objective, RegLoss},
    training::Trainer,
};

use super::{
    Examples, TreesError, Work,
    interchange::{self, Boosted, Categories},
    statistics::{self, Statistic},
};
use crate::features::{Column, ColumnKind, Direction, monotone};

/// Step size. Small enough that a few hundred trees are needed, so that a single tree matters little.
const LEARNING_RATE: f64 = 0.06;
/// Step size from [`MANY`] examples on, where there are enough examples for every tree to be sure of its leaves.
const LEARNING_RATE_MANY: f64 = 0.1;
/// Bins of a number; fewer from [`MANY`] examples on, where finding the best of them would cost most of the time.
const BINS: usize = 256;
const BINS_MANY: usize = 128;
/// Examples from which steps are larger and bins fewer.
pub(crate) const MANY: usize = 50_000;
/// Leaves of a tree, which grows at its best leaf first.
const LEAVES: usize = 16;
/// Deepest path, a bound on the cost of a row and on the tables of its attributions.
const DEPTH: usize = 6;
/// Least sum of second derivatives in a child: about 40 examples at a probability of one half, 110 at one tenth.
const MIN_CHILD_WEIGHT: f64 = 10.0;
/// L2 penalty on a leaf: half of the least weight, so that small leaves are held back and large ones hardly.
const L2: f64 = 5.0;
/// Share of the examples that a tree sees.
const ROW_SHARE: f64 = 0.8;
/// Share of the columns that a tree sees.
const COLUMN_SHARE: f64 = 0.8;
/// Examples of a category below which training takes it as "other".
const MIN_CATEGORY: usize = 20;
/// Categories from which a column has a statistic; fewer are told apart by a few tests.
const STATISTIC_FROM: u32 = 5;
/// Most rounds.
const MAX_ROUNDS: usize = 1_000;
/// Rounds without improvement of the log-loss after which boosting stops; as many as go equally far with larger steps.
const PATIENCE: NonZeroUsize = NonZeroUsize::new(40).expect("not zero");
const PATIENCE_MANY: NonZeroUsize = NonZeroUsize::new(24).expect("not zero");
/// Most watched examples that decide when to stop.
const MAX_DECIDING: usize = 10_000;

/// The parameters for so many examples as recorded in the manifest, by XGBoost's names.
pub(crate) fn recorded(examples: usize, rounds: usize) -> BTreeMap<String, f64> {
    [
        ("rounds", rounds as f64),
        ("eta", learning_rate(examples)),
        ("max_bin", bins(examples) as f64),
        ("max_leaves", LEAVES as f64),
        ("max_depth", DEPTH as f64),
        ("min_child_weight", MIN_CHILD_WEIGHT),
        ("lambda", L2),
        ("subsample", ROW_SHARE),
        ("colsample_bytree", COLUMN_SHARE),
        ("early_stopping_rounds", patience(examples).get() as f64),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

const fn learning_rate(examples: usize) -> f64 {
    if examples < MANY { LEARNING_RATE } else { LEARNING_RATE_MANY }
}

const fn bins(examples: usize) -> usize {
    if examples < MANY { BINS } else { BINS_MANY }
}

const fn patience(examples: usize) -> NonZeroUsize {
    if examples < MANY { PATIENCE } else { PATIENCE_MANY }
}

/// A model in the served form of XGBoost's JSON format, and the number of its rounds.
pub(super) struct Boost {
    pub(super) file: Vec<u8>,
    pub(super) rounds: usize,
}

/// Boosts the examples of `fitted` for `rounds` rounds.
pub(super) fn fixed(examples: &Examples<'_>, fitted: &[usize], rounds: usize, work: Work) -> Result<Boost, TreesError> {
    let training = Training::new(examples, fitted, work.seed)?;
    let parameters = parameters(&examples.matrix.columns, &training.columns, work)?;
    let trained = Trainer::new(&parameters, &training.table, rounds.max(1)).train()?;
    settled(&trained.model, &training.columns)
}

/// Boosts the examples of `fitted` until the cross-entropy of those of `watched` no longer falls, and keeps the rounds
/// up to its lowest.
pub(super) fn watched(
    examples: &Examples<'_>,
    fitted: &[usize],
    watched: &[usize],
    work: Work,
) -> Result<Boost, TreesError> {
    let training = Training::new(examples, fitted, work.seed)?;
    let parameters = parameters(&examples.matrix.columns, &training.columns, work)?;
    let deciding: Vec<usize> = watched.iter().copied().step_by(watched.len().div_ceil(MAX_DECIDING).max(1)).collect();
    let trained = Trainer::new(&parameters, &training.table, MAX_ROUNDS)
        .eval(&training.served(examples, &deciding)?, "watched")
        .early_stopping_rounds(patience(work.examples))
        .train()?;
    let best = trained.model.best_iteration().map_or(trained.model.num_boost_rounds(), |best| best + 1);
    settled(&trained.model.slice(..best, 1)?, &training.columns)
}

fn settled(model: &BoostedModel, columns: &[Boosted]) -> Result<Boost, TreesError> {
    let foreign = || TreesError::Foreign { columns: columns.len() };
    let mut json: serde_json::Value =
        serde_json::from_slice(&model.encode(ModelFormat::XgboostJson)?).map_err(|_| foreign())?;
    interchange::settle(&mut json, columns).ok_or_else(foreign)?;
    Ok(Boost { file: json.to_string().into_bytes(), rounds: model.num_boost_rounds() })
}

/// The table that is boosted: the columns of the view, rare categories merged into "other", then the statistics.
struct Training {
    table: DMatrix,
    columns: Vec<Boosted>,
    types: Vec<FeatureType>,
}

impl Training {
    fn new(examples: &Examples<'_>, rows: &[usize], seed: u64) -> Result<Self, TreesError> {
        let matrix = examples.matrix;
        let targets: Vec<f32> = rows.iter().map(|&row| examples.targets[row]).collect();
        let parts = statistics::parts(examples, rows, seed);
        let (mut columns, mut types) = (Vec::new(), Vec::new());
        let (mut statistics, mut of_rows) = (Vec::new(), Vec::new());
        for (index, column) in matrix.columns.iter().enumerate() {
            match column.kind {
                ColumnKind::Numeric => {
                    columns.push(Boosted::Number);
                    types.push(FeatureType::Numerical);
                }
                ColumnKind::Categorical { cardinality } => {
                    let codes: Vec<f32> = rows.iter().map(|&row| matrix.values[row * matrix.width() + index]).collect();
                    columns.push(Boosted::Category(merge_rare(&codes, cardinality)));
                    types.push(FeatureType::Categorical);
                    if cardinality >= STATISTIC_FROM {
                        let Statistic { of_rows: values, of_codes } =
                            Statistic::new(&codes, &targets, cardinality, &parts);
                        statistics.push(Boosted::Statistic { of: index, of_codes });
                        of_rows.push(values);
                    }
                }
            }
        }
        types.extend(statistics.iter().map(|_| FeatureType::Numerical));
        columns.extend(statistics);
        let mut values = Vec::with_capacity(rows.len() * columns.len());
        for (place, &row) in rows.iter().enumerate() {
            values.extend(merged(matrix.row(row), &columns));
            values.extend(of_rows.iter().map(|statistic| statistic[place]));
        }
        let table = table(values, &targets, &types)?;
        Ok(Self { table, columns, types })
    }

    /// The table of `rows` as serving sees them: every statistic is that of all training rows.
    fn served(&self, examples: &Examples<'_>, rows: &[usize]) -> Result<DMatrix, TreesError> {
        let targets: Vec<f32> = rows.iter().map(|&row| examples.targets[row]).collect();
        let mut values = Vec::with_capacity(rows.len() * self.columns.len());
        for &row in rows {
            let row = examples.matrix.row(row);
            values.extend(merged(row, &self.columns));
            values.extend(self.columns.iter().filter_map(|column| match column {
                Boosted::Statistic { of, of_codes } => {
                    Some(if row[*of].is_nan() { f32::NAN } else { of_codes[row[*of] as usize] })
                }
                Boosted::Number | Boosted::Category(_) => None,
            }));
        }
        table(values, &targets, &self.types)
    }
}

fn table(values: Vec<f32>, targets: &[f32], types: &[FeatureType]) -> Result<DMatrix, TreesError> {
    Ok(DMatrix::from_dense_vec(values, targets.len(), types.len())?.with_labels(targets)?.with_feature_types(types)?)
}

/// The values of a row with rare categories as "other".
fn merged<'a>(row: &'a [f32], columns: &'a [Boosted]) -> impl Iterator<Item = f32> + 'a {
    row.iter().zip(columns).map(|(&value, column)| match column {
        Boosted::Category(categories) if !value.is_nan() && categories.is_merged(value as u32) => 0.0,
        Boosted::Category(_) | Boosted::Number | Boosted::Statistic { .. } => value,
    })
}

/// Which codes are too rare to be boosted by themselves.
fn merge_rare(codes: &[f32], cardinality: u32) -> Categories {
    let mut counts = vec![0_usize; cardinality as usize];
    for code in codes.iter().filter(|code| !code.is_nan()) {
        counts[*code as usize] += 1;
    }
    let merged: Vec<u32> = (0..cardinality).filter(|&code| code == 0 || counts[code as usize] < MIN_CATEGORY).collect();
    let other_seen = merged.iter().any(|&code| counts[code as usize] > 0);
    Categories { merged, other_seen }
}

fn parameters(view: &[Column], columns: &[Boosted], work: Work) -> Result<TrainingParams, HessboostError> {
    let directions = view.iter().map(|column| match (monotone(&column.name), column.kind) {
        (Some(Direction::Up), ColumnKind::Numeric) => Monotone::Increasing,
        (Some(Direction::Down), ColumnKind::Numeric) => Monotone::Decreasing,
        (None, _) | (_, ColumnKind::Categorical { .. }) => Monotone::None,
    });
    let mut directions: Vec<Monotone> = directions.collect();
    // More of a category's other leads converted: that never speaks against a lead. Trees that may say so read its own
    // target from what is missing in its statistic.
    directions.resize(columns.len(), Monotone::Increasing);
    TrainingParams::builder()
        .objective(Objective::BinaryLogistic(RegLoss::default()))
        .eval_metric(EvalMetric::LogLoss)
        .tree_method(TreeMethod::Hist)
        .grow_policy(GrowPolicy::LossGuide)
        .max_bin(bins(work.examples))
        .max_leaves(LEAVES)
        .max_depth(DEPTH)
        .eta(learning_rate(work.examples))
        .min_child_weight(MIN_CHILD_WEIGHT)
        .lambda(L2)
        .subsample(ROW_SHARE)
        .colsample_bytree(COLUMN_SHARE)
        .monotone_constraints(directions)
        .seed(work.seed)
        .nthread(work.threads.max(1))
        .build()
}

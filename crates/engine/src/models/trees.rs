//! Gradient boosting. The only place that knows the library behind it.
//!
//! Owns: the parameters of boosting, the same for every data set, and the translation between tables, the library
//! and the served [`Forest`]. Invariant: the same table, labels, rounds and seed give the same bytes on any number
//! of threads. Files are in XGBoost's UBJSON model format, so any tool that reads those reads ours.

use std::num::NonZeroUsize;

use hessboost::{
    config::{GrowPolicy, TrainingParams, TreeMethod},
    data::{DMatrix, FeatureType},
    error::HessboostError,
    metric::EvalMetric,
    model::{BoostedModel, ModelFormat},
    objective::{Objective, RegLoss},
    training::Trainer,
    tree::RegTree,
};
use thiserror::Error;

use super::{
    Matrix,
    forest::{Branch, Forest, Source, Test},
};
use crate::features::ColumnKind;

/// Step size. Small enough that a few hundred trees are needed, so that a single tree matters little.
const LEARNING_RATE: f64 = 0.06;
/// Leaves of a tree, which grows at its best leaf first.
const LEAVES: usize = 16;
/// Deepest path, a bound on the cost of a row.
const DEPTH: usize = 8;
/// Least sum of second derivatives in a child: about 20 examples at a probability of one half, 55 at one tenth.
const MIN_CHILD_WEIGHT: f64 = 5.0;
/// L2 penalty on a leaf.
const L2: f64 = 5.0;
/// Share of the examples that a tree sees.
const ROW_SHARE: f64 = 0.8;
/// Share of the columns that a tree sees.
const COLUMN_SHARE: f64 = 0.8;
/// Most rounds.
pub(crate) const MAX_ROUNDS: usize = 1_000;
/// Rounds without improvement of the log-loss after which boosting stops.
const PATIENCE: NonZeroUsize = NonZeroUsize::new(40).expect("not zero");

/// The parameters as recorded in the manifest, by XGBoost's names.
pub(crate) const PARAMETERS: [(&str, f64); 8] = [
    ("eta", LEARNING_RATE),
    ("max_leaves", LEAVES as f64),
    ("max_depth", DEPTH as f64),
    ("min_child_weight", MIN_CHILD_WEIGHT),
    ("lambda", L2),
    ("subsample", ROW_SHARE),
    ("colsample_bytree", COLUMN_SHARE),
    ("early_stopping_rounds", PATIENCE.get() as f64),
];

/// Boosting or reading of trees failed.
#[derive(Debug, Error)]
pub(crate) enum TreesError {
    /// The library refused.
    #[error("{0}")]
    Library(#[from] HessboostError),
    /// A readable file that holds something else than one tree per round for a binary outcome.
    #[error("the file does not hold boosted trees for a binary outcome over {columns} columns")]
    Foreign {
        /// Columns expected.
        columns: usize,
    },
}

/// Where random choices come from and how many threads work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) seed: u64,
    pub(crate) threads: usize,
}

/// A table with labels as the library wants them.
pub(crate) struct Examples(DMatrix);

impl Examples {
    /// `labels` has one entry per row.
    pub(crate) fn new(matrix: &Matrix, labels: &[bool]) -> Result<Self, TreesError> {
        let labels: Vec<f32> = labels.iter().map(|&label| f32::from(u8::from(label))).collect();
        let types: Vec<FeatureType> = matrix
            .columns
            .iter()
            .map(|column| match column.kind {
                ColumnKind::Numeric => FeatureType::Numerical,
                ColumnKind::Categorical { .. } => FeatureType::Categorical,
            })
            .collect();
        let table = DMatrix::from_dense(&matrix.values, matrix.rows(), matrix.width())?
            .with_labels(&labels)?
            .with_feature_types(&types)?;
        Ok(Self(table))
    }

    /// The examples of `rows`, which are not copied.
    pub(crate) fn select(&self, rows: &[usize]) -> Result<Self, TreesError> {
        Ok(Self(self.0.select_rows(rows)?))
    }
}

/// Trained trees.
pub(crate) struct Booster(BoostedModel);

impl Booster {
    /// Boosts for `rounds` rounds.
    pub(crate) fn fit(examples: &Examples, rounds: usize, work: Work) -> Result<Self, TreesError> {
        let parameters = parameters(work)?;
        Ok(Self(Trainer::new(&parameters, &examples.0, rounds).train()?.model))
    }

    /// Boosts until the log-loss of `watched` no longer falls; the result keeps every round.
    pub(crate) fn fit_watched(examples: &Examples, watched: &Examples, work: Work) -> Result<Self, TreesError> {
        let parameters = parameters(work)?;
        let trainer = Trainer::new(&parameters, &examples.0, MAX_ROUNDS)
            .eval(&watched.0, "watched")
            .early_stopping_rounds(PATIENCE);
        Ok(Self(trainer.train()?.model))
    }

    /// Round with the lowest watched log-loss, counted from 1; all rounds where none was watched.
    pub(crate) fn best_rounds(&self) -> usize {
        self.0.best_iteration().map_or(self.0.num_boost_rounds(), |best| best + 1)
    }

    /// The model in XGBoost's UBJSON format.
    pub(crate) fn to_ubj(&self) -> Result<Vec<u8>, TreesError> {
        Ok(self.0.encode(ModelFormat::XgboostUbjson)?)
    }

    /// Reads a model over the columns of `matrix`-shaped rows.
    pub(crate) fn from_ubj(bytes: &[u8], columns: usize) -> Result<Self, TreesError> {
        let model = BoostedModel::decode(bytes, ModelFormat::XgboostUbjson)?;
        let ours = model.n_features() == columns
            && model.n_outputs() == 1
            && model.num_parallel_tree() == 1
            && model.linear().is_none()
            && model.tree_weights().all(|weight| weight == 1.0);
        if ours { Ok(Self(model)) } else { Err(TreesError::Foreign { columns }) }
    }

    /// The first `rounds` trees laid out for serving.
    pub(crate) fn forest(&self, rounds: usize) -> Forest {
        let trees = &self.0.trees()[..rounds.min(self.0.num_trees())];
        let sets = trees.iter().flat_map(|tree| (0..tree.num_nodes()).flat_map(|id| tree.split_categories(id)));
        let categories = sets.max().map_or(0, |&largest| largest + 1);
        let mut forest = Forest::new(f64::from(self.0.base_score()), categories);
        for tree in trees {
            forest.push(tree);
        }
        forest
    }

    /// The library's own log-odds of a row, the reference for the forest's.
    #[cfg(test)]
    pub(crate) fn library_log_odds(&self, row: &[f32]) -> f32 {
        self.0.predict_margin_row(row, ..).unwrap()
    }
}

impl Source for RegTree {
    fn branch(&self, id: usize) -> Branch<'_> {
        let node = self.node(id);
        if node.is_leaf() {
            return Branch::Leaf(node.leaf_value);
        }
        let test =
            if node.is_categorical { Test::In(self.split_categories(id)) } else { Test::Below(node.split_cond) };
        Branch::Test {
            column: node.split_feature as usize,
            test,
            missing_first: node.default_left,
            children: [node.left as usize, node.right as usize],
        }
    }

    fn cover(&self, id: usize) -> f64 {
        f64::from(self.node(id).sum_hess)
    }
}

fn parameters(work: Work) -> Result<TrainingParams, HessboostError> {
    TrainingParams::builder()
        .objective(Objective::BinaryLogistic(RegLoss::default()))
        .eval_metric(EvalMetric::LogLoss)
        .tree_method(TreeMethod::Hist)
        .grow_policy(GrowPolicy::LossGuide)
        .max_leaves(LEAVES)
        .max_depth(DEPTH)
        .eta(LEARNING_RATE)
        .min_child_weight(MIN_CHILD_WEIGHT)
        .lambda(L2)
        .subsample(ROW_SHARE)
        .colsample_bytree(COLUMN_SHARE)
        .seed(work.seed)
        .nthread(work.threads.max(1))
        .build()
}

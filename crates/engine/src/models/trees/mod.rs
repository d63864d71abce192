//! Gradient boosting. The only place that knows the library behind it.
//!
//! Owns: the parameters of boosting, the same for every data set, and the translation between tables, the library
//! and the served [`Forest`]. Invariant: the same table, labels, rounds and seed give the same bytes on any number
//! of threads. Files are in XGBoost's JSON model format, so any tool that reads those reads ours.

pub(crate) mod forest;
mod interchange;

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

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

use self::{
    forest::{Branch, Forest, Source, Test},
    interchange::Categories,
};
use super::Matrix;
use crate::features::ColumnKind;

/// Step size. Small enough that a few hundred trees are needed, so that a single tree matters little.
const LEARNING_RATE: f64 = 0.06;
/// Step size from [`MANY`] examples on, where there are enough examples for every tree to be sure of its leaves.
const LEARNING_RATE_MANY: f64 = 0.1;
/// Examples from which steps are larger, and one hold-out takes the place of folds.
pub(crate) const MANY: usize = 50_000;
/// Leaves of a tree, which grows at its best leaf first.
const LEAVES: usize = 16;
/// Deepest path, a bound on the cost of a row.
const DEPTH: usize = 8;
/// Least sum of second derivatives in a child: about 40 examples at a probability of one half, 110 at one tenth.
const MIN_CHILD_WEIGHT: f64 = 10.0;
/// L2 penalty on a leaf. Strong, which is what many rare categories need.
const L2: f64 = 20.0;
/// Share of the examples that a tree sees.
const ROW_SHARE: f64 = 0.8;
/// Share of the columns that a tree sees.
const COLUMN_SHARE: f64 = 0.8;
/// Examples of a category below which training takes it as "other".
const MIN_CATEGORY: usize = 20;
/// Most rounds.
pub(crate) const MAX_ROUNDS: usize = 1_000;
/// Rounds without improvement of the log-loss after which boosting stops.
const PATIENCE: NonZeroUsize = NonZeroUsize::new(40).expect("not zero");

/// The parameters for so many examples as recorded in the manifest, by XGBoost's names.
pub(crate) fn recorded(examples: usize) -> BTreeMap<String, f64> {
    [
        ("eta", learning_rate(examples)),
        ("max_leaves", LEAVES as f64),
        ("max_depth", DEPTH as f64),
        ("min_child_weight", MIN_CHILD_WEIGHT),
        ("lambda", L2),
        ("subsample", ROW_SHARE),
        ("colsample_bytree", COLUMN_SHARE),
        ("early_stopping_rounds", PATIENCE.get() as f64),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

const fn learning_rate(examples: usize) -> f64 {
    if examples < MANY { LEARNING_RATE } else { LEARNING_RATE_MANY }
}

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
    /// Examples in all, of which a fold or hold-out takes a part; decides on the step size.
    pub(crate) examples: usize,
}

/// A table with labels as the library wants them, rare categories merged into "other".
pub(crate) struct Examples {
    table: DMatrix,
    columns: Arc<Vec<Categories>>,
}

impl Examples {
    /// `labels` has one entry per row; the codes of categories are whole numbers below their cardinality.
    pub(crate) fn new(matrix: &Matrix, labels: &[bool]) -> Result<Self, TreesError> {
        let labels: Vec<f32> = labels.iter().map(|&label| f32::from(u8::from(label))).collect();
        let mut types = Vec::with_capacity(matrix.width());
        let mut columns = Vec::with_capacity(matrix.width());
        let mut values = matrix.values.clone();
        for (index, column) in matrix.columns.iter().enumerate() {
            match column.kind {
                ColumnKind::Numeric => {
                    types.push(FeatureType::Numerical);
                    columns.push(Categories::default());
                }
                ColumnKind::Categorical { cardinality } => {
                    types.push(FeatureType::Categorical);
                    let codes = values.iter_mut().skip(index).step_by(matrix.width());
                    columns.push(merge_rare(codes, cardinality));
                }
            }
        }
        let table = DMatrix::from_dense_vec(values, matrix.rows(), matrix.width())?
            .with_labels(&labels)?
            .with_feature_types(&types)?;
        Ok(Self { table, columns: Arc::new(columns) })
    }

    /// The examples of `rows`, which are not copied.
    pub(crate) fn select(&self, rows: &[usize]) -> Result<Self, TreesError> {
        Ok(Self { table: self.table.select_rows(rows)?, columns: Arc::clone(&self.columns) })
    }
}

/// Sets the codes of rare categories to 0, "other".
fn merge_rare<'a>(codes: impl Iterator<Item = &'a mut f32>, cardinality: u32) -> Categories {
    let mut present: Vec<&mut f32> = codes.filter(|code| !code.is_nan()).collect();
    let mut counts = vec![0_usize; cardinality as usize];
    for code in &present {
        counts[**code as usize] += 1;
    }
    let rare = |code: usize| code == 0 || counts[code] < MIN_CATEGORY;
    let mut other_seen = false;
    for code in &mut present {
        if rare(**code as usize) {
            **code = 0.0;
            other_seen = true;
        }
    }
    Categories { merged: (0..cardinality).filter(|&code| rare(code as usize)).collect(), other_seen }
}

/// Trained trees.
pub(crate) struct Booster {
    model: BoostedModel,
    best_rounds: usize,
}

impl Booster {
    /// Boosts for `rounds` rounds.
    pub(crate) fn fit(examples: &Examples, rounds: usize, work: Work) -> Result<Self, TreesError> {
        let parameters = parameters(work)?;
        let trained = Trainer::new(&parameters, &examples.table, rounds).train()?;
        Self::settled(&trained.model, examples)
    }

    /// Boosts until the log-loss of `watched` no longer falls; the result keeps every round.
    pub(crate) fn fit_watched(examples: &Examples, watched: &Examples, work: Work) -> Result<Self, TreesError> {
        let parameters = parameters(work)?;
        let trained = Trainer::new(&parameters, &examples.table, MAX_ROUNDS)
            .eval(&watched.table, "watched")
            .early_stopping_rounds(PATIENCE)
            .train()?;
        Self::settled(&trained.model, examples)
    }

    fn settled(model: &BoostedModel, examples: &Examples) -> Result<Self, TreesError> {
        let best_rounds = model.best_iteration().map_or(model.num_boost_rounds(), |best| best + 1);
        let foreign = || TreesError::Foreign { columns: examples.columns.len() };
        let mut json: serde_json::Value =
            serde_json::from_slice(&model.encode(ModelFormat::XgboostJson)?).map_err(|_| foreign())?;
        interchange::settle(&mut json, &examples.columns).ok_or_else(foreign)?;
        Ok(Self { best_rounds, ..Self::from_json(json.to_string().as_bytes(), examples.columns.len())? })
    }

    /// Round with the lowest watched log-loss, counted from 1; all rounds where none was watched.
    pub(crate) fn best_rounds(&self) -> usize {
        self.best_rounds
    }

    /// The model in XGBoost's JSON format.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, TreesError> {
        Ok(self.model.encode(ModelFormat::XgboostJson)?)
    }

    /// Reads a model over `columns` columns.
    pub(crate) fn from_json(bytes: &[u8], columns: usize) -> Result<Self, TreesError> {
        let model = BoostedModel::decode(bytes, ModelFormat::XgboostJson)?;
        let ours = model.n_features() == columns
            && model.n_outputs() == 1
            && model.num_parallel_tree() == 1
            && model.linear().is_none()
            && model.tree_weights().all(|weight| weight == 1.0);
        let best_rounds = model.num_boost_rounds();
        if ours { Ok(Self { model, best_rounds }) } else { Err(TreesError::Foreign { columns }) }
    }

    /// The first `rounds` trees laid out for serving.
    pub(crate) fn forest(&self, rounds: usize) -> Forest {
        let trees = &self.model.trees()[..rounds.min(self.model.num_trees())];
        let sets = trees.iter().flat_map(|tree| (0..tree.num_nodes()).flat_map(|id| tree.split_categories(id)));
        let categories = sets.max().map_or(0, |&largest| largest + 1);
        let mut forest = Forest::new(f64::from(self.model.base_score()), categories);
        for tree in trees {
            forest.push(tree);
        }
        forest
    }

    /// The library's own log-odds of a row, the reference for the forest's.
    #[cfg(test)]
    pub(crate) fn library_log_odds(&self, row: &[f32]) -> f32 {
        self.model.predict_margin_row(row, ..).unwrap()
    }
}

impl Source for RegTree {
    fn branch(&self, id: usize) -> Branch<'_> {
        let node = self.node(id);
        if node.is_leaf() {
            return Branch::Leaf(node.leaf_value);
        }
        let test = if node.is_categorical { Test::In(self.split_categories(id)) } else { Test::Below(node.split_cond) };
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
        .eta(learning_rate(work.examples))
        .min_child_weight(MIN_CHILD_WEIGHT)
        .lambda(L2)
        .subsample(ROW_SHARE)
        .colsample_bytree(COLUMN_SHARE)
        .seed(work.seed)
        .nthread(work.threads.max(1))
        .build()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::features::{Column, Group};
    use crate::models::numeric::sigmoid;

    fn columns() -> Vec<Column> {
        let kinds = [
            ColumnKind::Numeric,
            ColumnKind::Categorical { cardinality: 3 },
            ColumnKind::Categorical { cardinality: 200 },
            ColumnKind::Numeric,
        ];
        let name = |i: usize| format!("column {i}");
        kinds.into_iter().enumerate().map(|(i, kind)| Column { name: name(i), group: Group::Timing, kind }).collect()
    }

    /// A table with missing values and both kinds of categories, and labels that depend on it.
    fn table(rows: usize, seed: u64) -> (Matrix, Vec<bool>) {
        let mut state = seed.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(3_037_000_493) | 1;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        let mut values = Vec::new();
        let mut labels = Vec::new();
        for _ in 0..rows {
            let number = next() * 4.0 - 2.0;
            let small = (next() * 3.0).floor();
            let large = (next() * next() * 200.0).floor();
            labels.push(next() < (0.2 + 0.2 * (number > 0.0) as u8 as f32 + 0.3 * (large % 3.0 == 1.0) as u8 as f32));
            for value in [number, small, large, next()] {
                values.push(if next() < 0.15 { f32::NAN } else { value });
            }
        }
        (Matrix { columns: columns(), values }, labels)
    }

    fn fitted(seed: u64) -> (Booster, Matrix) {
        let (matrix, labels) = table(700, seed);
        let examples = Examples::new(&matrix, &labels).unwrap();
        (Booster::fit(&examples, 25, Work { seed, threads: 1, examples: 700 }).unwrap(), matrix)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn the_forest_predicts_what_the_library_predicts(
            seed in 0u64..1_000,
            rows in prop::collection::vec((
                prop_oneof![Just(f32::NAN), -3.0f32..3.0],
                prop_oneof![Just(f32::NAN), (0u8..5).prop_map(f32::from)],
                prop_oneof![Just(f32::NAN), (0u16..300).prop_map(f32::from)],
                prop_oneof![Just(f32::NAN), 0.0f32..1.0],
            ), 40),
        ) {
            let (booster, matrix) = fitted(seed);
            let forest = booster.forest(25);
            let drawn = rows.iter().map(|row| vec![row.0, row.1, row.2, row.3]);
            for row in drawn.chain((0..100).map(|i| matrix.row(i).to_vec())) {
                let ours = forest.log_odds(&row);
                let theirs = f64::from(booster.library_log_odds(&row));
                prop_assert!((sigmoid(ours) - sigmoid(theirs)).abs() < 1e-6, "{row:?}: {ours} is not {theirs}");
                let mut sum = forest.bias();
                forest.explain(&row, |_, share| sum += share);
                prop_assert!((sum - ours).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn a_file_read_back_predicts_the_same() {
        let (booster, matrix) = fitted(5);
        let bytes = booster.to_json().unwrap();
        let read = Booster::from_json(&bytes, 4).unwrap();
        assert_eq!(read.to_json().unwrap(), bytes);
        assert_eq!(read.forest(25), booster.forest(25));
        assert!(read.forest(25).log_odds(matrix.row(0)).is_finite());
    }

    #[test]
    fn children_of_a_file_stand_side_by_side() {
        let json: serde_json::Value = serde_json::from_slice(&fitted(5).0.to_json().unwrap()).unwrap();
        let trees = json.pointer("/learner/gradient_booster/model/trees").unwrap().as_array().unwrap();
        for tree in trees {
            let children = |name: &str| -> Vec<i64> { serde_json::from_value(tree[name].clone()).unwrap() };
            for (left, right) in children("left_children").into_iter().zip(children("right_children")) {
                assert!(left == -1 || right == left + 1);
            }
        }
    }

    #[test]
    fn rare_categories_are_predicted_like_other() {
        let (booster, _) = fitted(9);
        let forest = booster.forest(25);
        // Codes from 150 have fewer than 20 examples each.
        let of = |code: f32| forest.log_odds(&[0.5, 1.0, code, 0.5]);
        assert_eq!(of(0.0), of(180.0));
        assert_eq!(of(0.0), of(197.0));
    }

    #[test]
    fn a_foreign_file_is_refused() {
        let bytes = fitted(5).0.to_json().unwrap();
        assert!(matches!(Booster::from_json(&bytes, 7), Err(TreesError::Foreign { columns: 7 })));
        assert!(matches!(Booster::from_json(b"{}", 4), Err(TreesError::Library(_))));
    }
}

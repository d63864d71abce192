//! The best that an observer can do: the probability of a conversion given what is visible.
//!
//! The world's truth knows hidden states, which no observer does. The optimum of an observer is the mean of the truth
//! over all leads that look the same. It is estimated by boosted trees whose targets are the truths themselves, which
//! carry no noise of outcomes, on many more leads than the model under test sees. Two estimates from different leads
//! say how far off they are: half of their mean squared difference is the variance of one, a quarter that of the mean.

use std::num::NonZeroUsize;

use hessboost::{
    config::{GrowPolicy, TrainingParams, TreeMethod},
    data::{DMatrix, FeatureType},
    metric::EvalMetric,
    model::BoostedModel,
    objective::{Objective, RegLoss},
    training::Trainer,
};
use leadscore_engine::{features::ColumnKind, models::Matrix};

/// Most trees of one estimate.
const MAX_ROUNDS: usize = 600;
/// Rounds without improvement after which boosting stops.
const PATIENCE: NonZeroUsize = NonZeroUsize::new(20).expect("not zero");
/// One example in so many watches the others being fitted.
const WATCHED: usize = 10;

/// One estimate of the observer's optimum.
pub struct Observer(BoostedModel);

impl Observer {
    /// Fits to examples and the world's own probabilities; the examples of a lead follow each other.
    pub fn fit(matrix: &Matrix, truth: &[f64], seed: u64) -> Self {
        // Blocks of examples, so that few leads are on both sides.
        let (watched, fitted): (Vec<usize>, Vec<usize>) =
            (0..truth.len()).partition(|row| (row / 512).is_multiple_of(WATCHED));
        let parameters = TrainingParams::builder()
            .objective(Objective::BinaryLogistic(RegLoss::default()))
            .eval_metric(EvalMetric::LogLoss)
            .tree_method(TreeMethod::Hist)
            .grow_policy(GrowPolicy::LossGuide)
            .max_leaves(64)
            .max_depth(10)
            .eta(0.1)
            .min_child_weight(2.0)
            .lambda(2.0)
            .subsample(0.7)
            .colsample_bytree(0.5)
            .seed(seed)
            .nthread(2)
            .build()
            .expect("the parameters are in range");
        let (fitted, watched) = (table(matrix, truth, &fitted), table(matrix, truth, &watched));
        let trained = Trainer::new(&parameters, &fitted, MAX_ROUNDS)
            .eval(&watched, "watched")
            .early_stopping_rounds(PATIENCE)
            .train()
            .expect("the examples can be boosted");
        let best = trained.model.best_iteration().map_or(trained.model.num_boost_rounds(), |best| best + 1);
        Self(trained.model.slice(..best, 1).expect("the best round is one of them"))
    }

    /// Log-odds of every row.
    pub fn log_odds(&self, matrix: &Matrix) -> Vec<f64> {
        let rows: Vec<usize> = (0..matrix.rows()).collect();
        let found =
            self.0.predict_margin(&table(matrix, &vec![0.0; rows.len()], &rows), ..).expect("the columns agree");
        found.as_slice().iter().map(|&value| f64::from(value)).collect()
    }
}

fn table(matrix: &Matrix, truth: &[f64], rows: &[usize]) -> DMatrix {
    let types: Vec<FeatureType> = matrix
        .columns
        .iter()
        .map(|column| match column.kind {
            ColumnKind::Numeric => FeatureType::Numerical,
            ColumnKind::Categorical { .. } => FeatureType::Categorical,
        })
        .collect();
    let targets: Vec<f32> = rows.iter().map(|&row| truth[row] as f32).collect();
    DMatrix::from_dense_vec(matrix.select(rows).values, rows.len(), matrix.width())
        .and_then(|table| table.with_labels(&targets))
        .and_then(|table| table.with_feature_types(&types))
        .expect("a table of numbers and codes")
}

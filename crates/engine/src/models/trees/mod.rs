//! Gradient boosting, a member of the ensemble.
//!
//! Owns: the served [`Trees`], their fit and their file. Invariant: the same examples, rounds and seed give the same
//! bytes on any number of threads; a column with a direction never moves the log-odds against it; what was just fitted
//! is served from the same bytes as what is loaded later. Files are in XGBoost's JSON model format over the columns of
//! the view, so any tool that reads those reads ours. Deliberately absent: choices per data set.

mod boosting;
mod forest;
pub(super) mod import;
mod interchange;
mod quadrature;
mod shapley;
mod statistics;
mod ubj;

use hessboost::{
    error::HessboostError,
    model::{BoostedModel, ModelFormat},
    tree::RegTree,
};
use thiserror::Error;

pub(crate) use self::boosting::recorded;
use self::{
    boosting::Boost,
    forest::{Branch, Forest, Source, Test, TooDeep},
    shapley::MAX_DEPTH,
};
use super::Matrix;

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
    /// A path with more tests than are served.
    #[error("a tree is deeper than {MAX_DEPTH} tests")]
    TooDeep,
}

impl From<TooDeep> for TreesError {
    fn from(_: TooDeep) -> Self {
        Self::TooDeep
    }
}

/// Where random choices come from and how many threads work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) seed: u64,
    pub(crate) threads: usize,
    /// Examples in all, of which a fold or hold-out takes a part; decides on the step size.
    pub(crate) examples: usize,
}

/// Encoded examples; all lists have one entry per row of `matrix`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Examples<'a> {
    /// The encoded examples; the codes of categories are whole numbers below their cardinality.
    pub(crate) matrix: &'a Matrix,
    /// Probability of conversion, in [0, 1].
    pub(crate) targets: &'a [f32],
    /// Token of the lead of each example: none of its examples counts in the statistics of another one's.
    pub(crate) leads: &'a [u64],
}

/// Freshly fitted trees with their file.
pub(crate) struct Fitted {
    /// The trees, read from the file.
    pub(crate) trees: Trees,
    /// What [`Trees::from_json`] reads: XGBoost's JSON model format.
    pub(crate) file: Vec<u8>,
    /// Number of rounds, one tree each.
    pub(crate) rounds: usize,
}

/// Boosted trees as they are served: immutable, without allocation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trees {
    forest: Forest,
}

impl Trees {
    /// Boosts the examples of the rows `fitted` for `rounds` rounds.
    ///
    /// # Errors
    /// [`TreesError::Library`] where the library refuses the examples.
    pub(crate) fn fit(
        examples: &Examples<'_>,
        fitted: &[usize],
        rounds: usize,
        work: Work,
    ) -> Result<Fitted, TreesError> {
        Self::fitted(boosting::fixed(examples, fitted, rounds, work)?, examples)
    }

    /// Boosts the examples of the rows `fitted` until the cross-entropy of those of `watched` no longer falls, and
    /// keeps the rounds up to its lowest.
    ///
    /// # Errors
    /// [`TreesError::Library`] where the library refuses the examples.
    pub(crate) fn fit_watched(
        examples: &Examples<'_>,
        fitted: &[usize],
        watched: &[usize],
        work: Work,
    ) -> Result<Fitted, TreesError> {
        Self::fitted(boosting::watched(examples, fitted, watched, work)?, examples)
    }

    fn fitted(boost: Boost, examples: &Examples<'_>) -> Result<Fitted, TreesError> {
        let Boost { file, rounds } = boost;
        Ok(Fitted { trees: Self::from_json(&file, examples.matrix.width())?, file, rounds })
    }

    /// Reads trees over `columns` columns.
    ///
    /// # Errors
    /// See [`TreesError`].
    pub(crate) fn from_json(bytes: &[u8], columns: usize) -> Result<Self, TreesError> {
        let model = BoostedModel::decode(bytes, ModelFormat::XgboostJson)?;
        if model.n_features() != columns || !is_plain(&model) {
            return Err(TreesError::Foreign { columns });
        }
        let sets = |tree: &RegTree| {
            (0..tree.num_nodes()).filter_map(|id| tree.split_categories(id).iter().max().copied()).max()
        };
        let categories = model.trees().iter().filter_map(sets).max().map_or(0, |largest| largest + 1);
        let mut forest = Forest::new(f64::from(model.base_score()), categories);
        for tree in model.trees() {
            forest.push(tree)?;
        }
        Ok(Self { forest })
    }

    /// Log-odds of a row, which covers every column.
    pub(crate) fn log_odds(&self, row: &[f32]) -> f64 {
        self.forest.log_odds(row)
    }

    /// Log-odds of the average training example.
    pub(crate) fn bias(&self) -> f64 {
        self.forest.bias()
    }

    /// Calls `add(column, log_odds)` for parts of the columns' shares. Summed by column they are the exact
    /// path-dependent Shapley values (TreeSHAP); with [`Self::bias`] they add up to [`Self::log_odds`].
    pub(crate) fn explain(&self, row: &[f32], add: impl FnMut(usize, f64)) {
        self.forest.explain(row, add);
    }
}

/// Whether a model is a sum of scalar trees for one outcome.
fn is_plain(model: &BoostedModel) -> bool {
    model.n_outputs() == 1
        && model.num_parallel_tree() == 1
        && model.linear().is_none()
        && model.tree_weights().all(|weight| weight == 1.0)
        && model.objective().name() == import::OBJECTIVE
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

#[cfg(test)]
mod against_python;
#[cfg(test)]
mod tests;

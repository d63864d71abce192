//! Training of the neural network.
//!
//! Owns: the network as a graph of tensors, its optimisation with `burn`, early stopping. Invariant: the same
//! examples, options and seed give the same weights on any number of threads. Deliberately absent: what a column
//! means, files, and serving: whoever trains gets plain numbers back and computes with them. It knows no crate of
//! this workspace, so that it is rebuilt only when it changes itself.
//!
//! # The network
//!
//! Every column of a row is a place on a small table of its own: between two knots of a number's range, at the slot
//! of a missing value, or at the slot of a category ([`Slots`]). A slot has a vector of [`HIDDEN`] numbers, so a
//! column is a piecewise-linear function into the first layer (Gorishniy, Rubachev, Babenko 2022, "On Embeddings for
//! Numerical Features in Tabular Deep Learning"), learned on cumulative differences between knots, and the vectors of
//! a column's categories have a low rank. With `t(row)` the sum of the columns' vectors and for each head `k`:
//!
//! ```text
//! first_k  = relu(t · scale_1[k] + shift_1[k])              element by element, HIDDEN numbers
//! second_k = relu((first_k · matrix) · scale_2[k] + shift_2[k])                 SECOND numbers
//! log-odds_k = second_k · output[k] + t · skip[k] + intercept[k]
//! ```
//!
//! Heads share the tables and the matrix and differ in rank-one adapters, drawn as ±1 at the start (Wen, Tran, Ba
//! 2020, "BatchEnsemble"; Gorishniy, Kotelnikov, Babenko 2025, "TabM"): each has its own loss, what is reported is
//! the mean of their log-odds, and their disagreement says what the network does not know. The skip makes an additive
//! model the starting point.

mod graph;
mod input;
mod optimise;

use thiserror::Error;

/// Heads of the implicit ensemble.
pub const HEADS: usize = 8;
/// Width of the first hidden layer.
pub const HIDDEN: usize = 96;
/// Width of the second hidden layer.
pub const SECOND: usize = 48;
/// Most slots of one column.
pub const MAX_SLOTS: usize = 256;

/// Largest magnitude of a weight; with it, and with as many columns as there can be, nothing overflows.
pub const MAX_WEIGHT: f32 = 1e5;

/// What the slots of one column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slots {
    /// The knots of a number's range in ascending order, then one slot for a missing value.
    Ordered {
        /// Number of knots, at least 1.
        knots: usize,
    },
    /// One slot for each category.
    Categories {
        /// Number of slots, at least 1.
        count: usize,
    },
}

impl Slots {
    /// Number of slots.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Ordered { knots } => knots + 1,
            Self::Categories { count } => count,
        }
    }
}

/// The place of one column of one row on the column's table.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Place {
    /// The slot, from 0 within the column.
    pub slot: u8,
    /// How far towards the next slot, from 0 to below 1; 0 everywhere but between two knots.
    pub fraction: f32,
}

/// Examples to learn from.
#[derive(Debug, Clone, Copy)]
pub struct Examples<'a> {
    /// What each column holds.
    pub columns: &'a [Slots],
    /// One place per row and column, row after row.
    pub places: &'a [Place],
    /// Target of each row: probability of a conversion, 0 to 1.
    pub targets: &'a [f32],
}

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Seed of initial weights, order of examples and dropout.
    pub seed: u64,
    /// Worker threads, at least 1; the result does not depend on it, and more than two do not help.
    pub threads: usize,
    /// Epochs to train; `None` stops early by the watched rows.
    pub epochs: Option<usize>,
}

/// The weights of a trained network; see the head of the crate for how they are used. Row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// Vector of each slot, the columns' slots one after the other; 0 is what an average fitted example
    /// has, and the vector of a missing value or category that hardly any of them showed.
    pub tables: Vec<[f32; HIDDEN]>,
    /// Factor on the first layer, by head.
    pub scale_1: [[f32; HIDDEN]; HEADS],
    /// Addend on the first layer, by head.
    pub shift_1: [[f32; HIDDEN]; HEADS],
    /// Weights from the first to the second layer.
    pub matrix: [[f32; SECOND]; HIDDEN],
    /// Factor on the second layer, by head.
    pub scale_2: [[f32; SECOND]; HEADS],
    /// Addend on the second layer, by head.
    pub shift_2: [[f32; SECOND]; HEADS],
    /// Weights from the second layer to the log-odds, by head.
    pub output: [[f32; SECOND]; HEADS],
    /// Weights from the sum of the columns' vectors to the log-odds, by head.
    pub skip: [[f32; HIDDEN]; HEADS],
    /// Log-odds where all else is 0, by head.
    pub intercept: [f32; HEADS],
}

/// A finished training.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The weights of the best epoch.
    pub weights: Weights,
    /// Epochs after which they stood.
    pub epochs: usize,
    /// Log-odds of each watched row by head, as the training computed them.
    pub watched: Vec<[f32; HEADS]>,
}

/// Why nothing was trained.
#[derive(Debug, Error, PartialEq)]
pub enum TrainError {
    /// The examples do not belong together.
    #[error("the examples do not fit together: {what}")]
    Mismatch {
        /// What is wrong.
        what: &'static str,
    },
    /// The optimisation left the finite numbers.
    #[error("the training diverged in epoch {epoch}")]
    Diverged {
        /// Epoch, from 1.
        epoch: usize,
    },
}

/// Trains on the rows `fitted`; with `watched` rows, stops when they improve no more and returns the best epoch.
///
/// Both lists hold indices of rows; `watched` may be empty where `options.epochs` is given.
///
/// # Errors
/// [`TrainError::Mismatch`] where lists or ranges do not fit together, [`TrainError::Diverged`] where weights are no
/// longer finite.
pub fn train(
    examples: &Examples<'_>,
    fitted: &[usize],
    watched: &[usize],
    options: &Options,
) -> Result<Trained, TrainError> {
    examples.check(fitted, watched, options)?;
    optimise::run(examples, fitted, watched, options)
}

impl Examples<'_> {
    fn check(&self, fitted: &[usize], watched: &[usize], options: &Options) -> Result<(), TrainError> {
        let rows = self.targets.len();
        let mismatch = |what| Err(TrainError::Mismatch { what });
        if self.places.len() != rows * self.columns.len() {
            return mismatch("one place per row and column is needed");
        }
        if self.columns.iter().any(|slots| slots.count() > MAX_SLOTS || slots.count() == 0) {
            return mismatch("a column has no slot, or too many");
        }
        if self.columns.contains(&Slots::Ordered { knots: 0 }) {
            return mismatch("a number has no knot");
        }
        if !self.targets.iter().all(|target| (0.0..=1.0).contains(target)) {
            return mismatch("a target is not between 0 and 1");
        }
        if fitted.is_empty() || fitted.iter().chain(watched).any(|&row| row >= rows) {
            return mismatch("a row to fit or to watch does not exist");
        }
        if watched.is_empty() && options.epochs.is_none() {
            return mismatch("rows to watch or a number of epochs are needed");
        }
        let fits = |(place, slots): (&Place, &Slots)| {
            let last_knot = match *slots {
                Slots::Ordered { knots } => knots - 1,
                Slots::Categories { .. } => 0,
            };
            let slot = usize::from(place.slot);
            slot < slots.count() && (0.0..1.0).contains(&place.fraction) && (place.fraction == 0.0 || slot < last_knot)
        };
        if !self.places.iter().zip(self.columns.iter().cycle()).all(fits) {
            return mismatch("a place is not on its column's table");
        }
        Ok(())
    }
}

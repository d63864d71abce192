//! The training gone through once more in a world whose probabilities are known.
//!
//! Owns: the world, its outcomes, and what is learned of them. Invariant: the same examples and seed give the same
//! rehearsal on any number of threads. Deliberately absent: what follows for an interval; see `calibration`.
//!
//! How far a prediction is from the probability behind it cannot be seen: outcomes are 0 or 1. It can be seen in a
//! world made from the data: a model of all examples plays the truth, outcomes are drawn from it, and the models of
//! the folds learn from these (the parametric bootstrap: B. Efron, R. Tibshirani, "An Introduction to the Bootstrap",
//! 1993, chapter 6). The served model would be too smooth a truth, for what it lost by stopping early is what is to be
//! seen. As with every smoother, what it loses is what a second pass over its residuals still finds (twicing:
//! J. Tukey, "Exploratory Data Analysis", 1977; for boosting, where further rounds are that pass: P. Bühlmann, B. Yu,
//! "Boosting with the L2 loss", JASA 98, 2003). So the world has twice the rounds.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    numeric::sigmoid,
    trees::{Examples, Trees, TreesError, Work},
};

/// Rounds of the world over rounds of the model: one pass, and another over what it left.
const PASSES: usize = 2;
/// Apart from the seeds of everything else.
const STREAM: u64 = 0x7265_6865_6172_7365;

/// What was rehearsed; both lists have an entry per later row.
pub(super) struct Rehearsal {
    /// Log-odds of the world.
    pub(super) world: Vec<f64>,
    /// Log-odds learned of it: the mean of the folds' models.
    pub(super) learned: Vec<f64>,
}

/// Rehearses a training of which the models of the folds have `rounds` rounds on average: `folds` are the rows of each fold, at least two, of which
/// each model leaves one out and watches it; `later` are rows that none of them sees.
pub(super) fn rehearse(
    examples: &Examples<'_>,
    folds: &[Vec<usize>],
    later: &[usize],
    rounds: usize,
    work: Work,
) -> Result<Rehearsal, TreesError> {
    let world = Trees::fit(examples, PASSES * rounds, work)?.trees;
    let targets = outcomes(examples, &world, work.seed);
    let rehearsed = Examples { targets: &targets, ..*examples };
    let mut learned = vec![0.0; later.len()];
    for (left_out, watched) in folds.iter().enumerate() {
        let others = folds.iter().enumerate().filter(|(fold, _)| *fold != left_out);
        let fitted: Vec<usize> = others.flat_map(|(_, rows)| rows.iter().copied()).collect();
        let trees = Trees::fit_watched(&rehearsed, &fitted, watched, work)?.trees;
        for (sum, &row) in learned.iter_mut().zip(later) {
            *sum += trees.log_odds(examples.matrix.row(row)) / folds.len() as f64;
        }
    }
    let world = later.iter().map(|&row| world.log_odds(examples.matrix.row(row))).collect();
    Ok(Rehearsal { world, learned })
}

/// Outcomes drawn from the world. One number decides for all examples of a lead, as they share its fate.
fn outcomes(examples: &Examples<'_>, world: &Trees, seed: u64) -> Vec<f32> {
    let draw = |(row, &lead): (usize, &u64)| {
        let mut generator = ChaCha8Rng::seed_from_u64(seed ^ STREAM);
        generator.set_stream(lead);
        let uniform = f64::from(generator.next_u32()) / 4_294_967_296.0;
        f32::from(u8::from(uniform < sigmoid(world.log_odds(examples.matrix.row(row)))))
    };
    examples.leads.iter().enumerate().map(draw).collect()
}

//! Signs that the outcome reaches the features.
//!
//! Owns: two checks of every training set. A column that alone predicts the outcome nearly perfectly was filled in
//! after it. Labels that were dealt out at random can only be predicted by members that see labels they must not.
//! Deliberately absent: a cure; training stops, and the message says what to leave out.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{TrainError, TrainOptions, TrainingSet};
use crate::{
    evaluate::auc,
    features::{Column, ColumnKind},
    models::{
        folds,
        logistic::Logistic,
        matrix::hard_targets,
        trees::{self, Trees},
    },
};

/// AUC of one column above which it tells the outcome.
const TELLS: f64 = 0.95;
/// Most examples that the alarm with shuffled labels looks at.
const MAX_SHUFFLED: usize = 20_000;
/// Rounds of boosting and penalty of the logistic model fitted to shuffled labels.
const ROUNDS: usize = 30;
const PENALTY: f64 = 10.0;
/// How far from one half the AUC of shuffled labels may be, besides [`SIGMAS`] standard errors.
const TOLERANCE: f64 = 0.02;
const SIGMAS: f64 = 3.0;

/// Stops at the first column that alone tells the outcome.
pub(super) fn columns(set: &TrainingSet) -> Result<(), TrainError> {
    let known: Vec<usize> = (0..set.observed.len()).filter(|&row| set.observed[row].complete).collect();
    let labels: Vec<bool> = known.iter().map(|&row| set.observed[row].converted_after_us.is_some()).collect();
    let alone = |(index, column): (usize, &Column)| {
        let values: Vec<f32> = known.iter().map(|&row| set.matrix.row(row)[index]).collect();
        match column.kind {
            ColumnKind::Numeric => of_numbers(&values, &labels),
            ColumnKind::Categorical { cardinality } => of_categories(&values, &labels, cardinality),
        }
    };
    let columns = &set.matrix.columns;
    let aucs: Vec<f64> = columns.par_iter().enumerate().map(alone).collect();
    match columns.iter().zip(aucs).find(|(_, auc)| *auc > TELLS) {
        Some((column, auc)) => Err(TrainError::Leak { column: column.name.clone(), auc }),
        None => Ok(()),
    }
}

/// The better of both directions, the missing values standing at either end.
fn of_numbers(values: &[f32], labels: &[bool]) -> f64 {
    let known = || values.iter().zip(labels).filter(|(value, _)| !value.is_nan());
    let (known_labels, known_values): (Vec<bool>, Vec<f64>) =
        known().map(|(&value, &label)| (label, f64::from(value))).unzip();
    let counts = |labels: &[bool]| {
        let won = labels.iter().filter(|&&label| label).count() as f64;
        [won, labels.len() as f64 - won]
    };
    let ([won, lost], [known_won, known_lost]) = (counts(labels), counts(&known_labels));
    let [missing_won, missing_lost] = [won - known_won, lost - known_lost];
    // Pairs of one that converted and one that did not, in their order; a tie is half a pair.
    let within =
        if known_won * known_lost > 0.0 { auc(&known_labels, &known_values) * known_won * known_lost } else { 0.0 }
            + missing_won * missing_lost / 2.0;
    let with_missing = |across: f64| {
        let auc = (within + across) / (won * lost);
        auc.max(1.0 - auc)
    };
    with_missing(known_won * missing_lost).max(with_missing(missing_won * known_lost))
}

/// By the share of conversions of a category among every other example, the rest being judged: a category's own
/// examples must not speak for themselves.
fn of_categories(values: &[f32], labels: &[bool], cardinality: u32) -> f64 {
    let code = |value: f32| if value.is_nan() { cardinality as usize } else { value as usize };
    let mut counts = vec![(0.0, 0.0); cardinality as usize + 1];
    for (&value, &label) in values.iter().zip(labels).step_by(2) {
        let (won, all) = &mut counts[code(value)];
        *won += f64::from(u8::from(label));
        *all += 1.0;
    }
    let judged = || values.iter().zip(labels).skip(1).step_by(2);
    let overall = labels.iter().filter(|&&label| label).count() as f64 / labels.len() as f64;
    let shares: Vec<f64> = judged()
        .map(|(&value, _)| {
            let (won, all) = counts[code(value)];
            (won + overall) / (all + 1.0)
        })
        .collect();
    auc(&judged().map(|(_, &label)| label).collect::<Vec<_>>(), &shares)
}

/// Fits members to labels dealt out at random, and stops where they predict those of other leads.
pub(super) fn shuffled(set: &TrainingSet, options: &TrainOptions) -> Result<(), TrainError> {
    let known = (0..set.observed.len()).filter(|&row| set.observed[row].complete);
    let rows: Vec<usize> = known.take(MAX_SHUFFLED).collect();
    let mut labels: Vec<bool> = rows.iter().map(|&row| set.observed[row].converted_after_us.is_some()).collect();
    labels.shuffle(&mut ChaCha8Rng::seed_from_u64(options.seed));
    let leads: Vec<u64> = rows.iter().map(|&row| set.leads[row]).collect();
    let fold_of = folds::by_lead(&leads, &labels, 2, options.seed);
    let (fitted, judged): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|&place| fold_of[place] == 0);
    let fitted_rows: Vec<usize> = fitted.iter().map(|&place| rows[place]).collect();
    let targets = hard_targets(&fitted.iter().map(|&place| labels[place]).collect::<Vec<_>>());
    let examples = trees::Examples {
        matrix: &set.matrix.select(&fitted_rows),
        targets: &targets,
        leads: &fitted.iter().map(|&place| leads[place]).collect::<Vec<_>>(),
    };
    let every: Vec<usize> = (0..fitted.len()).collect();
    let trees = Trees::fit(&examples, &every, ROUNDS, options.work(fitted.len()))?.trees;
    let logistic = Logistic::fit(examples.matrix, &targets, PENALTY);
    let judged_labels: Vec<bool> = judged.iter().map(|&place| labels[place]).collect();
    let positives = judged_labels.iter().filter(|&&label| label).count() as f64;
    let negatives = judged_labels.len() as f64 - positives;
    // Variance of the AUC of a score that says nothing (Mann and Whitney, 1947).
    let chance = ((positives + negatives + 1.0) / (12.0 * positives * negatives)).sqrt();
    let tolerance = TOLERANCE.max(SIGMAS * chance);
    let judge = |log_odds: &dyn Fn(&[f32]) -> f64| {
        let said: Vec<f64> = judged.iter().map(|&place| log_odds(set.matrix.row(rows[place]))).collect();
        auc(&judged_labels, &said)
    };
    for auc in [judge(&|row| trees.log_odds(row)), judge(&|row| logistic.log_odds(row))] {
        if (auc - 0.5).abs() > tolerance {
            return Err(TrainError::PredictsNoise { auc, tolerance });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// As if every missing value stood there.
        #[test]
        fn missing_values_stand_at_either_end(
            rows in prop::collection::vec((prop::option::of(0u8..6), any::<bool>()), 2..60),
        ) {
            let labels: Vec<bool> = rows.iter().map(|row| row.1).collect();
            prop_assume!(labels.contains(&true) && labels.contains(&false));
            let values: Vec<f32> = rows.iter().map(|row| row.0.map_or(f32::NAN, f32::from)).collect();
            let filled = |end: f64| {
                let known: Vec<f64> = rows.iter().map(|row| row.0.map_or(end, f64::from)).collect();
                let found = auc(&labels, &known);
                found.max(1.0 - found)
            };
            prop_assert!((of_numbers(&values, &labels) - filled(-1.0).max(filled(9.0))).abs() < 1e-12);
        }
    }
}

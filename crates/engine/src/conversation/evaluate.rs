//! How well a model of sentiment is fitted to texts that it has not seen.
//!
//! Owns: the division of texts into folds and the figures. Invariant: texts that are the same but for case, marks and
//! blanks are in one fold, and a division depends on the seed and the texts, not on their order. Deliberately absent:
//! choice of options.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    sentiment::{CLASSES, FitError, Label, SentimentModel, SentimentOptions},
    tokens::{self, Reader, Word},
};
use crate::features::mix;

/// Fewest and most folds.
const FOLDS: std::ops::RangeInclusive<usize> = 2..=100;

/// Why texts cannot be judged in folds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// Not a number of folds.
    #[error("the number of folds must be 2 to 100")]
    Folds,
    /// No model can be fitted to the other folds.
    #[error("without fold {0}: {1}")]
    Fit(usize, #[source] FitError),
}

/// A text judged by a model that has not seen it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Judged {
    /// Its fold, from 0.
    pub fold: usize,
    /// What it was labelled.
    pub label: Label,
    /// What it was judged to be.
    pub predicted: Label,
    /// −1 to 1.
    pub score: f32,
}

/// Figures over all folds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Texts.
    pub texts: usize,
    /// Share of texts that were judged as labelled.
    pub accuracy: f64,
    /// Mean over the labels that occur of the harmonic mean of precision and recall.
    pub macro_f1: f64,
    /// Accuracy of each fold.
    pub fold_accuracy: Vec<f64>,
    /// Macro-F1 of each fold.
    pub fold_macro_f1: Vec<f64>,
    /// Texts by label (rows) and judgement (columns): negative, neutral, positive.
    pub confusion: [[usize; CLASSES]; CLASSES],
}

/// The fold of each text, 0 to `count` − 1: at random, each fold with its share of every label.
#[must_use]
pub fn folds<T: AsRef<str>>(texts: &[T], labels: &[Label], count: usize, seed: u64) -> Vec<usize> {
    let keys: Vec<u64> = texts.iter().map(|text| key(text.as_ref())).collect();
    let mut groups: BTreeMap<u64, Label> = BTreeMap::new();
    for (key, label) in keys.iter().zip(labels) {
        groups.entry(*key).and_modify(|held| *held = (*held).min(*label)).or_insert(*label);
    }
    let mut deck: Vec<(Label, u64, u64)> =
        groups.into_iter().map(|(key, label)| (label, mix(seed ^ mix(key)), key)).collect();
    deck.sort_unstable();
    let fold_of: BTreeMap<u64, usize> =
        deck.into_iter().enumerate().map(|(place, (_, _, key))| (key, place % count.max(1))).collect();
    keys.iter().map(|key| fold_of[key]).collect()
}

/// Hash of a text's words.
fn key(text: &str) -> u64 {
    struct Key(u64);
    impl Reader for Key {
        fn word(&mut self, word: Word<'_>) {
            self.0 = mix(self.0 ^ word.hash);
        }

        fn mark(&mut self, _mark: u8) {}
    }
    let mut key = Key(0);
    tokens::read(text, &mut key);
    key.0
}

/// Fits as many models as there are folds, each to the texts of the others, and judges each fold by its own.
///
/// # Errors
/// Where the number of folds is out of range, or too few texts are left to fit to.
pub fn evaluate<T: AsRef<str> + Sync>(
    texts: &[T],
    labels: &[Label],
    count: usize,
    seed: u64,
    options: SentimentOptions,
) -> Result<(Evaluation, Vec<Judged>), FoldError> {
    if !FOLDS.contains(&count) {
        return Err(FoldError::Folds);
    }
    if texts.len() != labels.len() {
        return Err(FoldError::Fit(0, FitError::Lengths));
    }
    let fold_of = folds(texts, labels, count, seed);
    let mut judged: Vec<Option<Judged>> = vec![None; texts.len()];
    for fold in 0..count {
        let others = || (0..texts.len()).filter(|&i| fold_of[i] != fold);
        let seen: Vec<&str> = others().map(|i| texts[i].as_ref()).collect();
        let seen_labels: Vec<Label> = others().map(|i| labels[i]).collect();
        let model = SentimentModel::fit(&seen, &seen_labels, options).map_err(|error| FoldError::Fit(fold, error))?;
        for i in (0..texts.len()).filter(|&i| fold_of[i] == fold) {
            let text = texts[i].as_ref();
            judged[i] = Some(Judged { fold, label: labels[i], predicted: model.label(text), score: model.score(text) });
        }
    }
    let judged: Vec<Judged> = judged.into_iter().flatten().collect();
    Ok((figures(&judged, count), judged))
}

fn figures(judged: &[Judged], count: usize) -> Evaluation {
    let confusion = |fold: Option<usize>| {
        let mut confusion = [[0; CLASSES]; CLASSES];
        for text in judged.iter().filter(|text| fold.is_none_or(|fold| text.fold == fold)) {
            confusion[text.label as usize][text.predicted as usize] += 1;
        }
        confusion
    };
    let of_folds: Vec<_> = (0..count).map(|fold| confusion(Some(fold))).collect();
    let all = confusion(None);
    Evaluation {
        texts: judged.len(),
        accuracy: accuracy(&all),
        macro_f1: macro_f1(&all),
        fold_accuracy: of_folds.iter().map(accuracy).collect(),
        fold_macro_f1: of_folds.iter().map(macro_f1).collect(),
        confusion: all,
    }
}

fn accuracy(confusion: &[[usize; CLASSES]; CLASSES]) -> f64 {
    let all: usize = confusion.iter().flatten().sum();
    let right: usize = (0..CLASSES).map(|class| confusion[class][class]).sum();
    right as f64 / all.max(1) as f64
}

fn macro_f1(confusion: &[[usize; CLASSES]; CLASSES]) -> f64 {
    let (mut sum, mut classes) = (0.0, 0);
    for class in 0..CLASSES {
        let labelled: usize = confusion[class].iter().sum();
        let judged: usize = confusion.iter().map(|row| row[class]).sum();
        if labelled > 0 {
            sum += 2.0 * confusion[class][class] as f64 / (labelled + judged) as f64;
            classes += 1;
        }
    }
    sum / f64::from(classes.max(1))
}

//! Fitting a [`SentimentModel`] to labelled texts.
//!
//! Owns: the examples as sparse rows, the penalised likelihood, and the rounding of the weights to the table's bytes.
//! Invariant: the same texts and labels give the same model on any number of threads: sums are of a fixed number of
//! chunks, added in order. Deliberately absent: early stopping; the problem is convex.

use rayon::prelude::*;

use super::{
    super::{
        lexicon::{DENSE, Scan},
        tokens,
    },
    CLASSES, Label, PARTS_WEIGHT, SentimentModel, TEXT_BYTES_MAX,
    grams::Places,
};
use crate::models::logistic::lbfgs::{self, Until};

/// Pieces of work; fixed, so that sums do not depend on the threads.
const CHUNKS: usize = 8;
/// Fewest and most buckets, as powers of two.
const BITS: std::ops::RangeInclusive<u32> = 8..=22;
/// Texts of a class below which nothing is learned.
const CLASS_MIN: usize = 10;
/// The largest weight in the table.
const LARGEST: f64 = 127.0;

/// How a model is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SentimentOptions {
    /// Buckets of the table, as a power of two: 8 to 22.
    pub bits: u32,
    /// Half of it times the sum of squared weights is added to the summed log-loss.
    pub penalty: f64,
    /// Whether each class counts the same, however many texts it has.
    pub balanced: bool,
}

impl Default for SentimentOptions {
    fn default() -> Self {
        Self { bits: 15, penalty: 0.15, balanced: false }
    }
}

/// Why no model can be fitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// Fewer than two classes have enough texts.
    #[error("needs at least {CLASS_MIN} texts of two of negative, neutral and positive; found {0:?} of them")]
    Labels([usize; CLASSES]),
    /// An option is out of range.
    #[error("{0}")]
    Option(&'static str),
    /// There is not one label per text.
    #[error("needs one label per text")]
    Lengths,
}

/// Examples as sparse rows.
struct Rows {
    places: Vec<(u32, f32)>,
    starts: Vec<usize>,
    dense: Vec<[f32; DENSE]>,
    classes: Vec<usize>,
    weights: Vec<f64>,
}

impl SentimentModel {
    /// Fits to `texts`, each with its label. A class with fewer than 10 texts is not learned.
    ///
    /// # Errors
    /// Where fewer than two classes have enough texts, or an option is out of range.
    pub fn fit<T: AsRef<str> + Sync>(
        texts: &[T],
        labels: &[Label],
        options: SentimentOptions,
    ) -> Result<Self, FitError> {
        if texts.len() != labels.len() {
            return Err(FitError::Lengths);
        }
        if !BITS.contains(&options.bits) {
            return Err(FitError::Option("bits must be 8 to 22"));
        }
        if !(options.penalty.is_finite() && options.penalty > 0.0) {
            return Err(FitError::Option("penalty must be above 0"));
        }
        let counts = Label::ALL.map(|class| labels.iter().filter(|label| **label == class).count());
        let present = counts.map(|count| count >= CLASS_MIN);
        let classes = present.iter().filter(|present| **present).count();
        if classes < 2 {
            return Err(FitError::Labels(counts));
        }
        let learned: usize = counts.iter().zip(present).filter(|(_, present)| *present).map(|(count, _)| count).sum();
        let weight_of = |class: usize| {
            if options.balanced { learned as f64 / (classes * counts[class]) as f64 } else { 1.0 }
        };
        let rows = Rows::of(texts, labels, 1 << options.bits, present, weight_of);
        let width = (1_usize << options.bits) + DENSE + 1;
        let found = lbfgs::minimise(vec![0.0; width * CLASSES], Until::default(), None, |at, gradient| {
            rows.loss(at, present, options.penalty, gradient)
        });
        Ok(round(&found, 1 << options.bits, present))
    }
}

impl Rows {
    fn of<T: AsRef<str> + Sync>(
        texts: &[T],
        labels: &[Label],
        buckets: usize,
        present: [bool; CLASSES],
        weight_of: impl Fn(usize) -> f64,
    ) -> Self {
        let read: Vec<_> = texts.par_iter().map(|text| read(text.as_ref(), buckets)).collect();
        let mut rows =
            Self { places: Vec::new(), starts: vec![0], dense: Vec::new(), classes: Vec::new(), weights: Vec::new() };
        for ((places, dense), label) in read.into_iter().zip(labels) {
            let class = *label as usize;
            if present[class] {
                rows.places.extend(places);
                rows.starts.push(rows.places.len());
                rows.dense.push(dense);
                rows.classes.push(class);
                rows.weights.push(weight_of(class));
            }
        }
        rows
    }

    /// The penalised loss at `at`, and its gradient.
    fn loss(&self, at: &[f64], present: [bool; CLASSES], penalty: f64, gradient: &mut [f64]) -> f64 {
        let count = self.classes.len();
        let chunk = count.div_ceil(CHUNKS).max(1);
        let parts: Vec<(f64, Vec<f64>)> = (0..CHUNKS)
            .into_par_iter()
            .map(|i| {
                let mut part = vec![0.0; at.len()];
                let rows = (i * chunk).min(count)..((i + 1) * chunk).min(count);
                let loss = rows.map(|row| self.loss_of(row, at, present, &mut part)).sum();
                (loss, part)
            })
            .collect();
        // The intercepts, which are last, are not penalised.
        let penalised = at.len() - CLASSES;
        for (i, (slope, weight)) in gradient.iter_mut().zip(at).enumerate() {
            *slope = if i < penalised { penalty * weight } else { 0.0 };
        }
        let mut loss = penalty / 2.0 * at[..penalised].iter().map(|weight| weight * weight).sum::<f64>();
        for (part_loss, part) in parts {
            loss += part_loss;
            gradient.iter_mut().zip(part).for_each(|(slope, part)| *slope += part);
        }
        loss
    }

    fn loss_of(&self, row: usize, at: &[f64], present: [bool; CLASSES], gradient: &mut [f64]) -> f64 {
        let features = || {
            let sparse = &self.places[self.starts[row]..self.starts[row + 1]];
            let behind = at.len() / CLASSES - DENSE - 1;
            let dense = self.dense[row].iter().enumerate().map(move |(i, value)| (behind + i, *value));
            sparse.iter().map(|(place, value)| (*place as usize, *value)).chain(dense)
        };
        let intercept = at.len() - CLASSES;
        let mut logits = [at[intercept], at[intercept + 1], at[intercept + 2]];
        for (place, value) in features() {
            for (logit, weight) in logits.iter_mut().zip(&at[place * CLASSES..]) {
                *logit += f64::from(value) * weight;
            }
        }
        let probabilities = super::softmax(logits, present);
        let (class, weight) = (self.classes[row], self.weights[row]);
        let mut slopes = probabilities.map(|probability| probability * weight);
        slopes[class] -= weight;
        for (place, value) in features() {
            for (slope, part) in gradient[place * CLASSES..].iter_mut().zip(slopes) {
                *slope += f64::from(value) * part;
            }
        }
        gradient[intercept..].iter_mut().zip(slopes).for_each(|(slope, part)| *slope += part);
        -weight * probabilities[class].max(f64::MIN_POSITIVE).ln()
    }
}

/// A text's places and numbers.
fn read(text: &str, buckets: usize) -> (Vec<(u32, f32)>, [f32; DENSE]) {
    let mut places = Places::new(buckets);
    let mut scan = Scan::new(&mut places);
    tokens::read(&text[..text.floor_char_boundary(TEXT_BYTES_MAX)], &mut scan);
    let findings = scan.finish();
    (places.finish(PARTS_WEIGHT).collect(), findings.dense)
}

/// The model of the weights that were found, rounded to what the table keeps: a byte's square with its sign.
fn round(found: &[f64], buckets: usize, present: [bool; CLASSES]) -> SentimentModel {
    let (table, rest) = found.split_at(buckets * CLASSES);
    let mut scales = [0.0; CLASSES];
    for (i, weight) in table.iter().enumerate() {
        scales[i % CLASSES] = f64::max(scales[i % CLASSES], weight.abs() / (LARGEST * LARGEST));
    }
    let rounded = |class: usize, weight: f64| {
        if scales[class] == 0.0 { 0 } else { ((weight.abs() / scales[class]).sqrt().round() * weight.signum()) as i8 }
    };
    let table = table.chunks_exact(CLASSES).map(|weights| std::array::from_fn(|i| rounded(i, weights[i]))).collect();
    let mut numbers = rest.chunks_exact(CLASSES).map(|weights| std::array::from_fn(|i| weights[i] as f32));
    let dense = std::array::from_fn(|_| numbers.next().unwrap_or_default());
    SentimentModel { present, scales, dense, bias: numbers.next().unwrap_or_default(), table }
}

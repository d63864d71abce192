//! The sentiment of a text: a linear model over hashed words, pairs of words and parts of words, and what the lexicon
//! says.
//!
//! Owns: [`SentimentModel`], its reading of a text, and the model that is compiled in. A multinomial logistic model
//! over negative, neutral and positive with features as of Wang and Manning 2012 (words and pairs of words as present,
//! of equal length), parts of words of 3 to 5 letters as of Bojanowski et al. 2017, all hashed into a table of fixed
//! size (Weinberger et al. 2009); words in the reach of a negator are other words. Invariant: the table is read in
//! integers, so that the same text gives the same score everywhere; no allocation. Deliberately absent: randomness in
//! the hashing, languages other than English.

mod exponential;
mod file;
mod fit;
mod grams;

use std::sync::LazyLock;

pub use file::SentimentError;
pub use fit::{FitError, SentimentOptions};

use self::{exponential::exp, grams::Sums};
use super::{
    lexicon::{DENSE, Findings, Scan},
    tokens,
};

/// Negative, neutral, positive.
pub(super) const CLASSES: usize = 3;
/// Weight of the parts of words beside the whole words.
pub(super) const PARTS_WEIGHT: f64 = 0.7;
/// Most of a text that is read, in bytes.
const TEXT_BYTES_MAX: usize = 65_536;
/// The model that is compiled in; `scripts/sentiment-model.sh` makes it.
const DEFAULT: &[u8] = include_bytes!("../../../assets/sentiment.bin");

static COMPILED_IN: LazyLock<SentimentModel> =
    LazyLock::new(|| SentimentModel::from_bytes(DEFAULT).expect("a test reads the model that is compiled in"));

/// What a text is judged to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// Discontent, refusal.
    Negative,
    /// Neither.
    Neutral,
    /// Content, agreement.
    Positive,
}

impl Label {
    /// Every label, in order.
    pub const ALL: [Self; CLASSES] = [Self::Negative, Self::Neutral, Self::Positive];
}

/// A model of sentiment.
#[derive(Debug, Clone, PartialEq)]
pub struct SentimentModel {
    /// Whether the examples had the class; another has probability 0.
    present: [bool; CLASSES],
    /// Value of a weight of 1 in the table, by class.
    scales: [f64; CLASSES],
    dense: [[f32; CLASSES]; DENSE],
    bias: [f32; CLASSES],
    /// By bucket; a weight `q` counts `q·|q|`. The number of buckets is a power of two.
    table: Vec<[i8; CLASSES]>,
}

/// A text's judgement with what was found in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judgement {
    pub(super) findings: Findings,
    /// By [`Label`], adding up to 1.
    pub(super) probabilities: [f64; CLASSES],
}

impl Judgement {
    /// −1 to 1: how much more likely positive than negative.
    pub(super) fn score(&self) -> f64 {
        self.probabilities[2] - self.probabilities[0]
    }
}

impl SentimentModel {
    /// The model that is compiled in.
    #[must_use]
    pub fn compiled_in() -> &'static Self {
        &COMPILED_IN
    }

    /// The sentiment of `text`, −1 to 1: the probability of positive minus that of negative.
    #[must_use]
    pub fn score(&self, text: &str) -> f32 {
        self.judge(text).score() as f32
    }

    /// Probabilities of negative, neutral and positive; they add up to 1.
    #[must_use]
    pub fn probabilities(&self, text: &str) -> [f64; 3] {
        self.judge(text).probabilities
    }

    /// The most probable label; the first of several.
    #[must_use]
    pub fn label(&self, text: &str) -> Label {
        let probabilities = self.probabilities(text);
        let best = (0..CLASSES).rev().max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
        Label::ALL[best.unwrap_or(1)]
    }

    /// Reads the beginning of `text`, at most 64 KiB.
    pub(super) fn judge(&self, text: &str) -> Judgement {
        let mut sums = Sums::new(&self.table);
        let mut scan = Scan::new(&mut sums);
        tokens::read(&text[..text.floor_char_boundary(TEXT_BYTES_MAX)], &mut scan);
        let findings = scan.finish();
        let (words, parts) = sums.finish();
        let mut logits = [0.0; CLASSES];
        for (class, logit) in logits.iter_mut().enumerate() {
            *logit = f64::from(self.bias[class]) + self.scales[class] * (words[class] + PARTS_WEIGHT * parts[class]);
            for (value, weights) in findings.dense.iter().zip(&self.dense) {
                *logit += f64::from(*value) * f64::from(weights[class]);
            }
        }
        Judgement { findings, probabilities: softmax(logits, self.present) }
    }
}

/// Probabilities of the classes that are present.
fn softmax(logits: [f64; CLASSES], present: [bool; CLASSES]) -> [f64; CLASSES] {
    let among = || (0..CLASSES).filter(|&class| present[class]);
    let most = among().map(|class| logits[class]).fold(f64::NEG_INFINITY, f64::max);
    let mut probabilities = [0.0; CLASSES];
    for class in among() {
        probabilities[class] = exp(logits[class] - most);
    }
    let sum: f64 = probabilities.iter().sum();
    probabilities.map(|probability| probability / sum)
}

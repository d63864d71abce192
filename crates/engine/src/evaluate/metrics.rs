//! Figures of merit of probabilities against labels.
//!
//! Owns: their definitions. Invariant: equal probabilities are treated alike, whatever the order of the examples.
//! Deliberately absent: curves for plots, intervals of the figures.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::reliability::{self, BINS};

/// Probabilities are held this far from 0 and 1 in the log-loss, so that one wrong certainty costs 27.6, not infinity.
pub const LOG_LOSS_CLIP: f64 = 1e-12;
/// Simulated label sets behind the noise floor of the ECE.
const NOISE_RUNS: usize = 100;
/// Seed of the noise floor: it is a property of the probabilities, the same on every run.
const NOISE_SEED: u64 = 0xECE;

/// Figures of one model on one test set. All but `n` and `positives` are shares or losses; a figure that is not
/// defined (no example, or of one class only) is NaN, in JSON null.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Examples.
    pub n: usize,
    /// Examples that converted.
    pub positives: usize,
    /// Area under the ROC curve: the chance that a converted example stands above another, ties counted as half.
    #[serde(with = "nullable")]
    pub auc: f64,
    /// Average precision: precision at each distinct probability, weighted by the recall that it adds.
    #[serde(with = "nullable")]
    pub average_precision: f64,
    /// Mean negative log-likelihood in nats, probabilities clipped at [`LOG_LOSS_CLIP`].
    #[serde(with = "nullable")]
    pub log_loss: f64,
    /// Mean squared error of the probability.
    #[serde(with = "nullable")]
    pub brier: f64,
    /// Expected calibration error over 15 bins of equally many examples: mean distance of a bin's observed share from
    /// its mean probability.
    #[serde(with = "nullable")]
    pub ece: f64,
    /// The ECE that a perfectly calibrated model with these probabilities would show on average on so many examples.
    #[serde(with = "nullable")]
    pub ece_noise_floor: f64,
    /// Share of right answers at the threshold 0.5.
    #[serde(with = "nullable")]
    pub accuracy: f64,
    /// Share of converted among those from 0.5; 0 where there are none.
    #[serde(with = "nullable")]
    pub precision: f64,
    /// Share of the converted that stand at 0.5 or above.
    #[serde(with = "nullable")]
    pub recall: f64,
    /// Harmonic mean of precision and recall at 0.5; 0 where both are 0.
    #[serde(with = "nullable")]
    pub f1: f64,
    /// Share of the others that stand at 0.5 or above.
    #[serde(with = "nullable")]
    pub false_positive_rate: f64,
    /// The same at the threshold that takes as many examples as converted.
    pub matched: AtThreshold,
    /// Share of converted in the top tenth over their share in all; ties are taken in part.
    #[serde(with = "nullable")]
    pub lift_at_10: f64,
}

/// Figures of a yes-or-no answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AtThreshold {
    /// Probability from which the answer is yes.
    #[serde(with = "nullable")]
    pub threshold: f64,
    /// Share of right answers.
    #[serde(with = "nullable")]
    pub accuracy: f64,
    /// Share of converted among the yes; 0 where there is no yes.
    #[serde(with = "nullable")]
    pub precision: f64,
    /// Share of yes among the converted.
    #[serde(with = "nullable")]
    pub recall: f64,
    /// Harmonic mean of precision and recall; 0 where both are 0.
    #[serde(with = "nullable")]
    pub f1: f64,
    /// Share of yes among the others.
    #[serde(with = "nullable")]
    pub false_positive_rate: f64,
}

/// Measures `probabilities` (0 to 1, none NaN) against `labels`, one each per example.
///
/// # Panics
/// Where the two differ in length.
#[must_use]
pub fn metrics(labels: &[bool], probabilities: &[f64]) -> Metrics {
    assert_eq!(labels.len(), probabilities.len(), "one probability per label");
    let n = labels.len();
    let positives = labels.iter().filter(|&&label| label).count();
    let ties = ties(labels, probabilities);
    let half = at_threshold(labels, probabilities, 0.5);
    let matched = at_threshold(labels, probabilities, matched_threshold(&ties, positives));
    let bins = reliability::Bins::new(probabilities, BINS);
    let mut generator = ChaCha8Rng::seed_from_u64(NOISE_SEED);
    Metrics {
        n,
        positives,
        auc: auc_of(&ties, n, positives),
        average_precision: average_precision(&ties, positives),
        log_loss: mean(labels, probabilities, |label, p| {
            -(if label { p } else { 1.0 - p }).clamp(LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP).ln()
        }),
        brier: mean(labels, probabilities, |label, p| (p - f64::from(u8::from(label))).powi(2)),
        ece: bins.ece(labels),
        ece_noise_floor: bins.ece_noise_floor(probabilities, NOISE_RUNS, &mut generator),
        accuracy: half.accuracy,
        precision: half.precision,
        recall: half.recall,
        f1: half.f1,
        false_positive_rate: half.false_positive_rate,
        matched,
        lift_at_10: lift(&ties, n, positives, 0.1),
    }
}

/// Area under the ROC curve of any `values`, none NaN, one per label; NaN where the labels are all alike.
///
/// # Panics
/// Where the two differ in length.
#[must_use]
pub fn auc(labels: &[bool], values: &[f64]) -> f64 {
    assert_eq!(labels.len(), values.len(), "one value per label");
    auc_of(&ties(labels, values), labels.len(), labels.iter().filter(|&&label| label).count())
}

/// Examples of one probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tie {
    pub(crate) probability: f64,
    pub(crate) positives: usize,
    pub(crate) negatives: usize,
}

/// The examples by probability, highest first.
pub(crate) fn ties(labels: &[bool], probabilities: &[f64]) -> Vec<Tie> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|&x, &y| probabilities[y].total_cmp(&probabilities[x]));
    let mut ties: Vec<Tie> = Vec::new();
    for i in order {
        let probability = probabilities[i];
        match ties.last_mut() {
            Some(tie) if tie.probability == probability => {
                tie.positives += usize::from(labels[i]);
                tie.negatives += usize::from(!labels[i]);
            }
            _ => ties.push(Tie { probability, positives: usize::from(labels[i]), negatives: usize::from(!labels[i]) }),
        }
    }
    ties
}

fn mean(labels: &[bool], probabilities: &[f64], loss: impl Fn(bool, f64) -> f64) -> f64 {
    labels.iter().zip(probabilities).map(|(&label, &p)| loss(label, p)).sum::<f64>() / labels.len() as f64
}

fn auc_of(ties: &[Tie], n: usize, positives: usize) -> f64 {
    let negatives = n - positives;
    let mut above = 0usize;
    let mut pairs = 0.0;
    for tie in ties {
        pairs += tie.negatives as f64 * (above as f64 + tie.positives as f64 / 2.0);
        above += tie.positives;
    }
    pairs / (positives as f64 * negatives as f64)
}

fn average_precision(ties: &[Tie], positives: usize) -> f64 {
    let (mut hits, mut taken, mut sum) = (0usize, 0usize, 0.0);
    for tie in ties {
        hits += tie.positives;
        taken += tie.positives + tie.negatives;
        sum += tie.positives as f64 * hits as f64 / taken as f64;
    }
    sum / positives as f64
}

fn lift(ties: &[Tie], n: usize, positives: usize, share: f64) -> f64 {
    let mut room = (n as f64 * share).ceil();
    let size = room;
    let mut hits = 0.0;
    for tie in ties {
        let members = (tie.positives + tie.negatives) as f64;
        let part = (room / members).min(1.0);
        hits += part * tie.positives as f64;
        room -= part * members;
        if room <= 0.0 {
            break;
        }
    }
    (hits / size) / (positives as f64 / n as f64)
}

/// The highest threshold that takes at least as many examples as converted; infinite where none did.
fn matched_threshold(ties: &[Tie], positives: usize) -> f64 {
    let mut taken = 0;
    if positives == 0 {
        return f64::INFINITY;
    }
    for tie in ties {
        taken += tie.positives + tie.negatives;
        if taken >= positives {
            return tie.probability;
        }
    }
    f64::NAN
}

fn at_threshold(labels: &[bool], probabilities: &[f64], threshold: f64) -> AtThreshold {
    let (mut hit, mut miss, mut alarm, mut rest) = (0usize, 0usize, 0usize, 0usize);
    for (&label, &p) in labels.iter().zip(probabilities) {
        match (label, p >= threshold) {
            (true, true) => hit += 1,
            (true, false) => miss += 1,
            (false, true) => alarm += 1,
            (false, false) => rest += 1,
        }
    }
    let ratio = |part: usize, whole: usize| part as f64 / whole as f64;
    let or_zero = |value: f64| if value.is_nan() { 0.0 } else { value };
    AtThreshold {
        threshold,
        accuracy: ratio(hit + rest, labels.len()),
        precision: or_zero(ratio(hit, hit + alarm)),
        recall: ratio(hit, hit + miss),
        f1: or_zero(ratio(2 * hit, 2 * hit + alarm + miss)),
        false_positive_rate: ratio(alarm, alarm + rest),
    }
}

/// JSON has no NaN: null stands for it.
mod nullable {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        value.is_finite().then_some(*value).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
    }
}

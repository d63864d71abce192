//! From the log-odds of a model to a probability and its 90 % interval.
//!
//! Owns: the calibration map (`beta`), Venn–Abers pairs (`venn_abers`), the interval (`interval`) and how the three
//! are fitted to one later slice. Invariant: the probability rises strictly with the log-odds (between calibrated
//! log-odds of −20 and 20) and lies strictly between 0 and 1; the interval contains it. Deliberately absent: which
//! examples calibrate. They must be ones that the members were not trained on.

mod beta;
mod interval;
mod linear;
mod venn_abers;

use serde::{Deserialize, Serialize};

pub use self::{
    beta::{CalibrationKind, CalibrationMap},
    interval::{Disagreement, Interval, IntervalEvidence, Place},
    venn_abers::VennAbers,
};
use super::numeric::sigmoid;

/// Examples with a prediction by models that did not see their leads; the lists have one entry per example.
#[derive(Debug, Clone, Copy)]
pub struct Slice<'a> {
    /// Predicted log-odds, finite.
    pub log_odds: &'a [f64],
    /// Whether the lead converted, 0 or 1, or how likely it is that it will turn out to have, in between.
    pub targets: &'a [f32],
    /// Token of the lead.
    pub leads: &'a [u64],
}

impl Slice<'_> {
    /// Conversions.
    fn converted(&self) -> f64 {
        self.targets.iter().map(|&target| f64::from(target)).sum()
    }

    fn not_converted(&self) -> f64 {
        self.targets.len() as f64 - self.converted()
    }
}

/// What a calibration is fitted to.
#[derive(Debug, Clone, Copy)]
pub struct CalibrationEvidence<'a> {
    /// Out-of-fold predictions of the examples before the later ones, where there are any: the map's prior.
    pub earlier: Option<Slice<'a>>,
    /// Later examples with the log-odds of the fold model that did not see them.
    pub later: Slice<'a>,
    /// Log-odds of the later examples by each fold's model, all but one of which saw the example.
    pub folds: &'a [Vec<f64>],
    /// How much the members differ about each later example.
    pub disagreement: &'a [Disagreement],
}

/// A map from log-odds to a probability and its 90 % interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    map: CalibrationMap,
    venn_abers: VennAbers,
    interval: Interval,
}

impl Calibration {
    /// Fits map, pairs and interval.
    #[must_use]
    pub fn fit(evidence: &CalibrationEvidence<'_>) -> Self {
        let later = evidence.later;
        let map = match &evidence.earlier {
            Some(earlier) => CalibrationMap::fit_from(&CalibrationMap::fit(earlier), &later),
            None => CalibrationMap::fit(&later),
        };
        let calibrate = |values: &[f64]| values.iter().map(|&value| map.log_odds(value)).collect::<Vec<_>>();
        let calibrated = calibrate(later.log_odds);
        let folds: Vec<Vec<f64>> = evidence.folds.iter().map(|fold| calibrate(fold)).collect();
        let interval = Interval::fit(&IntervalEvidence {
            slice: Slice { log_odds: &calibrated, ..later },
            folds: &folds,
            disagreement: evidence.disagreement,
        });
        Self { venn_abers: VennAbers::fit(later.log_odds, later.targets), map, interval }
    }

    /// The calibration map.
    #[must_use]
    pub fn map(&self) -> &CalibrationMap {
        &self.map
    }

    /// The Venn–Abers pairs, of uncalibrated log-odds.
    #[must_use]
    pub fn venn_abers(&self) -> &VennAbers {
        &self.venn_abers
    }

    /// Calibrated log-odds, between −20 and 20.
    #[must_use]
    pub fn log_odds(&self, log_odds: f64) -> f64 {
        self.map.log_odds(log_odds)
    }

    /// Probability and both ends of its 90 % interval, from the uncalibrated log-odds; without allocation.
    #[must_use]
    pub fn probability(&self, log_odds: f64, disagreement: Disagreement) -> [f64; 3] {
        let calibrated = self.map.log_odds(log_odds);
        let [lower, upper] = self.interval.at(&Place {
            log_odds: calibrated,
            disagreement,
            map_variance: self.map.variance(log_odds),
            pair: self.venn_abers.pair(log_odds),
        });
        [sigmoid(calibrated), lower, upper]
    }

    /// Whether the figures can come from [`Self::fit`]; files are not trusted.
    pub(crate) fn is_sound(&self) -> bool {
        self.map.is_sound() && self.venn_abers.is_sound() && self.interval.is_sound()
    }
}

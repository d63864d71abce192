//! Hot, warm, cold: bands of the probability around that of the average lead.
//!
//! Owns: the cuts. A hot lead converts six times as often as the average one or more, a warm one three times as often:
//! together about as many as an agent can call in person. Invariant: a higher probability never has a colder class.
//! Deliberately absent: percentiles, which would call a tenth of the leads hot in a month in which none is.

use leadscore_domain::QualityClass;
use serde::{Deserialize, Serialize};

use super::{
    TrainingMaterial,
    metrics::{ClassMetrics, ClassShare},
};

/// A hot lead converts this many times as often as the average one.
const HOT_LIFT: f64 = 6.0;
/// A cold lead converts less often than this many times the average one.
const COLD_LIFT: f64 = 3.0;
/// Conversions of the average lead assumed before any is known, in 30 days.
const BASE_RATE_UNKNOWN: f64 = 0.05;
/// Examples by which an assumed base rate is strengthened.
const PRIOR_EXAMPLES: f64 = 20.0;

/// The cuts between the classes: `{"base_rate": …, "hot_from": …, "cold_below": …}`, all of them probabilities of
/// conversion within 30 days with `0 < cold_below < hot_from < 1`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassRule {
    /// Share of the reference population that converted.
    pub base_rate: f64,
    /// Probability from which a lead is hot.
    pub hot_from: f64,
    /// Probability below which a lead is cold.
    pub cold_below: f64,
}

impl Default for ClassRule {
    fn default() -> Self {
        Self::of(BASE_RATE_UNKNOWN)
    }
}

impl ClassRule {
    /// The rule of a population of which a share of `base_rate` converts, between 0 and 1.
    #[must_use]
    pub fn of(base_rate: f64) -> Self {
        // Where many convert, six times the average is no probability: a cut is at most half of the way to certainty.
        let cold_below = (COLD_LIFT * base_rate).min(f64::midpoint(base_rate, 1.0));
        let hot_from = (HOT_LIFT * base_rate).min(f64::midpoint(cold_below, 1.0));
        Self { base_rate, hot_from, cold_below }
    }

    /// The class of a lead that converts with `probability`.
    #[must_use]
    pub fn class(&self, probability: f64) -> QualityClass {
        if probability >= self.hot_from {
            QualityClass::Hot
        } else if probability < self.cold_below {
            QualityClass::Cold
        } else {
            QualityClass::Warm
        }
    }

    /// Whether the figures can come from [`Self::of`]; files are not trusted.
    pub(super) fn is_sound(&self) -> bool {
        0.0 < self.base_rate
            && 0.0 < self.cold_below
            && self.cold_below < self.hot_from
            && self.hot_from < 1.0
            && self.base_rate < 1.0
    }
}

/// The rule of the reference population, and what became of each class in it.
pub(super) fn fit(material: &TrainingMaterial<'_>) -> (ClassRule, Option<ClassMetrics>) {
    let n = material.held_out.len() as f64;
    let won = material.held_out.iter().filter(|(_, won)| *won).count() as f64;
    let rule = ClassRule::of((won + PRIOR_EXAMPLES * BASE_RATE_UNKNOWN) / (n + PRIOR_EXAMPLES));
    if material.held_out.is_empty() {
        return (rule, None);
    }
    let share = |class: QualityClass| {
        let of_class = || material.held_out.iter().filter(|(probability, _)| rule.class(*probability) == class);
        let (examples, converted) = (of_class().count(), of_class().filter(|(_, won)| *won).count());
        let predicted = of_class().map(|(probability, _)| probability).sum::<f64>();
        ClassShare { class, examples, converted, expected: predicted }
    };
    (rule, Some(ClassMetrics { classes: QualityClass::ALL.map(share) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cuts_are_probabilities_in_order_whatever_the_base_rate() {
        for share in 1..1_000 {
            let rule = ClassRule::of(f64::from(share) / 1_000.0);
            assert!(rule.is_sound(), "{rule:?}");
            let classes = [0.0, rule.cold_below, rule.hot_from, 1.0].map(|probability| rule.class(probability));
            assert_eq!(classes, [QualityClass::Cold, QualityClass::Warm, QualityClass::Hot, QualityClass::Hot]);
        }
        let rule = ClassRule::of(0.05);
        assert!((rule.cold_below - 0.15).abs() < 1e-12 && (rule.hot_from - 0.3).abs() < 1e-12);
        assert!(!ClassRule { hot_from: f64::NAN, ..rule }.is_sound());
    }
}

//! Points by rule: the score of the first day, before there are outcomes to learn from.
//!
//! Owns: one table of rules that anybody can read and dispute. Invariant: its probabilities carry a wide interval,
//! for no outcome has ever tested them. Deliberately absent: learning, see `models`.

use leadscore_domain::Breakdown;

use crate::{
    features::{FEATURES, Feature, Group},
    models::Prediction,
};

/// Version that scores of the scorecard carry in place of a model's.
pub const SCORECARD_VERSION: &str = "scorecard-1";

/// Log-odds of a lead about which nothing is known: about 5 %.
const BASE_LOG_ODDS: f64 = -2.94;
/// Half the width of the interval, in log-odds.
const UNCERTAINTY_LOG_ODDS: f64 = 1.5;

/// What one feature adds: `per_unit` × value, at most `most` either way; nothing where it is missing.
struct Rule {
    feature: Feature,
    per_unit: f64,
    most: f64,
}

impl Rule {
    fn points(&self, features: &[f32]) -> f64 {
        let value = f64::from(features[self.feature as usize]);
        if value.is_nan() { 0.0 } else { (self.per_unit * value).clamp(-self.most, self.most) }
    }
}

const fn rule(feature: Feature, per_unit: f64, most: f64) -> Rule {
    Rule { feature, per_unit, most }
}

/// The scorecard, in log-odds.
static RULES: [Rule; 19] = [
    rule(Feature::ActivityDecay7d, 0.12, 0.9),
    rule(Feature::ActivityDays, -0.02, 0.8),
    rule(Feature::SavedCount, 0.08, 0.4),
    rule(Feature::ShowingsRequested, 0.4, 0.8),
    rule(Feature::ShowingsHeld, 0.6, 1.2),
    rule(Feature::PriceNarrowing, 0.4, 0.3),
    rule(Feature::FinancingViews, 0.1, 0.3),
    rule(Feature::ShowingsNoShow, -0.4, 0.8),
    rule(Feature::InboundDecay7d, 0.3, 0.9),
    rule(Feature::CallAnswerRate, 0.5, 0.5),
    rule(Feature::ViewingAsked, 0.4, 0.8),
    rule(Feature::Commitment, 0.4, 0.8),
    rule(Feature::Disinterest, -0.7, 1.4),
    rule(Feature::SentimentMean, 0.6, 0.6),
    rule(Feature::EmailClickRate, 0.5, 0.5),
    rule(Feature::EmailUnsubscribed, -1.0, 1.0),
    rule(Feature::UnansweredRun, -0.1, 0.6),
    rule(Feature::FirstResponseHours, -0.01, 0.3),
    rule(Feature::MonthsOfSupply, 0.03, 0.2),
];

/// The transparent scorecard.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scorecard;

impl Scorecard {
    /// Writes what each feature adds, in log-odds, to its place in `out`.
    ///
    /// # Panics
    /// Where `features` or `out` is shorter than [`FEATURES`].
    pub fn contributions(&self, features: &[f32], out: &mut [f64]) {
        for rule in &RULES {
            out[rule.feature as usize] = rule.points(features);
        }
    }

    /// Scores a vector of [`FEATURES`]. A score of 50, and a part of 50, is a lead about which nothing is known.
    #[must_use]
    pub fn predict(&self, features: &[f32]) -> (Prediction, Breakdown) {
        let mut groups = [0.0; Group::ALL.len()];
        for rule in &RULES {
            groups[FEATURES[rule.feature as usize].group as usize] += rule.points(features);
        }
        let points = groups.iter().sum::<f64>();
        let log_odds = BASE_LOG_ODDS + points;
        let prediction = Prediction {
            log_odds,
            probability: sigmoid(log_odds),
            lower: sigmoid(log_odds - UNCERTAINTY_LOG_ODDS),
            upper: sigmoid(log_odds + UNCERTAINTY_LOG_ODDS),
            score: percent(points),
        };
        let part = |group: Group| percent(groups[group as usize]);
        let breakdown = Breakdown {
            behavioral: part(Group::Behavioral),
            engagement: part(Group::Engagement),
            market_fit: part(Group::MarketFit),
            timing: part(Group::Timing),
        };
        (prediction, breakdown)
    }
}

fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

fn percent(points: f64) -> u8 {
    (100.0 * sigmoid(points)).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(values: &[(Feature, f32)]) -> Vec<f32> {
        let mut features = vec![f32::NAN; FEATURES.len()];
        for (feature, value) in values {
            features[*feature as usize] = *value;
        }
        features
    }

    #[test]
    fn nothing_known_is_the_middle_with_a_wide_interval() {
        let (prediction, breakdown) = Scorecard.predict(&features(&[]));
        assert_eq!(prediction.score, 50);
        assert_eq!(breakdown, Breakdown { behavioral: 50, engagement: 50, market_fit: 50, timing: 50 });
        assert!(prediction.upper / prediction.lower > 10.0, "{prediction:?}");
    }

    #[test]
    fn interest_raises_and_refusal_lowers_their_own_part() {
        let (keen, keen_parts) = Scorecard.predict(&features(&[(Feature::ShowingsHeld, 1.0)]));
        let (cold, cold_parts) = Scorecard.predict(&features(&[(Feature::Disinterest, 2.0)]));
        assert!(keen.score > 50 && keen_parts.behavioral > 50 && keen_parts.engagement == 50);
        assert!(cold.score < 50 && cold_parts.engagement < 50 && cold_parts.behavioral == 50);
    }

    #[test]
    fn no_rule_runs_away() {
        for rule in &RULES {
            for value in [f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY] {
                let (prediction, _) = Scorecard.predict(&features(&[(rule.feature, value)]));
                assert!((prediction.log_odds - BASE_LOG_ODDS).abs() <= rule.most + 1e-9);
            }
        }
    }
}

//! How to keep a lead that may be lost: the first strategy whose condition holds.
//!
//! Owns: the rules. Deliberately absent: the words of the plays, and any claim that a play keeps a lead; it is what
//! experience suggests, until an experiment says more.

use leadscore_domain::RetentionStrategy;

use crate::features::Feature;

/// A risk below this many times that of the average active lead needs nothing beyond the usual.
const CALM_LIFT: f64 = 0.75;
/// Contacts in a row without a reaction after which another channel is due.
const DEAF_RUN: f32 = 4.0;
/// Sentiment of the latest conversation below which it went wrong.
const BAD_MOOD: f32 = -0.25;
/// Days of silence after which a personal word is due.
const QUIET_DAYS: f32 = 10.0;

/// The strategy for a vector of [`crate::features::FEATURES`] of a lead that churns with `risk`, where the average
/// active lead churns with `base_rate`.
///
/// | strategy | condition, in this order |
/// |---|---|
/// | answer now | a contact of the lead waits for our answer |
/// | keep pace | the risk is below 0.75 of the average lead's |
/// | repair conversation | the latest conversation went badly, or the lead declined in one |
/// | rebook showing | a showing was cancelled or missed, and none has been held |
/// | solve financing | the lead raised financing |
/// | adjust price | it objected to a price |
/// | slow down | it put things off, or wants no more e-mail |
/// | change channel | our last four contacts went without a reaction |
/// | fresh listings | it searches, and did so within ten days |
/// | check in | otherwise |
#[must_use]
pub(super) fn strategy(features: &[f32], risk: f64, base_rate: f64) -> RetentionStrategy {
    // Comparisons with a missing value are false: a play needs evidence.
    let value = |feature: Feature| features[feature as usize];
    let any = |feature: Feature| value(feature) >= 1.0;
    let missed = any(Feature::ShowingsCancelled) || any(Feature::ShowingsNoShow);
    if value(Feature::AgentWaitHours) > 0.0 {
        RetentionStrategy::AnswerNow
    } else if risk < CALM_LIFT * base_rate {
        RetentionStrategy::KeepPace
    } else if value(Feature::SentimentLast) < BAD_MOOD || any(Feature::Disinterest) {
        RetentionStrategy::RepairConversation
    } else if missed && !any(Feature::ShowingsHeld) {
        RetentionStrategy::RebookShowing
    } else if any(Feature::ObjectionFinancing) {
        RetentionStrategy::SolveFinancing
    } else if any(Feature::ObjectionPrice) {
        RetentionStrategy::AdjustPrice
    } else if any(Feature::ObjectionTiming) || any(Feature::EmailUnsubscribed) {
        RetentionStrategy::SlowDown
    } else if value(Feature::UnansweredRun) >= DEAF_RUN {
        RetentionStrategy::ChangeChannel
    } else if value(Feature::SearchDays) <= QUIET_DAYS {
        RetentionStrategy::FreshListings
    } else {
        RetentionStrategy::CheckIn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::FEATURES;

    #[test]
    fn each_strategy_has_its_evidence() {
        for (values, risk, expected) in [
            (&[][..], 0.5, RetentionStrategy::CheckIn),
            (&[], 0.1, RetentionStrategy::KeepPace),
            (&[(Feature::AgentWaitHours, 2.0)], 0.1, RetentionStrategy::AnswerNow),
            (&[(Feature::SentimentLast, -0.5)], 0.5, RetentionStrategy::RepairConversation),
            (
                &[(Feature::Disinterest, 1.0), (Feature::ObjectionPrice, 1.0)],
                0.5,
                RetentionStrategy::RepairConversation,
            ),
            (&[(Feature::ShowingsNoShow, 1.0)], 0.5, RetentionStrategy::RebookShowing),
            (&[(Feature::ShowingsNoShow, 1.0), (Feature::ShowingsHeld, 1.0)], 0.5, RetentionStrategy::CheckIn),
            (&[(Feature::ObjectionFinancing, 1.0)], 0.5, RetentionStrategy::SolveFinancing),
            (&[(Feature::ObjectionPrice, 1.0)], 0.5, RetentionStrategy::AdjustPrice),
            (&[(Feature::EmailUnsubscribed, 1.0)], 0.5, RetentionStrategy::SlowDown),
            (&[(Feature::UnansweredRun, 4.0)], 0.5, RetentionStrategy::ChangeChannel),
            (&[(Feature::UnansweredRun, 3.0), (Feature::SearchDays, 2.0)], 0.5, RetentionStrategy::FreshListings),
        ] {
            let mut features = vec![f32::NAN; FEATURES.len()];
            for (feature, value) in values {
                features[*feature as usize] = *value;
            }
            assert_eq!(strategy(&features, risk, 0.3), expected, "{values:?}");
        }
    }
}

//! What to do next with a lead: the first play whose condition holds, and what to say.
//!
//! Owns: the plays' conditions; their words stand in `words`. Deliberately absent: any claim that a play causes a
//! conversion; it is what experience suggests, until an experiment says more.

mod words;

use leadscore_domain::{Approach, Intent, IntentKind, Play, RetentionPlay, RetentionStrategy, Urgency};

use crate::features::Feature;

/// Silence after which a lead must be won back, in days.
const SILENT_DAYS: f32 = 30.0;
/// A conversation at or below this sentiment went badly.
const BAD_MOOD: f32 = -0.25;
/// The stage of negotiation.
const NEGOTIATING: f32 = 5.0;
/// A kind that is less probable than this decides nothing.
const INTENT_MIN: f64 = 0.45;
/// A wish this far above the area's median price is premium: ln 1.5.
const PREMIUM_LN_RATIO: f32 = 0.405;
/// A wish this far below the median is an entry into the market: ln 0.75.
const ENTRY_LN_RATIO: f32 = -0.288;
/// Change of prices over three months, either way, that is worth a conversation: ln 1.03.
const MARKET_MOVE_LN_RATIO: f32 = 0.03;

/// The play for a vector of [`crate::features::FEATURES`] and what the lead is after.
///
/// | play | condition, in this order |
/// |---|---|
/// | reactivation | no activity for more than 30 days |
/// | trust repair | the latest conversation went badly |
/// | seller valuation | a seller |
/// | offer support | negotiates, or committed after a showing |
/// | offer showing | asked to see a home more often than it saw one |
/// | rental match | a renter |
/// | investment analysis | an investor |
/// | financing help | raised financing, or looked at it twice |
/// | budget alternatives | objected to a price |
/// | premium property focus | looks 50 % above the area's median price |
/// | nurturing | set aside for later, or a browser in no hurry |
/// | market timing | put things off, or prices moved by 3 % in three months |
/// | first-time buyer guidance | looks 25 % below the area's median price |
/// | discovery | otherwise |
#[must_use]
pub fn recommend(features: &[f32], intent: &Intent) -> Approach {
    // Comparisons with a missing value are false: a play needs evidence.
    let value = |feature: Feature| features[feature as usize];
    let any = |feature: Feature| value(feature) >= 1.0;
    let is = |kind: IntentKind| intent.kind == kind && intent.probabilities.of(kind) >= INTENT_MIN;
    let negotiates =
        value(Feature::StageOrdinal) >= NEGOTIATING || (any(Feature::Commitment) && any(Feature::ShowingsHeld));
    let idle = is(IntentKind::Browsing) && matches!(intent.urgency, Urgency::Months | Urgency::None);
    if value(Feature::ActivityDays) > SILENT_DAYS {
        Approach::Reactivation
    } else if value(Feature::SentimentLast) <= BAD_MOOD {
        Approach::TrustRepair
    } else if is(IntentKind::Seller) {
        Approach::SellerValuation
    } else if negotiates {
        Approach::OfferSupport
    } else if wants_to_see(features) {
        Approach::OfferShowing
    } else if is(IntentKind::Renter) {
        Approach::RentalMatch
    } else if is(IntentKind::Investor) {
        Approach::InvestmentAnalysis
    } else if any(Feature::ObjectionFinancing) || value(Feature::FinancingViews) >= 2.0 {
        Approach::FinancingHelp
    } else if any(Feature::ObjectionPrice) {
        Approach::BudgetAlternatives
    } else if value(Feature::PriceToMedian) > PREMIUM_LN_RATIO {
        Approach::PremiumPropertyFocus
    } else if any(Feature::StageNurturing) || idle {
        Approach::Nurturing
    } else if any(Feature::ObjectionTiming) || value(Feature::MarketChange3m).abs() > MARKET_MOVE_LN_RATIO {
        Approach::MarketTiming
    } else if value(Feature::PriceToMedian) < ENTRY_LN_RATIO {
        Approach::FirstTimeBuyerGuidance
    } else {
        Approach::Discovery
    }
}

/// A play with its words.
#[must_use]
pub fn play(approach: Approach) -> Play {
    let words = words::of(approach);
    Play {
        approach: words.play,
        summary: words.summary.to_owned(),
        talking_points: words.talking_points.iter().map(|point| (*point).to_owned()).collect(),
    }
}

/// A retention strategy with its words.
#[must_use]
pub fn retention(strategy: RetentionStrategy) -> RetentionPlay {
    let words = words::of_retention(strategy);
    RetentionPlay {
        strategy: words.play,
        summary: words.summary.to_owned(),
        talking_points: words.talking_points.iter().map(|point| (*point).to_owned()).collect(),
    }
}

/// Asked for a viewing that has not taken place.
fn wants_to_see(features: &[f32]) -> bool {
    let count = |feature: Feature| features[feature as usize].max(0.0);
    let asked = count(Feature::ShowingsRequested) + count(Feature::ViewingAsked);
    asked > count(Feature::ShowingsHeld)
}

#[cfg(test)]
mod tests {
    use leadscore_domain::{IntentProbabilities, explanation::TEXT_MAX_CHARS, protected};

    use super::*;
    use crate::features::FEATURES;

    fn after(kind: IntentKind, urgency: Urgency) -> Intent {
        let probabilities = IntentKind::ALL.map(|other| if other == kind { 0.8 } else { 0.05 });
        Intent { kind, probabilities: IntentProbabilities::from_array(probabilities), urgency }
    }

    fn approach(values: &[(Feature, f32)], intent: &Intent) -> Approach {
        let mut features = vec![f32::NAN; FEATURES.len()];
        for (feature, value) in values {
            features[*feature as usize] = *value;
        }
        recommend(&features, intent)
    }

    #[test]
    fn each_play_has_its_evidence() {
        let buyer = after(IntentKind::Buyer, Urgency::Weeks);
        for (values, expected) in [
            (&[][..], Approach::Discovery),
            (&[(Feature::ActivityDays, 31.0), (Feature::ShowingsRequested, 1.0)], Approach::Reactivation),
            (&[(Feature::SentimentLast, -0.6), (Feature::ViewingAsked, 1.0)], Approach::TrustRepair),
            (&[(Feature::StageOrdinal, 5.0)], Approach::OfferSupport),
            (&[(Feature::Commitment, 1.0)], Approach::Discovery),
            (&[(Feature::Commitment, 1.0), (Feature::ShowingsHeld, 1.0)], Approach::OfferSupport),
            (&[(Feature::ViewingAsked, 1.0)], Approach::OfferShowing),
            (&[(Feature::ShowingsRequested, 1.0), (Feature::ShowingsHeld, 1.0)], Approach::Discovery),
            (&[(Feature::ObjectionFinancing, 1.0)], Approach::FinancingHelp),
            (&[(Feature::ObjectionPrice, 1.0)], Approach::BudgetAlternatives),
            (&[(Feature::PriceToMedian, 0.6)], Approach::PremiumPropertyFocus),
            (&[(Feature::StageNurturing, 1.0)], Approach::Nurturing),
            (&[(Feature::MarketChange3m, -0.05)], Approach::MarketTiming),
            (&[(Feature::PriceToMedian, -0.5)], Approach::FirstTimeBuyerGuidance),
        ] {
            assert_eq!(approach(values, &buyer), expected, "{values:?}");
        }
    }

    #[test]
    fn the_intent_decides_only_where_it_is_probable() {
        for (kind, expected) in [
            (IntentKind::Seller, Approach::SellerValuation),
            (IntentKind::Renter, Approach::RentalMatch),
            (IntentKind::Investor, Approach::InvestmentAnalysis),
            (IntentKind::Browsing, Approach::Nurturing),
        ] {
            assert_eq!(approach(&[], &after(kind, Urgency::None)), expected);
            let mut doubtful = after(kind, Urgency::None);
            doubtful.probabilities = IntentProbabilities::from_array([0.2; 5]);
            assert_eq!(approach(&[], &doubtful), Approach::Discovery);
        }
        assert_eq!(approach(&[], &after(IntentKind::Browsing, Urgency::Now)), Approach::Discovery);
    }

    #[test]
    fn every_play_has_something_to_say_and_nothing_about_who_the_person_is() {
        let plays = words::PLAYS.iter().map(|words| (play(words.play).summary, words.summary, words.talking_points));
        let kept = words::RETENTION.iter().map(|words| {
            let RetentionPlay { strategy, summary, talking_points } = retention(words.play);
            assert_eq!((strategy, talking_points.len()), (words.play, words.talking_points.len()));
            (summary, words.summary, words.talking_points)
        });
        for (found, summary, points) in plays.chain(kept) {
            assert_eq!(found, summary, "each has words of its own");
            assert!((2..=3).contains(&points.len()), "{summary}");
            for text in points.iter().chain([&summary]) {
                assert!(!text.is_empty() && text.chars().count() <= TEXT_MAX_CHARS, "{text}");
                assert_eq!(protected::classify(text), None, "{text}");
            }
        }
    }
}

//! What to do next with a lead: the first play whose condition holds.
//!
//! Owns: the plays' conditions. Deliberately absent: any claim that a play causes a conversion; it is what experience
//! suggests, until an experiment says more.

use leadscore_domain::Approach;

use crate::features::Feature;

/// Silence after which a lead must be won back, in days.
const SILENT_DAYS: f32 = 30.0;
/// A wish this far above the area's median price is premium: ln 1.5.
const PREMIUM_LN_RATIO: f32 = 0.405;
/// A wish this far below the median is an entry into the market: ln 0.75.
const ENTRY_LN_RATIO: f32 = -0.288;
/// Change of prices over three months, either way, that is worth a conversation: ln 1.03.
const MARKET_MOVE_LN_RATIO: f32 = 0.03;

/// The play for a vector of [`crate::features::FEATURES`].
#[must_use]
pub fn recommend(features: &[f32]) -> Approach {
    // Comparisons with a missing value are false: a play needs evidence.
    let value = |feature: Feature| features[feature as usize];
    let any = |feature: Feature| value(feature) >= 1.0;
    if value(Feature::ActivityDays) > SILENT_DAYS {
        Approach::Reactivation
    } else if any(Feature::ValuationViews) && !any(Feature::SearchCount) {
        Approach::SellerValuation
    } else if value(Feature::RentShare) > 0.5 {
        Approach::RentalMatch
    } else if wants_to_see(features) {
        Approach::OfferShowing
    } else if any(Feature::ObjectionFinancing) || value(Feature::FinancingViews) >= 2.0 {
        Approach::FinancingHelp
    } else if value(Feature::PriceToMedian) > PREMIUM_LN_RATIO {
        Approach::PremiumPropertyFocus
    } else if any(Feature::ObjectionTiming) || value(Feature::MarketChange3m).abs() > MARKET_MOVE_LN_RATIO {
        Approach::MarketTiming
    } else if value(Feature::PriceToMedian) < ENTRY_LN_RATIO {
        Approach::FirstTimeBuyerGuidance
    } else {
        Approach::Discovery
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
    use super::*;
    use crate::features::FEATURES;

    fn play(values: &[(Feature, f32)]) -> Approach {
        let mut features = vec![f32::NAN; FEATURES.len()];
        for (feature, value) in values {
            features[*feature as usize] = *value;
        }
        recommend(&features)
    }

    #[test]
    fn each_play_has_its_evidence() {
        for (values, approach) in [
            (&[][..], Approach::Discovery),
            (&[(Feature::ActivityDays, 31.0), (Feature::ShowingsRequested, 1.0)], Approach::Reactivation),
            (&[(Feature::ValuationViews, 1.0)], Approach::SellerValuation),
            (&[(Feature::RentShare, 0.8)], Approach::RentalMatch),
            (&[(Feature::ViewingAsked, 1.0)], Approach::OfferShowing),
            (&[(Feature::ShowingsRequested, 1.0), (Feature::ShowingsHeld, 1.0)], Approach::Discovery),
            (&[(Feature::ObjectionFinancing, 1.0)], Approach::FinancingHelp),
            (&[(Feature::PriceToMedian, 0.6)], Approach::PremiumPropertyFocus),
            (&[(Feature::MarketChange3m, -0.05)], Approach::MarketTiming),
            (&[(Feature::PriceToMedian, -0.5)], Approach::FirstTimeBuyerGuidance),
        ] {
            assert_eq!(play(values), approach, "{values:?}");
        }
    }
}

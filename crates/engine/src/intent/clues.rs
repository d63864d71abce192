//! What a lead did and said, as evidence of what it is after.
//!
//! Owns: the table. A weight is the natural logarithm of how much likelier the clue is for one kind than for the
//! average lead; 0.7 doubles the odds. A clue counts once for each time, up to its cap. The weights are judgements
//! about the trade, rounded, and no fit to any data.

use super::Weights;
use crate::features::{LeadState, Signal};

/// A sum of money below this is a rent and no price, in the brokerage's currency.
pub(super) const RENT_BELOW: f64 = 15_000.0;
/// Visits without any contact from which on a lead rather looks than wants.
const IDLE_VISITS: u32 = 4;

struct Clue {
    signal: Signal,
    /// Times that count at most.
    most: u32,
    weights: Weights,
}

const fn clue(signal: Signal, most: u32, weights: Weights) -> Clue {
    Clue { signal, most, weights }
}

/// Evidence by signal: buyer, seller, renter, investor, browsing.
static CLUES: [Clue; 16] = [
    clue(Signal::SearchBuy, 2, [0.2, -0.6, -1.6, 0.2, 0.2]),
    clue(Signal::SearchRent, 2, [-1.8, -1.8, 1.6, -1.8, 0.0]),
    clue(Signal::ListingSaved, 2, [0.1, -0.5, 0.1, 0.1, 0.2]),
    clue(Signal::PageListing, 2, [0.1, -0.2, 0.1, 0.1, 0.1]),
    clue(Signal::PageValuation, 2, [-0.8, 1.6, -0.8, -0.5, -0.5]),
    clue(Signal::PageFinancing, 2, [0.3, -0.3, -0.4, 0.2, -0.3]),
    clue(Signal::ValuationSent, 1, [-0.6, 1.5, -1.0, -0.4, -0.4]),
    clue(Signal::SellingTalk, 3, [-0.4, 1.1, -0.6, -0.3, -0.3]),
    clue(Signal::RentingTalk, 3, [-0.6, -0.6, 1.2, -0.2, -0.2]),
    clue(Signal::InvestingTalk, 2, [-0.4, -0.3, -0.4, 1.5, -0.4]),
    clue(Signal::ViewingAsked, 2, [0.2, -0.5, 0.2, 0.2, -0.4]),
    clue(Signal::ShowingRequested, 2, [0.2, -0.5, 0.2, 0.2, -0.5]),
    clue(Signal::ShowingHeld, 2, [0.2, -0.6, 0.2, 0.2, -0.6]),
    clue(Signal::ObjectionFinancing, 2, [0.2, -0.1, -0.3, 0.1, -0.2]),
    clue(Signal::Commitment, 2, [0.1, 0.1, 0.1, 0.1, -0.4]),
    clue(Signal::ObjectionTiming, 2, [0.0, 0.0, 0.0, 0.0, 0.3]),
];

/// Looks at homes for the price of a rent.
pub(super) const RENT_PRICES: Weights = [-1.6, -1.6, 1.8, -1.6, 0.0];
/// Visits again and again and never turns to us.
const IDLE: Weights = [-0.2, -0.3, -0.2, -0.2, 0.8];

/// The clues of a state, each with how often it counts.
pub(super) fn of_state(state: &LeadState) -> impl Iterator<Item = (f64, Weights)> + use<'_> {
    let counted = CLUES.iter().map(|clue| (f64::from(state.count(clue.signal).min(clue.most)), clue.weights));
    let rents = state.price_centre().is_some_and(|price| price > 0.0 && price < RENT_BELOW);
    let idle = state.count(Signal::WebSession) >= IDLE_VISITS && state.last_inbound_at().is_none();
    counted.chain([(f64::from(u8::from(rents)), RENT_PRICES), (f64::from(u8::from(idle)), IDLE)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_clue_is_beyond_dispute() {
        for clue in &CLUES {
            for weight in clue.weights {
                assert!((weight * f64::from(clue.most)).abs() <= 4.0, "{:?} weighs {weight}", clue.signal);
            }
            assert!(clue.weights.iter().any(|weight| *weight != 0.0));
        }
    }
}

//! What a lead is after, and how soon.
//!
//! Owns: an additive model of evidence: each clue adds its log-likelihood ratio for each kind of lead, as in a naive
//! Bayes classifier (Good, Probability and the Weighing of Evidence, 1950), the sums become probabilities by softmax.
//! Invariant: every clue and weight stands in a table that anybody can read and dispute, and no clue outweighs its cap.
//! Deliberately absent: learning from outcomes; who the person is.

mod clues;
mod statements;
mod urgency;

use leadscore_domain::{Intent, IntentKind, IntentProbabilities, Timestamp};

use crate::features::LeadState;

/// Number of kinds.
const KINDS: usize = IntentKind::ALL.len();

/// Log-odds by [`IntentKind`], in the order of [`IntentKind::ALL`].
type Weights = [f64; KINDS];

/// Share of each kind among a brokerage's leads before anything is known of them.
const PRIOR: [f64; KINDS] = [0.5, 0.18, 0.12, 0.07, 0.13];

/// What `state` says of the lead's intent at `at`.
#[must_use]
pub fn intent(state: &LeadState, at: Timestamp) -> Intent {
    let statements = statements::Statements::of(state);
    let mut sums = PRIOR.map(f64::ln);
    for (count, weights) in clues::of_state(state).chain(statements.clues()) {
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += count * weight;
        }
    }
    let probabilities = softmax(sums);
    let best = (1..KINDS).fold(0, |best, kind| if probabilities[kind] > probabilities[best] { kind } else { best });
    Intent {
        kind: IntentKind::ALL[best],
        probabilities: IntentProbabilities::from_array(probabilities),
        urgency: urgency::urgency(state, &statements, at),
    }
}

fn softmax(sums: Weights) -> Weights {
    let most = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let parts = sums.map(|sum| (sum - most).exp());
    let whole: f64 = parts.iter().sum();
    parts.map(|part| part / whole)
}

//! How often what an agent does succeeds.
//!
//! Owns: the counts of a population and their blend with a lead's own history. Invariant: a rate is strictly between 0
//! and 1. Deliberately absent: the hour of a call, see [`ContactWindow`](leadscore_domain::ContactWindow).

use serde::{Deserialize, Serialize};

use crate::features::{LeadState, Signal};

/// Trials by which the assumed rate is strengthened in a population.
const PRIOR_TRIALS: f64 = 50.0;
/// Trials by which the population's rate is strengthened for one lead.
const LEAD_TRIALS: f64 = 8.0;

/// What can succeed or fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trial {
    /// A call is answered.
    Answer,
    /// A link in an e-mail is clicked.
    Click,
    /// An e-mail is answered.
    Reply,
    /// A showing that was offered or asked for is agreed on.
    Agree,
    /// A showing that was agreed on takes place.
    Keep,
    /// A conversation is not a bad one.
    Please,
}

/// Number of [`Trial`]s.
const TRIALS: usize = Trial::Please as usize + 1;
/// Rates assumed where nothing is known, by [`Trial`].
const ASSUMED: [f64; TRIALS] = [0.25, 0.05, 0.08, 0.35, 0.7, 0.8];

/// Successes and trials of a population of leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionRates {
    successes: [u64; TRIALS],
    trials: [u64; TRIALS],
}

impl ActionRates {
    /// One lead's history.
    #[must_use]
    pub fn of(state: &LeadState) -> Self {
        let mut rates = Self::default();
        rates.add(state);
        rates
    }

    /// Adds another population's.
    pub fn merge(&mut self, other: &Self) {
        for place in 0..TRIALS {
            self.successes[place] = self.successes[place].saturating_add(other.successes[place]);
            self.trials[place] = self.trials[place].saturating_add(other.trials[place]);
        }
    }

    /// Adds one lead's history.
    pub fn add(&mut self, state: &LeadState) {
        for (place, (successes, trials)) in history(state).into_iter().enumerate() {
            self.successes[place] = self.successes[place].saturating_add(successes.into());
            self.trials[place] = self.trials[place].saturating_add(trials.into());
        }
    }

    /// The rates as a file of a model bundle.
    ///
    /// # Panics
    /// Never: two lists of integers are JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("two lists of integers are JSON")
    }

    /// Reads what [`Self::to_json`] wrote; `None` where it is anything else.
    #[must_use]
    pub fn from_json(json: &[u8]) -> Option<Self> {
        let rates: Self = serde_json::from_slice(json).ok()?;
        rates.successes.iter().zip(&rates.trials).all(|(successes, trials)| successes <= trials).then_some(rates)
    }

    fn of_population(&self, trial: Trial) -> f64 {
        let place = trial as usize;
        (self.successes[place] as f64 + PRIOR_TRIALS * ASSUMED[place]) / (self.trials[place] as f64 + PRIOR_TRIALS)
    }

    /// The lead's rate: its own history, drawn towards the population's (a beta-binomial posterior mean).
    pub(super) fn of_lead(&self, state: &LeadState, trial: Trial) -> f64 {
        let (successes, trials) = history(state)[trial as usize];
        (f64::from(successes) + LEAD_TRIALS * self.of_population(trial)) / (f64::from(trials) + LEAD_TRIALS)
    }
}

/// A lead's successes and trials, by [`Trial`]; never more successes than trials.
fn history(state: &LeadState) -> [(u32, u32); TRIALS] {
    let count = |signal| state.count(signal);
    let sent = count(Signal::EmailSent).max(count(Signal::EmailDelivered));
    let offered = count(Signal::ShowingOffered).saturating_add(count(Signal::ShowingRequested));
    let held = count(Signal::ShowingHeld);
    let missed = count(Signal::ShowingCancelled).saturating_add(count(Signal::ShowingNoShow));
    let talks = count(Signal::CallOutAnswered).saturating_add(count(Signal::CallIn));
    [
        (count(Signal::CallOutAnswered), count(Signal::CallOut)),
        (count(Signal::EmailClicked), sent),
        (count(Signal::EmailReplied), sent),
        (count(Signal::ShowingScheduled), offered),
        (held, held.saturating_add(missed)),
        (talks.saturating_sub(count(Signal::NegativeMood)), talks),
    ]
    .map(|(successes, trials)| (successes.min(trials), trials))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_another_shape_are_refused() {
        assert_eq!(ActionRates::from_json(b"nonsense"), None);
        assert_eq!(ActionRates::from_json(br#"{"successes":[1,0,0,0,0,0],"trials":[0,0,0,0,0,0]}"#), None);
        let rates = ActionRates { successes: [1; TRIALS], trials: [2; TRIALS] };
        assert_eq!(ActionRates::from_json(&rates.to_json()), Some(rates));
    }

    #[test]
    fn nothing_known_is_what_is_assumed_and_evidence_moves_it() {
        let state = LeadState::default();
        let rates = ActionRates::default();
        assert!((rates.of_lead(&state, Trial::Answer) - 0.25).abs() < 1e-12);
        let eager = ActionRates { successes: [900; TRIALS], trials: [1_000; TRIALS] };
        assert!(eager.of_lead(&state, Trial::Answer) > 0.8);
        assert!(eager.of_lead(&state, Trial::Click) < 1.0);
    }
}

//! Why a score is what it is, in plain words, and what the agent could do next.
//!
//! Owns: the merging of a model's attributions into readable reasons ([`Narrator`]) and the counterfactual next steps
//! ([`next_steps`]). Invariant: what a text says comes from the lead's own values; no protected characteristic and no
//! proxy is spoken, and no text claims a cause. Deliberately absent: the attributions themselves, see `models`; when
//! calls are lawful, of which only the lead's own statements are known here ([`Permissions`]).

mod actions;
mod narrator;
mod rates;
mod render;
mod steps;
mod words;

pub use actions::Permissions;
pub use narrator::Narrator;
pub use rates::ActionRates;
pub use render::CURRENCY_SIGN;
pub use steps::{Situation, next_steps};

/// The logic involved, for whoever is profiled (GDPR Art. 13(2)(f), 15(1)(h)).
pub const LOGIC: &str = "A statistical model estimates from the events above how likely the person is to conclude a \
    deal with the brokerage within 30 days; the score is the share of comparable leads with a lower estimate. It decides \
    in which order people are called, and never refuses anybody. Names, addresses, languages and other protected \
    characteristics are not used. The explanation of the latest score is at /api/v1/leads/{lead_id}/explanation.";

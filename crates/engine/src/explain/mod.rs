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

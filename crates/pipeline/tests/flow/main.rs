//! From an append to a published score, and from the log to a registered model: against a real store and registry.

#![expect(clippy::unwrap_used, reason = "a helper that fails ends the test")]

mod dead;
mod fairness;
mod jobs;
mod outcomes;
mod privacy;
mod replay;
mod scorer;
mod support;
mod training;
mod training_set;
mod webhooks;

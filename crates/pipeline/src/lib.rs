//! From what other systems send to a published score: ingest, scorer, publish, training.
//!
//! Owns: the flow of data, in one direction; `topology` wires it on one screen.
//! Invariant: an event is acknowledged only when durable and has one effect; nothing is published uncommitted.
//! Deliberately absent: HTTP.

pub mod dead;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod ingest;
pub mod jobs;
pub mod outcomes;
pub mod presence;
pub mod privacy;
pub mod publish;
pub mod replay;
mod retention;
pub mod scorer;
pub mod topology;
pub mod training;
pub mod webhooks;

//! Features, models, scores and their evaluation: pure functions of events and instants.
//!
//! Owns: the fold of events into a lead's state, features of a state at an instant, training, calibration,
//! explanation and measurement. Invariant: no I/O, no clock, no global randomness; training and serving call the
//! same feature code. Deliberately absent: storage, HTTP, async.

pub mod conversation;
pub mod evaluate;
pub mod examples;
pub mod explain;
pub mod features;
pub mod intent;
pub mod models;
pub mod playbook;
pub mod predictions;
pub mod score;
pub mod scorecard;

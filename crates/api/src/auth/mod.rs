//! Who asks: tokens on every request, log-in, and its throttle.
//!
//! Invariant: a token is looked up by its hash, and is never logged or kept.

pub mod bearer;
pub mod throttle;

//! Who asks: tokens on every request, log-in, and its throttle.
//!
//! Invariant: a token is looked up by its hash in the store and is never logged or compared here.

pub mod bearer;
pub mod throttle;

//! Who asks, and what they may: tokens on every request, the table of permissions, log-in's throttle.
//!
//! Invariant: a token is looked up by its hash, and is never logged or kept.

pub mod bearer;
pub mod permissions;
pub mod throttle;

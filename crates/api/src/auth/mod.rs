//! Who asks, and what they may: tokens on every request, the table of permissions, whose leads they see, log-in's throttle.
//!
//! Invariant: a token is looked up by its hash, and is never logged or kept.

pub mod bearer;
pub mod permissions;
pub mod sight;
pub mod throttle;

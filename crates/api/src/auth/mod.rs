//! Who asks, and what they may: tokens on every request, also those of identity providers, the table of permissions, whose leads they see, log-in's throttle.
//!
//! Invariant: an API key or refresh token is looked up by its hash; no token is logged or kept.

pub mod bearer;
pub mod identity;
pub mod jwt;
pub mod permissions;
pub mod provider;
pub mod sight;
pub mod throttle;

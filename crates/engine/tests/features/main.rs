//! The feature engine and the examples, at their boundary.

#![expect(clippy::unwrap_used, reason = "a helper that fails ends the test")]

mod compute;
mod conversation;
mod events;
mod examples;
mod fold;
mod live;
mod market;
mod talk;
mod view;

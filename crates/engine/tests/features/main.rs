//! The feature engine and the examples, at their boundary.

mod compute;
mod events;
mod examples;
mod fold;
mod market;
mod talk;
mod view;

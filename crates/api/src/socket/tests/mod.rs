//! Live connections over a real listener, with a real client.

mod access;
pub mod client;
mod delivery;
mod refusals;
mod streams;

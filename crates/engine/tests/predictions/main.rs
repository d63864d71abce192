//! The predictions beside the conversion, in a simulated brokerage whose truth is known.
//!
//! `LEADSCORE_LEADS=20000 cargo test --release -p leadscore-engine --test predictions -- --nocapture` prints the
//! figures of a larger brokerage.

#![expect(clippy::unwrap_used, reason = "a helper that fails ends the test")]
#![expect(clippy::print_stdout, reason = "the figures are what a run with --nocapture is for")]

mod contact;
mod parts;
mod world;

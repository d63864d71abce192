//! The proof of the guarantees: nothing that was acknowledged is lost, everything has one effect, nothing is published
//! that is not committed, no version goes backwards.
//!
//! Owns: the load that records what it was told (`load`, `recording`), the checker that compares this with what is in
//! the database in the end (`checker`, `end_state`), its own test on planted bugs (`planted`), and the faults (`faults`,
//! `run`) over both ways to run (`world`). Invariant: the checker reads the database by SQL of its own, and shares no code with
//! what it checks. `CHAOS=long` makes it the long version, `make chaos`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]
#![expect(clippy::print_stdout, reason = "a report is what a proof ends with")]

mod checker;
mod end_state;
mod faults;
mod load;
mod planted;
mod recording;
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod run;
#[path = "../e2e/support.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod support;
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod world;

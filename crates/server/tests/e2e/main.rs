//! The product from the outside: real processes, real files, real sockets.
//!
//! Owns: a new user's path, bad input, crashes, shutdown. Invariant: every test has a folder and a port of its own, and
//! waits for conditions, never for time. Deliberately absent: what the crates test at their own boundaries.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod bad_input;
mod bench;
mod canaries;
mod clients;
mod crash;
mod demo;
mod dial;
mod generated;
mod interop;
mod journey;
mod scale_out;
mod serving;
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod support;
mod vault;
mod withdrawal;

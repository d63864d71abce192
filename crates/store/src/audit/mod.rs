//! The audit log: who saw or changed what, when, from where and why.
//!
//! Owns: entries, the blocks in which they are kept, the chain of these, checkpoints outside of the database, search and
//! verification. Invariants: rows are added and nothing else; a block names the one before it by its hash and is signed;
//! what is recorded waits in a bounded queue and is never dropped, so that where the log cannot be written there are no
//! more answers. Deliberately absent: removing what is old, and what operations there are.

mod body;
mod chain;
mod checkpoint;
mod entry;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod rows;
mod search;
#[cfg(test)]
mod tampers;
mod verify;
mod writer;

pub use self::{
    entry::{Act, Actor, ActorKind, Object, REASON_MAX_BYTES},
    search::{AuditCursor, AuditEntry, AuditFilter, AuditPage},
    verify::{Fault, Place, Verdict, Verified},
    writer::{AuditLog, AuditOptions},
};

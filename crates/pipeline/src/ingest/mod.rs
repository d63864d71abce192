//! What comes in from elsewhere. One module per kind of source.
//!
//! Owns: turning foreign records into valid events and market snapshots.
//! Invariant: a record is applied, counted as a duplicate, or refused with the reason; none vanishes.
//! Deliberately absent: finding the lead of an event, which is the store's.

pub mod files;

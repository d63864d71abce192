//! Keeps every lead's state and score in step with the log.
//!
//! Owns: reading the log in micro-batches, folding, scoring, the commit with the position, time-driven renewal, and
//! the model that is in use. Invariants: one task writes for a partition of a group; nothing is published before its
//! commit; an event that cannot be read is set aside and never blocks those behind it.
//!
//! When a score is calculated: a live score looks at the lead as of the clock's instant, which it carries as
//! `calculated_at`, and features use the instants at which events occurred. The same events up to `log_position`, the
//! same model and the same instant give the same score, so a score is replayed by scoring [`rebuild`]'s state as of
//! its `calculated_at`; a history is replayed as of the `received_at` of each event.
//!
//! Deliberately absent: finding leads of events and merging them (the store's), feature code (the engine's).

mod batch;
mod cache;
mod derive;
mod model;
mod rebuild;
mod sweep;
mod worker;

pub use batch::{BATCH_EVENTS_MAX, DEFER_BACKLOG_EVENTS};
pub(crate) use model::blocking;
pub use model::{CHAMPION, ModelError, ModelWatch, load_champion, load_model};
pub use rebuild::rebuild;
pub use worker::{GROUP, Health, ScorerError, ScorerTask, Tally};

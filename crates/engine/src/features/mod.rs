//! The fold of a lead's events into a state, and the features of a state at an instant.
//!
//! Owns: [`LeadState`], the fixed catalogue [`FEATURES`], [`Market`] conditions and the [`FeatureView`] that adds
//! custom attributes as columns. Invariant: the same events in any order give the same state, and training and
//! serving call the same [`compute`]. Deliberately absent: a clock (the instant is handed in), I/O, anything that a
//! person's name, home, language, school or other protected characteristic could enter by.

mod catalogue;
mod market;
mod state;
mod view;

pub use catalogue::{Column, ColumnKind, FEATURES, FeatureSpec, Group, compute};
pub use market::Market;
pub use state::{HourOfWeek, LeadState, StateError};
pub use view::{FeatureView, MAX_WIDTH, schema_hash};

//! The fold of a lead's events into a state, and the features of a state at an instant.
//!
//! Owns: [`LeadState`], the fixed catalogue [`FEATURES`], [`Market`] conditions and the [`FeatureView`] that adds
//! custom attributes as columns. Invariant: the same events in any order give the same state, and training and
//! serving call the same [`compute`]. Deliberately absent: a clock (the instant is handed in), I/O, anything that a
//! person's name, home, language, school or other protected characteristic could enter by.

mod attributes;
mod catalogue;
mod compute;
mod document;
mod fold;
mod live;
mod market;
mod monotone;
mod registers;
mod signal;
mod state;
mod sums;
mod survey;
mod view;
mod zone;

pub use catalogue::{FEATURES, Feature, FeatureSpec, Group};
pub use compute::compute;
pub use document::document;
pub use market::{Conditions, Market};
pub use monotone::{Direction, monotone};
pub(crate) use registers::{TextHash, hash_text, mix};
pub use signal::Signal;
pub use state::{HourOfWeek, LeadState, StateError};
pub use survey::Survey;
pub use view::{
    ATTRIBUTE_PREFIX, Column, ColumnKind, FeatureView, MAX_ATTRIBUTE_COLUMNS, MAX_WIDTH, OTHER, ViewError, schema_hash,
};
pub(crate) use view::{CHANNEL, Meaning};
pub(crate) use zone::local_hour;

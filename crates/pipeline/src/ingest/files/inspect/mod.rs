//! Drafting a mapping from a file.

use std::path::Path;

use super::{ImportError, Kind, Mapping};

/// How a file is looked at.
#[derive(Debug, Clone)]
pub struct InspectOptions {
    /// What the rows are; absent: guessed.
    pub kind: Option<Kind>,
    /// Column with the outcome; absent: guessed.
    pub outcome: Option<String>,
    /// Rows that are looked at, from the start and spread evenly over the file; at least 100.
    pub sample_rows: usize,
}

impl Default for InspectOptions {
    fn default() -> Self {
        Self { kind: None, outcome: None, sample_rows: 30_000 }
    }
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The draft: to be read and confirmed.
    pub mapping: Mapping,
    /// What a person should look at.
    pub warnings: Vec<Warning>,
    /// Rows of the file, without bad ones.
    pub rows: u64,
    /// Rows that cannot be read and will be rejected.
    pub bad_rows: u64,
}

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The column, where it is about one.
    pub column: Option<String>,
    /// What kind.
    pub kind: WarningKind,
    /// What was seen, in one line.
    pub text: String,
}

/// What kind of warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WarningKind {
    /// Nearly determines the outcome, exists only for winners or losers, or is filled in after contact.
    Leak,
    /// Might be a leak: kept in the draft.
    PossibleLeak,
    /// Names a record.
    Id,
    /// A protected characteristic or a proxy of one.
    Protected,
    /// Dates that can be read in two ways.
    AmbiguousDate,
    /// A number that may stand for "unknown".
    Sentinel,
    /// Rows or bytes that cannot be read.
    Unreadable,
    /// A choice of the draft that a person must confirm.
    Confirm,
}

/// Drafts a mapping.
///
/// # Errors
/// See [`ImportError`].
pub fn inspect(path: &Path, options: &InspectOptions) -> Result<Inspection, ImportError> {
    let _ = (path, options);
    todo!()
}

//! Why an inspection or import could not be carried out.

use std::path::PathBuf;

use leadscore_store::StoreError;

/// Why a file could not be inspected or imported, each in one line and by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The path leads nowhere, to a folder, or to something unreadable.
    #[error("{}: {problem}", path.display())]
    Unreadable {
        /// What was asked for.
        path: PathBuf,
        /// Why it cannot be read.
        problem: String,
    },
    /// The file holds no rows.
    #[error("{}: holds no rows{hint}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What may be the matter, or nothing.
        hint: &'static str,
    },
    /// The file breaks off: a truncated gzip, a disk error. What stood before was imported; a further run goes on there.
    #[error("{}: breaks off after row {row} ({problem}); the rows before it are imported: get the file again whole", path.display())]
    BrokenOff {
        /// The file.
        path: PathBuf,
        /// The last row that was read whole.
        row: u64,
        /// What the reader said.
        problem: String,
    },
    /// The file's bytes are in a form that is not read.
    #[error("{}: {problem}; {remedy}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// Columns that the mapping names are not in the file.
    #[error("{}: has no column {}; it has {found}{hint}", path.display(), missing.join(", "))]
    ColumnsMissing {
        /// The file.
        path: PathBuf,
        /// The columns that are named but absent.
        missing: Vec<String>,
        /// The columns that are there, shortened.
        found: String,
        /// What may be the matter, such as another delimiter.
        hint: String,
    },
    /// The mapping contradicts itself or the kind of import.
    #[error("mapping: {field}: {problem}; {remedy}")]
    Mapping {
        /// Which entry.
        field: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// The rejects file cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Rejects {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store failed; nothing of the batch was kept, and a further run goes on there.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
}

impl ImportError {
    /// A contradiction in the mapping.
    pub(super) fn mapping(
        field: impl std::fmt::Display,
        problem: impl std::fmt::Display,
        remedy: impl std::fmt::Display,
    ) -> Self {
        Self::Mapping { field: field.to_string(), problem: problem.to_string(), remedy: remedy.to_string() }
    }
}

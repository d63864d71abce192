//! How far an import got, committed with the rows that it counts.

use crate::{Store, StoreError};

/// How far an import of one file got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// SHA-256, hexadecimal, of what identifies the import: the file's fingerprint, its kind and its mapping.
    pub key: String,
    /// Rows read, from the start of the file.
    pub row: u64,
    /// Rows that became events.
    pub imported: u64,
    /// Rows that were there already.
    pub duplicates: u64,
    /// Rows that were refused.
    pub rejected: u64,
    /// Whether the end of the file was reached.
    pub done: bool,
}

impl Store {
    /// How far the import named `key` got, if it ever began.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn import_checkpoint(&self, key: &str) -> Result<Option<Checkpoint>, StoreError> {
        let _ = key;
        todo!()
    }
}

//! Importing a file: batches of rows become events or market snapshots, committed together with the place reached.

use std::{path::{Path, PathBuf}, sync::Arc};

use leadscore_domain::{Clock, Region};
use leadscore_store::Store;

use super::{ImportError, Kind, Mapping};

/// How an import is carried out.
#[derive(Clone)]
pub struct ImportOptions {
    /// Country of telephone numbers without a prefix.
    pub region: Region,
    /// The present: nothing may lie after it.
    pub clock: Arc<dyn Clock>,
    /// Where rejected rows are written; absent: beside the file, as `<file>.rejects.csv`.
    pub rejects: Option<PathBuf>,
    /// Rows in one transaction, 1 to 4,000.
    pub batch_rows: usize,
}

/// How far an import has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportProgress {
    /// Bytes of the file that were read.
    pub read_bytes: u64,
    /// Bytes of the file.
    pub total_bytes: u64,
    /// Rows done, with those of earlier runs.
    pub rows: u64,
    /// Rows rejected, with those of earlier runs.
    pub rejected: u64,
}

/// What became of a file's rows: `rows` = `imported` + `duplicates` + `rejected` + `passed_over`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Rows of the file.
    pub rows: u64,
    /// Rows that became events or snapshots.
    pub imported: u64,
    /// Rows whose id was there already, with the same or another content.
    pub duplicates: u64,
    /// Rows that were refused; each stands in the rejects file.
    pub rejected: u64,
    /// Where the rejected rows are, if there are any.
    pub rejects_file: Option<PathBuf>,
    /// Row after which this run went on; `None` where it began at the first.
    pub resumed_from: Option<u64>,
}

/// Imports a file.
///
/// # Errors
/// See [`ImportError`]; a bad row is no error but a reject.
pub async fn import(
    store: &Store,
    kind: Kind,
    path: &Path,
    mapping: Option<&Mapping>,
    options: &ImportOptions,
    progress: &(dyn Fn(ImportProgress) + Send + Sync),
) -> Result<Summary, ImportError> {
    let _ = (store, kind, path, mapping, options, progress);
    todo!()
}

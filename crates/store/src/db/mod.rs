//! Opening.

use std::{path::PathBuf, sync::Arc};

use leadscore_domain::Clock;

use crate::{MasterKey, StoreError};

/// Where and how to open a store.
#[derive(Clone)]
pub struct StoreOptions {
    /// The folder that holds everything; made with permissions 0700 where it is missing.
    pub folder: PathBuf,
    /// Partitions of the log of a new folder; an existing folder keeps the number that it was made with.
    pub partitions: u16,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// The master key; `None` reads `master.key` in the folder, and makes it for a new folder.
    pub master_key: Option<MasterKey>,
}

impl StoreOptions {
    /// Partitions of the log unless said otherwise.
    pub const PARTITIONS: u16 = 8;

    /// The defaults for a folder.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self { folder: folder.into(), partitions: Self::PARTITIONS, clock, master_key: None }
    }
}

/// A handle to an open store. Clones share one writer and one pool of readers.
#[derive(Clone)]
pub struct Store(());

impl Store {
    /// Opens the folder, making and migrating it where needed.
    ///
    /// # Errors
    /// [`StoreError::WrongKey`], [`StoreError::SchemaTooNew`], [`StoreError::Corrupt`], [`StoreError::Io`]; where the
    /// database fails.
    pub async fn open(options: StoreOptions) -> Result<Self, StoreError> {
        let _ = options;
        todo!()
    }

    /// Writes what waits, then closes. Later calls answer [`StoreError::Closed`].
    pub async fn close(&self) {
        let _ = self.0;
        todo!()
    }

    /// Partitions of the log.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        todo!()
    }
}

//! Model bundles in a folder: immutable versions, and the aliases that point at them.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use leadscore_domain::{Clock, Timestamp};
use serde::{Deserialize, Serialize};

/// Why the registry did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No such version.
    #[error("there is no model {0}")]
    UnknownVersion(String),
    /// There is nothing to roll back to.
    #[error("alias {0} has no earlier version")]
    NothingEarlier(String),
    /// The request itself is wrong.
    #[error("{0}")]
    Refused(String),
    /// The list of aliases is damaged: restore it from a backup.
    #[error("{path} is damaged")]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

/// One change of an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasChange {
    /// The alias, such as `champion`.
    pub alias: String,
    /// Where it points since.
    pub version: String,
    /// Where it pointed before.
    pub previous: Option<String>,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A folder of model bundles. Several processes may use it at the same time.
#[derive(Clone)]
pub struct Registry {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
}

impl Registry {
    /// Opens the registry in `folder`, making it where it is missing.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub fn open(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self, RegistryError> {
        let _ = (folder, clock);
        todo!()
    }

    /// Keeps a bundle under a new version, `v1`, `v2`, …: all of it or nothing, and never over another.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] for no files, names with path separators, or too much; where the file system fails.
    pub fn put(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<String, RegistryError> {
        let _ = files;
        todo!()
    }

    /// The files of a version, as they were put. Their hashes are the bundle's to check.
    ///
    /// # Errors
    /// [`RegistryError::UnknownVersion`]; where the file system fails.
    pub fn files(&self, version: &str) -> Result<BTreeMap<String, Vec<u8>>, RegistryError> {
        let _ = version;
        todo!()
    }

    /// Every version, the oldest first.
    ///
    /// # Errors
    /// Where the file system fails.
    pub fn list(&self) -> Result<Vec<String>, RegistryError> {
        todo!()
    }

    /// The version that an alias points at.
    ///
    /// # Errors
    /// Where the list of aliases cannot be read.
    pub fn alias(&self, name: &str) -> Result<Option<String>, RegistryError> {
        let _ = name;
        todo!()
    }

    /// Points an alias at a version and records why.
    ///
    /// # Errors
    /// [`RegistryError::UnknownVersion`]; where the file system fails.
    pub fn set_alias(&self, name: &str, version: &str, reason: &str) -> Result<(), RegistryError> {
        let _ = (name, version, reason);
        todo!()
    }

    /// Points an alias back at the version before; which one that is. A second roll-back goes one further back.
    ///
    /// # Errors
    /// [`RegistryError::NothingEarlier`]; where the file system fails.
    pub fn rollback(&self, name: &str) -> Result<String, RegistryError> {
        let _ = name;
        todo!()
    }

    /// Every change of an alias, the oldest first.
    ///
    /// # Errors
    /// Where the list of aliases cannot be read.
    pub fn history(&self) -> Result<Vec<AliasChange>, RegistryError> {
        let _ = (&self.folder, &self.clock);
        todo!()
    }
}

//! Model bundles in a folder: immutable versions, and the aliases that point at them.
//!
//! Invariant: a version is there whole or not at all, and is never replaced; the list of aliases is replaced whole.
//! Writers of all processes take turns by a lock on a file. Deliberately absent: what the files mean, deletion.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use leadscore_domain::{Clock, Timestamp};
use serde::{Deserialize, Serialize};

use crate::keyring::{hex, random};

/// Most files of a bundle.
const FILES_MAX: usize = 64;
/// Longest name of a file or alias, in bytes.
const NAME_MAX_BYTES: usize = 128;
/// Most bytes of a bundle.
const BUNDLE_MAX_BYTES: u64 = 512 * 1024 * 1024;
/// Most bytes of the list of aliases.
const ALIASES_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// The list of aliases in the folder.
const ALIASES: &str = "aliases.json";
/// The file that writers lock.
const LOCK: &str = "lock";
/// How folders begin that are still being written.
const DRAFT_PREFIX: &str = ".draft-";

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

/// The list of aliases as it is written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Aliases {
    /// Where each alias points: the last of its stack; a roll-back takes that away.
    stacks: BTreeMap<String, Vec<String>>,
    history: Vec<AliasChange>,
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
        fs::create_dir_all(folder).map_err(io_at(folder))?;
        let registry = Self { folder: folder.to_owned(), clock };
        registry.remove_drafts()?;
        Ok(registry)
    }

    /// Keeps a bundle under a new version, `v1`, `v2`, …: all of it or nothing, and never over another.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] for no files, names with path separators, or too much; where the file system fails.
    pub fn put(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<String, RegistryError> {
        check(files)?;
        let _turn = self.lock()?;
        let mut suffix = [0; 8];
        random::fill(&mut suffix);
        let draft = self.folder.join(format!("{DRAFT_PREFIX}{}", hex(&suffix)));
        let number = self.numbers()?.last().map_or(1, |last| last + 1);
        let version = format!("v{number}");
        let put = || -> io::Result<()> {
            fs::create_dir(&draft)?;
            for (name, bytes) in files {
                write_synced(&draft.join(name), bytes)?;
            }
            File::open(&draft)?.sync_all()?;
            // A rename onto a folder that has files fails: even without the lock nothing could be replaced.
            fs::rename(&draft, self.folder.join(&version))?;
            File::open(&self.folder)?.sync_all()
        };
        put().map_err(io_at(&draft))?;
        Ok(version)
    }

    /// The files of a version, as they were put. Their hashes are the bundle's to check.
    ///
    /// # Errors
    /// [`RegistryError::UnknownVersion`]; [`RegistryError::Refused`] for a folder larger than a bundle may be; where
    /// the file system fails.
    pub fn files(&self, version: &str) -> Result<BTreeMap<String, Vec<u8>>, RegistryError> {
        let folder = self.version_folder(version)?;
        let mut files = BTreeMap::new();
        let mut left = BUNDLE_MAX_BYTES;
        for entry in fs::read_dir(&folder).map_err(io_at(&folder))? {
            let entry = entry.map_err(io_at(&folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let size = entry.metadata().map_err(io_at(entry.path()))?.len();
            left = left.checked_sub(size).ok_or_else(|| too_large(version))?;
            if files.len() == FILES_MAX {
                return Err(too_large(version));
            }
            files.insert(name, fs::read(entry.path()).map_err(io_at(entry.path()))?);
        }
        Ok(files)
    }

    /// One file of a version; `None` where it has no such file.
    ///
    /// # Errors
    /// As [`Self::files`].
    pub fn file(&self, version: &str, name: &str) -> Result<Option<Vec<u8>>, RegistryError> {
        check_name(name)?;
        let path = self.version_folder(version)?.join(name);
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_at(path)(error)),
            Ok(file) if file.len() > BUNDLE_MAX_BYTES => Err(too_large(name)),
            Ok(_) => fs::read(&path).map(Some).map_err(io_at(path)),
        }
    }

    /// Every version, the oldest first.
    ///
    /// # Errors
    /// Where the file system fails.
    pub fn list(&self) -> Result<Vec<String>, RegistryError> {
        Ok(self.numbers()?.into_iter().map(|number| format!("v{number}")).collect())
    }

    /// The version that an alias points at.
    ///
    /// # Errors
    /// Where the list of aliases cannot be read.
    pub fn alias(&self, name: &str) -> Result<Option<String>, RegistryError> {
        let aliases = self.read_aliases()?;
        Ok(aliases.stacks.get(name).and_then(|stack| stack.last()).cloned())
    }

    /// Points an alias at a version and records why.
    ///
    /// # Errors
    /// [`RegistryError::UnknownVersion`]; [`RegistryError::Refused`] for a name that is none; where the file system
    /// fails.
    pub fn set_alias(&self, name: &str, version: &str, reason: &str) -> Result<(), RegistryError> {
        check_name(name)?;
        self.version_folder(version)?;
        let _turn = self.lock()?;
        let mut aliases = self.read_aliases()?;
        let stack = aliases.stacks.entry(name.to_owned()).or_default();
        let previous = stack.last().cloned();
        if previous.as_deref() != Some(version) {
            stack.push(version.to_owned());
        }
        self.record(aliases, name, version, previous, reason)
    }

    /// Points an alias back at the version before; which one that is. A second roll-back goes one further back.
    ///
    /// # Errors
    /// [`RegistryError::NothingEarlier`]; where the file system fails.
    pub fn rollback(&self, name: &str) -> Result<String, RegistryError> {
        let _turn = self.lock()?;
        let mut aliases = self.read_aliases()?;
        let nothing = || RegistryError::NothingEarlier(name.to_owned());
        let stack = aliases.stacks.get_mut(name).ok_or_else(nothing)?;
        let [.., version, current] = stack.as_slice() else { return Err(nothing()) };
        let (version, current) = (version.clone(), current.clone());
        stack.pop();
        self.record(aliases, name, &version, Some(current), "rolled back")?;
        Ok(version)
    }

    /// Every change of an alias, the oldest first.
    ///
    /// # Errors
    /// Where the list of aliases cannot be read.
    pub fn history(&self) -> Result<Vec<AliasChange>, RegistryError> {
        Ok(self.read_aliases()?.history)
    }

    fn record(
        &self,
        mut aliases: Aliases,
        alias: &str,
        version: &str,
        previous: Option<String>,
        reason: &str,
    ) -> Result<(), RegistryError> {
        aliases.history.push(AliasChange {
            alias: alias.to_owned(),
            version: version.to_owned(),
            previous,
            reason: reason.to_owned(),
            at: self.clock.now(),
        });
        let path = self.folder.join(ALIASES);
        let draft = self.folder.join(format!("{DRAFT_PREFIX}{ALIASES}"));
        let json = serde_json::to_vec_pretty(&aliases).expect("aliases are plain data with string keys");
        let write = || -> io::Result<()> {
            write_synced(&draft, &json)?;
            fs::rename(&draft, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(io_at(&path))
    }

    fn read_aliases(&self) -> Result<Aliases, RegistryError> {
        let path = self.folder.join(ALIASES);
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Aliases::default()),
            Err(error) => return Err(io_at(path)(error)),
            Ok(file) if file.len() > ALIASES_MAX_BYTES => return Err(too_large(ALIASES)),
            Ok(_) => {}
        }
        let bytes = fs::read(&path).map_err(io_at(&path))?;
        serde_json::from_slice(&bytes).map_err(|source| RegistryError::Corrupt { path, source })
    }

    /// Numbers of the versions, in order.
    fn numbers(&self) -> Result<Vec<u64>, RegistryError> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(io_at(&self.folder))? {
            let name = entry.map_err(io_at(&self.folder))?.file_name();
            numbers.extend(name.to_str().and_then(number_of));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn version_folder(&self, version: &str) -> Result<PathBuf, RegistryError> {
        let unknown = || RegistryError::UnknownVersion(version.chars().take(NAME_MAX_BYTES).collect());
        let folder = self.folder.join(format!("v{}", number_of(version).ok_or_else(unknown)?));
        if folder.is_dir() { Ok(folder) } else { Err(unknown()) }
    }

    /// This process's turn to write, until the answer is dropped.
    fn lock(&self) -> Result<File, RegistryError> {
        let path = self.folder.join(LOCK);
        let lock = || {
            let file = File::options().create(true).truncate(false).write(true).open(&path)?;
            file.lock().map(|()| file)
        };
        lock().map_err(io_at(&path))
    }

    /// Removes what a process left behind that was killed while it wrote.
    fn remove_drafts(&self) -> Result<(), RegistryError> {
        let _turn = self.lock()?;
        for entry in fs::read_dir(&self.folder).map_err(io_at(&self.folder))? {
            let entry = entry.map_err(io_at(&self.folder))?;
            if entry.file_name().to_string_lossy().starts_with(DRAFT_PREFIX) {
                let path = entry.path();
                let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                removed.map_err(io_at(path))?;
            }
        }
        Ok(())
    }
}

/// The number in `v3`; `None` for `3`, `v03` and everything else.
fn number_of(version: &str) -> Option<u64> {
    let number: u64 = version.strip_prefix('v')?.parse().ok()?;
    (format!("v{number}") == version).then_some(number)
}

fn check(files: &BTreeMap<String, Vec<u8>>) -> Result<(), RegistryError> {
    if files.is_empty() {
        return Err(RegistryError::Refused("a bundle without files".to_owned()));
    }
    let size_bytes: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
    if files.len() > FILES_MAX || size_bytes > BUNDLE_MAX_BYTES {
        return Err(too_large("the bundle"));
    }
    files.keys().try_for_each(|name| check_name(name))
}

/// Only plain names: a name must never lead out of its folder.
fn check_name(name: &str) -> Result<(), RegistryError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > NAME_MAX_BYTES || name.starts_with('.') || !name.chars().all(plain) {
        return Err(RegistryError::Refused(format!(
            "names have 1 to {NAME_MAX_BYTES} letters, digits, dots, dashes or underscores and do not begin with a dot"
        )));
    }
    Ok(())
}

fn too_large(what: &str) -> RegistryError {
    RegistryError::Refused(format!("{what} is larger than {BUNDLE_MAX_BYTES} bytes or has over {FILES_MAX} files"))
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn io_at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> RegistryError {
    let path = path.into();
    move |source| RegistryError::Io { path, source }
}

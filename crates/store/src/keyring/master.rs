//! The master key and its file.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    str::FromStr,
};

use leadscore_domain::Invalid;

use super::{hex, random, unhex};
use crate::{StoreError, error::io_at};

/// The file of the master key in the folder.
const FILE: &str = "master.key";
/// The file of the one that is about to replace it.
const NEXT_FILE: &str = "master.key.next";

/// The key that everything else hangs on: 32 bytes, written as 64 hexadecimal digits.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl FromStr for MasterKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = || Invalid::new("master_key", "is not a key", "give 64 hexadecimal digits");
        unhex(text.trim()).and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or_else(refuse)
    }
}

impl MasterKey {
    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key of an existing folder, and the next one where an exchange broke off.
    pub(crate) fn candidates(folder: &Path) -> Result<Vec<Self>, StoreError> {
        let mut keys = vec![Self::read(&folder.join(FILE))?];
        let next = folder.join(NEXT_FILE);
        if next.exists() {
            // What was cut off was never used.
            keys.extend(Self::read(&next));
        }
        Ok(keys)
    }

    fn read(path: &Path) -> Result<Self, StoreError> {
        match fs::read_to_string(path) {
            Ok(text) => text.parse().map_err(|_| StoreError::WrongKey(format!("{} holds no key", path.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::WrongKey(format!(
                "{} is missing; restore it, or name its file in store.master_key_file",
                path.display()
            ))),
            Err(error) => Err(io_at(path)(error)),
        }
    }

    /// A new one beside that of a folder, on the disk.
    pub(crate) fn draft(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(NEXT_FILE);
        let mut key = [0; 32];
        random::fill(&mut key);
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
            writeln!(file, "{}", hex(&key))?;
            file.sync_all()?;
            fs::File::open(folder)?.sync_all()
        };
        write().map_err(io_at(&path))?;
        Ok(Self(key))
    }

    /// Puts the new one in the place of the old one.
    pub(crate) fn settle(folder: &Path) -> Result<(), StoreError> {
        let rename = || {
            fs::rename(folder.join(NEXT_FILE), folder.join(FILE))?;
            fs::File::open(folder)?.sync_all()
        };
        rename().map_err(io_at(folder.join(FILE)))
    }

    /// The key of a new folder: made now, unless another process made it first.
    pub(crate) fn read_or_create(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        if path.exists() {
            return Self::read(&path);
        }
        let mut key = [0; 32];
        random::fill(&mut key);
        let mut suffix = [0; 8];
        random::fill(&mut suffix);
        let draft = folder.join(format!("{FILE}.{}", hex(&suffix)));
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            writeln!(file, "{}", hex(&key))?;
            file.sync_all()?;
            // A link, unlike a rename, never replaces the key that another process has just made.
            match fs::hard_link(&draft, &path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Ok(()) | Err(_) => {}
            }
            fs::remove_file(&draft)?;
            fs::File::open(folder)?.sync_all()
        };
        write().map_err(io_at(&path))?;
        Self::read(&path)
    }
}

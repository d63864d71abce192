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

use super::{hex, random};
use crate::{StoreError, error::io_at};

/// The file of the master key in the folder.
const FILE: &str = "master.key";

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
        let text = text.trim();
        if text.len() != 64 || !text.is_ascii() {
            return Err(refuse());
        }
        let mut key = [0; 32];
        for (i, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| refuse())?;
        }
        Ok(Self(key))
    }
}

impl MasterKey {
    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key of an existing folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => text.parse().map_err(|_| StoreError::WrongKey(format!("{} holds no key", path.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::WrongKey(format!(
                "{} is missing; restore it, or name its file in store.master_key_file",
                path.display()
            ))),
            Err(error) => Err(io_at(path)(error)),
        }
    }

    /// The key of a new folder: made now, unless another process made it first.
    pub(crate) fn read_or_create(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        if path.exists() {
            return Self::read(folder);
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
        Self::read(folder)
    }
}

//! The root key: random, made with the database, and kept in it, wrapped by the master key.

use hkdf::Hkdf;
use sha2::Sha256;

use super::{DataKey, MasterKey, hex, random, unhex};

/// What binds the wrapped key to what it is.
const BINDING: &[u8] = b"root key";

/// The key that all others are derived from.
pub(crate) struct RootKey([u8; 32]);

impl RootKey {
    /// A new one, for a new database.
    pub(crate) fn random() -> Self {
        let mut key = [0; 32];
        random::fill(&mut key);
        Self(key)
    }

    /// That of databases which were made before there were root keys: the master key itself.
    pub(crate) const fn of_master(master: &MasterKey) -> Self {
        Self(*master.bytes())
    }

    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its form for the database, in hexadecimal digits.
    pub(crate) fn wrap(&self, master: &MasterKey) -> String {
        hex(&wrapping(master).seal(BINDING, &self.0))
    }

    /// What [`Self::wrap`] wrapped; `None` where the master key is another one.
    pub(crate) fn unwrap(wrapped: &str, master: &MasterKey) -> Option<Self> {
        let bytes = wrapping(master).open(BINDING, &unhex(wrapped)?)?;
        bytes.try_into().ok().map(Self)
    }
}

fn wrapping(master: &MasterKey) -> DataKey {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(b"leadscore"), master.bytes())
        .expand(b"wrapping of the root key", &mut key)
        .expect("32 bytes are a valid length for HKDF-SHA-256");
    DataKey::new(&key)
}

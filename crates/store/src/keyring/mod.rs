//! Keys: one master key outside of the database, which wraps the root key in it; sub-keys derived from that, and one data
//! key per lead that seals all that is personal.
//!
//! Invariant: whoever has the database without the master key has no personal data; whoever destroys a lead's wrapped
//! key has destroyed what it sealed. The master key can be exchanged at any time: the root key is wrapped anew, and
//! nothing else changes. Sub-keys: HKDF-SHA-256 (RFC 5869) with one label each. Sealing:
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) with random nonces of 24 bytes. Handles are looked up by HMAC-SHA-256
//! of their normal form. Deliberately absent: rotation of the root key.

mod data_key;
mod master;
pub(crate) mod random;
mod root;

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use leadscore_domain::{Identity, LeadId};
use moka::sync::Cache;
use sha2::Sha256;
use uuid::Uuid;

pub(crate) use self::data_key::DataKey;
pub use self::master::MasterKey;
pub(crate) use self::root::RootKey;
use crate::StoreError;

/// Most unwrapped data keys held in memory.
const KEYS_MAX: u64 = 65_536;

/// What a handle is looked up by.
pub(crate) type Lookup = [u8; 32];

/// The root key, and everything that is derived from it.
pub(crate) struct Keyring {
    root: RootKey,
    wrapping: DataKey,
    accounts: DataKey,
    dead_letters: DataKey,
    answers: DataKey,
    signing_keys: DataKey,
    audit_reasons: DataKey,
    audit_signatures: SigningKey,
    webhooks: DataKey,
    lookup: Hmac<Sha256>,
    check: [u8; 32],
    keys: Cache<LeadId, Arc<DataKey>>,
}

impl Keyring {
    pub(crate) fn new(root: RootKey) -> Self {
        let derive = |label: &str| {
            let mut key = [0; 32];
            Hkdf::<Sha256>::new(Some(b"leadscore"), root.bytes())
                .expand(label.as_bytes(), &mut key)
                .expect("32 bytes are a valid length for HKDF-SHA-256");
            key
        };
        Self {
            wrapping: DataKey::new(&derive("wrapping of data keys")),
            accounts: DataKey::new(&derive("accounts")),
            dead_letters: DataKey::new(&derive("dead letters")),
            answers: DataKey::new(&derive("kept answers")),
            signing_keys: DataKey::new(&derive("signing keys")),
            audit_reasons: DataKey::new(&derive("audit reasons")),
            audit_signatures: SigningKey::from_bytes(&derive("audit signatures")),
            webhooks: DataKey::new(&derive("secrets of webhooks")),
            lookup: Hmac::new_from_slice(&derive("look-up of handles")).expect("HMAC takes keys of any length"),
            check: derive("check value"),
            keys: Cache::new(KEYS_MAX),
            root,
        }
    }

    /// What everything is derived from.
    pub(crate) const fn root(&self) -> &RootKey {
        &self.root
    }

    /// Tells whether a root key is the right one, and nothing else about it.
    pub(crate) fn check_value(&self) -> String {
        hex(&self.check)
    }

    /// What a handle is looked up by; equal for equal handles, and meaningless without the master key.
    pub(crate) fn lookup(&self, identity: &Identity) -> Lookup {
        self.keyed_hash(identity.kind().as_str(), identity.value())
    }

    /// What an account is looked up by; never equal to that of a lead's handle.
    pub(crate) fn account_lookup(&self, email: &str) -> Lookup {
        self.keyed_hash("account", email)
    }

    /// What stands for the address that a client comes from.
    pub(crate) fn client_lookup(&self, address: &str) -> Lookup {
        self.keyed_hash("client", address)
    }

    /// What stands for a lead outside: equal for equal leads, and meaningless without the master key.
    pub(crate) fn pseudonym(&self, lead: LeadId) -> Lookup {
        self.keyed_hash("pseudonym", &lead.to_string())
    }

    /// Seals and opens what belongs to an account.
    pub(crate) fn accounts(&self) -> &DataKey {
        &self.accounts
    }

    /// Seals and opens what could not be applied.
    pub(crate) fn dead_letters(&self) -> &DataKey {
        &self.dead_letters
    }

    /// Seals and opens the private keys that sign tokens.
    pub(crate) fn signing_keys(&self) -> &DataKey {
        &self.signing_keys
    }

    /// Seals and opens answers that are kept outside of the database for a while.
    pub(crate) fn answers(&self) -> &DataKey {
        &self.answers
    }

    /// Seals and opens reasons in the audit log that are about no lead.
    pub(crate) fn audit_reasons(&self) -> &DataKey {
        &self.audit_reasons
    }

    /// Signs the audit log. Derived, so that all processes that share a master key sign alike, and it is kept where that
    /// one is.
    pub(crate) fn audit_signatures(&self) -> &SigningKey {
        &self.audit_signatures
    }

    /// Seals and opens the secrets that webhooks are signed with.
    pub(crate) fn webhooks(&self) -> &DataKey {
        &self.webhooks
    }

    /// A new data key for a new lead, and its wrapped form for the database.
    pub(crate) fn create(&self, lead: LeadId) -> (Arc<DataKey>, Vec<u8>) {
        let mut bytes = [0; 32];
        random::fill(&mut bytes);
        let key = Arc::new(DataKey::new(&bytes));
        self.keys.insert(lead, Arc::clone(&key));
        (key, self.wrapping.seal(lead.0.as_bytes(), &bytes))
    }

    /// The data key of a lead from its wrapped form.
    pub(crate) fn unwrap(&self, lead: LeadId, wrapped: &[u8]) -> Result<Arc<DataKey>, StoreError> {
        if let Some(key) = self.keys.get(&lead) {
            return Ok(key);
        }
        let damaged = || StoreError::Corrupt(format!("the data key of lead {lead}"));
        let bytes = self.wrapping.open(lead.0.as_bytes(), wrapped).ok_or_else(damaged)?;
        let key = Arc::new(DataKey::new(&<[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| damaged())?));
        self.keys.insert(lead, Arc::clone(&key));
        Ok(key)
    }

    /// The data key of a lead that was unwrapped here not long ago. The lead may have been merged or erased since.
    pub(crate) fn remembered(&self, lead: LeadId) -> Option<Arc<DataKey>> {
        self.keys.get(&lead)
    }

    /// Forgets the data key of an erased lead.
    pub(crate) fn forget(&self, lead: LeadId) {
        self.keys.invalidate(&lead);
    }

    fn keyed_hash(&self, kind: &str, value: &str) -> Lookup {
        let mut mac = self.lookup.clone();
        mac.update(kind.as_bytes());
        mac.update(&[0]);
        mac.update(value.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// What a lead's name is bound to, so that no other sealed value of the lead passes for it.
pub(crate) fn name_binding(lead: LeadId) -> Vec<u8> {
    [lead.0.as_bytes(), b"name".as_slice()].concat()
}

/// A new id that sorts by its time (UUID version 7, RFC 9562).
pub(crate) fn timed_id(now: leadscore_domain::Timestamp) -> Uuid {
    let mut bytes = [0; 10];
    random::fill(&mut bytes);
    let millis = u64::try_from(now.as_micros() / 1_000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

/// The bytes of hexadecimal digits; `None` where they are none.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let is_hex = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| text.as_bytes().chunks(2).map(pair).collect()).flatten()
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

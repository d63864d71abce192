//! Tokens that stand for leads in examples.

use leadscore_domain::LeadId;
use sha2::{Digest, Sha256};

/// Makes tokens under the key of a run: the same lead has the same token in every run of the same seed, so that a run
/// can be repeated. Nothing about the person enters but the random bits of the lead's id, and tokens are never written
/// down: models hold none, and reports name leads by CRM id.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenKey([u8; 32]);

impl TokenKey {
    /// The key of a run.
    pub(super) fn new(seed: u64) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"leadscore training token v1\0");
        digest.update(seed.to_be_bytes());
        Self(digest.finalize().into())
    }

    /// The token of a lead: the first eight bytes of SHA-256 over key and id, both of fixed length.
    pub(super) fn token(&self, lead: LeadId) -> u64 {
        let mut digest = Sha256::new();
        digest.update(self.0);
        digest.update(lead.0.as_bytes());
        let bytes: [u8; 32] = digest.finalize().into();
        let mut first = [0; 8];
        first.copy_from_slice(&bytes[..8]);
        u64::from_be_bytes(first)
    }
}

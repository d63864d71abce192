//! Tokens that stand for leads in examples.

use leadscore_domain::Event;
use sha2::{Digest, Sha256};

/// Makes tokens under the key of a run: the same lead has the same token in every run of the same seed, also where the
/// same files were imported anew and the lead has another id, so that a run can be repeated. Nothing about the person
/// enters but the id of the first event, and tokens are never written down: models hold none, and reports name leads by
/// CRM id.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenKey([u8; 32]);

impl TokenKey {
    /// The key of a run.
    pub(super) fn new(seed: u64) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"leadscore training token v2\0");
        digest.update(seed.to_be_bytes());
        Self(digest.finalize().into())
    }

    /// The token of a lead with these events: the first eight bytes of SHA-256 over the key and the id of the event
    /// that was received first, both of fixed length. Whatever is received later does not change it.
    pub(super) fn token(&self, events: &[Event]) -> u64 {
        let first = events.iter().map(|event| (event.received_at, event.id)).min();
        let mut digest = Sha256::new();
        digest.update(self.0);
        if let Some((_, id)) = first {
            digest.update(id.0.as_bytes());
        }
        let bytes: [u8; 32] = digest.finalize().into();
        let mut token = [0; 8];
        token.copy_from_slice(&bytes[..8]);
        u64::from_be_bytes(token)
    }
}

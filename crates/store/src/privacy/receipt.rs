//! What was done for a request, to be kept when everything else is gone.
//!
//! Invariant: it names leads, users and requests by their ids and holds no personal data; its digest is that of
//! everything else in it, so that whoever was given a receipt can tell whether it is still the same.

use std::collections::BTreeMap;

use leadscore_domain::{LeadId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{PrivacyRequest, RequestKind, RequestStatus};
use crate::{audit::Actor, keyring::hex};

/// The proof of what was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Of which request.
    pub request_id: Uuid,
    /// What was asked for.
    pub kind: RequestKind,
    /// How it ended.
    pub outcome: RequestStatus,
    /// The lead, and those that were one with it.
    pub leads: Vec<LeadId>,
    /// When the person asked.
    pub received_at: Timestamp,
    /// When it was over.
    pub finished_at: Timestamp,
    /// Who approved or did it.
    pub by: Actor,
    /// How much of what: `events`, `identities`, `scores` and so on.
    pub counts: BTreeMap<String, u64>,
    /// Whether an erasure was done again over a database that was restored from an older copy.
    #[serde(default)]
    pub replayed: bool,
    /// SHA-256 of what was handed out, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_sha256: Option<String>,
    /// SHA-256 of this receipt as JSON with an empty digest, hexadecimal.
    pub digest: String,
}

impl Receipt {
    /// The receipt of a request that ends now; its digest is made by [`Self::sealed`].
    pub(super) fn new(request: &PrivacyRequest, outcome: RequestStatus, leads: Vec<LeadId>, now: Timestamp) -> Self {
        Self {
            request_id: request.id,
            kind: request.kind,
            outcome,
            leads,
            received_at: request.received_at,
            finished_at: now,
            by: request.decided_by.unwrap_or(request.opened_by),
            counts: BTreeMap::new(),
            replayed: false,
            content_sha256: None,
            digest: String::new(),
        }
    }

    pub(super) fn with_counts(mut self, counts: impl IntoIterator<Item = (&'static str, u64)>) -> Self {
        self.counts.extend(counts.into_iter().map(|(name, count)| (name.to_owned(), count)));
        self
    }

    /// With its digest.
    pub(super) fn sealed(mut self) -> Self {
        self.digest = self.digest_of();
        self
    }

    /// Whether its digest is that of what it says.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.digest == self.digest_of()
    }

    fn digest_of(&self) -> String {
        let bare = Self { digest: String::new(), ..self.clone() };
        hex(&Sha256::digest(serde_json::to_vec(&bare).expect("a receipt is plain data with string keys")))
    }
}

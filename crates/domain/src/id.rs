//! Identifiers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Invalid;

/// A lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeadId(pub Uuid);

/// An event. Derived from its source and the source's own id, so that the same event always has the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

/// Namespace of event ids (a random UUID, fixed for ever).
const EVENT_NAMESPACE: Uuid = Uuid::from_u128(0x6e0f_4c1b_9a34_4f57_8d21_0c5b_77aa_12e9);

impl EventId {
    /// The id of `source_event_id` as `source` names it (UUID version 5, RFC 9562).
    #[must_use]
    pub fn derive(source: &str, source_event_id: &str) -> Self {
        let mut name = Vec::with_capacity(source.len() + 1 + source_event_id.len());
        name.extend_from_slice(source.as_bytes());
        name.push(0);
        name.extend_from_slice(source_event_id.as_bytes());
        Self(Uuid::new_v5(&EVENT_NAMESPACE, &name))
    }
}

impl fmt::Display for LeadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LeadId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(Self).map_err(|_| Invalid::new("lead_id", "is not a UUID", "send the id that the server gave"))
    }
}

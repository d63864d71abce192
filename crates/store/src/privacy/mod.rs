//! What people ask for by their rights over their data (GDPR Art. 15 to 22): requests with deadlines, and receipts.
//!
//! Owns: `privacy_requests`, `privacy_exports`, and the erasure ledger beside the database. Invariants: a request is
//! carried out by one process at a time, and by another where that one died; each step can be done again. What a person
//! wrote is sealed under the lead's key and goes with the lead; a receipt stays, and says nothing of anybody but which
//! ids. Deliberately absent: what an export explains, which takes a model.

mod carry_out;
mod export;
pub(crate) mod ledger;
mod receipt;
mod requests;

use leadscore_domain::{LeadId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::{
    export::Export,
    receipt::Receipt,
    requests::{Decided, NewRequest, RequestFilter},
};
use crate::audit::Actor;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// A copy of everything (Art. 15, 20).
    Access,
    /// What is wrong is put right (Art. 16).
    Rectification,
    /// The data is kept and not used (Art. 18).
    Restriction,
    /// No profiling (Art. 21).
    Objection,
    /// Everything is destroyed (Art. 17).
    Erasure,
    /// A person looks at what a machine decided (Art. 22(3)).
    Contest,
}

impl RequestKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Access, Self::Rectification, Self::Restriction, Self::Objection, Self::Erasure, Self::Contest];

    /// Whether the server does it, once somebody who may has approved it; otherwise a person does.
    #[must_use]
    pub const fn is_carried_out(self) -> bool {
        match self {
            Self::Access | Self::Restriction | Self::Objection | Self::Erasure => true,
            Self::Rectification | Self::Contest => false,
        }
    }
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestStatus {
    /// It waits for somebody to approve, take or refuse it.
    Open,
    /// The server carries it out, or a person is at it.
    InProgress,
    /// It was done.
    Done,
    /// It was refused, for a reason.
    Refused,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivacyRequest {
    /// By which it is found.
    pub id: Uuid,
    /// What is asked for.
    pub kind: RequestKind,
    /// Where it stands.
    pub status: RequestStatus,
    /// Whose data it is about.
    pub lead_id: LeadId,
    /// Who wrote it down.
    pub opened_by: Actor,
    /// Who approved, took or refused it.
    pub decided_by: Option<Actor>,
    /// When the person asked.
    pub received_at: Timestamp,
    /// By when they must have their answer.
    pub due_at: Timestamp,
    /// When that was put off.
    pub extended_at: Option<Timestamp>,
    /// What the person said; gone with the lead, like the two below.
    pub note: Option<String>,
    /// Why the deadline was put off.
    pub extension_reason: Option<String>,
    /// Why it was refused, or what came of it.
    pub decision: Option<String>,
    /// What was done; there once it is over.
    pub receipt: Option<Receipt>,
    /// Until when an export can be fetched.
    pub export_expires_at: Option<Timestamp>,
    /// When a restriction or an objection ended.
    pub lifted_at: Option<Timestamp>,
    /// When it was written down.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
}

impl PrivacyRequest {
    /// Whether the deadline passed before it was over.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.finished_at.unwrap_or(now) > self.due_at
    }
}

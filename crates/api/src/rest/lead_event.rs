//! What requests about one lead become: events, since nothing else changes a lead.
//!
//! Invariant: an event goes to the lead that the address names. The sender's own ids count within that lead, so that
//! nobody learns from one of them what others have sent.

use axum::http::StatusCode;
use leadscore_domain::{
    EventBody, EventEnvelope, Invalid, LeadId, PendingEvent, RawIdentity, Timestamp, event::LeadRef,
};
use leadscore_store::Appended;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    idempotency::Key,
    problem::{Code, Problem},
    rest::{create_lead::as_sent, unavailable},
    state::Api,
};

/// The source of events that the API makes.
pub const SOURCE: &str = "api";
/// Longest id of the sender's own: with the lead's it is an event's.
const OWN_ID_MAX_BYTES: usize = 200;

/// What a request says of a lead.
pub struct LeadEvent {
    /// The lead of the address.
    pub lead: LeadId,
    /// Handles that join it.
    pub identities: Vec<RawIdentity>,
    /// When it happened; now, where that is left out.
    pub occurred_at: Option<Timestamp>,
    /// The sender's own id of the message.
    pub source_event_id: Option<String>,
    /// What happened.
    pub body: EventBody,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordedEvent {
    /// The lead. Where it was merged into another, that one.
    lead_id: Uuid,
    /// The event that was appended to its history.
    event_id: Uuid,
    /// Whether it is new; `false` where the same message was there before.
    recorded: bool,
}

impl RecordedEvent {
    /// Created, or there before.
    pub const fn status(&self) -> StatusCode {
        if self.recorded { StatusCode::CREATED } else { StatusCode::OK }
    }
}

impl LeadEvent {
    /// Checks it. Without an id of the sender's own, that of the `Idempotency-Key` is taken, or a new one.
    ///
    /// # Errors
    /// [`Code::InvalidField`].
    pub fn check(self, api: &Api, key: Option<&Key>) -> Result<PendingEvent, Problem> {
        let Self { lead, identities, occurred_at, source_event_id, body } = self;
        if let Some(own) = &source_event_id
            && (own.trim().is_empty() || own.len() > OWN_ID_MAX_BYTES)
        {
            let remedy = format!("send 1 to {OWN_ID_MAX_BYTES} bytes");
            return Err(Invalid::new("source_event_id", "is empty or too long", remedy).into());
        }
        let id = match (source_event_id, key) {
            (Some(own), _) => format!("{lead} {own}"),
            (None, Some(key)) => format!("key-{}", key.as_str()),
            (None, None) => api.ids.next(),
        };
        let now = api.clock.now();
        let envelope = EventEnvelope {
            source: SOURCE.to_owned(),
            source_event_id: id,
            lead: LeadRef { lead_id: Some(lead), identities },
            occurred_at: occurred_at.unwrap_or(now),
            body,
        };
        let pending = envelope.validate(now, api.region).map_err(as_sent)?;
        if pending.is_late(api.limits.late_max_us) {
            return Err(Problem::new(Code::InvalidField, "It lies too far back to be applied.")
                .field("occurred_at")
                .remedy("send a later instant; POST /api/v1/events keeps late events aside"));
        }
        Ok(pending)
    }
}

/// Appends a checked event.
///
/// # Errors
/// Where the store refuses it or fails.
pub async fn append(api: &Api, pending: PendingEvent) -> Result<RecordedEvent, Problem> {
    let appended = api.store.append(vec![pending], None).await.map_err(unavailable)?.pop();
    let (lead_id, event_id, recorded) = match appended.expect("the store answers for each event") {
        Appended::Applied { lead_id, event_id, .. } => (lead_id, event_id, true),
        Appended::Duplicate { lead_id, event_id } => (lead_id, event_id, false),
        Appended::Refused(invalid) => return Err(as_sent(invalid).into()),
    };
    Ok(RecordedEvent { lead_id: lead_id.0, event_id: event_id.0, recorded })
}

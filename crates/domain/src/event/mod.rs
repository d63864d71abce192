//! Events: what happened to a lead, as sources send it, as it waits for its lead, and as the log keeps it.

mod body;
mod browsing;
mod check;
mod codec;
mod conversation;
mod crm;
mod figures;
#[cfg(test)]
mod tests;

pub use body::{EventBody, EventKind};
pub use browsing::{
    Deal, ListingSaved, Page, PageView, PropertySearch, PropertyType, Showing, ShowingAction, WebSession,
};
pub use codec::BodySeed;
pub use conversation::{CallTurn, Direction, Email, EmailAction, Medium, Message, Speaker, Turn, VoiceCall};
pub use crm::{
    AgentAction, AgentActionKind, CrmUpdated, LeadCreated, LeadMerged, Outcome, OutcomeResult, Stage, StageChanged,
};
use serde::{Deserialize, Serialize};

use crate::{
    EventId, Identity, Invalid, LeadId, RawIdentity, Region, Timestamp,
    invalid::{check_count, check_text},
    limits,
};

/// An event as a source sends it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventEnvelope {
    /// Which system sends it, such as `website` or `vapi`.
    pub source: String,
    /// The source's own id of the event: the same id is the same event.
    pub source_event_id: String,
    /// Whom it is about.
    pub lead: LeadRef,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// What happened: `type` and `data`.
    #[serde(flatten)]
    pub body: EventBody,
}

/// Whom an event is about: a lead's id, handles, or both (the handles then join the lead).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeadRef {
    /// The id that the server gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_id: Option<LeadId>,
    /// Handles of the lead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<RawIdentity>,
}

/// A valid event whose lead is still to be found: what intake hands to the log.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingEvent {
    /// Derived from source and source event id.
    pub id: EventId,
    /// The lead's id, where the source knows it.
    pub lead_id: Option<LeadId>,
    /// The lead's handles in normal form; together with `lead_id` at least one entry.
    pub identities: Vec<Identity>,
    /// Which system sent it.
    pub source: String,
    /// The source's own id.
    pub source_event_id: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was received.
    pub received_at: Timestamp,
    /// What happened.
    pub body: EventBody,
}

/// An event of a known lead, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Derived from source and source event id.
    pub id: EventId,
    /// Whose.
    pub lead_id: LeadId,
    /// Which system sent it.
    pub source: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was received: what a training example may see depends on it.
    pub received_at: Timestamp,
    /// What happened: `type` and `data`.
    #[serde(flatten)]
    pub body: EventBody,
}

impl EventEnvelope {
    /// Checks the event and brings its handles into normal form.
    ///
    /// # Errors
    /// Names the field, as a path from the envelope.
    pub fn validate(self, received_at: Timestamp, region: Region) -> Result<PendingEvent, Invalid> {
        check_text("source", &self.source, limits::SOURCE_MAX_BYTES)?;
        check_text("source_event_id", &self.source_event_id, limits::SOURCE_EVENT_ID_MAX_BYTES)?;
        check_occurred_at(self.occurred_at, received_at)?;
        let identities = self.lead.validate(region)?;
        self.body.validate().map_err(|e| e.within("data"))?;
        Ok(PendingEvent {
            id: EventId::derive(&self.source, &self.source_event_id),
            lead_id: self.lead.lead_id,
            identities,
            source: self.source,
            source_event_id: self.source_event_id,
            occurred_at: self.occurred_at,
            received_at,
            body: self.body,
        })
    }
}

impl PendingEvent {
    /// Whether it happened longer than `late_max_us` ago (0 for no limit): too long to be applied without a look. What a
    /// person says about the use of their data counts whenever it arrives.
    #[must_use]
    pub const fn is_late(&self, late_max_us: i64) -> bool {
        let age_us = self.received_at.since(self.occurred_at);
        late_max_us > 0
            && age_us > late_max_us
            && !matches!(self.body, EventBody::Consent(_) | EventBody::ProcessingLimit(_))
    }
}

impl LeadRef {
    fn validate(&self, region: Region) -> Result<Vec<Identity>, Invalid> {
        check_count("lead.identities", self.identities.len(), limits::IDENTITIES_MAX)?;
        if self.lead_id.is_none() && self.identities.is_empty() {
            return Err(Invalid::new("lead", "names nobody", "send lead_id or at least one identity"));
        }
        self.identities
            .iter()
            .enumerate()
            .map(|(i, raw)| raw.normalise(region).map_err(|e| e.within(&format!("lead.identities[{i}]"))))
            .collect()
    }
}

/// Earliest time that an event may have: before it, a date is a mistake (2000-01-01T00:00:00Z).
const EARLIEST: Timestamp = match Timestamp::from_micros(946_684_800_000_000) {
    Some(instant) => instant,
    None => Timestamp::MIN,
};

fn check_occurred_at(occurred_at: Timestamp, received_at: Timestamp) -> Result<(), Invalid> {
    if occurred_at < EARLIEST {
        return Err(Invalid::new("occurred_at", "is before the year 2000", "send the time of the event"));
    }
    if occurred_at > received_at.plus_micros(limits::CLOCK_SKEW_MAX_US) {
        return Err(Invalid::new(
            "occurred_at",
            "lies in the future",
            "send the time of the event; check the clock and the offset",
        ));
    }
    Ok(())
}

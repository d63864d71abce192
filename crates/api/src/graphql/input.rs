//! What mutations take: the bodies of the REST requests, by GraphQL's names.

use async_graphql::{Enum, ID, InputObject, Json};
use serde::Serialize;
use serde_json::Value;

use super::{
    event::{ConsentState, EventKind, LegalBasis, Purpose},
    lead::IdentityInput,
    scalar::DateTime,
};

/// A lead, as far as it is known.
#[derive(InputObject, Serialize)]
pub struct NewLead {
    /// Handles by which the lead is recognised. Where one belongs to a lead already, this becomes that lead.
    identities: Vec<IdentityInput>,
    /// The person's name; kept encrypted, never a feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Where the lead came from, such as `referral`.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    /// IANA time zone, such as `America/Chicago`.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    /// Custom attributes by name: text, numbers, booleans, or `{"time": "2026-03-01T17:30:00Z"}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Json<Value>>,
    /// Consents given with the lead. Without one for `PROFILING` there is no score.
    #[serde(skip_serializing_if = "Option::is_none")]
    consents: Option<Vec<ConsentInput>>,
    /// Which system sends it; `api` where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// The source's own id of this message. The same id is the same message: a repeated request changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_event_id: Option<String>,
}

/// One statement about one purpose, given with a lead.
#[derive(InputObject, Serialize)]
pub struct ConsentInput {
    /// What the data is used for.
    purpose: Purpose,
    /// Whether that is allowed.
    state: ConsentState,
    /// The legal basis that is claimed.
    basis: LegalBasis,
    /// Where the proof is: the text shown and the form or recording.
    evidence: String,
}

/// What changes of a lead; what is left out stays.
#[derive(InputObject, Serialize)]
pub struct LeadChange {
    /// The person's name; kept encrypted, never a feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Where the lead came from, such as `referral`.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    /// IANA time zone, such as `America/Chicago`.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    /// Custom attributes by name; `null` clears one.
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Json<Value>>,
    /// Further handles of the lead. Where one belongs to another lead that you see, the two are merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    identities: Option<Vec<IdentityInput>>,
}

/// How it ended with a lead.
#[derive(InputObject, Serialize)]
pub struct NewOutcome {
    /// How.
    result: OutcomeResult,
    /// Why, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Worth of the deal to the brokerage, in whole units of its currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<i64>,
    /// When it ended; now, where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    occurred_at: Option<DateTime>,
    /// An id of the sender's own: the same id is the same outcome, however often it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_event_id: Option<String>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeResult {
    /// Converted: signed with the brokerage. What the model predicts.
    Won,
    /// Ended without a deal.
    Lost,
    /// Never reached.
    NoAnswer,
}

/// A statement of a lead's person about a purpose.
#[derive(InputObject, Serialize)]
pub struct NewConsent {
    /// What the data is used for.
    purpose: Purpose,
    /// Whether that is allowed.
    state: ConsentState,
    /// The legal basis that is claimed.
    basis: LegalBasis,
    /// Where the proof is: the text shown and the form or recording.
    evidence: String,
    /// When it was said; now, where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    occurred_at: Option<DateTime>,
    /// An id of the sender's own: the same id is the same statement, however often it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_event_id: Option<String>,
}

/// An agent, or a team that has still to choose one; neither for nobody.
#[derive(InputObject, Serialize)]
pub struct Assignee {
    /// The agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<ID>,
    /// The team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team_id: Option<ID>,
}

/// What happened to a lead.
#[derive(InputObject, Serialize)]
pub struct NewEvent {
    /// Which system sends it, such as `website` or `vapi`.
    source: String,
    /// The source's own id of the event: the same id is the same event, however often it is sent.
    source_event_id: String,
    /// Whom it is about: the lead's id, handles, or both; the handles then join the lead.
    lead: LeadRef,
    /// When it happened.
    occurred_at: DateTime,
    /// What kind of event.
    #[serde(rename = "type")]
    kind: EventKind,
    /// What happened, in the form of its kind: see `EventBody` of the OpenAPI document.
    data: Json<Value>,
}

/// Whom an event is about.
#[derive(InputObject, Serialize)]
pub struct LeadRef {
    /// The id that the server gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    lead_id: Option<ID>,
    /// Handles of the lead.
    #[serde(skip_serializing_if = "Option::is_none")]
    identities: Option<Vec<IdentityInput>>,
}

/// A score in place of the model's.
#[derive(InputObject, Serialize)]
pub struct NewScoreOverride {
    /// 0 to 100.
    score: u8,
    /// Why.
    reason: String,
    /// Until when it holds; until it is ended, where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<DateTime>,
}

/// Why a score is contested.
#[derive(Serialize)]
pub struct Contest {
    /// What the person says.
    pub reason: String,
}

/// The other one of two leads that are one person.
#[derive(Serialize)]
pub struct Merge {
    /// Which.
    pub absorbed: ID,
}

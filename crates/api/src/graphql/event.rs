//! What happened to a lead, and what its person allowed.

use async_graphql::{Enum, ID, Json, SimpleObject};
use leadscore_domain::Consent;
use leadscore_store::{PastEvent, Principal};
use serde::Serialize;
use serde_json::Value;

use super::scalar::DateTime;
use crate::rest::list_events::data;

/// An event of a lead's history.
#[derive(SimpleObject)]
pub struct Event {
    /// Its id.
    event_id: ID,
    /// Which system sent it.
    source: String,
    /// What kind it is.
    kind: EventKind,
    /// When it happened.
    occurred_at: DateTime,
    /// When it was received.
    received_at: DateTime,
    /// What happened, in the form of its kind: see `EventBody` of the OpenAPI document. `null` where it is damaged, and for
    /// keys without the scope `leads:personal`.
    data: Option<Json<Value>>,
}

/// A page of a lead's history.
#[derive(SimpleObject)]
pub struct EventPage {
    /// The latest first.
    pub events: Vec<Event>,
    /// `after` of the next page; `null` on the last one.
    pub next: Option<String>,
}

/// A statement about a purpose.
#[derive(SimpleObject)]
pub struct Statement {
    /// What the data is used for.
    purpose: Purpose,
    /// Whether that is allowed.
    state: ConsentState,
    /// The legal basis that is claimed.
    basis: LegalBasis,
    /// Where the proof is; `null` for keys without the scope `leads:personal`.
    evidence: Option<String>,
    /// Whether it holds: no later one was made about the purpose.
    holds: bool,
    /// When it was made.
    occurred_at: DateTime,
    /// Which system sent it.
    source: String,
    /// The event that it stands in.
    event_id: ID,
}

/// What kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize)]
#[graphql(remote = "leadscore_domain::EventKind")]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The lead came into being, with what is known of it.
    LeadCreated,
    /// Fields changed in the CRM.
    CrmUpdated,
    /// The lead moved in the pipeline.
    StageChanged,
    /// A telephone call, answered or not.
    VoiceCall,
    /// A finished visit to the web site.
    WebSession,
    /// One page of the web site.
    PageView,
    /// An e-mail, and what became of it.
    Email,
    /// A search for homes.
    PropertySearch,
    /// A listing put on the list of favourites.
    ListingSaved,
    /// A viewing of a home.
    Showing,
    /// A text message, either way.
    Message,
    /// Something that the agent did.
    AgentAction,
    /// One statement about one purpose.
    Consent,
    /// How it ended.
    Outcome,
    /// Another lead turned out to be this one.
    LeadMerged,
    /// Processing was restricted or objected to, or that was lifted.
    ProcessingLimit,
    /// A turn of a call that goes on.
    CallTurn,
}

/// Where a lead stands in the brokerage's pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "leadscore_domain::event::Stage")]
pub enum Stage {
    /// Not contacted yet.
    New,
    /// Contact was tried.
    Contacted,
    /// There was a conversation.
    Engaged,
    /// Wish, budget and time are known.
    Qualified,
    /// Viewing homes.
    Showing,
    /// An offer is on the table.
    Negotiating,
    /// For later.
    Nurturing,
    /// Ended without a deal.
    Lost,
    /// Ended with a deal.
    Won,
}

/// What the data is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize)]
#[graphql(remote = "leadscore_domain::Purpose")]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Scoring the lead.
    Profiling,
    /// Marketing calls by a person.
    CallByPerson,
    /// Marketing calls by an artificial voice.
    CallByAi,
    /// Marketing e-mail.
    Email,
    /// Recording of calls.
    Recording,
}

/// Whether the purpose is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize)]
#[graphql(remote = "leadscore_domain::ConsentState")]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    /// Allowed.
    Granted,
    /// Refused, withdrawn or objected to.
    Withdrawn,
}

/// The legal basis (GDPR Art. 6(1)) that is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize)]
#[graphql(remote = "leadscore_domain::LegalBasis")]
#[serde(rename_all = "snake_case")]
pub enum LegalBasis {
    /// (a) the person's consent.
    Consent,
    /// (b) steps at the person's request before a contract.
    Contract,
    /// (f) legitimate interests, after a balancing test.
    LegitimateInterest,
}

impl Event {
    /// As somebody is shown it.
    pub fn new(event: &PastEvent, principal: &Principal) -> Self {
        let body = event.body.as_ref().filter(|_| principal.sees_persons());
        Self {
            event_id: event.id.0.into(),
            source: event.source.clone(),
            kind: event.kind.into(),
            occurred_at: DateTime(event.occurred_at),
            received_at: DateTime(event.received_at),
            data: body.map(|body| Json(data(body))),
        }
    }
}

impl Statement {
    /// As somebody is shown it; `holds` where no later one was made about the purpose.
    pub fn new(event: &PastEvent, consent: &Consent, holds: bool, principal: &Principal) -> Self {
        let Consent { purpose, state, basis, evidence } = consent;
        Self {
            purpose: (*purpose).into(),
            state: (*state).into(),
            basis: (*basis).into(),
            evidence: principal.sees_persons().then(|| evidence.clone()),
            holds,
            occurred_at: DateTime(event.occurred_at),
            source: event.source.clone(),
            event_id: event.id.0.into(),
        }
    }
}

/// The word of a plain enum as JSON names it.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(_) | Err(_) => unreachable!("plain enums are words in JSON"),
    }
}

//! What mutations answer: the answers of the REST requests, by GraphQL's names.

use async_graphql::{Enum, ID, SimpleObject};
use serde::Deserialize;

use super::scalar::DateTime;

/// A lead that was created, or joined.
#[derive(SimpleObject, Deserialize)]
pub struct CreatedLead {
    /// Its id.
    pub lead_id: ID,
    /// Whether it came into being now; `false` where the handles belong to a lead already.
    pub created: bool,
}

/// What became of a change.
#[derive(SimpleObject, Deserialize)]
pub struct RecordedEvent {
    /// The lead. Where it was merged into another, that one.
    pub lead_id: ID,
    /// The event that was appended to its history.
    pub event_id: ID,
    /// Whether it is new; `false` where the same message was there before.
    pub recorded: bool,
}

/// Whose a lead is now.
#[derive(SimpleObject)]
pub struct AssignedLead {
    /// The lead.
    pub lead_id: ID,
    /// The agent whose lead it is.
    pub agent_id: Option<ID>,
    /// The team that has still to choose an agent.
    pub team_id: Option<ID>,
}

/// What two leads are now.
#[derive(SimpleObject, Deserialize)]
pub struct MergedLead {
    /// The lead that they are now: the older of the two.
    pub lead_id: ID,
    /// The lead whose history belongs to that one now.
    pub absorbed: ID,
}

/// What was destroyed.
#[derive(SimpleObject, Deserialize)]
pub struct Erasure {
    /// The leads: the one that was named, and those that were one with it.
    pub leads: Vec<ID>,
    /// Events of which nothing can be read any more.
    pub events: u64,
    /// When.
    pub erased_at: DateTime,
}

/// What became of events.
#[derive(SimpleObject, Deserialize)]
pub struct RecordedEvents {
    /// Events that are durable now.
    pub accepted: u32,
    /// Events that were there before.
    pub duplicates: u32,
    /// Events that came too late, and are kept aside.
    pub dead_lettered: u32,
    /// Events that were not taken.
    pub refused: u32,
    /// What became of each, in the order of the request.
    pub results: Vec<EventResult>,
}

/// What became of an event.
#[derive(SimpleObject, Deserialize)]
pub struct EventResult {
    /// Place in the request, from 0.
    pub index: u32,
    /// What became of it.
    pub status: EventStatus,
    /// The event's id: the same for the same source and source event id.
    pub event_id: Option<ID>,
    /// The lead that it was found to be about.
    pub lead_id: Option<ID>,
    /// Why it was refused.
    pub error: Option<Refusal>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventStatus {
    /// Durable now.
    Accepted,
    /// There before.
    Duplicate,
    /// Too old to be applied; durable, and kept aside until somebody decides.
    DeadLettered,
    /// Not taken, see `error`.
    Refused,
}

/// Why an event was refused.
#[derive(SimpleObject, Deserialize)]
pub struct Refusal {
    /// The code that REST answers.
    pub code: String,
    /// What is wrong.
    pub detail: String,
    /// What can be done.
    pub remedy: String,
    /// The member of the event, by its name in REST.
    pub field: Option<String>,
}

/// A person's request about their data that was written down.
#[derive(SimpleObject, Deserialize)]
pub struct PrivacyRequest {
    /// Its id.
    pub id: ID,
    /// Whose data it is about.
    pub lead_id: ID,
    /// By when the person must have an answer.
    pub due_at: DateTime,
}

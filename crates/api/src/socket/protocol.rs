//! What is said over a live connection: JSON texts, each an object with a `type`.
//!
//! Invariant: `docs/asyncapi.json` is generated from the types here. Deliberately absent: when what is said.

use std::collections::HashMap;

use axum::extract::ws::Utf8Bytes;
use leadscore_domain::{LeadId, Score};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::version::Version;
use crate::{
    problem::{Code, Problem, ProblemBody},
    rest::show_score::LeadScore,
};

/// What a client says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientMessage {
    /// Who it is: a token or a ticket. The first message; later ones bring a newer token of the same user or key.
    Authenticate {
        /// An API key, or a token from a log-in.
        #[serde(default)]
        #[schema(nullable = false)]
        token: Option<String>,
        /// A ticket from `POST /api/v1/tickets`.
        #[serde(default)]
        #[schema(nullable = false)]
        ticket: Option<String>,
    },
    /// What it wants to be told of.
    Subscribe {
        /// The client's name for the subscription.
        #[schema(min_length = 1, max_length = 64)]
        id: String,
        /// What it is about.
        #[schema(value_type = TopicFields)]
        topic: Topic,
        /// The versions that the client has, by lead: what is not newer is not sent again.
        #[serde(default)]
        #[schema(value_type = HashMap<Uuid, String>)]
        from: HashMap<LeadId, Version>,
    },
    /// What it does not want to be told of any more.
    Unsubscribe {
        /// The client's name for the subscription.
        id: String,
    },
}

/// What a subscription is about: either of these.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Topic)]
pub struct TopicFields {
    /// These leads.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Uuid>>, nullable = false)]
    leads: Option<Vec<LeadId>>,
    /// The leads that are an agent's, as they come and go: `me`, or the agent's id.
    #[serde(default)]
    #[schema(value_type = Option<String>, nullable = false, example = "me")]
    agent_queue: Option<Agent>,
}

/// What a subscription is about.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "TopicFields")]
pub enum Topic {
    /// These leads.
    Leads(Vec<LeadId>),
    /// The leads that are an agent's.
    AgentQueue(Agent),
}

impl TryFrom<TopicFields> for Topic {
    type Error = &'static str;

    fn try_from(fields: TopicFields) -> Result<Self, &'static str> {
        match (fields.leads, fields.agent_queue) {
            (Some(leads), None) => Ok(Self::Leads(leads)),
            (None, Some(agent)) => Ok(Self::AgentQueue(agent)),
            (None, None) | (Some(_), Some(_)) => Err("is neither `leads` nor `agent_queue`"),
        }
    }
}

impl Topic {
    /// The word for the topic.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Leads(_) => "leads",
            Self::AgentQueue(_) => "agent_queue",
        }
    }
}

/// Whose queue.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub enum Agent {
    /// The user's own.
    Me,
    /// That of the user with this id.
    Id(Uuid),
}

impl TryFrom<String> for Agent {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if text == "me" {
            return Ok(Self::Me);
        }
        text.parse().map(Self::Id).map_err(|_| "is neither `me` nor the id of a user")
    }
}

/// What the server says.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage<'a> {
    /// The token or ticket was taken.
    Authenticated {
        /// Seconds between two heartbeats.
        heartbeat_s: u64,
        /// Most leads of one connection.
        leads_max: usize,
    },
    /// Where the leads of a new subscription stand: the answer to `subscribe`, before anything else of it.
    Snapshot {
        /// The client's name for the subscription.
        id: &'a str,
        /// Latest scores, without those that the client has.
        scores: Vec<VersionedScore>,
        /// Leads without a score, and why. Who is `lead-not-found` is not subscribed to, the others are.
        errors: Vec<LeadError>,
        /// Whether these are all leads of the topic: an agent may have more than a connection takes.
        complete: bool,
    },
    /// A lead has another score.
    Score(VersionedScore),
    /// A lead has no score any more.
    Removed(LeadError),
    /// A subscription has ended, as was asked for.
    Unsubscribed {
        /// The client's name for the subscription.
        id: &'a str,
    },
    /// The connection lives.
    Heartbeat,
    /// What was asked for cannot be done. The connection goes on.
    Error {
        /// The subscription that it is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        id: Option<&'a str>,
        #[schema(value_type = ProblemBody)]
        problem: ProblemBody,
    },
    /// The server ends the connection.
    Closing {
        /// The code of the frame that closes.
        code: u16,
        /// Why, in a word that never changes its meaning.
        reason: &'static str,
    },
}

impl ServerMessage<'_> {
    /// The text.
    pub fn text(&self) -> Utf8Bytes {
        serde_json::to_string(self).expect("a message is plain data with string keys").into()
    }

    /// What cannot be done.
    pub fn problem(id: Option<&str>, problem: Problem) -> Utf8Bytes {
        ServerMessage::Error { id, problem: problem.into_body() }.text()
    }
}

/// A score, and which one of the lead's it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionedScore {
    /// For `from` after a reconnect. Of two versions of a lead the server has never sent the older one later.
    #[schema(value_type = String, example = "12-1772361000000000")]
    version: Version,
    #[serde(flatten)]
    score: LeadScore,
}

impl From<&Score> for VersionedScore {
    fn from(score: &Score) -> Self {
        Self { version: Version::of(score), score: score.into() }
    }
}

/// A lead without a score.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LeadError {
    /// The lead, as it was asked for.
    #[schema(value_type = Uuid)]
    pub lead_id: LeadId,
    /// `lead-not-found`, also of leads that the client may not see (any more); `profiling-consent-missing`;
    /// `processing-restricted`; `profiling-objected`; `score-pending`.
    #[schema(example = "profiling-consent-missing")]
    pub code: &'static str,
    /// What is wrong.
    #[schema(example = "The lead has not allowed profiling")]
    pub detail: &'static str,
    /// Where the lead was merged into another: that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>, nullable = false)]
    pub merged_into: Option<LeadId>,
}

impl LeadError {
    /// Of a lead.
    pub const fn new(lead_id: LeadId, code: Code) -> Self {
        Self { lead_id, code: code.as_str(), detail: code.title(), merged_into: None }
    }
}

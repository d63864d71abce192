//! What goes into a connector and what comes out of it.
//!
//! Owns: the request as bytes, what was read from it, what is asked, the answer, and the two ways of refusing.
//! Invariant: nothing here holds a secret; a refusal never carries a refused value. Deliberately absent: I/O, the clock,
//! and every vendor.

use http::{HeaderMap, Method};
use leadscore_domain::{
    EventEnvelope, LeadId, Timestamp,
    event::{Direction, LeadRef, Speaker},
};
use url::Url;

/// Most events that one request may become.
pub const EVENTS_MAX: usize = 1_000;
/// Most kinds of unknown types that are named for one request; more are counted under the last.
pub const UNKNOWN_MAX: usize = 32;

/// A request as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// The address as the sender saw it: the public base from the configuration, path and query from the request.
    pub url: &'a Url,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The body, byte for byte.
    pub body: &'a [u8],
    /// When it arrived.
    pub received_at: Timestamp,
}

/// What a request said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// Events, in the order of the sender's sequence or time.
    pub events: Vec<EventEnvelope>,
    /// Types that this connector does not know, with their counts. Never an error.
    pub unknown: Vec<UnknownType>,
    /// What was understood and left out, by reason.
    pub dropped: Dropped,
    /// What happens in a call that is still going on.
    pub live: Vec<LiveSignal>,
    /// A question about a caller that waits for its answer.
    pub asks: Option<ContextRequest>,
    /// Tools that the voice agent called and waits for.
    pub tools: Vec<ToolCall>,
    /// Addresses to fetch: the event itself says only that something changed.
    pub refetch: Vec<String>,
    /// What must be remembered for the signature to count once, where the signature does not cover the body.
    pub replay_key: Option<ReplayKey>,
    /// The origin that asks whether it may send (CloudEvents' handshake).
    pub handshake: Option<String>,
}

/// A type of message that the connector does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownType {
    /// As the sender names it, at most 64 bytes.
    pub name: String,
    /// How many there were.
    pub count: u32,
}

/// Counts of what was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Attributes that name a protected characteristic.
    pub protected: u32,
    /// Events that name nobody.
    pub anonymous: u32,
    /// Values or events out of the domain's bounds.
    pub invalid: u32,
    /// Known messages that are no event: partial transcripts, opens by machines.
    pub ignored: u32,
}

/// Something in a call that is still going on.
#[derive(Debug, Clone, PartialEq)]
pub enum LiveSignal {
    /// A final turn.
    Turn {
        /// The provider's id of the call.
        call_id: String,
        /// Who spoke.
        speaker: Speaker,
        /// What was said.
        text: String,
        /// When.
        at: Timestamp,
        /// Whether the lead asked not to be called again. Where the request names the lead, the events hold it too.
        opt_out: bool,
    },
    /// The call moved on.
    Status {
        /// The provider's id of the call.
        call_id: String,
        /// The provider's word.
        status: String,
        /// When.
        at: Timestamp,
    },
}

/// What a question is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A call begins.
    CallStart,
    /// The voice agent uses a tool.
    Tool,
    /// The call is to be handed over.
    Transfer,
}

/// A question about the person in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextRequest {
    /// The lead's number, as the provider writes it.
    pub number: Option<String>,
    /// The number on our side.
    pub called_number: Option<String>,
    /// Which way the call goes.
    pub direction: Direction,
    /// The provider's id of the call, where it has one already.
    pub provider_call_id: Option<String>,
    /// The lead, where the provider was told.
    pub lead_id: Option<LeadId>,
    /// What it is for.
    pub moment: Moment,
}

/// A tool that a voice agent called.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// The provider's id; empty where it has none.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments, as an object.
    pub arguments: serde_json::Value,
}

/// What must be remembered so that a signature counts once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayKey {
    /// Unique under the connector.
    pub key: String,
    /// Until when it must be remembered.
    pub keep_until: Timestamp,
}

/// What is known of a caller, as flat text. Empty text where nothing is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallContext {
    /// The grade.
    pub lead_tier: String,
    /// The score: for routing by the platform, never spoken.
    pub lead_score: String,
    /// The stage of the pipeline.
    pub stage: String,
    /// What to speak of.
    pub talking_points: String,
    /// The best time for the next contact.
    pub best_time: String,
    /// Where to send the call: a queue's name or a number.
    pub route: String,
    /// What the person allows.
    pub consent_state: String,
    /// Version and arm of the score: the end-of-call report brings it back.
    pub score_version: String,
}

impl CallContext {
    /// What is answered for an unknown caller.
    #[must_use]
    pub fn neutral() -> Self {
        Self { lead_tier: "unknown".into(), consent_state: "unknown".into(), ..Self::default() }
    }

    /// Every variable by name.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, &str); 8] {
        [
            ("lead_tier", &self.lead_tier),
            ("lead_score", &self.lead_score),
            ("stage", &self.stage),
            ("talking_points", &self.talking_points),
            ("best_time", &self.best_time),
            ("route", &self.route),
            ("consent_state", &self.consent_state),
            ("score_version", &self.score_version),
        ]
    }

    /// The variables that a voice agent may repeat to the caller: without the score, the tier and their version.
    #[must_use]
    pub fn speakable(&self) -> [(&'static str, &str); 5] {
        [
            ("stage", &self.stage),
            ("talking_points", &self.talking_points),
            ("best_time", &self.best_time),
            ("route", &self.route),
            ("consent_state", &self.consent_state),
        ]
    }
}

/// The answer in the vendor's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status of HTTP.
    pub status: u16,
    /// Type of the body; `None` where there is none.
    pub content_type: Option<&'static str>,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// 204 without a body.
    #[must_use]
    pub const fn empty() -> Self {
        Self { status: 204, content_type: None, headers: Vec::new(), body: String::new() }
    }

    /// 200 with `value`.
    #[must_use]
    pub fn json(value: &serde_json::Value) -> Self {
        Self { status: 200, content_type: Some("application/json"), headers: Vec::new(), body: value.to_string() }
    }

    /// 200 with XML.
    #[must_use]
    pub fn xml(body: String) -> Self {
        Self { status: 200, content_type: Some("text/xml; charset=utf-8"), headers: Vec::new(), body }
    }
}

/// Why a request is not from whom it says. Answer 401, and say no more than the variant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A header or field of the proof is not there.
    #[error("{0} is missing")]
    Missing(String),
    /// A header of the proof stands there twice.
    #[error("{0} stands there more than once")]
    Doubled(String),
    /// The proof cannot be read.
    #[error("{0} cannot be read")]
    Unreadable(String),
    /// The time of the proof lies outside the replay window.
    #[error("the signature's time lies outside the window")]
    Stale,
    /// The proof does not fit any secret.
    #[error("the signature or secret does not match")]
    Wrong,
}

/// Why a request that is from the vendor cannot be read. Answer 400 (422 where the vendor stops retrying on it).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not JSON, XML or a form at all, or too deep.
    #[error("the body is not {0}")]
    Syntax(&'static str),
    /// A field that must be there is not, or is of another type.
    #[error("{0} is missing or of another type")]
    Field(&'static str),
    /// More than is taken at once.
    #[error("more than {EVENTS_MAX} events in one request")]
    TooMany,
}

impl Reading {
    /// Counts a type that is not known.
    pub(crate) fn count_unknown(&mut self, name: &str) {
        let name = crate::text::clip(name, leadscore_domain::limits::NAME_MAX_BYTES);
        if let Some(seen) = self.unknown.iter_mut().find(|u| u.name == name) {
            seen.count = seen.count.saturating_add(1);
        } else if self.unknown.len() < UNKNOWN_MAX {
            self.unknown.push(UnknownType { name, count: 1 });
        } else if let Some(last) = self.unknown.last_mut() {
            last.count = last.count.saturating_add(1);
        }
    }

    /// Takes an event that names somebody and lies within the domain's bounds; counts one that does not.
    pub(crate) fn push(&mut self, event: EventEnvelope) {
        if names_nobody(&event.lead) {
            self.dropped.anonymous += 1;
        } else if event.body.validate().is_err() {
            self.dropped.invalid += 1;
        } else {
            self.events.push(event);
        }
    }
}

fn names_nobody(lead: &LeadRef) -> bool {
    lead.lead_id.is_none() && lead.identities.is_empty()
}

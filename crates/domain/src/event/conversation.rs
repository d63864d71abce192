//! What was said and written: calls, messages, e-mail.

use serde::{Deserialize, Serialize};

use super::check::{check_duration, check_optional, check_sentiment};
use crate::{
    Invalid,
    invalid::{check_count, check_free_text, check_text},
    limits,
};

/// Which way a call, message or e-mail went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the lead.
    Inbound,
    /// To the lead.
    Outbound,
}

/// Who spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The lead.
    Lead,
    /// The agent, person or machine.
    Agent,
}

/// Data of [`EventBody::VoiceCall`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoiceCall {
    /// Who called.
    pub direction: Direction,
    /// Whether a person answered.
    pub answered: bool,
    /// Length of the conversation.
    pub duration_ms: u32,
    /// Whether the agent was an artificial voice.
    #[serde(default)]
    pub ai_voice: bool,
    /// What was said, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// Sentiment of the lead as the platform judged it, −1 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentiment: Option<f32>,
    /// The platform's id of the call, where its turns were told one by one before: it takes their place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
}

/// Data of [`EventBody::CallTurn`]: it counts while the call goes on, and until the whole call is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallTurn {
    /// The platform's id of the call.
    pub call_id: String,
    /// Who called.
    pub direction: Direction,
    /// Whether the agent is an artificial voice.
    #[serde(default)]
    pub ai_voice: bool,
    /// What was said.
    pub turn: Turn,
}

/// One turn of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Who spoke.
    pub speaker: Speaker,
    /// What was said; kept encrypted.
    pub text: String,
    /// From the start of the call.
    pub start_ms: u32,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u32>,
    /// Sentiment as the platform judged it, −1 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentiment: Option<f32>,
}

/// What became of an e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailAction {
    /// Sent to the lead.
    Sent,
    /// Arrived.
    Delivered,
    /// Opened by a person.
    Opened,
    /// A link was clicked.
    Clicked,
    /// Forwarded.
    Forwarded,
    /// Answered.
    Replied,
    /// Refused by the mail server.
    Bounced,
    /// The lead wants no more.
    Unsubscribed,
}

/// Data of [`EventBody::Email`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// What became of it.
    pub action: EmailAction,
    /// The message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
}

/// Over what a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// Text message.
    Sms,
    /// Chat of the web site.
    Chat,
    /// A messenger.
    Messenger,
    /// A portal's contact form.
    Portal,
}

/// Data of [`EventBody::Message`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Which way.
    pub direction: Direction,
    /// Over what.
    pub medium: Medium,
    /// What was written; kept encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Sentiment as the platform judged it, −1 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentiment: Option<f32>,
}

impl VoiceCall {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        check_duration("duration_ms", self.duration_ms)?;
        check_sentiment("sentiment", self.sentiment)?;
        check_optional("call_id", self.call_id.as_deref(), limits::SOURCE_EVENT_ID_MAX_BYTES)?;
        check_count("turns", self.turns.len(), limits::TURNS_MAX)?;
        for (i, turn) in self.turns.iter().enumerate() {
            turn.validate().map_err(|e| e.within(&format!("turns[{i}]")))?;
        }
        Ok(())
    }
}

impl CallTurn {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        check_text("call_id", &self.call_id, limits::SOURCE_EVENT_ID_MAX_BYTES)?;
        self.turn.validate().map_err(|e| e.within("turn"))
    }
}

impl Turn {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        check_free_text("text", &self.text, limits::TEXT_MAX_BYTES)?;
        check_duration("start_ms", self.start_ms)?;
        check_sentiment("sentiment", self.sentiment)?;
        self.duration_ms.map_or(Ok(()), |ms| check_duration("duration_ms", ms))
    }
}

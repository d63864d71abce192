//! Twilio ConversationRelay: the messages of its WebSocket.
//!
//! Owns: their shapes. Invariant: a prompt counts when it is the last of its turn. Deliberately absent: the socket, and
//! its handshake, whose signature [`crate::Connector::verify`] checks as any other.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{seam::Malformed, text};

/// A message of the relay.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum RelayMessage {
    /// The first: which call, and the parameters of the answer.
    Setup {
        /// Id of the session.
        session_id: String,
        /// Id of the call.
        call_sid: String,
        /// Who calls.
        from: String,
        /// Who is called.
        to: String,
        /// The variables of the answer to the voice webhook.
        #[serde(default)]
        custom_parameters: BTreeMap<String, String>,
    },
    /// What the caller said.
    Prompt {
        /// The words.
        voice_prompt: String,
        /// The language.
        #[serde(default)]
        lang: Option<String>,
        /// Whether the turn is complete.
        #[serde(default)]
        last: bool,
    },
    /// The caller interrupted.
    Interrupt {
        /// What was said until then.
        #[serde(default)]
        utterance_until_interrupt: String,
    },
    /// A key was pressed.
    Dtmf {
        /// Which.
        digit: String,
    },
    /// Something went wrong.
    Error {
        /// What.
        #[serde(default)]
        description: String,
    },
    /// Any other.
    #[serde(other)]
    Unknown,
}

impl RelayMessage {
    /// Reads a message.
    ///
    /// # Errors
    /// Where it is not JSON or lacks a field.
    pub fn parse(message: &str) -> Result<Self, Malformed> {
        serde_json::from_str(message).map_err(|_| Malformed::Syntax("a ConversationRelay message"))
    }

    /// Whether the caller asks not to be called again.
    #[must_use]
    pub fn is_opt_out(&self) -> bool {
        match self {
            Self::Prompt { voice_prompt, last, .. } => *last && text::is_opt_out(voice_prompt),
            Self::Setup { .. } | Self::Interrupt { .. } | Self::Dtmf { .. } | Self::Error { .. } | Self::Unknown => {
                false
            }
        }
    }
}

//! What an entry says, and its bytes.
//!
//! Invariant: an entry names people and leads by ids alone; the one text that a person wrote, the reason, is sealed. Of
//! a lead that is under the lead's own key, so that an erasure takes it while the entry stays as it is.

use std::{borrow::Cow, net::IpAddr};

use leadscore_domain::{LeadId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Role, StoreError};

/// Longest reason that is kept.
pub const REASON_MAX_BYTES: usize = 512;
/// The form in which blocks are written.
const FORMAT: u8 = 1;
/// zstd's fastest: entries repeat one another, and what does not repeat is random.
const COMPRESSION_LEVEL: i32 = 1;
/// Most bytes of a block's entries before they are compressed: an entry has at most some 1,200.
const BODY_MAX_BYTES: usize = 16 * 1024 * 1024;

/// What was done, as it is handed to the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// When it was asked for.
    pub at: Timestamp,
    /// By whom.
    pub actor: Actor,
    /// What: the id of an operation of the API, or the words of a command.
    pub operation: Cow<'static, str>,
    /// Whose or which.
    pub object: Option<Object>,
    /// How it ended, as an HTTP status; [`Act::BEGUN`] where it is recorded before it is done.
    pub status: u16,
    /// Why, in the words of whoever did it; at most [`REASON_MAX_BYTES`].
    #[serde(skip)]
    pub reason: Option<String>,
    /// From where.
    pub address: Option<IpAddr>,
    /// The id of the request.
    pub request_id: Option<String>,
}

impl Act {
    /// Status of an act that was recorded before it was done.
    pub const BEGUN: u16 = 0;
    /// Status of an act whose sender went away, or was told that it took too long, before there was an answer.
    pub const BROKEN_OFF: u16 = 499;
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// What it is.
    pub kind: ActorKind,
    /// The id of the user or API key.
    pub id: Option<Uuid>,
    /// What it was allowed to do then.
    pub role: Option<Role>,
}

impl Actor {
    /// Whoever has a shell on the machine.
    pub const CLI: Self = Self { kind: ActorKind::Cli, id: None, role: None };
    /// Somebody who has not said who they are.
    pub const NOBODY: Self = Self { kind: ActorKind::Nobody, id: None, role: None };
}

/// What kind of an actor it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person who has logged in.
    User,
    /// A program with a key.
    ApiKey,
    /// The command line.
    Cli,
    /// Unknown, as where a log-in fails.
    Nobody,
    /// Another system by its connector, which the reason names.
    Connector,
}

/// What an act is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Object {
    /// A lead, as it was asked for.
    Lead(LeadId),
    /// A job.
    Job(Uuid),
    /// An API key.
    ApiKey(Uuid),
    /// A user.
    User(Uuid),
    /// An e-mail address that somebody logged in with, or tried to: its keyed hash.
    Account(String),
    /// A version of the model.
    Model(String),
    /// A team.
    Team(Uuid),
    /// A webhook.
    Webhook(Uuid),
    /// A message of a webhook.
    WebhookMessage(Uuid),
    /// A privacy request.
    PrivacyRequest(Uuid),
    /// A session.
    Session(Uuid),
}

impl Object {
    /// What it is, in a word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Lead(_) => "lead",
            Self::Job(_) => "job",
            Self::ApiKey(_) => "api_key",
            Self::User(_) => "user",
            Self::Account(_) => "account",
            Self::Model(_) => "model",
            Self::Team(_) => "team",
            Self::Webhook(_) => "webhook",
            Self::WebhookMessage(_) => "webhook_message",
            Self::PrivacyRequest(_) => "privacy_request",
            Self::Session(_) => "session",
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Lead(id) => id.to_string(),
            Self::Job(id)
            | Self::ApiKey(id)
            | Self::User(id)
            | Self::Team(id)
            | Self::Webhook(id)
            | Self::WebhookMessage(id)
            | Self::PrivacyRequest(id)
            | Self::Session(id) => id.to_string(),
            Self::Account(id) | Self::Model(id) => id.clone(),
        }
    }

    /// The lead, where it is one.
    #[must_use]
    pub const fn lead(&self) -> Option<LeadId> {
        match self {
            Self::Lead(id) => Some(*id),
            Self::Job(_)
            | Self::ApiKey(_)
            | Self::User(_)
            | Self::Account(_)
            | Self::Model(_)
            | Self::Team(_)
            | Self::Webhook(_)
            | Self::WebhookMessage(_)
            | Self::PrivacyRequest(_)
            | Self::Session(_) => None,
        }
    }
}

/// An act as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) act: Act,
    pub(super) reason: Option<Reason>,
    /// How often it was done, all within one block.
    pub(super) count: u32,
}

/// A reason as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Reason {
    /// Sealed under the key of the lead that the act is about.
    OfLead(Vec<u8>),
    /// Sealed under the log's own key.
    OfLog(Vec<u8>),
    /// Given, and not kept: the lead is unknown or was erased, and has no key, or a damaged one.
    Withheld,
}

impl Entry {
    /// Whether another act is the same but for its time, so that counting it says enough.
    pub(super) fn repeats(&self) -> Option<Repeated<'_>> {
        let Act { at: _, actor, operation, object, status, reason: _, address, request_id: _ } = &self.act;
        let same = Repeated { actor, operation, object: object.as_ref(), status: *status, address: *address };
        self.reason.is_none().then_some(same)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("an entry is plain data, and memory takes it")
    }
}

/// What two acts have in common that are told apart by nothing but their times.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Repeated<'a> {
    actor: &'a Actor,
    operation: &'a str,
    object: Option<&'a Object>,
    status: u16,
    address: Option<IpAddr>,
}

/// Entries as a block keeps them: the form's number, then zstd of each entry (postcard) with its length before it.
pub(super) fn pack(entries: &[Vec<u8>]) -> Result<Vec<u8>, StoreError> {
    let body = postcard::to_stdvec(entries).expect("bytes are plain data, and memory takes them");
    let packed = zstd::bulk::compress(&body, COMPRESSION_LEVEL).map_err(|_| damaged())?;
    Ok([&[FORMAT], packed.as_slice()].concat())
}

/// The bytes of each entry of a block.
pub(super) fn unpack(packed: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
    let (FORMAT, packed) = packed.split_first().map(|(format, rest)| (*format, rest)).ok_or_else(damaged)? else {
        return Err(StoreError::Corrupt("audit entries of a form that this release does not know".to_owned()));
    };
    let body = zstd::bulk::decompress(packed, BODY_MAX_BYTES).map_err(|_| damaged())?;
    postcard::from_bytes(&body).map_err(|_| damaged())
}

/// An entry from its bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Entry, StoreError> {
    postcard::from_bytes(bytes).map_err(|_| damaged())
}

fn damaged() -> StoreError {
    StoreError::Corrupt("entries of the audit log".to_owned())
}

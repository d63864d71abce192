//! The kinds of events.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{
    AgentAction, CallTurn, CrmUpdated, Email, LeadCreated, LeadMerged, ListingSaved, Message, Outcome, PageView,
    PropertySearch, Showing, StageChanged, VoiceCall, WebSession,
    check::{check_duration, check_key, check_optional, check_price, check_sentiment},
};
use crate::{Consent, Invalid, ProcessingLimit, attribute::validate_attributes, invalid::check_free_text, limits};

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum EventBody {
    /// The lead came into being, with what is known of it.
    LeadCreated(LeadCreated),
    /// Fields changed in the CRM.
    CrmUpdated(CrmUpdated),
    /// The lead moved in the pipeline.
    StageChanged(StageChanged),
    /// A telephone call, answered or not.
    VoiceCall(VoiceCall),
    /// A finished visit to the web site.
    WebSession(WebSession),
    /// One page of the web site.
    PageView(PageView),
    /// An e-mail, and what became of it.
    Email(Email),
    /// A search for homes.
    PropertySearch(PropertySearch),
    /// A listing put on the list of favourites.
    ListingSaved(ListingSaved),
    /// A viewing of a home.
    Showing(Showing),
    /// A text message, either way.
    Message(Message),
    /// Something that the agent did.
    AgentAction(AgentAction),
    /// Consent given or withdrawn.
    Consent(Consent),
    /// How it ended.
    Outcome(Outcome),
    /// Another lead turned out to be this one.
    LeadMerged(LeadMerged),
    /// The use of the lead's data was limited, or no longer is.
    ProcessingLimit(ProcessingLimit),
    /// A turn of a call that goes on.
    CallTurn(CallTurn),
}

/// The kind of an event, without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is documented at EventBody")]
pub enum EventKind {
    LeadCreated,
    CrmUpdated,
    StageChanged,
    VoiceCall,
    WebSession,
    PageView,
    Email,
    PropertySearch,
    ListingSaved,
    Showing,
    Message,
    AgentAction,
    Consent,
    Outcome,
    LeadMerged,
    ProcessingLimit,
    CallTurn,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::LeadCreated,
        Self::CrmUpdated,
        Self::StageChanged,
        Self::VoiceCall,
        Self::WebSession,
        Self::PageView,
        Self::Email,
        Self::PropertySearch,
        Self::ListingSaved,
        Self::Showing,
        Self::Message,
        Self::AgentAction,
        Self::Consent,
        Self::Outcome,
        Self::LeadMerged,
        Self::ProcessingLimit,
        Self::CallTurn,
    ];

    /// The word used in JSON and SQL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LeadCreated => "lead_created",
            Self::CrmUpdated => "crm_updated",
            Self::StageChanged => "stage_changed",
            Self::VoiceCall => "voice_call",
            Self::WebSession => "web_session",
            Self::PageView => "page_view",
            Self::Email => "email",
            Self::PropertySearch => "property_search",
            Self::ListingSaved => "listing_saved",
            Self::Showing => "showing",
            Self::Message => "message",
            Self::AgentAction => "agent_action",
            Self::Consent => "consent",
            Self::Outcome => "outcome",
            Self::LeadMerged => "lead_merged",
            Self::ProcessingLimit => "processing_limit",
            Self::CallTurn => "call_turn",
        }
    }
}

impl FromStr for EventKind {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| Invalid::new("type", "is not a kind of event", "see the API page for the kinds"))
    }
}

impl EventBody {
    /// The kind alone.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::LeadCreated(_) => EventKind::LeadCreated,
            Self::CrmUpdated(_) => EventKind::CrmUpdated,
            Self::StageChanged(_) => EventKind::StageChanged,
            Self::VoiceCall(_) => EventKind::VoiceCall,
            Self::WebSession(_) => EventKind::WebSession,
            Self::PageView(_) => EventKind::PageView,
            Self::Email(_) => EventKind::Email,
            Self::PropertySearch(_) => EventKind::PropertySearch,
            Self::ListingSaved(_) => EventKind::ListingSaved,
            Self::Showing(_) => EventKind::Showing,
            Self::Message(_) => EventKind::Message,
            Self::AgentAction(_) => EventKind::AgentAction,
            Self::Consent(_) => EventKind::Consent,
            Self::Outcome(_) => EventKind::Outcome,
            Self::LeadMerged(_) => EventKind::LeadMerged,
            Self::ProcessingLimit(_) => EventKind::ProcessingLimit,
            Self::CallTurn(_) => EventKind::CallTurn,
        }
    }

    /// Checks sizes and ranges.
    ///
    /// # Errors
    /// Names the field within `data`.
    pub fn validate(&self) -> Result<(), Invalid> {
        match self {
            Self::LeadCreated(data) => data.validate(),
            Self::CrmUpdated(data) => validate_attributes(&data.attributes),
            Self::VoiceCall(data) => data.validate(),
            Self::WebSession(data) => check_duration("duration_ms", data.duration_ms),
            Self::PageView(data) => {
                check_key(data.listing_key.as_deref())?;
                data.duration_ms.map_or(Ok(()), |ms| check_duration("duration_ms", ms))
            }
            Self::Email(data) => {
                check_optional("message_id", data.message_id.as_deref(), limits::SOURCE_EVENT_ID_MAX_BYTES)
            }
            Self::PropertySearch(data) => data.validate(),
            Self::ListingSaved(data) => {
                check_key(Some(&data.listing_key))?;
                check_price("price", data.price)?;
                check_optional("area", data.area.as_deref(), limits::CATEGORY_MAX_BYTES)
            }
            Self::Showing(data) => {
                check_key(data.listing_key.as_deref())?;
                check_price("price", data.price)
            }
            Self::Message(data) => {
                check_free_text("text", data.text.as_deref().unwrap_or_default(), limits::TEXT_MAX_BYTES)?;
                check_sentiment("sentiment", data.sentiment)
            }
            Self::AgentAction(data) => check_optional("agent_id", data.agent_id.as_deref(), limits::IDENTITY_MAX_BYTES),
            Self::Consent(data) => data.validate(),
            Self::ProcessingLimit(data) => data.validate(),
            Self::CallTurn(data) => data.validate(),
            Self::Outcome(data) => {
                check_optional("reason", data.reason.as_deref(), limits::CATEGORY_MAX_BYTES)?;
                check_price("value", data.value)
            }
            Self::StageChanged(_) | Self::LeadMerged(_) => Ok(()),
        }
    }
}

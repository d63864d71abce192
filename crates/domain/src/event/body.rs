//! The kinds of events and their data.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{
    Attributes, Consent, Invalid, LeadId, Timestamp,
    attribute::validate_attributes,
    invalid::{check_count, check_free_text, check_range, check_text},
    limits,
};

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
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
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

/// Data of [`EventBody::LeadCreated`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeadCreated {
    /// The person's name; kept encrypted, never a feature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the lead came from, such as `referral`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The lead's IANA time zone, such as `America/Chicago`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Custom attributes.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// Consents given with the lead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<Consent>,
}

/// Data of [`EventBody::CrmUpdated`]: the fields that changed; `null` clears one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrmUpdated {
    /// Changed attributes.
    pub attributes: Attributes,
}

/// Data of [`EventBody::StageChanged`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageChanged {
    /// The stage now.
    pub stage: Stage,
}

/// Where a lead stands in the brokerage's pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// Data of [`EventBody::WebSession`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebSession {
    /// Time on site.
    pub duration_ms: u32,
    /// Pages viewed.
    pub page_count: u32,
    /// Files downloaded.
    #[serde(default)]
    pub download_count: u32,
}

/// What a page is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// The front page.
    Home,
    /// One home.
    Listing,
    /// Results of a search.
    Results,
    /// Mortgage calculator or financing.
    Financing,
    /// What is my home worth.
    Valuation,
    /// An area or school guide.
    Guide,
    /// Contact form or agent page.
    Contact,
    /// Anything else.
    Other,
}

/// Data of [`EventBody::PageView`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageView {
    /// What the page is about.
    pub page: Page,
    /// Time on the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u32>,
    /// The listing shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing_key: Option<String>,
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

/// Buy or rent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deal {
    /// To buy.
    Buy,
    /// To rent.
    Rent,
}

/// What kind of home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PropertyType {
    /// A detached house.
    House,
    /// A flat that is owned.
    Condo,
    /// A row house.
    Townhouse,
    /// Two or more dwellings.
    MultiFamily,
    /// A plot.
    Land,
    /// Anything else.
    Other,
}

/// Data of [`EventBody::PropertySearch`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropertySearch {
    /// Buy or rent.
    pub deal: Deal,
    /// Lowest price, in whole units of the brokerage's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_min: Option<i64>,
    /// Highest price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_max: Option<i64>,
    /// Areas, as market data names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<String>,
    /// Kinds of homes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub property_types: Vec<PropertyType>,
    /// Least bedrooms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bedrooms_min: Option<u8>,
}

/// Data of [`EventBody::ListingSaved`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListingSaved {
    /// The listing.
    pub listing_key: String,
    /// Asking price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<i64>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// What kind of home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property_type: Option<PropertyType>,
}

/// How far a viewing got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShowingAction {
    /// The lead asked for it.
    Requested,
    /// A time was agreed.
    Scheduled,
    /// It took place.
    Held,
    /// Called off.
    Cancelled,
    /// The lead did not come.
    NoShow,
}

/// Data of [`EventBody::Showing`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Showing {
    /// How far it got.
    pub action: ShowingAction,
    /// The listing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing_key: Option<String>,
    /// Asking price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<i64>,
    /// When it is to take place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_for: Option<Timestamp>,
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

/// What an agent did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentActionKind {
    /// Took the lead.
    Assigned,
    /// Wrote a note.
    NoteWritten,
    /// Sent listings.
    ListingsSent,
    /// Offered a viewing.
    ShowingOffered,
    /// Sent a valuation.
    ValuationSent,
    /// Planned the next contact.
    FollowUpPlanned,
}

/// Data of [`EventBody::AgentAction`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentAction {
    /// What.
    pub action: AgentActionKind,
    /// Who, as the CRM names the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeResult {
    /// Converted: signed with the brokerage. What the model predicts.
    Won,
    /// Ended without a deal.
    Lost,
    /// Never reached.
    NoAnswer,
}

/// Data of [`EventBody::Outcome`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// How it ended.
    pub result: OutcomeResult,
    /// Why, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Worth of the deal to the brokerage, in whole units of its currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
}

/// Data of [`EventBody::LeadMerged`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeadMerged {
    /// The lead whose history now belongs to the event's lead.
    pub absorbed: LeadId,
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
            Self::Outcome(data) => {
                check_optional("reason", data.reason.as_deref(), limits::CATEGORY_MAX_BYTES)?;
                check_price("value", data.value)
            }
            Self::StageChanged(_) | Self::LeadMerged(_) => Ok(()),
        }
    }
}

impl LeadCreated {
    fn validate(&self) -> Result<(), Invalid> {
        check_optional("name", self.name.as_deref(), limits::CATEGORY_MAX_BYTES)?;
        check_optional("channel", self.channel.as_deref(), limits::NAME_MAX_BYTES)?;
        if let Some(zone) = &self.time_zone
            && jiff::tz::TimeZone::get(zone).is_err()
        {
            return Err(Invalid::new("time_zone", "is not an IANA time zone", "send a name such as America/Chicago"));
        }
        check_count("consents", self.consents.len(), limits::IDENTITIES_MAX)?;
        for (i, consent) in self.consents.iter().enumerate() {
            consent.validate().map_err(|e| e.within(&format!("consents[{i}]")))?;
        }
        validate_attributes(&self.attributes)
    }
}

impl VoiceCall {
    fn validate(&self) -> Result<(), Invalid> {
        check_duration("duration_ms", self.duration_ms)?;
        check_sentiment("sentiment", self.sentiment)?;
        check_count("turns", self.turns.len(), limits::TURNS_MAX)?;
        for (i, turn) in self.turns.iter().enumerate() {
            turn.validate().map_err(|e| e.within(&format!("turns[{i}]")))?;
        }
        Ok(())
    }
}

impl Turn {
    fn validate(&self) -> Result<(), Invalid> {
        check_free_text("text", &self.text, limits::TEXT_MAX_BYTES)?;
        check_duration("start_ms", self.start_ms)?;
        check_sentiment("sentiment", self.sentiment)?;
        self.duration_ms.map_or(Ok(()), |ms| check_duration("duration_ms", ms))
    }
}

impl PropertySearch {
    fn validate(&self) -> Result<(), Invalid> {
        check_price("price_min", self.price_min)?;
        check_price("price_max", self.price_max)?;
        if let (Some(min), Some(max)) = (self.price_min, self.price_max)
            && min > max
        {
            return Err(Invalid::new("price_min", "is above price_max", "swap them"));
        }
        check_count("areas", self.areas.len(), limits::AREAS_MAX)?;
        check_count("property_types", self.property_types.len(), limits::PROPERTY_TYPES_MAX)?;
        self.areas.iter().try_for_each(|area| check_text("areas", area, limits::CATEGORY_MAX_BYTES))
    }
}

fn check_duration(field: &str, ms: u32) -> Result<(), Invalid> {
    check_range(field, f64::from(ms), 0.0, f64::from(limits::DURATION_MAX_MS))
}

fn check_sentiment(field: &str, sentiment: Option<f32>) -> Result<(), Invalid> {
    sentiment.map_or(Ok(()), |value| check_range(field, f64::from(value), -1.0, 1.0))
}

fn check_price(field: &str, price: Option<i64>) -> Result<(), Invalid> {
    match price {
        Some(price) if !(0..=limits::PRICE_MAX).contains(&price) => Err(Invalid::new(
            field,
            "is out of range",
            format_args!("send whole units of currency from 0 to {}", limits::PRICE_MAX),
        )),
        Some(_) | None => Ok(()),
    }
}

fn check_key(key: Option<&str>) -> Result<(), Invalid> {
    check_optional("listing_key", key, limits::IDENTITY_MAX_BYTES)
}

fn check_optional(field: &str, text: Option<&str>, max_bytes: usize) -> Result<(), Invalid> {
    text.map_or(Ok(()), |text| check_text(field, text, max_bytes))
}

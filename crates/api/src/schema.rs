//! The domain's JSON as OpenAPI sees it.
//!
//! The domain knows no HTTP, so its shapes are described here once more. Invariant: field for field and word for
//! word the domain's own (a test compares with what the domain reads). Deliberately absent: reading and checking.
#![expect(dead_code, reason = "the types describe what the documented types of the domain read")]

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// What happened to a lead, as a source sends it. The same `source` and `source_event_id` are the same event.
#[derive(Deserialize, ToSchema)]
pub struct Event {
    /// Which system sends it, such as `website` or `vapi`.
    #[schema(min_length = 1, max_length = 64)]
    source: String,
    /// The source's own id of the event.
    #[schema(min_length = 1, max_length = 256)]
    source_event_id: String,
    /// Whom it is about: the lead's id, handles, or both; the handles then join the lead.
    lead: LeadRef,
    /// When it happened: RFC 3339, from the year 2000, at most five minutes ahead of the server.
    #[schema(format = DateTime)]
    occurred_at: String,
    #[serde(flatten)]
    body: EventBody,
}

/// Whom an event is about.
#[derive(Deserialize, ToSchema)]
pub struct LeadRef {
    /// The id that the server gave.
    lead_id: Option<Uuid>,
    /// Handles of the lead.
    #[schema(max_items = 16)]
    #[serde(default)]
    identities: Vec<Identity>,
}

/// A handle by which a lead is recognised.
#[derive(Deserialize, ToSchema)]
pub struct Identity {
    kind: IdentityKind,
    /// As written: a number in any national form, an address in any case.
    #[schema(min_length = 1, max_length = 256)]
    value: String,
}

/// Telephone number, e-mail address, id in a CRM or file, anonymous id of a web browser.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdentityKind {
    Phone,
    Email,
    Crm,
    Web,
}

/// Kind of the event, and its data.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum EventBody {
    LeadCreated(LeadCreated),
    CrmUpdated(CrmUpdated),
    StageChanged(StageChanged),
    VoiceCall(VoiceCall),
    WebSession(WebSession),
    PageView(PageView),
    Email(Email),
    PropertySearch(PropertySearch),
    ListingSaved(ListingSaved),
    Showing(Showing),
    Message(Message),
    AgentAction(AgentAction),
    Consent(Consent),
    Outcome(Outcome),
    LeadMerged(LeadMerged),
    ProcessingLimit(ProcessingLimit),
    CallTurn(CallTurn),
}

/// Value of a custom attribute: `3.5`, `"referral"`, `true`, `{"time": "2026-03-01T17:30:00Z"}`; `null`, which only
/// requests may hold, clears it.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum AttributeValue {
    Boolean(bool),
    Number(f64),
    Category(String),
    Time {
        #[schema(format = DateTime)]
        time: String,
    },
    Cleared,
}

/// The lead came into being, with what is known of it.
#[derive(Deserialize, ToSchema)]
pub struct LeadCreated {
    /// The person's name; kept encrypted, never a feature.
    #[schema(max_length = 256)]
    name: Option<String>,
    /// Where the lead came from, such as `referral`.
    #[schema(max_length = 64)]
    channel: Option<String>,
    /// IANA time zone, such as `America/Chicago`.
    time_zone: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, AttributeValue>,
    #[schema(max_items = 16)]
    #[serde(default)]
    consents: Vec<Consent>,
}

/// Fields changed in the CRM; `null` clears one.
#[derive(Deserialize, ToSchema)]
pub struct CrmUpdated {
    attributes: BTreeMap<String, AttributeValue>,
}

/// The lead moved in the pipeline.
#[derive(Deserialize, ToSchema)]
pub struct StageChanged {
    stage: Stage,
}

/// What was known of an area's market for one month, from the day it was published.
#[derive(Deserialize, ToSchema)]
pub struct MarketSnapshot {
    /// Name of the area as searches name it; compared without case.
    #[schema(min_length = 1, max_length = 256, example = "Austin, TX")]
    area: String,
    /// First instant of the month described.
    #[schema(format = DateTime)]
    period_start: String,
    /// From when on this was known; nothing earlier may see it.
    #[schema(format = DateTime)]
    published_at: String,
    /// Median price, in units of the brokerage's currency.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    median_price: Option<f64>,
    /// Homes for sale at the month's end.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    active_listings: Option<f64>,
    /// Homes newly listed in the month.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    new_listings: Option<f64>,
    /// Homes sold in the month.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    homes_sold: Option<f64>,
    /// Median days on market.
    #[schema(minimum = 0, maximum = 10_000)]
    days_on_market: Option<f64>,
    /// Months that the supply would last.
    #[schema(minimum = 0, maximum = 10_000)]
    months_of_supply: Option<f64>,
    /// Share of listings with a reduced price.
    #[schema(minimum = 0, maximum = 1)]
    price_reduced_share: Option<f64>,
    /// Sale price over list price.
    #[schema(minimum = 0, maximum = 10)]
    sale_to_list: Option<f64>,
}

/// One thing that a program may do; `admin` is everything.
#[derive(Deserialize, ToSchema)]
pub enum Scope {
    #[serde(rename = "leads:read")]
    LeadsRead,
    #[serde(rename = "leads:write")]
    LeadsWrite,
    #[serde(rename = "leads:personal")]
    LeadsPersonal,
    #[serde(rename = "events:write")]
    EventsWrite,
    #[serde(rename = "scores:read")]
    ScoresRead,
    #[serde(rename = "models:read")]
    ModelsRead,
    #[serde(rename = "market:read")]
    MarketRead,
    #[serde(rename = "market:write")]
    MarketWrite,
    #[serde(rename = "jobs:write")]
    JobsWrite,
    #[serde(rename = "admin")]
    Admin,
}

/// What a person may do; a later role may do all that an earlier one may.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Agent,
    Manager,
    Admin,
}

/// What a person asks for by their rights: a copy of everything, what is wrong put right, data kept and not used, no
/// profiling, everything destroyed, a person to look at what a machine decided.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrivacyRequestKind {
    Access,
    Rectification,
    Restriction,
    Objection,
    Erasure,
    Contest,
}

/// Where a privacy request stands: it waits to be approved, taken or refused; it is carried out, or a person is at it; it
/// was done; it was refused.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrivacyRequestStatus {
    Open,
    InProgress,
    Done,
    Refused,
}

/// Everything that is kept of a person.
#[derive(Deserialize, ToSchema)]
pub struct PrivacyExport {
    request_id: Uuid,
    #[schema(format = DateTime)]
    exported_at: String,
    lead: ExportedLead,
    /// How a score comes about.
    logic: String,
    /// The present score and its reasons; `null` where there is none.
    #[schema(value_type = Option<Object>, required)]
    explanation: Option<serde_json::Value>,
    /// Everything that happened, the latest first, as `POST /api/v1/events` takes it; merges are left out, the events of
    /// everybody who turned out to be the person are there.
    events: Vec<Event>,
    /// Every score that the lead had, the latest first.
    #[schema(value_type = Vec<Object>)]
    scores: Vec<serde_json::Value>,
    #[schema(value_type = Vec<Object>)]
    privacy_requests: Vec<serde_json::Value>,
    #[schema(value_type = Vec<Object>)]
    overrides: Vec<serde_json::Value>,
    /// Events that are damaged and cannot be read.
    unreadable_events: u64,
    /// Whether this is all.
    complete: bool,
}

/// What is known of a lead beside its history.
#[derive(Deserialize, ToSchema)]
pub struct ExportedLead {
    lead_id: Uuid,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(required)]
    name: Option<String>,
    identities: Vec<Identity>,
    #[schema(required)]
    agent_id: Option<Uuid>,
    #[schema(required)]
    team_id: Option<Uuid>,
}

/// Why a webhook is told nothing: a person decided it, it answered 410, or nothing was delivered for too long.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    ByAdmin,
    Gone,
    Failing,
}

/// Where a message stands: it waits to be sent, it was delivered, or it was given up.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    Pending,
    Delivered,
    Failed,
}

/// Where a lead stands in the brokerage's pipeline.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    New,
    Contacted,
    Engaged,
    Qualified,
    Showing,
    Negotiating,
    Nurturing,
    Lost,
    Won,
}

/// From the lead, or to it.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Inbound,
    Outbound,
}

/// Who spoke.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    Lead,
    Agent,
}

/// A telephone call, answered or not.
#[derive(Deserialize, ToSchema)]
pub struct VoiceCall {
    direction: Direction,
    /// Whether a person answered.
    answered: bool,
    #[schema(maximum = 86_400_000)]
    duration_ms: u32,
    /// Whether the agent was an artificial voice.
    #[serde(default)]
    ai_voice: bool,
    /// What was said, in order.
    #[schema(max_items = 2_000)]
    #[serde(default)]
    turns: Vec<Turn>,
    /// Sentiment of the lead as the platform judged it.
    #[schema(minimum = -1, maximum = 1)]
    sentiment: Option<f32>,
    /// The platform's id of the call, where its turns were told one by one before: the call takes their place.
    #[schema(min_length = 1, max_length = 256)]
    call_id: Option<String>,
}

/// One turn of a call that goes on: it counts at once, until the whole call is told, and at most for four hours.
#[derive(Deserialize, ToSchema)]
pub struct CallTurn {
    /// The platform's id of the call.
    #[schema(min_length = 1, max_length = 256)]
    call_id: String,
    direction: Direction,
    /// Whether the agent is an artificial voice.
    #[serde(default)]
    ai_voice: bool,
    turn: Turn,
}

/// One turn of a call.
#[derive(Deserialize, ToSchema)]
pub struct Turn {
    speaker: Speaker,
    /// What was said; kept encrypted.
    #[schema(max_length = 8_192)]
    text: String,
    /// From the start of the call.
    #[schema(maximum = 86_400_000)]
    start_ms: u32,
    #[schema(maximum = 86_400_000)]
    duration_ms: Option<u32>,
    #[schema(minimum = -1, maximum = 1)]
    sentiment: Option<f32>,
}

/// A finished visit to the web site.
#[derive(Deserialize, ToSchema)]
pub struct WebSession {
    #[schema(maximum = 86_400_000)]
    duration_ms: u32,
    page_count: u32,
    #[serde(default)]
    download_count: u32,
}

/// What a page is about.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    Home,
    Listing,
    Results,
    Financing,
    Valuation,
    Guide,
    Contact,
    Other,
}

/// One page of the web site.
#[derive(Deserialize, ToSchema)]
pub struct PageView {
    page: Page,
    #[schema(maximum = 86_400_000)]
    duration_ms: Option<u32>,
    #[schema(max_length = 256)]
    listing_key: Option<String>,
}

/// What became of an e-mail.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmailAction {
    Sent,
    Delivered,
    Opened,
    Clicked,
    Forwarded,
    Replied,
    Bounced,
    Unsubscribed,
}

/// An e-mail, and what became of it.
#[derive(Deserialize, ToSchema)]
pub struct Email {
    action: EmailAction,
    #[schema(max_length = 256)]
    message_id: Option<String>,
}

/// Buy or rent.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Deal {
    Buy,
    Rent,
}

/// What kind of home.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PropertyType {
    House,
    Condo,
    Townhouse,
    MultiFamily,
    Land,
    Other,
}

/// A search for homes. Prices are whole units of the brokerage's currency.
#[derive(Deserialize, ToSchema)]
pub struct PropertySearch {
    deal: Deal,
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    price_min: Option<i64>,
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    price_max: Option<i64>,
    /// Areas, as market data names them.
    #[schema(max_items = 32)]
    #[serde(default)]
    areas: Vec<String>,
    #[schema(max_items = 8)]
    #[serde(default)]
    property_types: Vec<PropertyType>,
    bedrooms_min: Option<u8>,
}

/// A listing put on the list of favourites.
#[derive(Deserialize, ToSchema)]
pub struct ListingSaved {
    #[schema(min_length = 1, max_length = 256)]
    listing_key: String,
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    price: Option<i64>,
    #[schema(max_length = 256)]
    area: Option<String>,
    property_type: Option<PropertyType>,
}

/// How far a viewing got.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShowingAction {
    Requested,
    Scheduled,
    Held,
    Cancelled,
    NoShow,
}

/// A viewing of a home.
#[derive(Deserialize, ToSchema)]
pub struct Showing {
    action: ShowingAction,
    #[schema(max_length = 256)]
    listing_key: Option<String>,
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    price: Option<i64>,
    /// When it is to take place.
    #[schema(format = DateTime)]
    scheduled_for: Option<String>,
}

/// Over what a message went.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    Sms,
    Chat,
    Messenger,
    Portal,
}

/// A text message, either way.
#[derive(Deserialize, ToSchema)]
pub struct Message {
    direction: Direction,
    medium: Medium,
    /// What was written; kept encrypted.
    #[schema(max_length = 8_192)]
    text: Option<String>,
    #[schema(minimum = -1, maximum = 1)]
    sentiment: Option<f32>,
}

/// What an agent did.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentActionKind {
    Assigned,
    NoteWritten,
    ListingsSent,
    ShowingOffered,
    ValuationSent,
    FollowUpPlanned,
}

/// Something that the agent did.
#[derive(Deserialize, ToSchema)]
pub struct AgentAction {
    action: AgentActionKind,
    /// Who, as the CRM names the agent.
    #[schema(max_length = 256)]
    agent_id: Option<String>,
}

/// What the data is used for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    Profiling,
    CallByPerson,
    CallByAi,
    Email,
    Recording,
}

/// Whether the purpose is allowed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    Granted,
    Withdrawn,
}

/// The legal basis (GDPR Art. 6(1)) that is claimed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LegalBasis {
    Consent,
    Contract,
    LegitimateInterest,
}

/// One statement about one purpose; the latest counts.
#[derive(Deserialize, ToSchema)]
pub struct Consent {
    purpose: Purpose,
    state: ConsentState,
    basis: LegalBasis,
    /// Where the proof is: the text shown and the form or recording.
    #[schema(min_length = 1, max_length = 8_192)]
    evidence: String,
}

/// A right of a person that keeps their data from being used: restriction of processing (GDPR Art. 18), objection to
/// profiling (Art. 21).
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    Restriction,
    Objection,
}

/// Whether a limit is in force.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitState {
    Imposed,
    Lifted,
}

/// The use of the lead's data was limited, or no longer is; of each limit the latest statement counts.
#[derive(Deserialize, ToSchema)]
pub struct ProcessingLimit {
    limit: Limit,
    state: LimitState,
    /// Where the proof is: the letter, the request.
    #[schema(min_length = 1, max_length = 8_192)]
    evidence: String,
}

/// How it ended; `won` is what the model predicts.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeResult {
    Won,
    Lost,
    NoAnswer,
}

/// How it ended.
#[derive(Deserialize, ToSchema)]
pub struct Outcome {
    result: OutcomeResult,
    #[schema(max_length = 256)]
    reason: Option<String>,
    /// Worth of the deal to the brokerage, in whole units of its currency.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    value: Option<i64>,
}

/// Another lead turned out to be this one.
#[derive(Deserialize, ToSchema)]
pub struct LeadMerged {
    /// The lead whose history now belongs to the event's lead.
    absorbed: Uuid,
}

#[cfg(test)]
mod tests {
    use leadscore_domain::{
        Consent, EventEnvelope, EventKind, MarketSnapshot, RawIdentity,
        event::{BodySeed, LeadRef, Stage, Turn},
    };
    use serde::de::{DeserializeOwned, DeserializeSeed};
    use serde_json::{Value, json};

    /// The words that serde says it expected instead of `value`.
    fn expected<T>(result: Result<T, serde_json::Error>) -> Vec<String> {
        let message = result.err().expect("a word that nobody knows is refused").to_string();
        let (_, expected) = message.split_once("expected ").unwrap_or_else(|| panic!("{message}"));
        let mut words: Vec<String> = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        words.sort();
        words
    }

    fn fields_of<T: DeserializeOwned>() -> Vec<String> {
        expected(T::deserialize(json!({"_": 0})))
    }

    fn words_of<T: DeserializeOwned>() -> Vec<String> {
        expected(T::deserialize(json!("_")))
    }

    struct Document(Value);

    impl Document {
        fn schema(&self, name: &str) -> &Value {
            let found = &self.0["components"]["schemas"][name];
            assert!(found.is_object(), "{name} is not described");
            found
        }

        fn properties(&self, name: &str) -> Vec<String> {
            let mut names: Vec<String> = self.schema(name)["properties"].as_object().unwrap().keys().cloned().collect();
            names.sort();
            names
        }

        fn words(&self, name: &str) -> Vec<String> {
            let listed = self.schema(name)["enum"].as_array().unwrap();
            let mut words: Vec<String> = listed.iter().map(|word| word.as_str().unwrap().to_owned()).collect();
            words.sort();
            words
        }
    }

    fn document() -> Document {
        Document(serde_json::from_str(&crate::openapi_json()).unwrap())
    }

    /// The name of the schema of a kind's data.
    fn data_of(kind: EventKind) -> String {
        let words = kind.as_str().split('_');
        words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
    }

    #[test]
    fn the_data_of_each_kind_has_the_fields_that_the_domain_reads() {
        let document = document();
        for kind in EventKind::ALL {
            let read = expected(BodySeed(kind).deserialize(json!({"_": 0})));
            assert_eq!(document.properties(&data_of(kind)), read, "{}", kind.as_str());
        }
        assert_eq!(document.properties("Turn"), fields_of::<Turn>());
        assert_eq!(document.properties("Identity"), fields_of::<RawIdentity>());
        assert_eq!(document.properties("LeadRef"), fields_of::<LeadRef>());
        assert_eq!(document.properties("Consent"), fields_of::<Consent>());
        assert_eq!(document.properties("MarketSnapshot"), fields_of::<MarketSnapshot>());
        let mut envelope = fields_of::<EventEnvelope>();
        envelope.retain(|field| field != "type" && field != "data");
        let text = document.schema("Event").to_string();
        assert!(envelope.iter().all(|field| text.contains(&format!("\"{field}\""))), "{text}");
    }

    #[test]
    fn each_set_of_words_is_the_domains() {
        use leadscore_domain::{consent, event, identity};
        let document = document();
        for (name, read) in [
            ("IdentityKind", words_of::<identity::IdentityKind>()),
            ("Stage", words_of::<Stage>()),
            ("Direction", words_of::<event::Direction>()),
            ("Speaker", words_of::<event::Speaker>()),
            ("Page", words_of::<event::Page>()),
            ("EmailAction", words_of::<event::EmailAction>()),
            ("Deal", words_of::<event::Deal>()),
            ("PropertyType", words_of::<event::PropertyType>()),
            ("ShowingAction", words_of::<event::ShowingAction>()),
            ("Medium", words_of::<event::Medium>()),
            ("AgentActionKind", words_of::<event::AgentActionKind>()),
            ("Purpose", words_of::<consent::Purpose>()),
            ("ConsentState", words_of::<consent::ConsentState>()),
            ("LegalBasis", words_of::<consent::LegalBasis>()),
            ("Limit", words_of::<consent::Limit>()),
            ("LimitState", words_of::<consent::LimitState>()),
            ("OutcomeResult", words_of::<event::OutcomeResult>()),
            ("Scope", words_of::<leadscore_store::Scope>()),
            ("Role", words_of::<leadscore_store::Role>()),
            ("DisabledReason", words_of::<leadscore_store::DisabledReason>()),
            ("DeliveryState", words_of::<leadscore_store::DeliveryState>()),
            ("PrivacyRequestKind", words_of::<leadscore_store::RequestKind>()),
            ("PrivacyRequestStatus", words_of::<leadscore_store::RequestStatus>()),
        ] {
            assert_eq!(document.words(name), read, "{name}");
        }
        let body = document.schema("EventBody").to_string();
        for kind in EventKind::ALL {
            assert!(body.contains(&format!("\"{}\"", kind.as_str())), "{}", kind.as_str());
        }
    }
}

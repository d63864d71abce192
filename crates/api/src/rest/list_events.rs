//! `GET /api/v1/leads/{lead_id}/events`: what happened to a lead.

use std::{str::FromStr, sync::Arc};

use axum::{Json, extract::State};
use leadscore_domain::{EventBody, EventId, EventKind, LeadId, Timestamp};
use leadscore_store::{PastEvent, Principal};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    auth::{bearer::Sender, sight::unknown_lead},
    problem::{Code, Problem},
    query::{Parameters, Word},
    rest::{LeadPath, unavailable},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::InvalidLeadId, Code::LeadNotFound, Code::InvalidQueryParameter];

/// Events of a page, unless the request says otherwise, and at most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 500;

/// A page of a lead's history.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventPage {
    /// Whose. Where the lead was merged into another, that one.
    lead_id: Uuid,
    /// The latest first.
    events: Vec<EventRow>,
    /// The `cursor` of the next page; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// An event of a lead's history.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventRow {
    /// Its id.
    event_id: Uuid,
    /// Which system sent it.
    source: String,
    /// What kind it is.
    #[serde(rename = "type")]
    #[schema(example = "voice_call")]
    kind: &'static str,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    occurred_at: Timestamp,
    /// When it was received.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// What happened, in the form of its kind: see `EventBody`. `null` where it is damaged; left out for keys without the
    /// scope `leads:personal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
}

impl EventRow {
    /// As somebody is shown it.
    pub fn new(event: PastEvent, principal: &Principal) -> Self {
        let PastEvent { id, source, kind, occurred_at, received_at, body } = event;
        let data = principal.sees_persons().then(|| body.as_ref().map_or(Value::Null, data));
        Self { event_id: id.0, source, kind: kind.as_str(), occurred_at, received_at, data }
    }
}

/// What an event says, as JSON.
pub fn data(body: &EventBody) -> Value {
    serde_json::from_slice(&body.data_to_json()).expect("what was written as JSON is JSON")
}

/// Where the next page begins: after the event of this instant and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub Timestamp, pub EventId);

impl Cursor {
    /// That of the page after this event.
    pub fn after(event: &PastEvent) -> String {
        format!("{}.{}", event.occurred_at.as_micros(), event.id.0.simple())
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (micros, id) = text.split_once('.').ok_or(())?;
        let at = micros.parse().ok().and_then(Timestamp::from_micros).ok_or(())?;
        Ok(Self(at, EventId(id.parse().map_err(|_| ())?)))
    }
}

/// History of a lead
///
/// What happened to it, and to those who were merged into it: the latest first, page by page.
#[utoipa::path(
    get,
    path = "/api/v1/leads/{lead_id}/events",
    tag = "events",
    params(
        ("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"),
        ("type" = Option<String>, Query, description = "Only events of this kind, such as `voice_call`"),
        ("limit" = Option<usize>, Query, description = "Events of the page, 1 to 500; 50 unless you say otherwise"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before")
    ),
    responses((
        status = 200,
        description = "A page",
        body = EventPage,
        example = json!({
            "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
            "events": [{
                "event_id": "7c9e6679-7425-50de-944b-e07fc1f90ae7",
                "source": "api",
                "type": "lead_created",
                "occurred_at": "2026-03-01T10:30:00Z",
                "received_at": "2026-03-01T10:30:00.2Z",
                "data": {
                    "channel": "referral",
                    "attributes": {"budget": 450_000.0},
                    "consents": [
                        {"purpose": "profiling", "state": "granted", "basis": "consent", "evidence": "form 4"}
                    ]
                }
            }],
            "next": "1772361000000000.7c9e6679742550de944be07fc1f90ae7"
        })
    ))
)]
pub async fn list_events(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(asked): LeadPath,
    mut query: Parameters,
) -> Result<Json<EventPage>, Problem> {
    let kind = query.take("type", "send a kind of event, such as voice_call")?;
    let kinds: Vec<EventKind> = kind.map(|Word(kind)| kind).into_iter().collect();
    page(&api, &principal, asked, &kinds, query).await.map(Json)
}

/// A page of the events of these kinds, or of all kinds where none is named.
///
/// # Errors
/// Where the lead does not exist, a parameter is wrong, or the store fails.
pub async fn page(
    api: &Api,
    principal: &Principal,
    asked: LeadId,
    kinds: &[EventKind],
    mut query: Parameters,
) -> Result<EventPage, Problem> {
    let limit = query.limit(LIMIT, LIMIT_MAX)?;
    let cursor = query.take("cursor", "send `next` of the page before as it was")?;
    query.end()?;
    let record = api.store.lead(asked).await.map_err(unavailable)?.ok_or_else(unknown_lead)?;
    let lead = record.merged_into.unwrap_or(asked);
    let before = cursor.map(|Cursor(at, id)| (at, id));
    let mut events = api.store.history(lead, kinds, before, limit + 1).await.map_err(unavailable)?;
    let more = events.len() > limit;
    events.truncate(limit);
    let next = events.last().filter(|_| more).map(Cursor::after);
    let events = events.into_iter().map(|event| EventRow::new(event, principal)).collect();
    Ok(EventPage { lead_id: lead.0, events, next })
}

#[cfg(test)]
mod tests {
    use leadscore_domain::LeadId;
    use leadscore_store::Scope;
    use serde_json::{Value, json};

    use crate::testing::{NOBODY, TestApp};

    async fn message(app: &TestApp, lead: LeadId, minute: u8, text: &str) {
        let event = json!({
            "source": "site", "source_event_id": format!("{lead} {minute}"), "lead": {"lead_id": lead},
            "occurred_at": format!("2026-03-01T09:{minute:02}:00Z"),
            "type": "message", "data": {"direction": "inbound", "medium": "sms", "text": text}
        });
        assert_eq!(app.post("/api/v1/events", &event).await.status, 202);
    }

    fn texts(page: &Value) -> Vec<String> {
        let text = |event: &Value| event["data"]["text"].as_str().unwrap_or("-").to_owned();
        page["events"].as_array().unwrap().iter().map(text).collect()
    }

    #[tokio::test]
    async fn what_is_wrong_is_named() {
        let app = TestApp::new().await;
        let lead = app.lead("ann").await;
        for (query, code, field) in [
            ("limit=0", "invalid-query-parameter", "limit"),
            ("limit=501", "invalid-query-parameter", "limit"),
            ("type=fax", "invalid-query-parameter", "type"),
            ("cursor=1.2", "invalid-query-parameter", "cursor"),
            ("cursor=99999999999999999.7c9e6679742550de944be07fc1f90ae7", "invalid-query-parameter", "cursor"),
            ("page=2", "unknown-query-parameter", "page"),
        ] {
            let reply = app.get(&format!("/api/v1/leads/{lead}/events?{query}")).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), (code, &json!(field)), "{query}");
        }
        assert_eq!(app.get(&format!("/api/v1/leads/{NOBODY}/events")).await.code(), "lead-not-found");
    }

    #[tokio::test]
    async fn pages_go_back_through_the_history_of_everybody_who_was_merged() {
        let app = TestApp::new().await;
        let (lead, other) = (app.lead("ann").await, app.lead("other").await);
        // Two in the same instant, and in another order than they happened.
        for (whose, minute, text) in [(lead, 3, "c"), (lead, 1, "a"), (other, 2, "b"), (other, 3, "d")] {
            message(&app, whose, minute, text).await;
        }
        app.merge(lead, other).await;
        let path = format!("/api/v1/leads/{other}/events?type=message&limit=1");
        let (mut seen, mut next) = (Vec::new(), String::new());
        loop {
            let page = app.get(&format!("{path}{next}")).await.json();
            assert_eq!(page["lead_id"], json!(lead));
            seen.extend(texts(&page));
            let Some(cursor) = page["next"].as_str() else { break };
            next = format!("&cursor={cursor}");
        }
        seen[..2].sort();
        assert_eq!(seen, ["c", "d", "b", "a"]);
        let all = app.get(&format!("/api/v1/leads/{lead}/events")).await.json();
        assert_eq!(all["events"].as_array().unwrap().len(), 8, "two arrivals, four messages, the merge twice");
    }

    #[tokio::test]
    async fn keys_without_persons_see_that_it_happened_and_not_what() {
        let mut app = TestApp::new().await;
        let lead = app.lead("ann").await;
        message(&app, lead, 1, "my name is Ann").await;
        app.token = app.key(Scope::LeadsRead).await;
        let page = app.get(&format!("/api/v1/leads/{lead}/events")).await.json();
        assert_eq!(page["events"].as_array().unwrap().len(), 2);
        assert!(page["events"][0].get("data").is_none(), "{page}");
    }
}

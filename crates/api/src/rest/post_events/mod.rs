//! `POST /api/v1/events`: what happened to leads, one event or many.

mod batch;
mod receipt;

use std::{collections::HashMap, str::FromStr, sync::Arc};

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use leadscore_domain::LeadId;
use leadscore_store::{
    Appended, Principal, StoreError,
    audit::Object,
    telemetry::{Fate, Stage},
};
use serde::Deserialize;
use utoipa::ToSchema;

use self::batch::{Batch, Outcome};
pub use self::receipt::Receipt;
use crate::{
    audit::Touched,
    auth::bearer::{Caller, Sender},
    idempotency,
    json::JsonBytes,
    problem::{Code, Problem},
    query::Parameters,
    rate,
    rest::{
        unavailable,
        wait_for_scores::{Verdicts, wait_for_scores},
    },
    schema,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[
    Code::InvalidQueryParameter,
    Code::InvalidIdempotencyKey,
    Code::IdempotencyKeyReused,
    Code::RequestRunning,
    Code::LeadNotFound,
    Code::TooFast,
];

/// Its address.
#[cfg(test)]
pub const PATH: &str = "/api/v1/events";

/// What an answer may wait for.
struct Wait;

impl FromStr for Wait {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "score" { Ok(Self) } else { Err(()) }
    }
}

/// One event, or several.
#[derive(Deserialize, ToSchema)]
#[schema(as = Events)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the body, which is read event by event")]
pub enum EventsBody {
    /// One event.
    #[schema(title = "One")]
    One(Box<schema::Event>),
    /// Up to 1,000 events.
    #[schema(title = "Many")]
    Many(Vec<schema::Event>),
}

/// Why no event was taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request as a whole, or each of its events, is wrong.
    #[error("the request was refused")]
    Refused(Problem),
    /// The sender has used up what it may send.
    #[error("too many events")]
    TooFast(rate::Spent),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(problem) => problem,
            Error::TooFast(spent) => spent.problem(),
            Error::Store(error) => unavailable(error),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let spent = if let Self::TooFast(spent) = &self { Some(*spent) } else { None };
        let mut response = Problem::from(self).into_response();
        if let Some(spent) = spent {
            spent.show(response.headers_mut());
        }
        response
    }
}

/// Send events
///
/// One event or a list of up to 1,000; outcomes are events too. An event that is answered as accepted is durable;
/// sending it again changes nothing. Where some events of a list are refused, the others are taken. An event that
/// happened longer ago than the server's limit (400 days unless configured) is not applied but kept as a dead letter.
/// Agents and managers name one of their leads by its id, and no handles.
///
/// With `wait=score` the answer comes when every event's lead has a score with the event in it, or a verdict that it
/// must not have one, and holds these; after 5 seconds it is 202, with what is there and `score_pending`.
///
/// After an answer of 503, or none, the events may have been taken: send them again, each counts once.
#[utoipa::path(
    post,
    path = "/api/v1/events",
    tag = "events",
    params(
        ("wait" = Option<String>, Query, pattern = "^score$", description = "`score`: answer with the new scores"),
        ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description =
            "A key of the sender's own, such as a UUID: the same request under the same key gets the first answer for a day")
    ),
    request_body(content = EventsBody, example = json!([
        {
            "source": "vapi",
            "source_event_id": "call-7731",
            "lead": {"identities": [{"kind": "phone", "value": "+1 512 555 0123"}]},
            "occurred_at": "2026-03-01T09:55:00Z",
            "type": "voice_call",
            "data": {
                "direction": "inbound",
                "answered": true,
                "duration_ms": 184_000,
                "turns": [{"speaker": "lead", "text": "We would like to see the house on Elm Street.", "start_ms": 2_100}],
                "sentiment": 0.8
            }
        },
        {
            "source": "crm",
            "source_event_id": "deal-42-won",
            "lead": {"identities": [{"kind": "crm", "value": "42"}]},
            "occurred_at": "2026-03-01T09:58:00Z",
            "type": "outcome",
            "data": {"result": "won", "value": 12_500}
        }
    ])),
    responses((
        status = 200,
        description = "The same with `wait=score`, and every score is there",
        body = Receipt
    ), (
        status = 202,
        description = "At least one event is durable, or was before",
        body = Receipt,
        headers(
            ("RateLimit-Policy" = String, description = "How many events the token may send in how many seconds"),
            ("RateLimit" = String, description = "How many are left, and in how many seconds all are again")
        ),
        example = json!({
            "accepted": 2,
            "duplicates": 0,
            "dead_lettered": 0,
            "refused": 0,
            "results": [
                {
                    "index": 0,
                    "status": "accepted",
                    "event_id": "3c4e9c0f-9df8-5c6b-8f1e-6d9b8f0a2b11",
                    "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"
                },
                {
                    "index": 1,
                    "status": "accepted",
                    "event_id": "95b1a3c2-0d3f-5b52-a7c4-0e8f7d6c5b4a",
                    "lead_id": "0198c2c4-77aa-7c10-8b2e-5d4c3b2a1908"
                }
            ]
        })
    ))
)]
pub async fn post_events(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    mut query: Parameters,
    headers: HeaderMap,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let waits = query.take::<Wait>("wait", "send `score`, or leave it out")?.is_some();
    query.end()?;
    let key = idempotency::Key::read(&headers, &Caller::of(&principal), "events")?;
    let run = async { take(&api, &principal, &bytes, waits).await.into_response() };
    idempotency::once(&api, key, &[&[u8::from(waits)], &bytes], run).await
}

async fn take(api: &Api, principal: &Principal, bytes: &[u8], waits: bool) -> Result<Response, Error> {
    let ingesting = Stage::Ingest.start();
    let batch = Batch::read(bytes, &api.limits, api.clock.now(), api.region)?.within_sight(api, principal).await?;
    ingesting.stop();
    let Batch { many, pending, late, mut outcomes } = batch;
    let spent = rate::spend(api, &Caller::of(principal), outcomes.len()).await.map_err(Error::TooFast)?;
    Fate::Refused.count(outcomes.len() - pending.len() - late.len());
    Fate::Dead.count(late.len());
    api.store.bury(late).await?;
    // Before the append: no score may come in between.
    let updates = waits.then(|| api.cache.subscribe());
    let mut appended = api.store.append(pending, None).await?.into_iter();
    let mut wanted: HashMap<LeadId, i64> = HashMap::new();
    for outcome in &mut outcomes {
        if let Outcome::Pending = outcome {
            let answer = appended.next().expect("the store answers for each event");
            if let Some((lead, position)) = place(&answer) {
                let latest = wanted.entry(lead).or_default();
                *latest = position.max(*latest);
            }
            *outcome = answer.into();
        }
    }
    if let Some(problem) = first_if_all_refused(&outcomes, many) {
        return Err(problem.into());
    }
    let touched: Touched = wanted.keys().map(|lead| Object::Lead(*lead)).collect();
    let verdicts = match updates {
        Some(updates) => Some(wait_for_scores(api, updates, wanted).await.unwrap_or_else(|error| {
            // The events are durable all the same.
            tracing::warn!(%error, "scores could not be waited for");
            Verdicts::new()
        })),
        None => None,
    };
    let receipt = receipt::receipt(outcomes, verdicts.as_ref());
    let status = if receipt.score_pending == Some(false) { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut response = (status, Extension(touched), Json(receipt)).into_response();
    if let Some(spent) = spent {
        spent.show(response.headers_mut());
    }
    Ok(response)
}

/// The lead whose score is to include an event, and from which position on it does; any, where the event was there
/// before.
fn place(appended: &Appended) -> Option<(LeadId, i64)> {
    match appended {
        // Whoever does not know the event's place yet cannot tell which score is the first one with it.
        Appended::Applied { lead_id, position: 0, .. } => Some((*lead_id, i64::MAX)),
        Appended::Applied { lead_id, position, .. } => Some((*lead_id, *position)),
        Appended::Duplicate { lead_id, .. } => Some((*lead_id, 0)),
        Appended::Refused(_) => None,
    }
}

/// The first problem, where no event was taken; in a list its field says which event.
fn first_if_all_refused(outcomes: &[Outcome], many: bool) -> Option<Problem> {
    let mut first = None;
    for outcome in outcomes {
        let Outcome::Refused(problem) = outcome else { return None };
        first.get_or_insert(problem);
    }
    let problem = first?.clone();
    Some(match (many, problem.named_field().map(str::to_owned)) {
        (true, Some(field)) => problem.field(format!("[0].{field}")),
        (true, None) => problem.field("[0]"),
        (false, _) => problem,
    })
}

#[cfg(test)]
mod tests {
    use leadscore_store::{DeadFilter, DeadOrigin};
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        state::Limits,
        testing::{NOBODY, TestApp},
    };

    fn event(id: &str, data: Value) -> Value {
        json!({
            "source": "site",
            "source_event_id": id,
            "lead": {"identities": [{"kind": "web", "value": "w1"}]},
            "occurred_at": "2026-03-01T09:00:00Z",
            "type": "email",
            "data": data
        })
    }

    fn opened(id: &str) -> Value {
        event(id, json!({"action": "opened"}))
    }

    #[tokio::test]
    async fn text_that_is_no_json_is_refused_as_a_whole() {
        let app = TestApp::new().await;
        for text in ["", " ", "{", "[", "[{},", "{\"source\":NaN}", "[1e999]", "\"\\ud800\"", "\u{1}", "nul"] {
            let reply = app.post_text(PATH, text).await;
            assert_eq!(reply.code(), "malformed-json", "{text:?}");
            assert!(reply.json()["line"].is_u64() && reply.json()["column"].is_u64(), "{reply:?}");
        }
        let bytes = b"{\"source\":\"\xff\xfe\"}".to_vec();
        assert_eq!(app.post_text(PATH, bytes).await.code(), "malformed-json");
        let text = "[\n  {\"source\": \"a\"},\n  {\"source\": Infinity}\n]";
        let problem = app.post_text(PATH, text).await.json();
        assert_eq!((&problem["line"], &problem["field"]), (&json!(3), &json!("[1]")));
    }

    #[tokio::test]
    async fn values_that_are_no_events_are_refused_with_the_field() {
        let app = TestApp::new().await;
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        for (text, field) in [
            ("5".to_owned(), ""),
            ("null".to_owned(), ""),
            ("[]".to_owned(), "events"),
            ("[[]]".to_owned(), "[0]"),
            (opened("1").to_string().replace("site", " "), "source"),
            (opened("1").to_string().replace("2026", "1926"), "occurred_at"),
            (opened("1").to_string().replace("2026", "9999"), "occurred_at"),
            (opened("1").to_string().replace("2026-03-01T", "0000-00-00T"), "occurred_at"),
            (event("1", json!({"action": "eaten"})).to_string(), "data.action"),
            (event("1", json!({"action": "opened", "colour": 1})).to_string(), "data.colour"),
            (format!("[{}]", event("1", json!({"colour": 1}))), "[0].data.colour"),
            (opened("1").to_string().replace(r#""w1""#, &deep), "lead.identities[0].value"),
            (opened("1").to_string().replace(r#""lead":"#, r#""lead":{},"lead":"#), "lead"),
        ] {
            let reply = app.post_text(PATH, text.clone()).await;
            let shown = &text[..text.len().min(200)];
            assert_eq!(reply.code(), "invalid-field", "{shown}");
            assert_eq!(reply.json()["field"].as_str().unwrap_or_default(), field, "{shown}");
        }
        assert_eq!(app.state.store.counts().await.unwrap().events, 0);
    }

    #[tokio::test]
    async fn an_event_about_an_unknown_id_is_refused() {
        let app = TestApp::new().await;
        let mut stray = opened("1");
        stray["lead"] = json!({"lead_id": NOBODY});
        let reply = app.post(PATH, &stray).await;
        assert_eq!(reply.code(), "invalid-field");
        assert!(reply.json()["field"].as_str().unwrap().starts_with("lead"), "{reply:?}");
    }

    #[tokio::test]
    async fn too_many_events_are_refused() {
        let app = TestApp::new().await;
        let events: Vec<Value> = (0..1_001).map(|i| opened(&i.to_string())).collect();
        let reply = app.post(PATH, &json!(events)).await;
        assert_eq!((reply.code().as_str(), &reply.json()["field"]), ("invalid-field", &json!("events")));
        assert_eq!(app.state.store.counts().await.unwrap().events, 0);
        let reply = app.post(PATH, &json!(&events[..1_000])).await;
        assert_eq!(reply.json()["accepted"], 1_000);
    }

    #[tokio::test]
    async fn each_event_has_its_own_fate() {
        let app = TestApp::new().await;
        let broken = event("3", json!({"action": "opened", "colour": 1}));
        let reply = app.post(PATH, &json!([opened("1"), opened("2"), broken, opened("1"), 7])).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED);
        let mut receipt = reply.json();
        let lead = receipt["results"][0]["lead_id"].clone();
        for result in receipt["results"].as_array_mut().unwrap() {
            if let Some(id) = result.get_mut("lead_id") {
                assert_eq!(*id, lead);
                *id = json!("LEAD");
            }
        }
        insta::assert_json_snapshot!(receipt);
    }

    #[tokio::test]
    async fn an_event_counts_once_however_often_it_arrives() {
        let app = TestApp::new().await;
        let (first, second) = (app.post(PATH, &opened("1")).await, app.post(PATH, &opened("1")).await);
        assert_eq!((&first.json()["accepted"], &first.json()["duplicates"]), (&json!(1), &json!(0)));
        assert_eq!((&second.json()["accepted"], &second.json()["duplicates"]), (&json!(0), &json!(1)));
        assert_eq!(first.json()["results"][0]["lead_id"], second.json()["results"][0]["lead_id"]);
        let outcome = json!({
            "source": "crm",
            "source_event_id": "won",
            "lead": {"identities": [{"kind": "web", "value": "w1"}]},
            "occurred_at": "2026-03-01T09:00:00Z",
            "data": {"result": "won"},
            "type": "outcome"
        });
        assert_eq!(app.post(PATH, &outcome).await.status, StatusCode::ACCEPTED);
        let counts = app.state.store.counts().await.unwrap();
        assert_eq!((counts.leads, counts.events), (1, 2));
    }

    #[tokio::test]
    async fn a_late_event_is_kept_aside_once_and_a_late_withdrawal_is_applied() {
        let app = TestApp::new().await;
        let mut late = opened("1");
        late["occurred_at"] = json!("2025-01-24T10:00:00Z"); // 401 days before
        for _ in 0..2 {
            let reply = app.post(PATH, &late).await;
            assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
            let receipt = reply.json();
            assert_eq!((&receipt["accepted"], &receipt["dead_lettered"]), (&json!(0), &json!(1)), "{receipt}");
            assert_eq!(receipt["results"][0]["status"], "dead_lettered");
        }
        late["occurred_at"] = json!("2025-01-26T10:00:00Z");
        late["source_event_id"] = json!("2");
        assert_eq!(app.post(PATH, &late).await.json()["accepted"], 1);
        let withdrawal = json!({"purpose": "profiling", "state": "withdrawn", "basis": "consent", "evidence": "mail"});
        late["occurred_at"] = json!("2024-01-01T10:00:00Z");
        late["source_event_id"] = json!("3");
        late["type"] = json!("consent");
        late["data"] = withdrawal;
        assert_eq!(app.post(PATH, &late).await.json()["accepted"], 1);

        let store = &app.state.store;
        let letters = store.dead_letters(&DeadFilter::default(), 10).await.unwrap();
        let [letter] = letters.as_slice() else { panic!("{letters:?}") };
        assert_eq!((letter.reason.as_str(), letter.tries, letter.origin), ("late", 2, DeadOrigin::Api));
        let (_, payload) = store.dead_letter(letter.id).await.unwrap().unwrap();
        let kept: Value = serde_json::from_slice(&payload.unwrap()).unwrap();
        assert_eq!((&kept["source_event_id"], &kept["occurred_at"]), (&json!("1"), &json!("2025-01-24T10:00:00Z")));
        assert_eq!(store.counts().await.unwrap().events, 2);
    }

    #[tokio::test]
    async fn without_a_limit_no_event_is_late() {
        let app = TestApp::with(Limits { late_max_us: 0, ..Limits::default() }).await;
        let mut old = opened("1");
        old["occurred_at"] = json!("2001-01-01T00:00:00Z");
        assert_eq!(app.post(PATH, &old).await.json()["accepted"], 1);
    }

    #[tokio::test]
    async fn other_queries_than_the_one_are_refused() {
        let app = TestApp::new().await;
        for (query, code, field) in [
            ("wait=scores", "invalid-query-parameter", "wait"),
            ("wait", "invalid-query-parameter", "wait"),
            ("wait=score&wait=score", "invalid-query-parameter", "wait"),
            ("colour=1", "unknown-query-parameter", "colour"),
            ("wait=score&x=1", "unknown-query-parameter", "x"),
        ] {
            let reply = app.post(&format!("{PATH}?{query}"), &opened("1")).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), (code, &json!(field)), "{query}");
        }
        assert_eq!(app.state.store.counts().await.unwrap().events, 0);
    }
}

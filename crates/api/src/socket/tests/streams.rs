//! Server-sent events.

use axum::{
    body::{Body, BodyDataStream},
    http::{Method, StatusCode},
    response::Response,
};
use futures_util::StreamExt as _;
use leadscore_domain::LeadId;
use leadscore_store::{Assignment, Role};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::client::{at, position, quick, within};
use crate::{
    Limits,
    socket::Options,
    testing::{NOBODY, TestApp, score},
};

const PATH: &str = "/api/v1/scores/stream";

/// An open stream of events.
struct Events {
    body: BodyDataStream,
    rest: String,
}

impl Events {
    async fn open(app: &TestApp, query: &str, last: Option<&str>) -> Self {
        let mut request = app.request(Method::GET, &format!("{PATH}?{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response: Response = app.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { body: response.into_body().into_data_stream(), rest: String::new() }
    }

    /// The next part between empty lines; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((part, rest)) = self.rest.split_once("\n\n") {
                let part = part.to_owned();
                self.rest = rest.to_owned();
                return Some(part);
            }
            let bytes = within(self.body.next()).await?.unwrap();
            self.rest.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The next event: its id, and its message.
    async fn hear(&mut self) -> (String, Value) {
        let part = self.next().await.unwrap();
        let (id, data) = part.split_once("\ndata: ").unwrap_or_else(|| panic!("{part}"));
        (id.strip_prefix("id: ").unwrap().to_owned(), serde_json::from_str(data).unwrap())
    }
}

async fn quick_app() -> TestApp {
    TestApp::with_sockets(Limits::default(), quick()).await
}

fn publish(app: &TestApp, lead: LeadId, log_position: i64) {
    app.state.cache.publish(vec![leadscore_store::Change::Score(std::sync::Arc::new(at(lead, log_position)))]);
}

#[tokio::test]
async fn what_is_no_stream_is_a_problem() {
    let app = TestApp::new().await;
    for (query, code, field) in [
        ("", "invalid-query-parameter", "lead_id"),
        ("?lead_id=7", "invalid-query-parameter", "lead_id"),
        (&format!("?lead_id={NOBODY}&lead_id=7"), "invalid-query-parameter", "lead_id"),
        (&format!("?lead_id={NOBODY}&agent=me"), "invalid-query-parameter", "lead_id"),
        ("?agent=you", "invalid-query-parameter", "agent"),
        ("?agent=me&agent=me", "invalid-query-parameter", "agent"),
        ("?agent=me&token=lsk_1", "unknown-query-parameter", "token"),
        ("?agent=me", "invalid-field", "topic.agent_queue"),
    ] {
        let reply = app.get(&format!("{PATH}{query}")).await;
        assert_eq!((reply.code().as_str(), &reply.json()["field"]), (code, &json!(field)), "{query}");
    }
    assert_eq!(app.get(&format!("{PATH}?agent={NOBODY}")).await.code(), "user-not-found");
    let request = app.request(Method::GET, &format!("{PATH}?lead_id={NOBODY}")).header("last-event-id", "x");
    assert_eq!(app.send(request.body(Body::empty()).unwrap()).await.json()["field"], "Last-Event-ID");
    assert_eq!(app.state.sockets.hub().sizes(), (0, 0));
}

#[tokio::test]
async fn a_stream_begins_with_a_snapshot_and_is_resumed() {
    let app = TestApp::new().await;
    let (one, two) = (app.lead("one").await, app.lead("two").await);
    app.clock.advance_micros(3_600_000_000);
    app.derive(|id| Some(score(id))).await;
    let query = format!("lead_id={one}&lead_id={two}&lead_id={NOBODY}");
    let mut events = Events::open(&app, &query, None).await;
    let (_, snapshot) = events.hear().await;
    assert_eq!(snapshot["scores"].as_array().unwrap().len(), 2);
    assert_eq!(snapshot["errors"][0]["code"], "lead-not-found");
    publish(&app, one, 5);
    let (id, news) = events.hear().await;
    assert_eq!((&news["type"], position(&news)), (&json!("score"), 5));
    drop(events);
    let mut again = Events::open(&app, &query, Some(&id)).await;
    let (_, snapshot) = again.hear().await;
    assert_eq!(snapshot["scores"].as_array().unwrap().len(), 0, "nothing changed since: {snapshot}");
    // Calculated about when the client left: it may not have seen it.
    let late = leadscore_domain::Score { calculated_at: app.state.clock.now().plus_micros(-1), ..at(two, 9) };
    app.state.cache.publish(vec![leadscore_store::Change::Score(std::sync::Arc::new(late))]);
    let mut again = Events::open(&app, &query, Some(&id)).await;
    let (_, snapshot) = again.hear().await;
    assert_eq!(position(&snapshot["scores"][0]), 9, "{snapshot}");
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_loses_what_is_lost() {
    let mut app = quick_app().await;
    let agent = app.user("agent@example.com", Role::Agent, None).await;
    let lead = app.lead("one").await;
    app.state.store.assign_lead(lead, Assignment::Agent(agent.id)).await.unwrap();
    app.derive(|id| Some(score(id))).await;
    app.token = app.log_in(&agent).await;
    let mut events = Events::open(&app, "agent=me", None).await;
    assert_eq!(events.hear().await.1["scores"][0]["lead_id"], json!(lead));
    app.state.store.assign_lead(lead, Assignment::Nobody).await.unwrap();
    assert_eq!(events.hear().await.1["type"], "removed");
    app.state.store.remove_user(agent.id).await.unwrap().unwrap();
    app.clock.advance_micros(10_000_000);
    let (_, closing) = events.hear().await;
    assert_eq!(closing, json!({"type": "closing", "code": 4401, "reason": "unauthenticated"}));
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_stream_shows_that_it_lives_and_ends_with_the_server() {
    let heartbeat_every = std::time::Duration::from_millis(5);
    let mut app = TestApp::with_sockets(Limits::default(), Options { heartbeat_every, ..Options::default() }).await;
    let mut events = Events::open(&app, &format!("lead_id={NOBODY}"), None).await;
    events.hear().await;
    assert_eq!(events.next().await.unwrap(), ": heartbeat");
    drop(std::mem::replace(&mut app.stop, tokio_util::sync::CancellationToken::new().drop_guard()));
    app.tracker.close();
    let mut last = String::new();
    while let Some(part) = events.next().await {
        last = part;
    }
    assert!(last.contains("shutting-down") || last == ": heartbeat", "{last}");
    within(app.tracker.wait()).await;
}

#[tokio::test]
async fn a_stream_whose_reader_has_left_is_forgotten() {
    let app = TestApp::new().await;
    let lead = app.lead("one").await;
    let mut events = Events::open(&app, &format!("lead_id={lead}"), None).await;
    events.hear().await;
    assert_eq!(app.state.sockets.hub().sizes(), (1, 1));
    drop(events);
    super::client::until(|| app.state.sockets.hub().sizes() == (0, 0)).await;
}

//! Deliveries from the outside: proof, log, answer.

use std::net::SocketAddr;

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Method, Request, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use leadscore_domain::{
    Obstacle,
    time::{DAY_US, SECOND_US},
};
use leadscore_store::{Change, DeadFilter, Rate, RateLimiter};
use ring::hmac;
use serde_json::{Value, json};

use super::*;
use crate::{
    Edge, RequestRates,
    testing::{Reply, TestApp, score},
};

const BASE: &str = "https://leads.example.com/base";
const REPORT: &str = include_str!("../../../connectors/tests/fixtures/vapi/end-of-call-report.json");
const QUESTION: &str = include_str!("../../../connectors/tests/fixtures/vapi/assistant-request.json");
const SECRET: &str = "a-secret-of-our-own";

/// The API with a connector of each kind that matters here.
async fn app() -> TestApp {
    serving(TestApp::new().await)
}

fn serving(app: TestApp) -> TestApp {
    let bearer = json!({"scheme": "bearer", "secrets": ["an-older-secret", SECRET]});
    let listed = json!([
        {"source": "calls", "vendor": "vapi", "proof": bearer, "assistant_id": "assistant-1"},
        {"source": "phone", "vendor": "twilio", "secrets": [SECRET]},
        {"source": "mail", "vendor": "mailgun", "secrets": [SECRET]},
        {"source": "cloud", "vendor": "cloudevents", "proof": bearer, "allowed_origins": ["events.example.com"]}
    ]);
    app.connecting(Connectors::new(BASE.parse().unwrap(), serde_json::from_value(listed).unwrap()).unwrap())
}

fn delivery(name: &str, body: impl Into<Body>) -> Request<Body> {
    delivery_with(name, SECRET, body)
}

fn delivery_with(name: &str, secret: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(format!("/api/v1/connectors/{name}"))
        .header(header::AUTHORIZATION, format!("Bearer {secret}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.into())
        .unwrap()
}

async fn ask(app: &TestApp) -> Value {
    let reply = app.send(delivery("calls", QUESTION)).await;
    assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, "application/json"), "{reply:?}");
    reply.json()["assistantOverrides"]["variableValues"].clone()
}

/// Every event in the log, as its kind and source.
async fn logged(app: &TestApp) -> Vec<(String, String)> {
    let store = &app.state.store;
    let mut all = Vec::new();
    for partition in 0..store.partitions() {
        for record in store.read_log(partition, 0, 1_000).await.unwrap() {
            let event = record.event.unwrap();
            all.push((event.body.kind().as_str().to_owned(), event.source));
        }
    }
    all
}

async fn a_caller(app: &TestApp) -> leadscore_domain::LeadId {
    app.lead_with(&json!({
        "identities": [{"kind": "phone", "value": "+1 512 555 0123"}],
        "consents": [
            {"purpose": "profiling", "state": "granted", "basis": "consent", "evidence": "form 4"},
            {"purpose": "call_by_ai", "state": "granted", "basis": "consent", "evidence": "form 4"}
        ]
    }))
    .await
}

#[tokio::test]
async fn who_has_no_proof_is_refused_and_slowed_down() {
    let app = app().await;
    let clock: Arc<dyn leadscore_domain::Clock> = Arc::new(app.clock.clone());
    let addresses = Some(RateLimiter::new(Rate { per_s: 1.0, burst: 2 }, clock, None));
    let app = app.behind(Edge { rates: RequestRates { addresses, ..RequestRates::default() }, ..Edge::default() });
    let from = async |name: &str, secret: &str| {
        let mut request = delivery_with(name, secret, REPORT);
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([198, 51, 100, 1], 1))));
        app.send(request).await.code()
    };
    assert_eq!(from("calls", "guessed").await, "delivery-unproven");
    assert_eq!(from("nobody", SECRET).await, "connector-not-found");
    assert_eq!(from("calls", "guessed").await, "too-many-requests");
    assert_eq!(logged(&app).await, [], "nothing was taken");
    let mut proven = delivery("calls", REPORT);
    proven.extensions_mut().insert(ConnectInfo(SocketAddr::from(([198, 51, 100, 1], 1))));
    assert_eq!(app.send(proven).await.status, StatusCode::NO_CONTENT, "whoever has the secret is not slowed down");
}

#[tokio::test]
async fn without_connectors_there_are_none() {
    let app = TestApp::new().await;
    assert_eq!(app.send(delivery("calls", REPORT)).await.code(), "connector-not-found");
    assert_eq!(app.get("/api/v1/connectors/calls").await.code(), "method-not-allowed");
}

#[tokio::test]
async fn what_a_vendor_does_not_send_is_malformed_and_what_is_new_is_not() {
    let app = app().await;
    for body in ["", "[", "{}", r#"{"message": 7}"#, r#"{"message": {"type": "end-of-call-report"}}"#] {
        assert_eq!(app.send(delivery("calls", body)).await.code(), "malformed-delivery", "{body}");
    }
    let long = " ".repeat(app.state.limits.body_max_bytes + 1);
    assert_eq!(app.send(delivery("calls", long)).await.code(), "body-too-large");
    let new = app.send(delivery("calls", r#"{"message": {"type": "invented-tomorrow"}}"#)).await;
    assert_eq!(new.status, StatusCode::NO_CONTENT);
    assert_eq!(logged(&app).await, []);
}

#[tokio::test]
async fn a_call_is_one_event_however_often_it_is_delivered() {
    let app = app().await;
    for _ in 0..3 {
        assert_eq!(app.send(delivery("calls", REPORT)).await.status, StatusCode::NO_CONTENT);
    }
    let calls = logged(&app).await.into_iter().filter(|(kind, _)| kind == "voice_call").collect::<Vec<_>>();
    assert_eq!(calls, [("voice_call".to_owned(), "calls".to_owned())]);
}

#[tokio::test]
async fn what_cannot_be_applied_is_set_aside_and_the_vendor_is_content() {
    let app = app().await;
    app.clock.advance_micros(500 * DAY_US);
    assert_eq!(app.send(delivery("calls", REPORT)).await.status, StatusCode::NO_CONTENT);
    let letters = app.state.store.dead_letters(&DeadFilter::default(), 10).await.unwrap();
    let reasons: Vec<String> = letters.into_iter().map(|letter| letter.reason).collect();
    assert_eq!(reasons, ["late"]);
    assert_eq!(logged(&app).await, []);
}

#[tokio::test]
async fn a_caller_is_told_of_by_what_may_be_used() {
    let app = app().await;
    let lead = a_caller(&app).await;
    app.derive(|id| Some(score(id))).await;
    let known = ask(&app).await;
    assert_eq!(
        (&known["lead_tier"], &known["lead_score"], &known["consent_state"]),
        (&json!("B"), &json!("87"), &json!("granted"))
    );
    assert!(known["talking_points"].as_str().is_some_and(|points| !points.is_empty()), "{known}");
    app.state.audit.flush().await.unwrap();
    let seen = app.get("/api/v1/audit?operation=show_caller").await.json()["entries"].clone();
    assert_eq!(
        (&seen[0]["actor"]["kind"], &seen[0]["reason"], &seen[0]["object"]["id"], &seen[1]),
        (&json!("connector"), &json!("calls"), &json!(lead), &Value::Null),
        "{seen}"
    );

    let withheld = Change::Withheld { lead_id: lead, log_position: 99, obstacle: Obstacle::Objected };
    app.state.cache.publish(vec![withheld]);
    let objects = ask(&app).await;
    assert_eq!((&objects["lead_tier"], &objects["lead_score"]), (&json!("unknown"), &json!("")));
}

#[tokio::test]
async fn who_calls_for_the_first_time_becomes_a_lead_once() {
    let app = app().await;
    for _ in 0..2 {
        let unknown = ask(&app).await;
        assert_eq!((&unknown["lead_tier"], &unknown["consent_state"]), (&json!("unknown"), &json!("unknown")));
    }
    assert_eq!(logged(&app).await, [("lead_created".to_owned(), "calls".to_owned())]);
}

#[tokio::test]
async fn a_signed_address_is_the_public_one() {
    let app = app().await;
    let form =
        "CallSid=CA1&CallStatus=completed&Direction=inbound&From=%2B15125550123&To=%2B15125550100&CallDuration=61";
    let send = async |signed: &str| {
        let fields = "CallDuration61CallSidCA1CallStatuscompletedDirectioninboundFrom+15125550123To+15125550100";
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes());
        let signature = STANDARD.encode(hmac::sign(&key, format!("{signed}{fields}").as_bytes()));
        let request = Request::post("/api/v1/connectors/phone?line=a%40b")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("x-twilio-signature", signature)
            .body(Body::from(form))
            .unwrap();
        app.send(request).await
    };
    for wrong in ["", "http://localhost", "https://leads.example.com"] {
        let refused = send(&format!("{wrong}/api/v1/connectors/phone?line=a%40b")).await;
        assert_eq!(refused.code(), "delivery-unproven", "{wrong}");
    }
    let taken: Reply = send(&format!("{BASE}/api/v1/connectors/phone?line=a%40b")).await;
    assert!(taken.status.is_success(), "{taken:?}");
    assert_eq!(logged(&app).await, [("voice_call".to_owned(), "phone".to_owned())]);
}

#[tokio::test]
async fn a_signature_that_leaves_the_body_out_counts_for_one_body() {
    let app = app().await;
    let now_s = app.state.clock.now().as_micros() / SECOND_US;
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = hmac::sign(&key, format!("{now_s}token-1").as_bytes());
    let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let mail = |id: &str| {
        json!({
            "signature": {"timestamp": now_s.to_string(), "token": "token-1", "signature": tag},
            "event-data": {"event": "opened", "id": id, "timestamp": now_s, "recipient": "ann@example.com"}
        })
        .to_string()
    };
    assert!(app.send(delivery("mail", mail("m-1"))).await.status.is_success());
    assert!(app.send(delivery("mail", mail("m-1"))).await.status.is_success(), "it is repeated without an answer");
    assert_eq!(app.send(delivery("mail", mail("m-2"))).await.code(), "delivery-unproven");
    assert_eq!(logged(&app).await, [("email".to_owned(), "mail".to_owned())]);
}

#[tokio::test]
async fn a_handshake_is_answered_for_origins_that_are_known() {
    let app = app().await;
    let ask = async |origin: &str| {
        let request = Request::builder()
            .method(Method::OPTIONS)
            .uri("/api/v1/connectors/cloud")
            .header("webhook-request-origin", origin)
            .body(Body::empty())
            .unwrap();
        app.send(request).await
    };
    assert_eq!(ask("elsewhere.example.com").await.code(), "delivery-unproven");
    let answer = ask("events.example.com").await;
    assert_eq!(
        (answer.status, answer.header("webhook-allowed-origin"), answer.header("webhook-allowed-rate")),
        (StatusCode::OK, "events.example.com", "*")
    );
}

#[test]
fn what_cannot_be_served_is_named() {
    let bearer = json!({"scheme": "bearer", "secrets": [SECRET]});
    let refuse = |listed: Value| {
        let listed = serde_json::from_value(listed).unwrap();
        Connectors::new(BASE.parse().unwrap(), listed).map(|_| ()).unwrap_err().to_string()
    };
    let vapi = |source: &str| json!({"source": source, "vendor": "vapi", "proof": bearer});
    for name in ["", "Calls", "a/b", "a b", &"x".repeat(200)] {
        assert!(refuse(json!([vapi(name)])).contains("connector[0].source"), "{name}");
    }
    assert!(refuse(json!([vapi("a"), vapi("b"), vapi("a")])).contains("connector[2].source"));
    let livekit = |keys: Value| json!([{"source": "rooms", "vendor": "livekit", "keys": keys}]);
    assert!(refuse(livekit(json!([]))).contains("connector[0].keys"));
    assert!(refuse(livekit(json!([{"api_key": "k", "api_secret": ""}]))).contains("connector[0].keys"));
    let many: Vec<Value> = (0..=CONNECTORS_MAX).map(|i| vapi(&format!("c{i}"))).collect();
    assert!(refuse(json!(many)).contains("at most 64"));
}

//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a repeated request gets the first one's answer.
//!
//! Invariant: a key is one sender's at one endpoint. Only success is kept; whatever failed runs again. Deliberately
//! absent: where answers are kept (the store's).

use std::{future::Future, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use leadscore_store::Begun;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    auth::bearer::Caller,
    problem::{Code, Problem},
    state::Api,
};

/// The header.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says of an answer that it was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Longest key.
const KEY_MAX_BYTES: usize = 255;
/// Longest answer that is kept: a receipt of 1,000 events takes a third.
const ANSWER_MAX_BYTES: usize = 1024 * 1024;
/// Seconds after which a request that is running may be repeated.
const RETRY_AFTER_RUNNING_S: u64 = 1;

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    location: Option<String>,
    body: String,
}

/// A key that a request was sent under, made one sender's at one endpoint.
#[derive(Clone)]
pub struct Key(String);

impl Key {
    /// The key of a request, where it has one.
    ///
    /// # Errors
    /// [`Code::InvalidIdempotencyKey`].
    pub fn read(headers: &HeaderMap, caller: &Caller, endpoint: &str) -> Result<Option<Self>, Problem> {
        let mut sent = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = sent.next() else { return Ok(None) };
        let text = value.to_str().unwrap_or_default().trim();
        // The draft writes a string of structured fields (RFC 9651), most senders write it bare.
        let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let fits = (1..=KEY_MAX_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        if sent.next().is_some() || !fits {
            return Err(Problem::new(Code::InvalidIdempotencyKey, "The header is not one key."));
        }
        let hash = Sha256::digest(format!("{} {endpoint} {key}", caller.0));
        Ok(Some(Self(hash.iter().map(|byte| format!("{byte:02x}")).collect())))
    }

    /// The same for the same key, sender and endpoint, and nobody can tell them from it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Runs a request, or gives the answer that it got before. `sent` is what tells it from another one.
///
/// # Errors
/// [`Code::RequestRunning`], [`Code::IdempotencyKeyReused`].
pub async fn once(
    api: &Arc<Api>,
    key: Option<Key>,
    sent: &[&[u8]],
    run: impl Future<Output = Response>,
) -> Result<Response, Problem> {
    let Some(Key(key)) = key else { return Ok(run.await) };
    let mut fingerprint = Sha256::new();
    for part in sent {
        fingerprint.update(part.len().to_be_bytes());
        fingerprint.update(part);
    }
    match api.idempotency.begin(&key, fingerprint.finalize().into()).await {
        Begun::First(claim) => {
            let response = run.await;
            if !response.status().is_success() {
                return Ok(response);
            }
            let (parts, body) = response.into_parts();
            let body = to_bytes(body, usize::MAX).await.expect("a receipt is in memory");
            if body.len() <= ANSWER_MAX_BYTES {
                let location = parts.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
                let kept = Kept {
                    status: parts.status.as_u16(),
                    location: location.map(str::to_owned),
                    body: String::from_utf8(body.to_vec()).expect("JSON is text"),
                };
                claim.finish(serde_json::to_vec(&kept).expect("plain data with string keys")).await;
            }
            Ok(Response::from_parts(parts, Body::from(body)))
        }
        Begun::Answered(kept) => Ok(again(&kept)),
        Begun::Running => Err(Problem::new(Code::RequestRunning, "A request with this key has not been answered yet.")
            .retry_after_s(RETRY_AFTER_RUNNING_S)),
        Begun::Differs => Err(Problem::new(Code::IdempotencyKeyReused, "The key was sent with another body.")),
    }
}

fn again(kept: &[u8]) -> Response {
    let Ok(Kept { status, location, body }) = serde_json::from_slice(kept) else {
        return Problem::new(Code::Internal, "The kept answer is of another release.").into_response();
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("?1"));
    if let Some(location) = location.and_then(|location| HeaderValue::try_from(location).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        http::{Method, StatusCode},
    };
    use leadscore_store::Scope;
    use serde_json::{Value, json};

    use crate::testing::{Reply, TestApp};

    const LEADS: &str = "/api/v1/leads";
    const EVENTS: &str = "/api/v1/events";

    async fn send(app: &TestApp, path: &str, key: &str, body: &Value) -> Reply {
        let request = app.request(Method::POST, path).header("content-type", "application/json");
        app.send(request.header("idempotency-key", key).body(Body::from(body.to_string())).unwrap()).await
    }

    fn lead(crm: &str) -> Value {
        json!({"identities": [{"kind": "crm", "value": crm}]})
    }

    #[tokio::test]
    async fn keys_that_are_none_are_refused() {
        let app = TestApp::new().await;
        for key in ["", "\"\"", "a b", "\u{e9}", &"x".repeat(256)] {
            assert_eq!(send(&app, LEADS, key, &lead("1")).await.code(), "invalid-idempotency-key", "{key}");
        }
        let twice = app.request(Method::POST, EVENTS).header("content-type", "application/json");
        let twice = twice.header("idempotency-key", "a").header("idempotency-key", "b").body(Body::from("[]"));
        assert_eq!(app.send(twice.unwrap()).await.code(), "invalid-idempotency-key");
        assert_eq!(app.state.store.counts().await.unwrap().leads, 0);
    }

    #[tokio::test]
    async fn a_repeated_request_gets_the_first_answer_and_has_no_effect() {
        let app = TestApp::new().await;
        let first = send(&app, LEADS, "k1", &lead("1")).await;
        let again = send(&app, LEADS, "\"k1\"", &lead("1")).await;
        assert_eq!((first.status, again.status), (StatusCode::CREATED, StatusCode::CREATED));
        assert_eq!((&first.body, first.header("location")), (&again.body, again.header("location")));
        assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "?1"));
        assert_eq!(again.header("content-type"), "application/json");
        assert_eq!(app.state.store.counts().await.unwrap().events, 1);
    }

    #[tokio::test]
    async fn another_request_under_a_key_is_refused_and_other_keys_are_free() {
        let mut app = TestApp::new().await;
        assert!(send(&app, LEADS, "k1", &lead("1")).await.status.is_success());
        assert_eq!(send(&app, LEADS, "k1", &lead("2")).await.code(), "idempotency-key-reused");
        assert!(send(&app, LEADS, "k2", &lead("2")).await.status.is_success());
        // A key is one endpoint's and one sender's, and a request that failed runs again.
        assert_eq!(send(&app, EVENTS, "k1", &json!({})).await.code(), "invalid-field");
        assert_eq!(send(&app, EVENTS, "k1", &json!([])).await.code(), "invalid-field");
        app.token = app.key(Scope::Admin).await;
        assert!(send(&app, LEADS, "k1", &lead("3")).await.status.is_success());
    }

    #[tokio::test]
    async fn a_request_whose_record_is_lost_has_one_effect_all_the_same() {
        let mut app = TestApp::new().await;
        let first = send(&app, LEADS, "k1", &lead("1")).await.json();
        // Another process, which knows nothing of the first one's answers.
        let mut state = app.state.clone();
        state.idempotency = leadscore_store::IdempotencyRecords::new(&state.store, None);
        app.router = crate::router(state);
        let again = send(&app, LEADS, "k1", &lead("1")).await.json();
        assert_eq!(first["lead_id"], again["lead_id"]);
        assert_eq!(app.state.store.counts().await.unwrap().events, 1);
    }

    #[tokio::test]
    async fn while_a_request_runs_the_same_one_is_put_off() {
        let app = TestApp::new().await;
        let event = json!({
            "source": "site", "source_event_id": "1", "lead": {"identities": [{"kind": "web", "value": "w1"}]},
            "occurred_at": "2026-03-01T09:00:00Z", "type": "email", "data": {"action": "opened"}
        });
        // The token is known from here on, and nobody scores: the first one runs to its wait at once.
        app.lead("1").await;
        let path = format!("{EVENTS}?wait=score");
        let mut first = std::pin::pin!(send(&app, &path, "k1", &event));
        let second = async {
            loop {
                tokio::task::yield_now().await;
                let reply = send(&app, &path, "k1", &event).await;
                if reply.status == StatusCode::CONFLICT {
                    return reply;
                }
            }
        };
        let second = tokio::select! {
            biased;
            first = &mut first => panic!("{first:?}"),
            second = second => second,
        };
        assert_eq!((second.code().as_str(), second.header("retry-after")), ("request-running", "1"));
    }
}

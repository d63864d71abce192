//! `POST /api/v1/token/refresh`: a refresh token against the next pair.

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use leadscore_store::Refreshed;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::{
    client::ClientAddress,
    json::Json,
    problem::{Code, Problem},
    rest::{
        session::{self, Session},
        unavailable,
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::SessionOver, Code::TooManyAttempts];

/// Longest refresh token that is looked at.
const TOKEN_MAX_BYTES: usize = 128;

/// What is to be exchanged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The refresh token of the last answer.
    #[schema(format = Password, max_length = 128)]
    refresh_token: String,
}

/// Go on with a session
///
/// A refresh token is good once: the answer holds the next one. A token that is used again ends its session, because
/// one of the two who used it is a thief. Only within ten seconds, and from the same address, it may be sent again:
/// two tabs of a browser, or an answer that was lost.
#[utoipa::path(
    post,
    path = "/api/v1/token/refresh",
    tag = "access",
    request_body(content = Refresh, example = json!({
        "refresh_token": "lsr_0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
    })),
    responses((
        status = 200,
        description = "The next tokens",
        body = Session,
        example = json!({
            "token": "eyJhbGciOiJFZERTQSIsImtpZCI6IjEiLCJ0eXAiOiJhdCtqd3QifQ.eyJzdWIiOiIxIn0.c2ln",
            "expires_at": "2026-03-01T10:10:00Z",
            "refresh_token": "lsr_1f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
            "session_expires_at": "2026-03-31T10:00:00Z"
        })
    ))
)]
pub async fn refresh_session(
    State(api): State<Arc<Api>>,
    address: ClientAddress,
    Json(Refresh { refresh_token }): Json<Refresh>,
) -> Result<Answer<Session>, Problem> {
    if refresh_token.len() > TOKEN_MAX_BYTES {
        return Err(Problem::new(Code::InvalidField, "is too long")
            .field("refresh_token")
            .remedy(format!("send at most {TOKEN_MAX_BYTES} bytes")));
    }
    // By token: a client that goes on asking with one that is over is slowed down, its neighbours are not. Nobody
    // guesses 256 bits.
    let word = format!("{:x?}", &Sha256::digest(refresh_token.as_bytes())[..16]);
    api.refreshes.attempt(&word, address.network(), api.clock.now()).map_err(|seconds| {
        Problem::new(Code::TooManyAttempts, "This refresh token was sent too often.").retry_after_s(seconds)
    })?;
    let client = address.ip().map_or_else(String::new, |address| address.to_string());
    match api.store.refresh_session(&refresh_token, &client, api.access.session_idle_us).await.map_err(unavailable)? {
        Refreshed::Renewed(session) => session::answer(&api, session).await,
        Refreshed::Reused => {
            tracing::warn!("a refresh token was used twice; its session was ended");
            Err(Problem::new(Code::SessionOver, "The refresh token was used before. Its session has ended."))
        }
        Refreshed::Unknown => Err(Problem::new(Code::SessionOver, "The refresh token is not known, or over.")),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use leadscore_domain::time::{DAY_US, SECOND_US};
    use leadscore_store::{REFRESH_GRACE_US, Role};
    use serde_json::{Value, json};

    use crate::{
        Limits,
        testing::{Reply, TestApp},
    };

    const ME: &str = "/api/v1/me";

    async fn refresh(app: &TestApp, session: &Value) -> Reply {
        app.post("/api/v1/token/refresh", &json!({"refresh_token": session["refresh_token"]})).await
    }

    async fn status(app: &mut TestApp, session: &Value) -> StatusCode {
        app.token = session["token"].as_str().unwrap().to_owned();
        app.get(ME).await.status
    }

    #[tokio::test]
    async fn what_is_no_refresh_token_is_refused() {
        let app = TestApp::new().await;
        let session = app.session(Role::Agent).await;
        for (token, code) in [
            (json!(""), "session-over"),
            (json!("lsr_"), "session-over"),
            (json!(app.token), "session-over"),
            (json!("x".repeat(129)), "invalid-field"),
            (json!(7), "invalid-field"),
        ] {
            let reply = refresh(&app, &json!({"refresh_token": token})).await;
            assert_eq!(reply.code(), code, "{token}");
            assert_eq!(reply.status == 401, reply.headers.contains_key("www-authenticate"));
        }
        // An access token is long, and none either.
        assert_eq!(refresh(&app, &json!({"refresh_token": session["token"]})).await.code(), "invalid-field");
    }

    #[tokio::test]
    async fn a_token_that_is_used_again_ends_the_session() {
        let mut app = TestApp::new().await;
        let first = app.session(Role::Agent).await;
        let second = refresh(&app, &first).await.json();
        assert_ne!(first["refresh_token"], second["refresh_token"]);
        assert_eq!(first["session_expires_at"], second["session_expires_at"]);
        let other = app.session(Role::Manager).await;
        app.clock.advance_micros(REFRESH_GRACE_US);
        let reply = refresh(&app, &first).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::UNAUTHORIZED, "session-over"));
        assert_eq!(refresh(&app, &second).await.code(), "session-over");
        for token in [&first, &second] {
            assert_eq!(status(&mut app, token).await, 401);
        }
        assert_eq!(status(&mut app, &other).await, 200);
    }

    #[tokio::test]
    async fn two_tabs_may_send_the_same_token_at_once() {
        let app = TestApp::new().await;
        let first = app.session(Role::Agent).await;
        let (one, two) = tokio::join!(refresh(&app, &first), refresh(&app, &first));
        app.clock.advance_micros(REFRESH_GRACE_US - SECOND_US);
        let three = refresh(&app, &first).await;
        let mut tokens = vec![first["refresh_token"].clone()];
        for reply in [one, two, three] {
            assert_eq!(reply.status, StatusCode::OK);
            let next = refresh(&app, &reply.json()).await;
            assert_eq!(next.status, StatusCode::OK, "each goes on by itself");
            tokens.push(next.json()["refresh_token"].clone());
        }
        tokens.sort_by_key(ToString::to_string);
        tokens.dedup();
        assert_eq!(tokens.len(), 4);
    }

    #[tokio::test]
    async fn a_token_that_is_sent_on_and_on_is_throttled() {
        let app = TestApp::with(Limits { login_attempts_max: 2, ..Limits::default() }).await;
        let nobodys = json!({"refresh_token": "lsr_nobody"});
        for _ in 0..2 {
            assert_eq!(refresh(&app, &nobodys).await.code(), "session-over");
        }
        let reply = refresh(&app, &nobodys).await;
        assert_eq!((reply.code().as_str(), reply.header("retry-after")), ("too-many-attempts", "901"));
        let session = app.session(Role::Agent).await;
        assert_eq!(refresh(&app, &session).await.status, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_session_ends_at_its_time_however_often_it_is_refreshed() {
        let mut app = TestApp::new().await;
        let mut session = app.session(Role::Agent).await;
        for _ in 0..5 {
            app.clock.advance_micros(6 * DAY_US - 36 * SECOND_US);
            session = refresh(&app, &session).await.json();
        }
        assert_eq!(session["session_expires_at"], session["expires_at"], "no access token outlives it");
        assert_eq!(status(&mut app, &session).await, 200);
        app.clock.advance_micros(180 * SECOND_US);
        assert_eq!(status(&mut app, &session).await, 401);
        assert_eq!(refresh(&app, &session).await.code(), "session-over");
    }
}

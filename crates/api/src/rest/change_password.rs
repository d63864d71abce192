//! `PUT /api/v1/me/password`: a person chooses another password.

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use leadscore_domain::Invalid;
use leadscore_store::UserChange;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    auth::identity::Identity,
    client::ClientAddress,
    json::Json,
    problem::{Code, Problem},
    rest::{
        session::{self, Session, no_session},
        unavailable,
        user::unwritten,
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::NoSession, Code::TooManyAttempts, Code::UserNotFound];

/// The password of now, and the next one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// The password of now.
    #[schema(format = Password, max_length = 256)]
    current_password: String,
    /// The next one: nothing that is guessed early.
    #[schema(format = Password, min_length = 8, max_length = 256)]
    password: String,
}

/// Change my password
///
/// Every session of the user ends, this one too; the answer is a new one.
#[utoipa::path(
    put,
    path = "/api/v1/me/password",
    tag = "access",
    request_body(content = NewPassword, example = json!({
        "current_password": "correct horse battery staple",
        "password": "seven herons behind a tram"
    })),
    responses((
        status = 200,
        description = "A new session",
        body = Session,
        example = json!({
            "token": "eyJhbGciOiJFZERTQSIsImtpZCI6IjEiLCJ0eXAiOiJhdCtqd3QifQ.eyJzdWIiOiIxIn0.c2ln",
            "expires_at": "2026-03-01T10:10:00Z",
            "refresh_token": "lsr_0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
            "session_expires_at": "2026-03-31T10:00:00Z"
        })
    ))
)]
pub async fn change_password(
    State(api): State<Arc<Api>>,
    Identity { principal, session }: Identity,
    address: ClientAddress,
    Json(NewPassword { current_password, password }): Json<NewPassword>,
) -> Result<Answer<Session>, Problem> {
    session.ok_or_else(|| no_session(&principal))?;
    let (email, address, now) = (&principal.name, address.network(), api.clock.now());
    // Whoever finds an open page guesses no faster than at the door.
    api.logins.attempt(email, address, now).map_err(|seconds| {
        Problem::new(Code::TooManyAttempts, "There were too many attempts.").retry_after_s(seconds)
    })?;
    let permit = api.login_permits.acquire().await.expect("the semaphore is never closed");
    let known = api.store.verify_password(email, &current_password).await.map_err(unavailable)?;
    drop(permit);
    if known.is_none() {
        return Err(Invalid::new("current_password", "is wrong", "send the password of now").into());
    }
    api.logins.forget(email, address);
    let change = UserChange { password: Some(password), ..UserChange::default() };
    api.store.change_user(principal.id, change).await.map_err(unavailable)?.map_err(unwritten)?;
    let begun = api.store.create_session(principal.id, now.plus_micros(api.access.session_us)).await;
    session::answer(&api, begun.map_err(unavailable)?).await
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use leadscore_domain::time::SECOND_US;
    use leadscore_store::Role;
    use serde_json::{Value, json};

    use crate::testing::{PASSWORD, Reply, TestApp};

    async fn change(app: &TestApp, current: &str, next: &str) -> Reply {
        let body = json!({"current_password": current, "password": next});
        app.send_json(Method::PUT, "/api/v1/me/password", &body).await
    }

    #[tokio::test]
    async fn it_takes_the_present_one_and_ends_every_session() {
        let mut app = TestApp::new().await;
        assert_eq!(change(&app, PASSWORD, "seven herons behind a tram").await.code(), "no-session");
        let (mine, other) = (app.session(Role::Agent).await, app.session(Role::Agent).await);
        app.token = mine["token"].as_str().unwrap().to_owned();
        for (current, next, field) in [
            ("wrong horse", "seven herons behind a tram", "current_password"),
            (PASSWORD, "short", "password"),
            (PASSWORD, "password123", "password"),
            (PASSWORD, "agent@example.com", "password"),
        ] {
            let reply = change(&app, current, next).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), ("invalid-field", &json!(field)), "{next}");
        }
        let session = change(&app, PASSWORD, "seven herons behind a tram").await.json();
        app.clock.advance_micros(2 * SECOND_US);
        for ended in [&mine, &other] {
            app.token = ended["token"].as_str().unwrap().to_owned();
            assert_eq!(app.get("/api/v1/me").await.code(), "unauthenticated");
        }
        app.token = session["token"].as_str().unwrap().to_owned();
        assert_eq!(app.get("/api/v1/me").await.json()["email"], "agent@example.com");
        let log_in = async |password: &str| {
            app.post("/api/v1/login", &json!({"email": "agent@example.com", "password": password})).await.status
        };
        assert_eq!((log_in(PASSWORD).await.as_u16(), log_in("seven herons behind a tram").await.as_u16()), (401, 200));
    }

    #[tokio::test]
    async fn guesses_are_bounded_as_at_the_log_in() {
        let mut app = TestApp::new().await;
        let session = app.session(Role::Agent).await;
        app.token = session["token"].as_str().unwrap().to_owned();
        let mut codes: Vec<String> = Vec::new();
        for number in 0..11 {
            codes.push(change(&app, &format!("guess {number}"), "seven herons behind a tram").await.code());
        }
        assert!(codes[..10].iter().all(|code| code == "invalid-field"), "{codes:?}");
        assert_eq!(codes[10], "too-many-attempts");
        assert_ne!(app.get("/api/v1/me").await.json(), Value::Null, "the session goes on");
    }
}

//! `POST /api/v1/login`: e-mail address and password against a session.

use std::sync::Arc;

use axum::{Json as Answer, extract::State, http::StatusCode};
use leadscore_store::{Principal, StoreError, audit::Object};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    audit::{self, Begun},
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
pub const PROBLEMS: &[Code] = &[Code::WrongPassword, Code::TooManyAttempts];

/// Longest e-mail address and password that are looked at.
const CREDENTIAL_MAX_BYTES: usize = 256;

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The user's e-mail address.
    #[schema(format = Email, max_length = 256)]
    email: String,
    /// The user's password.
    #[schema(format = Password, max_length = 256)]
    password: String,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is too long to be right.
    #[error("{0} is too long")]
    TooLong(&'static str),
    /// Too many attempts; the next after so many seconds.
    #[error("too many attempts")]
    Throttled(u64),
    /// They do not belong together.
    #[error("address or password is wrong")]
    Wrong,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::TooLong(field) => Self::new(Code::InvalidField, "is too long")
                .field(field)
                .remedy(format!("send at most {CREDENTIAL_MAX_BYTES} bytes")),
            Error::Throttled(seconds) => {
                Self::new(Code::TooManyAttempts, "There were too many attempts for this e-mail address.")
                    .retry_after_s(seconds)
            }
            Error::Wrong => Self::new(Code::WrongPassword, "No user has this e-mail address and password."),
            Error::Store(error) => unavailable(error),
        }
    }
}

/// Log in
///
/// Answers with an access token that is good for minutes, and a refresh token that gets the next ones for as long as
/// the session lasts. Attempts are bounded per e-mail address and client address.
#[utoipa::path(
    post,
    path = "/api/v1/login",
    tag = "access",
    request_body(content = Credentials, example = json!({
        "email": "manager@example.com",
        "password": "correct horse battery staple"
    })),
    responses((
        status = 200,
        description = "The session",
        body = Session,
        example = json!({
            "token": "eyJhbGciOiJFZERTQSIsImtpZCI6IjEiLCJ0eXAiOiJhdCtqd3QifQ.eyJzdWIiOiIxIn0.c2ln",
            "expires_at": "2026-03-01T10:10:00Z",
            "refresh_token": "lsr_0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
            "session_expires_at": "2026-03-31T10:00:00Z"
        })
    ))
)]
pub async fn log_in(
    State(api): State<Arc<Api>>,
    address: ClientAddress,
    Begun(mut act): Begun,
    Json(credentials): Json<Credentials>,
) -> Result<Answer<Session>, Problem> {
    api.audit.check().map_err(unavailable)?;
    act.operation = "log_in".into();
    act.object = Some(Object::Account(api.store.account_pseudonym(&credentials.email)));
    let done = attempt(&api, address, credentials).await;
    let recorded = match &done {
        Ok((user, _)) => {
            act.actor = audit::actor(user);
            act.status = StatusCode::OK.as_u16();
            api.audit.record_done(act);
            api.audit.flush().await
        }
        Err(error) => {
            act.status = error.code().status().as_u16();
            api.audit.record(act).await
        }
    };
    recorded.map_err(unavailable)?;
    Ok(Answer(done?.1))
}

async fn attempt(
    api: &Api,
    address: ClientAddress,
    Credentials { email, password }: Credentials,
) -> Result<(Principal, Session), Problem> {
    for (field, text) in [("email", &email), ("password", &password)] {
        if text.len() > CREDENTIAL_MAX_BYTES {
            return Err(Error::TooLong(field).into());
        }
    }
    let (now, address) = (api.clock.now(), address.network());
    api.logins.attempt(&email, address, now).map_err(Error::Throttled)?;
    let permit = api.login_permits.acquire().await.expect("the semaphore is never closed");
    let user = api.store.verify_password(&email, &password).await.map_err(Error::Store)?.ok_or(Error::Wrong)?;
    drop(permit);
    api.logins.forget(&email, address);
    let expires_at = now.plus_micros(api.access.session_us);
    let session = api.store.create_session(user.id, expires_at).await.map_err(unavailable)?;
    Ok((user, session::answer(api, session).await?.0))
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};
    use leadscore_domain::time::HOUR_US;
    use leadscore_store::Role;
    use serde_json::json;

    use crate::{
        Limits,
        testing::{NOBODY, TestApp},
    };

    const PATH: &str = "/api/v1/login";

    #[tokio::test]
    async fn wrong_credentials_are_refused_and_throttled() {
        let app = TestApp::with(Limits { login_attempts_max: 3, ..Limits::default() }).await;
        app.state.store.create_user("ann@example.com", "a long password", Role::Manager).await.unwrap();
        for (body, field) in [
            (json!({"email": "ann@example.com"}), "password"),
            (json!({"email": "ann@example.com", "password": "x", "otp": 1}), "otp"),
            (json!({"email": "ann@example.com", "password": "x".repeat(257)}), "password"),
        ] {
            assert_eq!(app.post(PATH, &body).await.json()["field"], field);
        }
        let wrong = json!({"email": "Ann@example.com", "password": "wrong"});
        for _ in 0..3 {
            let reply = app.post(PATH, &wrong).await;
            assert_eq!(reply.code(), "wrong-password");
        }
        let right = json!({"email": "ann@example.com", "password": "a long password"});
        let reply = app.post(PATH, &right).await;
        assert_eq!(reply.code(), "too-many-attempts");
        assert_eq!(reply.header("retry-after"), "901");
        let other = json!({"email": "bob@example.com", "password": "wrong"});
        assert_eq!(app.post(PATH, &other).await.code(), "wrong-password");
        app.clock.advance_micros(HOUR_US / 4);
        assert_eq!(app.post(PATH, &right).await.status, StatusCode::OK);
    }

    #[tokio::test]
    async fn an_access_token_ends() {
        let mut app = TestApp::new().await;
        app.state.store.create_user("ann@example.com", "a long password", Role::Agent).await.unwrap();
        let reply = app.post(PATH, &json!({"email": "ann@example.com", "password": "a long password"})).await;
        let session = reply.json();
        assert_eq!(session["expires_at"], "2026-03-01T10:10:00Z");
        app.token = session["token"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/leads/{NOBODY}");
        assert_eq!(app.get(&path).await.code(), "lead-not-found");
        app.clock.advance_micros(HOUR_US);
        assert_eq!(app.get(&path).await.code(), "unauthenticated");
        assert_eq!(app.operation(&Method::POST, PATH).unwrap()["security"], json!([]));
    }
}

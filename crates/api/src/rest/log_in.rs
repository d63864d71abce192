//! `POST /api/v1/login`: e-mail address and password against a token for some hours.

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::State,
    response::{IntoResponse, Response},
};
use leadscore_domain::Timestamp;
use leadscore_store::StoreError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    client::ClientAddress,
    json::Json,
    problem::{Code, Problem},
    rest::unavailable,
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

/// A token for `Authorization: Bearer`.
#[derive(Serialize, ToSchema)]
pub struct Session {
    /// The token; it is shown only here.
    #[schema(example = "lsk_3f6c…")]
    token: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
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

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

/// Log in
///
/// Answers with a token that is good for twelve hours. Attempts are bounded per e-mail address and client address.
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
        description = "The token",
        body = Session,
        example = json!({
            "token": "lsk_0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
            "expires_at": "2026-03-01T22:30:00Z"
        })
    ))
)]
pub async fn log_in(
    State(api): State<Arc<Api>>,
    address: ClientAddress,
    Json(Credentials { email, password }): Json<Credentials>,
) -> Result<Answer<Session>, Error> {
    for (field, text) in [("email", &email), ("password", &password)] {
        if text.len() > CREDENTIAL_MAX_BYTES {
            return Err(Error::TooLong(field));
        }
    }
    let (now, address) = (api.clock.now(), address.network());
    api.logins.attempt(&email, address, now).map_err(Error::Throttled)?;
    let permit = api.login_permits.acquire().await.expect("the semaphore is never closed");
    let user = api.store.verify_password(&email, &password).await?.ok_or(Error::Wrong)?;
    drop(permit);
    api.logins.forget(&email, address);
    let expires_at = now.plus_micros(api.limits.session_us);
    let token = api.store.create_session(&user, expires_at).await?;
    Ok(Answer(Session { token, expires_at }))
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
    async fn a_token_from_a_log_in_ends() {
        let mut app = TestApp::new().await;
        app.state.store.create_user("ann@example.com", "a long password", Role::Agent).await.unwrap();
        let reply = app.post(PATH, &json!({"email": "ann@example.com", "password": "a long password"})).await;
        let session = reply.json();
        assert_eq!(session["expires_at"], "2026-03-01T22:00:00Z");
        app.token = session["token"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/leads/{NOBODY}");
        assert_eq!(app.get(&path).await.code(), "lead-not-found");
        app.clock.advance_micros(12 * HOUR_US);
        assert_eq!(app.get(&path).await.code(), "unauthenticated");
        assert_eq!(app.operation(&Method::POST, PATH).unwrap()["security"], json!([]));
    }
}

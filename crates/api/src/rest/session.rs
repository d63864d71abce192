//! A session as its holder gets it.

use axum::Json as Answer;
use leadscore_domain::Timestamp;
use leadscore_store::{Authority, Principal};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    auth::jwt,
    problem::{Code, Problem},
    rest::unavailable,
    state::Api,
};

/// An access token for requests, and a refresh token for the next one.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// The access token, for `Authorization: Bearer`: a JWT of minutes.
    #[schema(example = "eyJhbGciOiJFZERTQSIs…")]
    token: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// For `POST /api/v1/token/refresh`; good once, and shown only here.
    #[schema(example = "lsr_3f6c…")]
    refresh_token: String,
    /// When the session ends, and with it every refresh token: then it takes a log-in.
    #[schema(value_type = String, format = DateTime)]
    session_expires_at: Timestamp,
}

/// What is said of a token that has no session.
pub fn no_session(principal: &Principal) -> Problem {
    match principal.authority {
        Authority::Machine { .. } => Problem::new(Code::NoSession, "The token is an API key, which has no session."),
        Authority::Person { .. } => {
            Problem::new(Code::NoSession, "The session is the identity provider's.").remedy("Do this there.")
        }
    }
}

/// What the holder of a session gets.
///
/// # Errors
/// Where the store fails.
pub async fn answer(api: &Api, session: leadscore_store::Session) -> Result<Answer<Session>, Problem> {
    let (token, expires_at) = jwt::issue(api, &session).await.map_err(unavailable)?;
    let leadscore_store::Session { refresh_token, expires_at: session_expires_at, .. } = session;
    Ok(Answer(Session { token, expires_at, refresh_token, session_expires_at }))
}

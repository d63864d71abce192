//! `POST /api/v1/logout`: a session ends.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};

use crate::{
    auth::identity::Identity,
    problem::{Code, Problem},
    rest::{session::no_session, unavailable},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::NoSession];

/// Log out
///
/// Ends the session of the access token: its refresh token at once, its access tokens within two seconds.
#[utoipa::path(
    post,
    path = "/api/v1/logout",
    tag = "access",
    responses((status = 204, description = "The session has ended"))
)]
pub async fn log_out(State(api): State<Arc<Api>>, identity: Identity) -> Result<StatusCode, Problem> {
    let (session, _) = identity.session.ok_or_else(|| no_session(&identity.principal))?;
    api.store.end_session(session).await.map_err(unavailable)?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use leadscore_domain::time::SECOND_US;
    use leadscore_store::Role;
    use serde_json::json;

    use crate::testing::TestApp;

    #[tokio::test]
    async fn a_session_ends_and_an_api_key_has_none() {
        let mut app = TestApp::new().await;
        assert_eq!(app.post_text("/api/v1/logout", "").await.code(), "no-session");
        let session = app.session(Role::Agent).await;
        app.token = session["token"].as_str().unwrap().to_owned();
        assert_eq!(app.get("/api/v1/me").await.status, StatusCode::OK);
        assert_eq!(app.post_text("/api/v1/logout", "").await.status, StatusCode::NO_CONTENT);
        let body = json!({"refresh_token": session["refresh_token"]});
        assert_eq!(app.post("/api/v1/token/refresh", &body).await.code(), "session-over");
        app.clock.advance_micros(2 * SECOND_US);
        assert_eq!(app.get("/api/v1/me").await.code(), "unauthenticated");
    }
}

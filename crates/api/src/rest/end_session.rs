//! `DELETE /api/v1/me/sessions/{session_id}`: I log out elsewhere.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
};

use crate::{
    auth::bearer::Sender,
    problem::{Code, Problem},
    rest::unavailable,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::SessionNotFound];

/// End one of my sessions
///
/// Its refresh token ends at once, its access tokens within two seconds.
#[utoipa::path(
    delete,
    path = "/api/v1/me/sessions/{session_id}",
    tag = "access",
    params(("session_id" = uuid::Uuid, Path, description = "The id from the list")),
    responses((status = 204, description = "The session has ended"))
)]
pub async fn end_session(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    // What is no id names no session.
    let ended = match id.parse() {
        Ok(id) => api.store.end_sessions(principal.id, Some(id)).await.map_err(unavailable)?,
        Err(_) => 0,
    };
    if ended > 0 {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::new(Code::SessionNotFound, "You have no such session."))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use leadscore_domain::time::SECOND_US;
    use leadscore_store::Role;
    use serde_json::{Value, json};

    use crate::testing::{NOBODY, TestApp};

    fn token(session: &Value) -> String {
        session["token"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn people_see_and_end_their_own_sessions_and_administrators_all_of_somebodys() {
        let mut app = TestApp::new().await;
        let key = app.token.clone();
        assert_eq!(app.get("/api/v1/me/sessions").await.code(), "no-session");
        let theirs = app.session(Role::Manager).await;
        let (first, second) = (app.session(Role::Agent).await, app.session(Role::Agent).await);
        app.token = token(&theirs);
        let of_manager = app.get("/api/v1/me/sessions").await.json()["sessions"].clone();
        app.token = token(&first);
        let listed = app.get("/api/v1/me/sessions").await.json()["sessions"].clone();
        let listed = listed.as_array().unwrap();
        assert_eq!(listed.len(), 2, "{listed:?}");
        assert_eq!(listed.iter().filter(|one| one["current"] == json!(true)).count(), 1);
        let elsewhere = listed.iter().find(|one| one["current"] == json!(false)).unwrap()["id"].as_str().unwrap();
        for other in [NOBODY, "ann", of_manager[0]["id"].as_str().unwrap()] {
            assert_eq!(
                app.delete(&format!("/api/v1/me/sessions/{other}")).await.code(),
                "session-not-found",
                "{other}"
            );
        }
        let ended = app.delete(&format!("/api/v1/me/sessions/{elsewhere}")).await;
        assert_eq!(ended.status, StatusCode::NO_CONTENT);
        app.clock.advance_micros(2 * SECOND_US);
        assert_eq!(app.get("/api/v1/me").await.status, StatusCode::OK);
        app.token = token(&second);
        assert_eq!(app.get("/api/v1/me").await.code(), "unauthenticated");

        app.token = token(&first);
        let me = app.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
        let all = format!("/api/v1/users/{me}/sessions");
        assert_eq!(app.delete(&all).await.code(), "forbidden");
        app.token = key;
        assert_eq!(app.delete(&format!("/api/v1/users/{NOBODY}/sessions")).await.code(), "user-not-found");
        assert_eq!(app.delete(&all).await.status, StatusCode::NO_CONTENT);
        app.clock.advance_micros(2 * SECOND_US);
        app.token = token(&first);
        assert_eq!(app.get("/api/v1/me").await.code(), "unauthenticated");
        app.token = token(&theirs);
        assert_eq!(app.get("/api/v1/me").await.status, StatusCode::OK, "others go on");
    }
}

//! `POST /api/v1/teams`: people begin to work together.

use std::sync::Arc;

use axum::{Extension, Json as Answer, extract::State, http::StatusCode};
use leadscore_store::audit::Object;

use crate::{
    audit::Touched,
    json::Json,
    problem::{Code, Problem},
    rest::{
        team::{Team, TeamName, unwritten},
        unavailable,
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::AlreadyExists];

/// Make a team
#[utoipa::path(
    post,
    path = "/api/v1/teams",
    tag = "access",
    request_body(content = TeamName, example = json!({"name": "South"})),
    responses((
        status = 201,
        description = "The team",
        body = Team,
        example = json!({
            "id": "0198c2c4-7c21-7d43-9e54-3a4b5c6d7e8f",
            "name": "South",
            "created_at": "2026-03-01T10:00:00Z"
        })
    ))
)]
pub async fn create_team(
    State(api): State<Arc<Api>>,
    Json(TeamName { name }): Json<TeamName>,
) -> Result<(StatusCode, Extension<Touched>, Answer<Team>), Problem> {
    let team = api.store.add_team(&name).await.map_err(unavailable)?.map_err(unwritten)?;
    let touched = Touched::from_iter([Object::Team(team.id)]);
    Ok((StatusCode::CREATED, Extension(touched), Answer(team.into())))
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};
    use serde_json::json;

    use crate::testing::{NOBODY, TestApp};

    const PATH: &str = "/api/v1/teams";

    #[tokio::test]
    async fn teams_are_made_renamed_and_removed_and_no_two_have_the_same_name() {
        let app = TestApp::new().await;
        assert_eq!(app.post(PATH, &json!({"name": " "})).await.json()["field"], "name");
        let north = app.post(PATH, &json!({"name": "North"})).await.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(app.post(PATH, &json!({"name": "North"})).await.code(), "already-exists");
        app.post(PATH, &json!({"name": "South"})).await;
        let path = format!("{PATH}/{north}");
        assert_eq!(app.send_json(Method::PATCH, &path, &json!({"name": "South"})).await.code(), "already-exists");
        assert_eq!(app.send_json(Method::PATCH, &path, &json!({"name": "West"})).await.status, StatusCode::NO_CONTENT);
        let names = app.get(PATH).await.json()["teams"].clone();
        assert_eq!((&names[0]["name"], &names[1]["name"]), (&json!("South"), &json!("West")));
        assert_eq!(app.delete(&path).await.status, StatusCode::NO_CONTENT);
        for gone in [&north, NOBODY, "7"] {
            let path = format!("{PATH}/{gone}");
            assert_eq!(app.delete(&path).await.code(), "team-not-found");
            assert_eq!(app.send_json(Method::PATCH, &path, &json!({"name": "x"})).await.code(), "team-not-found");
        }
    }
}

//! `PATCH /api/v1/teams/{team_id}`: another name.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};

use crate::{
    json::Json,
    problem::{Code, Problem},
    rest::{
        team::{TeamName, TeamPath, unwritten},
        unavailable,
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::TeamNotFound, Code::AlreadyExists];

/// Rename a team
#[utoipa::path(
    patch,
    path = "/api/v1/teams/{team_id}",
    tag = "access",
    params(("team_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    request_body(content = TeamName, example = json!({"name": "West"})),
    responses((status = 204, description = "It has the name"))
)]
pub async fn rename_team(
    State(api): State<Arc<Api>>,
    TeamPath(id): TeamPath,
    Json(TeamName { name }): Json<TeamName>,
) -> Result<StatusCode, Problem> {
    api.store.rename_team(id, &name).await.map_err(unavailable)?.map_err(unwritten)?;
    Ok(StatusCode::NO_CONTENT)
}

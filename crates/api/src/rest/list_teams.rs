//! `GET /api/v1/teams`: who works together.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    problem::{Code, Problem},
    rest::{team::Team, unavailable},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[];

/// All teams.
#[derive(Debug, Serialize, ToSchema)]
pub struct Teams {
    /// By name.
    teams: Vec<Team>,
}

/// List teams
#[utoipa::path(
    get,
    path = "/api/v1/teams",
    tag = "access",
    responses((
        status = 200,
        description = "The teams",
        body = Teams,
        example = json!({"teams": [{
            "id": "0198c2c4-7c21-7d43-9e54-3a4b5c6d7e8f",
            "name": "North",
            "created_at": "2026-03-01T10:00:00Z"
        }]})
    ))
)]
pub async fn list_teams(State(api): State<Arc<Api>>) -> Result<Json<Teams>, Problem> {
    let teams = api.store.teams().await.map_err(unavailable)?;
    Ok(Json(Teams { teams: teams.into_iter().map(Team::from).collect() }))
}

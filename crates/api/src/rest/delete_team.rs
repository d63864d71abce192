//! `DELETE /api/v1/teams/{team_id}`: a team ends.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};

use crate::{
    problem::{Code, Problem},
    rest::{
        team::{TeamPath, unwritten},
        unavailable,
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::TeamNotFound];

/// Remove a team
///
/// Its members have no team any more; its leads that have no agent are nobody's.
#[utoipa::path(
    delete,
    path = "/api/v1/teams/{team_id}",
    tag = "access",
    params(("team_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    responses((status = 204, description = "The team is gone"))
)]
pub async fn delete_team(State(api): State<Arc<Api>>, TeamPath(id): TeamPath) -> Result<StatusCode, Problem> {
    api.store.remove_team(id).await.map_err(unavailable)?.map_err(unwritten)?;
    Ok(StatusCode::NO_CONTENT)
}

//! `DELETE /api/v1/users/{user_id}`: somebody leaves.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};

use crate::{
    problem::{Code, Problem},
    rest::{
        unavailable,
        user::{UserPath, unwritten},
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::UserNotFound, Code::LastAdmin];

/// Remove a user
///
/// Sessions end within two seconds; the leads go to the user's team.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{user_id}",
    tag = "access",
    params(("user_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    responses((status = 204, description = "The user is gone"))
)]
pub async fn delete_user(State(api): State<Arc<Api>>, UserPath(id): UserPath) -> Result<StatusCode, Problem> {
    api.store.remove_user(id).await.map_err(unavailable)?.map_err(unwritten)?;
    Ok(StatusCode::NO_CONTENT)
}

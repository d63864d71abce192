//! `DELETE /api/v1/users/{user_id}/sessions`: somebody is logged out everywhere.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};

use crate::{
    problem::{Code, Problem},
    rest::{
        unavailable,
        user::{UserPath, unknown},
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::UserNotFound];

/// End a user's sessions
///
/// All refresh tokens end at once, all access tokens within two seconds. The password stays.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{user_id}/sessions",
    tag = "access",
    params(("user_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    responses((status = 204, description = "None is left"))
)]
pub async fn end_sessions(State(api): State<Arc<Api>>, UserPath(id): UserPath) -> Result<StatusCode, Problem> {
    api.store.user(id).await.map_err(unavailable)?.ok_or_else(unknown)?;
    api.store.end_sessions(id, None).await.map_err(unavailable)?;
    Ok(StatusCode::NO_CONTENT)
}

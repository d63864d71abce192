//! `DELETE /api/v1/api-keys/{key_id}`: a key ends.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};

use crate::{
    problem::{Code, Problem},
    rest::{
        api_key::{ApiKeyPath, unknown},
        unavailable,
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::ApiKeyNotFound];

/// Revoke an API key
///
/// It ends within two seconds.
#[utoipa::path(
    delete,
    path = "/api/v1/api-keys/{key_id}",
    tag = "access",
    params(("key_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    responses((status = 204, description = "It has ended"))
)]
pub async fn revoke_api_key(State(api): State<Arc<Api>>, ApiKeyPath(id): ApiKeyPath) -> Result<StatusCode, Problem> {
    let was_there = api.store.revoke_api_key(id).await.map_err(unavailable)?;
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}

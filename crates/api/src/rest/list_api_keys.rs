//! `GET /api/v1/api-keys`: the keys of programs.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    problem::{Code, Problem},
    rest::{api_key::ApiKey, unavailable},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[];

/// The keys of programs.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKeys {
    /// The newest first, also those that have ended.
    api_keys: Vec<ApiKey>,
}

/// List API keys
///
/// Every key, without the key itself, which is shown only where it is made.
#[utoipa::path(
    get,
    path = "/api/v1/api-keys",
    tag = "access",
    responses((
        status = 200,
        description = "The keys",
        body = ApiKeys,
        example = json!({"api_keys": [{
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "name": "website",
            "scopes": ["leads:read", "scores:read"],
            "created_at": "2026-03-01T10:00:00Z",
            "expires_at": null
        }]})
    ))
)]
pub async fn list_api_keys(State(api): State<Arc<Api>>) -> Result<Json<ApiKeys>, Problem> {
    let keys = api.store.api_keys().await.map_err(unavailable)?;
    Ok(Json(ApiKeys { api_keys: keys.into_iter().map(ApiKey::from).collect() }))
}

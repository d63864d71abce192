//! What the endpoints of API keys share: the shape of a key, its id in the address, and why there is none.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use leadscore_domain::Timestamp;
use leadscore_store::Scopes;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    problem::{Code, Problem},
    schema,
    state::Api,
};

/// An API key, without the key itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKey {
    /// By which it is revoked.
    id: Uuid,
    /// What it is for.
    name: String,
    /// What it may do.
    #[schema(value_type = Vec<schema::Scope>)]
    scopes: Scopes,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it ends; `null` for never.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    expires_at: Option<Timestamp>,
}

impl From<leadscore_store::ApiKey> for ApiKey {
    fn from(key: leadscore_store::ApiKey) -> Self {
        let leadscore_store::ApiKey { id, name, scopes, created_at, expires_at } = key;
        Self { id, name, scopes, created_at, expires_at }
    }
}

/// What is said of an id that no key has.
pub fn unknown() -> Problem {
    Problem::new(Code::ApiKeyNotFound, "No API key has this id.")
}

/// The key that the path names.
pub struct ApiKeyPath(pub Uuid);

impl FromRequestParts<Arc<Api>> for ApiKeyPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        // What is no id names no key.
        let Path(text) = Path::<String>::from_request_parts(parts, api).await.map_err(|_| unknown())?;
        text.parse().map(Self).map_err(|_| unknown())
    }
}

//! `GET /api/v1/me/sessions`: where I am logged in.

use std::sync::Arc;

use axum::{Json, extract::State};
use leadscore_domain::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    auth::identity::Identity,
    problem::{Code, Problem},
    rest::{session::no_session, unavailable},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::NoSession];

/// Sessions that have not ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sessions {
    /// The newest first.
    sessions: Vec<SessionRecord>,
}

/// A session, without its tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionRecord {
    /// Its id.
    id: Uuid,
    /// Whether it is that of this request.
    current: bool,
    /// When I logged in.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last carried on with its refresh token.
    #[schema(value_type = String, format = DateTime)]
    refreshed_at: Timestamp,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// List my sessions
#[utoipa::path(
    get,
    path = "/api/v1/me/sessions",
    tag = "access",
    responses((
        status = 200,
        description = "The sessions",
        body = Sessions,
        example = json!({"sessions": [{
            "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a",
            "current": true,
            "created_at": "2026-03-01T10:00:00Z",
            "refreshed_at": "2026-03-01T10:20:00Z",
            "expires_at": "2026-03-31T10:00:00Z"
        }]})
    ))
)]
pub async fn list_sessions(
    State(api): State<Arc<Api>>,
    Identity { principal, session }: Identity,
) -> Result<Json<Sessions>, Problem> {
    let (present, _) = session.ok_or_else(|| no_session(&principal))?;
    let found = api.store.sessions(principal.id).await.map_err(unavailable)?;
    let shown = |one: leadscore_store::SessionRecord| {
        let leadscore_store::SessionRecord { id, created_at, refreshed_at, expires_at } = one;
        SessionRecord { id, current: id == present, created_at, refreshed_at, expires_at }
    };
    Ok(Json(Sessions { sessions: found.into_iter().map(shown).collect() }))
}

//! `GET /api/v1/users`: who can log in.

use std::sync::Arc;

use axum::{Json, extract::State};
use leadscore_store::Sight;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    auth::bearer::Sender,
    problem::{Code, Problem},
    rest::{unavailable, user::User},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[];

/// People who can log in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Users {
    /// The earliest first.
    users: Vec<User>,
}

/// List users
///
/// A manager is shown the team.
#[utoipa::path(
    get,
    path = "/api/v1/users",
    tag = "access",
    responses((
        status = 200,
        description = "The users",
        body = Users,
        example = json!({"users": [{
            "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a",
            "email": "ann.agent@example.com",
            "name": "Ann Agent",
            "role": "agent",
            "team_id": null,
            "created_at": "2026-03-01T10:00:00Z"
        }]})
    ))
)]
pub async fn list_users(State(api): State<Arc<Api>>, Sender(principal): Sender) -> Result<Json<Users>, Problem> {
    let users = match principal.sight() {
        Sight::All => api.store.users(None).await,
        Sight::Team { team, .. } => api.store.users(Some(team)).await,
        Sight::Own { user } => api.store.user(user).await.map(|user| user.into_iter().collect()),
    };
    Ok(Json(Users { users: users.map_err(unavailable)?.into_iter().map(User::from).collect() }))
}

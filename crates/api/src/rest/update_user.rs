//! `PATCH /api/v1/users/{user_id}`: another role, team, name or password.

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use leadscore_store::{Role, UserChange};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    json::{Json, given},
    problem::{Code, Problem},
    rest::{
        unavailable,
        user::{User, UserPath, unknown, unwritten},
    },
    schema,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::UserNotFound, Code::LastAdmin];

/// What changes; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedUser {
    /// Another password; it ends the user's sessions.
    #[serde(default, deserialize_with = "given")]
    #[schema(min_length = 8, max_length = 256, format = Password, nullable = false)]
    password: Option<String>,
    /// Another name; `null` for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    name: Option<Option<String>>,
    /// Another role; it holds within two seconds.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<schema::Role>, nullable = false)]
    role: Option<Role>,
    /// Another team; `null` for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Uuid>)]
    team_id: Option<Option<Uuid>>,
}

/// Change a user
#[utoipa::path(
    patch,
    path = "/api/v1/users/{user_id}",
    tag = "access",
    params(("user_id" = Uuid, Path, description = "The id that the server gave")),
    request_body(content = ChangedUser, example = json!({"role": "agent", "team_id": null})),
    responses((
        status = 200,
        description = "The user",
        body = User,
        example = json!({
            "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a",
            "email": "ann.agent@example.com",
            "name": "Ann Agent",
            "role": "agent",
            "team_id": null,
            "created_at": "2026-03-01T10:00:00Z"
        })
    ))
)]
pub async fn update_user(
    State(api): State<Arc<Api>>,
    UserPath(id): UserPath,
    Json(ChangedUser { password, name, role, team_id }): Json<ChangedUser>,
) -> Result<Answer<User>, Problem> {
    let change = UserChange { password, name, role, team_id };
    api.store.change_user(id, change).await.map_err(unavailable)?.map_err(unwritten)?;
    let user = api.store.user(id).await.map_err(unavailable)?.ok_or_else(unknown)?;
    Ok(Answer(user.into()))
}

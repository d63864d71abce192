//! `DELETE /api/v1/webhooks/{webhook_id}`: a system is told nothing any more.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};

use crate::{
    problem::{Code, Problem},
    rest::{
        unavailable,
        webhook::{WebhookPath, unknown},
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::WebhookNotFound];

/// Remove a webhook
///
/// Its messages go with it; what is being sent at this moment may still arrive.
#[utoipa::path(
    delete,
    path = "/api/v1/webhooks/{webhook_id}",
    tag = "webhooks",
    params(("webhook_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    responses((status = 204, description = "It is gone"))
)]
pub async fn delete_webhook(State(api): State<Arc<Api>>, WebhookPath(id): WebhookPath) -> Result<StatusCode, Problem> {
    let was_there = api.store.delete_webhook(id).await.map_err(unavailable)?;
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}

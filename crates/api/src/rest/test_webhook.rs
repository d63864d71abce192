//! `POST /api/v1/webhooks/{webhook_id}/test`: somebody tries an endpoint out.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

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

/// A message that will be sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueuedMessage {
    /// The `webhook-id` that it carries.
    pub message_id: Uuid,
}

/// Test a webhook
///
/// A message of the type `test` is sent soon; `deliveries` says how that went. A disabled endpoint gets it when it is
/// enabled.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{webhook_id}/test",
    tag = "webhooks",
    params(("webhook_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    responses((
        status = 202,
        description = "It will be sent",
        body = QueuedMessage,
        example = json!({"message_id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c3"})
    ))
)]
pub async fn test_webhook(
    State(api): State<Arc<Api>>,
    WebhookPath(id): WebhookPath,
) -> Result<(StatusCode, Json<QueuedMessage>), Problem> {
    api.store.webhook(id).await.map_err(unavailable)?.ok_or_else(unknown)?;
    let message_id = api.store.test_webhook(id).await.map_err(unavailable)?;
    Ok((StatusCode::ACCEPTED, Json(QueuedMessage { message_id })))
}

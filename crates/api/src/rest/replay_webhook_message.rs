//! `POST /api/v1/webhooks/{webhook_id}/deliveries/{message_id}/replay`: one message is sent again.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};

use crate::{
    problem::{Code, Problem},
    rest::{
        test_webhook::QueuedMessage,
        unavailable,
        webhook::{MessagePath, unknown, unknown_message},
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::WebhookNotFound, Code::WebhookMessageNotFound];

/// Replay a message
///
/// It is sent again under its own id, with all attempts anew, whether it was delivered or not.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{webhook_id}/deliveries/{message_id}/replay",
    tag = "webhooks",
    params(
        ("webhook_id" = uuid::Uuid, Path, description = "The id that the server gave"),
        ("message_id" = uuid::Uuid, Path, description = "The `webhook-id` of the message")
    ),
    responses((
        status = 202,
        description = "It will be sent",
        body = QueuedMessage,
        example = json!({"message_id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c3"})
    ))
)]
pub async fn replay_webhook_message(
    State(api): State<Arc<Api>>,
    MessagePath(id, message_id): MessagePath,
) -> Result<(StatusCode, Json<QueuedMessage>), Problem> {
    api.store.webhook(id).await.map_err(unavailable)?.ok_or_else(unknown)?;
    let was_there = api.store.replay_webhook_message(id, message_id).await.map_err(unavailable)?;
    if was_there { Ok((StatusCode::ACCEPTED, Json(QueuedMessage { message_id }))) } else { Err(unknown_message()) }
}

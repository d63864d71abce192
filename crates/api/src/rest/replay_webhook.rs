//! `POST /api/v1/webhooks/{webhook_id}/replay`: what failed is sent again.

use std::sync::Arc;

use axum::{Json as Answer, extract::State, http::StatusCode};
use leadscore_domain::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    json::Json,
    problem::{Code, Problem},
    rest::{
        unavailable,
        webhook::{WebhookPath, unknown},
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::WebhookNotFound];

/// What is to be sent again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Messages from before stay as they are.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

/// What will be sent again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replayed {
    /// Messages, at most 10,000; ask again for the rest.
    replayed: u64,
}

/// Replay what failed
///
/// Every message since that instant which was given up is sent again, the oldest first.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{webhook_id}/replay",
    tag = "webhooks",
    params(("webhook_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    request_body(content = Replay, example = json!({"since": "2026-03-01T00:00:00Z"})),
    responses((
        status = 202,
        description = "They will be sent",
        body = Replayed,
        example = json!({"replayed": 12})
    ))
)]
pub async fn replay_webhook(
    State(api): State<Arc<Api>>,
    WebhookPath(id): WebhookPath,
    Json(Replay { since }): Json<Replay>,
) -> Result<(StatusCode, Answer<Replayed>), Problem> {
    api.store.webhook(id).await.map_err(unavailable)?.ok_or_else(unknown)?;
    let replayed = api.store.replay_failed_webhook_messages(id, since).await.map_err(unavailable)?;
    Ok((StatusCode::ACCEPTED, Answer(Replayed { replayed })))
}

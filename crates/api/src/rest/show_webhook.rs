//! `GET /api/v1/webhooks/{webhook_id}`: where an endpoint stands.

use std::sync::Arc;

use axum::{Json, extract::State};

use crate::{
    problem::{Code, Problem},
    rest::{
        unavailable,
        webhook::{Webhook, WebhookPath, unknown},
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::WebhookNotFound];

/// Show a webhook
///
/// Also why it is told nothing, where it was disabled.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/{webhook_id}",
    tag = "webhooks",
    params(("webhook_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    responses((
        status = 200,
        description = "The endpoint",
        body = Webhook,
        example = json!({
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "url": "https://hooks.example.com/leadscore",
            "description": "hot leads for the dialler",
            "event_types": ["score.threshold_crossed", "lead.silent"],
            "threshold": 80,
            "direction": "rising",
            "silent_days": null,
            "enabled": true,
            "disabled_reason": null,
            "disabled_at": null,
            "failing_since": null,
            "previous_secret_until": null,
            "created_at": "2026-03-01T10:00:00Z",
            "updated_at": "2026-03-01T10:00:00Z"
        })
    ))
)]
pub async fn show_webhook(State(api): State<Arc<Api>>, WebhookPath(id): WebhookPath) -> Result<Json<Webhook>, Problem> {
    let endpoint = api.store.webhook(id).await.map_err(unavailable)?;
    Ok(Json(endpoint.ok_or_else(unknown)?.into()))
}

//! `POST /api/v1/webhooks/{webhook_id}/rotate-secret`: another secret signs.

use std::sync::Arc;

use axum::{Json, extract::State};

use crate::{
    problem::{Code, Problem},
    rest::{
        unavailable,
        webhook::{WebhookPath, WebhookWithSecret, unknown},
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::WebhookNotFound];

/// Rotate the secret of a webhook
///
/// For 24 hours messages carry two signatures, by the new secret and by the one before, so that the receiver has time.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{webhook_id}/rotate-secret",
    tag = "webhooks",
    params(("webhook_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    responses((
        status = 200,
        description = "The endpoint and its new secret, which is shown only here",
        body = WebhookWithSecret,
        example = json!({
            "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
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
            "previous_secret_until": "2026-03-02T10:00:00Z",
            "created_at": "2026-03-01T10:00:00Z",
            "updated_at": "2026-03-01T10:00:00Z"
        })
    ))
)]
pub async fn rotate_webhook_secret(
    State(api): State<Arc<Api>>,
    WebhookPath(id): WebhookPath,
) -> Result<Json<WebhookWithSecret>, Problem> {
    let rotated = api.store.rotate_webhook_secret(id).await.map_err(unavailable)?;
    let (secret, endpoint) = rotated.ok_or_else(unknown)?;
    Ok(Json(WebhookWithSecret { secret, webhook: endpoint.into() }))
}

//! `PATCH /api/v1/webhooks/{webhook_id}`: an endpoint is told something else, elsewhere, or nothing.

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use leadscore_domain::webhook::{Direction, MessageType};
use leadscore_store::EndpointChange;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    json::{Json, given},
    problem::{Code, Problem},
    rest::{
        unavailable,
        webhook::{Webhook, WebhookPath, permitted, unknown},
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::WebhookNotFound];

/// What is changed; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChange {
    /// Where it listens: https, a public address.
    #[serde(default, deserialize_with = "given")]
    #[schema(max_length = 2_048, nullable = false)]
    url: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(max_length = 512, nullable = false)]
    description: Option<String>,
    /// What it is told.
    #[serde(default, deserialize_with = "given")]
    #[schema(min_items = 1, max_items = 4, nullable = false)]
    event_types: Option<Vec<MessageType>>,
    /// The score whose crossing it is told of.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u8>, minimum = 1, maximum = 100)]
    threshold: Option<Option<u8>>,
    /// Which crossings; `null` for `rising`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Direction>)]
    direction: Option<Option<Direction>>,
    /// Days without an event after which a lead is silent; `null` for the server's number.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u16>, minimum = 1, maximum = 365)]
    silent_days: Option<Option<u16>>,
    /// Whether it is told anything. What waits for an endpoint that is disabled has failed, and can be replayed.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

/// Change a webhook
///
/// Also enables one that was disabled.
#[utoipa::path(
    patch,
    path = "/api/v1/webhooks/{webhook_id}",
    tag = "webhooks",
    params(("webhook_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    request_body(content = WebhookChange, example = json!({"description": "hot leads", "silent_days": 14})),
    responses((
        status = 200,
        description = "The endpoint as it is now",
        body = Webhook,
        example = json!({
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "url": "https://hooks.example.com/leadscore",
            "description": "hot leads for the dialler",
            "event_types": ["score.threshold_crossed", "lead.silent"],
            "threshold": 80,
            "direction": "rising",
            "silent_days": 14,
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
pub async fn update_webhook(
    State(api): State<Arc<Api>>,
    WebhookPath(id): WebhookPath,
    Json(change): Json<WebhookChange>,
) -> Result<Answer<Webhook>, Problem> {
    let WebhookChange { url, description, event_types, threshold, direction, silent_days, enabled } = change;
    let url = match url {
        Some(url) => Some(permitted(&api.destinations, &url).await?),
        None => None,
    };
    let change = EndpointChange { url, description, event_types, threshold, direction, silent_days, enabled };
    let changed = api.store.update_webhook(id, change).await.map_err(unavailable)?;
    Ok(Answer(changed.ok_or_else(unknown)?.into()))
}

//! `GET /api/v1/webhooks`: which systems are told.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    problem::{Code, Problem},
    rest::{unavailable, webhook::Webhook},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[];

/// The endpoints of other systems.
#[derive(Debug, Serialize, ToSchema)]
pub struct Webhooks {
    /// The newest first.
    webhooks: Vec<Webhook>,
}

/// List webhooks
#[utoipa::path(
    get,
    path = "/api/v1/webhooks",
    tag = "webhooks",
    responses((
        status = 200,
        description = "The endpoints",
        body = Webhooks,
        example = json!({"webhooks": [{
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
        }]})
    ))
)]
pub async fn list_webhooks(State(api): State<Arc<Api>>) -> Result<Json<Webhooks>, Problem> {
    let endpoints = api.store.webhooks().await.map_err(unavailable)?;
    Ok(Json(Webhooks { webhooks: endpoints.into_iter().map(Webhook::from).collect() }))
}

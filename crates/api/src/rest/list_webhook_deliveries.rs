//! `GET /api/v1/webhooks/{webhook_id}/deliveries`: what an endpoint was told, and how that went.

use std::{str::FromStr, sync::Arc};

use axum::{Json, extract::State};
use leadscore_domain::{Timestamp, webhook::MessageType};
use leadscore_store::{Delivery, DeliveryCursor, DeliveryState};
use serde::{
    Deserialize as _, Serialize,
    de::{IntoDeserializer as _, value::Error},
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    problem::{Code, Problem},
    query::Parameters,
    rest::{
        unavailable,
        webhook::{WebhookPath, unknown},
    },
    schema,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::WebhookNotFound, Code::InvalidQueryParameter];

/// Deliveries of a page, unless the request says otherwise, and at most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 500;

/// A page of an endpoint's messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deliveries {
    /// The newest first.
    deliveries: Vec<WebhookDelivery>,
    /// The `cursor` of the next page; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// A message and how far it came.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookDelivery {
    /// The `webhook-id` that it carries.
    message_id: Uuid,
    /// What it tells.
    #[serde(rename = "type")]
    kind: MessageType,
    /// Of whom.
    #[schema(required)]
    lead_id: Option<Uuid>,
    /// Where it stands.
    #[schema(value_type = schema::DeliveryState)]
    state: DeliveryState,
    /// How often it was sent since it was written, or replayed.
    attempts: u16,
    /// When it is sent next; `null` unless it is pending.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    next_attempt_at: Option<Timestamp>,
    /// When it was last sent.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    last_attempt_at: Option<Timestamp>,
    /// The status that the receiver answered last.
    #[schema(required)]
    last_status: Option<u16>,
    /// Why it was not delivered then, in a word.
    #[schema(required)]
    last_error: Option<String>,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Delivery> for WebhookDelivery {
    fn from(delivery: Delivery) -> Self {
        Self {
            message_id: delivery.id,
            kind: delivery.kind,
            lead_id: delivery.lead_id.map(|lead| lead.0),
            state: delivery.state,
            attempts: delivery.attempts,
            next_attempt_at: delivery.next_attempt_at,
            last_attempt_at: delivery.last_attempt_at,
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            created_at: delivery.created_at,
        }
    }
}

/// Where the next page begins.
struct Cursor(DeliveryCursor);

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (micros, id) = text.split_once('.').ok_or(())?;
        let at = micros.parse().ok().and_then(Timestamp::from_micros).ok_or(())?;
        Ok(Self((at, id.parse().map_err(|_| ())?)))
    }
}

/// A state by its word.
struct Wanted(DeliveryState);

impl FromStr for Wanted {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        DeliveryState::deserialize(word.into_deserializer()).map(Self)
    }
}

/// Deliveries of a webhook
///
/// What it was told, what is still to be told, and what was given up, the newest first, page by page.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/{webhook_id}/deliveries",
    tag = "webhooks",
    params(
        ("webhook_id" = Uuid, Path, description = "The id that the server gave"),
        ("limit" = Option<usize>, Query, description = "Deliveries of the page, 1 to 500; 50 unless you say otherwise"),
        ("state" = Option<schema::DeliveryState>, Query, description = "Only those that stand there"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before")
    ),
    responses((
        status = 200,
        description = "A page",
        body = Deliveries,
        example = json!({
            "deliveries": [{
                "message_id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c3",
                "type": "score.threshold_crossed",
                "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
                "state": "pending",
                "attempts": 2,
                "next_attempt_at": "2026-03-01T10:05:07Z",
                "last_attempt_at": "2026-03-01T10:00:07Z",
                "last_status": 500,
                "last_error": "refused",
                "created_at": "2026-03-01T10:00:00Z"
            }],
            "next": "1772359200000000.0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c3"
        })
    ))
)]
pub async fn list_webhook_deliveries(
    State(api): State<Arc<Api>>,
    WebhookPath(id): WebhookPath,
    mut query: Parameters,
) -> Result<Json<Deliveries>, Problem> {
    let limit = query.take("limit", "send a number from 1 to 500")?.unwrap_or(LIMIT);
    let state = query.take("state", "send pending, delivered or failed")?.map(|Wanted(state)| state);
    let cursor = query.take("cursor", "send `next` of the page before as it was")?.map(|Cursor(cursor)| cursor);
    query.end()?;
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::new(Code::InvalidQueryParameter, "The parameter is out of range.")
            .field("limit")
            .remedy("send a number from 1 to 500"));
    }
    api.store.webhook(id).await.map_err(unavailable)?.ok_or_else(unknown)?;
    let mut found = api.store.webhook_deliveries(id, state, cursor, limit + 1).await.map_err(unavailable)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| format!("{}.{}", last.created_at.as_micros(), last.id));
    Ok(Json(Deliveries { deliveries: found.into_iter().map(WebhookDelivery::from).collect(), next }))
}

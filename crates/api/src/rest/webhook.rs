//! What the endpoints of webhooks share: the shape of an endpoint, ids in the address, and where it may listen.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use leadscore_domain::{
    Timestamp,
    webhook::{DestinationPolicy, Direction, MessageType},
};
use leadscore_store::{DisabledReason, EndpointSettings, WebhookEndpoint};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    problem::{Code, Problem},
    schema,
    state::Api,
};

/// Longest wait for the addresses of a name.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(3);

/// An endpoint, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct Webhook {
    /// By which it is named.
    id: Uuid,
    /// Where it listens.
    url: String,
    /// What it is for.
    description: String,
    /// What it is told.
    event_types: Vec<MessageType>,
    /// The score whose crossing it is told of.
    #[schema(minimum = 1, maximum = 100, required)]
    threshold: Option<u8>,
    /// Which crossings; `null` for `rising`.
    #[schema(required)]
    direction: Option<Direction>,
    /// Days without an event after which a lead is silent; `null` for the server's number.
    #[schema(minimum = 1, maximum = 365, required)]
    silent_days: Option<u16>,
    /// Whether it is told anything.
    enabled: bool,
    /// Why it is told nothing.
    #[schema(value_type = Option<schema::DisabledReason>, required)]
    disabled_reason: Option<DisabledReason>,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    disabled_at: Option<Timestamp>,
    /// The first failure after the last success; `null` while all is well.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    failing_since: Option<Timestamp>,
    /// Until when the secret before the present one signs too.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    previous_secret_until: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// An endpoint and its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookWithSecret {
    /// What messages are signed with; it is shown only here.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    pub secret: String,
    #[serde(flatten)]
    pub webhook: Webhook,
}

impl From<WebhookEndpoint> for Webhook {
    fn from(endpoint: WebhookEndpoint) -> Self {
        let WebhookEndpoint { id, settings, disabled, failing_since, previous_secret_until, created_at, updated_at } =
            endpoint;
        let EndpointSettings { url, description, event_types, threshold, direction, silent_days } = settings;
        Self {
            id,
            url,
            description,
            event_types,
            threshold,
            direction,
            silent_days,
            enabled: disabled.is_none(),
            disabled_reason: disabled.map(|disabled| disabled.reason),
            disabled_at: disabled.map(|disabled| disabled.at),
            failing_since,
            previous_secret_until,
            created_at,
            updated_at,
        }
    }
}

/// What is said of an id that no endpoint has.
pub fn unknown() -> Problem {
    Problem::new(Code::WebhookNotFound, "No webhook has this id.")
}

/// What is said of an id that no message of the endpoint has.
pub fn unknown_message() -> Problem {
    Problem::new(Code::WebhookMessageNotFound, "The webhook has no message of this id.")
}

/// The endpoint that the path names.
pub struct WebhookPath(pub Uuid);

impl FromRequestParts<Arc<Api>> for WebhookPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        // What is no id names no endpoint.
        let Path(text) = Path::<String>::from_request_parts(parts, api).await.map_err(|_| unknown())?;
        text.parse().map(Self).map_err(|_| unknown())
    }
}

/// The endpoint and the message that the path names.
pub struct MessagePath(pub Uuid, pub Uuid);

impl FromRequestParts<Arc<Api>> for MessagePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, api).await;
        let Path((webhook, message)) = path.map_err(|_| unknown())?;
        Ok(Self(webhook.parse().map_err(|_| unknown())?, message.parse().map_err(|_| unknown_message())?))
    }
}

/// Where an endpoint may listen: `url` as it is kept. A name that nobody can look up now is accepted, because its
/// addresses are checked again by whoever sends.
pub async fn permitted(policy: &DestinationPolicy, url: &str) -> Result<String, Problem> {
    let destination = policy.destination(url)?;
    let (host, port) = (destination.host(), destination.port());
    let looked_up = tokio::time::timeout(LOOK_UP_TIMEOUT, tokio::net::lookup_host((host.as_str(), port))).await;
    if let Ok(Ok(found)) = looked_up {
        policy.permit(found.map(|address| address.ip())).map_err(|forbidden| {
            Problem::new(Code::InvalidField, forbidden.to_string()).field("url").remedy(DestinationPolicy::REMEDY)
        })?;
    }
    Ok(destination.as_str().to_owned())
}

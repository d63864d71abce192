//! One delivery: proof, reading, log, answer.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Path, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use leadscore_connectors::{Answer, CallContext, Connector, Malformed, Reading, Refusal, Request as Delivery};
use leadscore_domain::{EventEnvelope, EventId, PendingEvent};
use leadscore_store::{
    Appended, DeadOrigin, StoreError, Undelivered,
    audit::Act,
    telemetry::{Delivered, Fate, Left},
};

use super::caller;
use crate::{
    audit::Begun,
    client::ClientAddress,
    json,
    problem::{Code, Problem},
    rate,
    rest::unavailable,
    state::Api,
};

/// How long is looked for what is known of a caller. Whoever asks has somebody on the line: then a neutral answer is
/// better than a later one.
const CALLER_TIMEOUT: Duration = Duration::from_millis(800);
/// Why an event that came too late is a dead letter.
const LATE: &str = "late";

/// Why nothing was taken.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// It is not shown to be from whom it says.
    #[error(transparent)]
    Unproven(#[from] Refusal),
    /// Its signature came before with another body.
    #[error("the signature was used for another body")]
    Replayed,
    /// It is not what the vendor sends.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Unproven(refusal) => Self::new(Code::DeliveryUnproven, sentence(&refusal)),
            Error::Replayed => Self::new(Code::DeliveryUnproven, sentence(&error)),
            Error::Malformed(malformed) => Self::new(Code::MalformedDelivery, sentence(&malformed)),
            Error::Store(error) => unavailable(error),
        }
    }
}

impl Error {
    const fn fate(&self) -> Delivered {
        match self {
            Self::Unproven(_) | Self::Replayed => Delivered::Unproven,
            Self::Malformed(_) => Delivered::Malformed,
            Self::Store(_) => Delivered::Failed,
        }
    }
}

/// Takes a delivery of a connector.
///
/// # Errors
/// [`Code::ConnectorNotFound`]; [`Code::DeliveryUnproven`]; [`Code::MalformedDelivery`]; where the body does not arrive,
/// or the store fails.
pub async fn deliver(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    client: ClientAddress,
    Begun(act): Begun,
    request: Request,
) -> Result<Response, Problem> {
    let unknown = || Problem::new(Code::ConnectorNotFound, "No connector has this name.");
    let (Some(connector), Some(url)) =
        (api.connectors.find(&name), api.connectors.address(request.uri().path_and_query()))
    else {
        return Ok(rate::without_token(&api, client, unknown()).await);
    };
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let body: Bytes = json::raw_body(request, &api).await?;
    let delivery =
        Delivery { method: &method, url: &url, headers: &headers, body: &body, received_at: api.clock.now() };
    let vendor = connector.vendor.as_str();
    match take(&api, connector, &delivery, act).await {
        Ok(answer) => {
            Delivered::Taken.count(vendor);
            Ok(respond(answer))
        }
        Err(error) => {
            error.fate().count(vendor);
            let is_unproven = matches!(error.fate(), Delivered::Unproven);
            let problem = error.into();
            // Who guesses is slowed down; who has the secret is never.
            if is_unproven { Ok(rate::without_token(&api, client, problem).await) } else { Err(problem) }
        }
    }
}

async fn take(api: &Api, connector: &Connector, delivery: &Delivery<'_>, act: Act) -> Result<Answer, Error> {
    connector.verify(delivery)?;
    let reading = connector.read(delivery)?;
    if let Some(replay) = &reading.replay_key
        && !api.store.is_delivery_of(&connector.source, &replay.key, delivery.body, replay.keep_until).await?
    {
        return Err(Error::Replayed);
    }
    count_left(connector, &reading);
    append(api, &reading.events, delivery).await?;
    let context = context(api, connector, &reading, act).await;
    Ok(connector.answer(&reading, context.as_ref()))
}

/// What is known of the caller that the delivery asks about, in time.
async fn context(api: &Api, connector: &Connector, reading: &Reading, act: Act) -> Option<CallContext> {
    let asked = reading.asks.as_ref()?;
    match tokio::time::timeout(CALLER_TIMEOUT, caller::context(api, &connector.source, asked, act)).await {
        Ok(Ok(context)) => context,
        Ok(Err(error)) => {
            tracing::warn!(%error, connector = connector.source, "a caller could not be looked up: a neutral answer");
            None
        }
        Err(_) => {
            tracing::warn!(connector = connector.source, "looking a caller up took too long: a neutral answer");
            None
        }
    }
}

fn count_left(connector: &Connector, reading: &Reading) {
    let vendor = connector.vendor.as_str();
    let unknown = reading.unknown.iter().map(|one| one.count).sum();
    let dropped = reading.dropped;
    for (left, count) in [
        (Left::Unknown, unknown),
        (Left::Protected, dropped.protected),
        (Left::Anonymous, dropped.anonymous),
        (Left::Invalid, dropped.invalid),
        (Left::Ignored, dropped.ignored),
    ] {
        left.count(vendor, count);
    }
}

/// Puts events into the log; those that cannot be are set aside.
async fn append(api: &Api, events: &[EventEnvelope], delivery: &Delivery<'_>) -> Result<(), StoreError> {
    let mut pending: Vec<PendingEvent> = Vec::with_capacity(events.len());
    let mut sent: Vec<&EventEnvelope> = Vec::with_capacity(events.len());
    let mut dead = Vec::new();
    for event in events {
        match event.clone().validate(delivery.received_at, api.region) {
            Ok(late) if late.is_late(api.limits.late_max_us) => dead.push(set_aside(api, event, LATE)),
            Ok(valid) => {
                pending.push(valid);
                sent.push(event);
            }
            Err(invalid) => dead.push(set_aside(api, event, &invalid.to_string())),
        }
    }
    for (appended, event) in api.store.append(pending, None).await?.into_iter().zip(sent) {
        match appended {
            Appended::Applied { .. } | Appended::Duplicate { .. } => {}
            Appended::Refused(invalid) => dead.push(set_aside(api, event, &invalid.to_string())),
        }
    }
    Fate::Dead.count(dead.len());
    api.store.bury(dead).await
}

/// An event as it is kept: such that it can be sent again.
fn set_aside(api: &Api, event: &EventEnvelope, reason: &str) -> Undelivered {
    let handles = event.lead.identities.iter();
    Undelivered {
        origin: DeadOrigin::Api,
        place: None,
        event_id: Some(EventId::derive(&event.source, &event.source_event_id)),
        lead_id: event.lead.lead_id,
        identities: handles.filter_map(|handle| handle.normalise(api.region).ok()).collect(),
        reason: reason.to_owned(),
        tries: 1,
        payload: serde_json::to_vec(event).expect("an event is plain data with string keys"),
    }
}

/// The answer in the vendor's terms.
fn respond(answer: Answer) -> Response {
    let Answer { status, content_type, headers, body } = answer;
    let status = StatusCode::from_u16(status).expect("connectors answer with statuses of HTTP");
    let mut response = (status, Body::from(body)).into_response();
    let all = response.headers_mut();
    all.remove(header::CONTENT_TYPE);
    if let Some(content_type) = content_type {
        all.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            all.append(
                HeaderName::from_bytes(name.as_bytes()).expect("connectors answer with names of headers"),
                value,
            );
        }
    }
    response
}

/// An error's text as a sentence.
fn sentence(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

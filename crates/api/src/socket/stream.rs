//! `GET /api/v1/scores/stream`: live scores as server-sent events, for who cannot open a socket.
//!
//! The `data` of each event is a message of the socket's protocol. Invariant: a task of its own serves each stream, so
//! that access is asked anew also while the client does not read, and who reads too slowly is cut off. Deliberately
//! absent: tickets; the token travels in `Authorization`, which `fetch` can send.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, header},
    response::{IntoResponse as _, Response},
};
use futures_util::{StreamExt as _, stream};
use leadscore_domain::{LeadId, Timestamp};
use leadscore_store::telemetry::{Delivery, Transport, count_closed};
use tokio::{sync::mpsc, time::timeout};

use super::{
    connection::full,
    ending::Ending,
    mailbox::Outgoing,
    protocol::{Agent, ServerMessage, Topic},
    session::{Seen, Session},
};
use crate::{
    audit::Begun,
    auth::bearer::{Sender, bearer},
    problem::{Code, Problem},
    query::Parameters,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] =
    &[Code::InvalidQueryParameter, Code::InvalidField, Code::UserNotFound, Code::TooManyConnections];

/// Of an event stream.
const MEDIA_TYPE: &str = "text/event-stream";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Parts of the answer that wait to be written.
const PARTS_MAX: usize = 1;
/// The name of the one subscription of a stream.
const SUBSCRIPTION: &str = "stream";

/// Live scores as events
///
/// A snapshot, then an event for each new score, until you leave or your token ends. The `data` of an event is a
/// message of `/ws/v1/scores`; a comment comes where there is no news for a while. Send the `id` of the last event that
/// you have as `Last-Event-ID`: leads that did not change since are left out of the snapshot.
#[utoipa::path(
    get,
    path = "/api/v1/scores/stream",
    tag = "scores",
    params(
        ("lead_id" = Option<Vec<Uuid>>, Query, description = "Leads; repeat it for several",
            example = json!(["0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"])),
        ("agent" = Option<String>, Query, description = "Instead: the agent whose leads, an id or `me`"),
        ("Last-Event-ID" = Option<String>, Header, description = "`id` of the last event that you have")
    ),
    responses((
        status = 200,
        description = "The events",
        body = String,
        content_type = "text/event-stream",
        example = json!("id: 1772361000000000\ndata: {\"type\":\"snapshot\",…}\n\n")
    ))
)]
pub async fn stream_scores(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    headers: HeaderMap,
    Begun(mut act): Begun,
    mut query: Parameters,
) -> Result<Response, Problem> {
    let topic = topic(&mut query)?;
    query.end()?;
    let seen = Seen::Until(last_seen(&headers)?);
    let mut seat = api.sockets.seats().take(Transport::EventStream).ok_or_else(full)?;
    if !seat.claim(principal.id) {
        return Err(Problem::new(Code::TooManyConnections, "You have as many connections as one may have."));
    }
    let token = bearer(&api, &headers)?.to_owned();
    act.operation = "stream_scores".into();
    let mut session = Session::new(Arc::clone(&api), act, token, principal, seat);
    session.subscribe(SUBSCRIPTION.to_owned(), topic, &seen).await?;
    let (parts, body) = mpsc::channel(PARTS_MAX);
    api.sockets.tracker().spawn(serve(api.clone(), session, parts));
    let body = stream::unfold(body, |mut body| async move {
        let part: Bytes = body.recv().await?;
        Some((Ok::<_, Infallible>(part), body))
    });
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], Body::from_stream(body.fuse())).into_response())
}

fn topic(query: &mut Parameters) -> Result<Topic, Problem> {
    let leads: Vec<LeadId> = query.take_all("lead_id", "send ids that the server gave")?;
    let agent: Option<String> = query.take("agent", "send the id of a user, or `me`")?;
    let refuse = |detail| {
        let remedy = "send `lead_id`, any number of times, or `agent`";
        Err(Problem::new(Code::InvalidQueryParameter, detail).field("lead_id").remedy(remedy))
    };
    match agent.map(Agent::try_from) {
        Some(_) if !leads.is_empty() => refuse("There are leads and an agent."),
        Some(Ok(agent)) => Ok(Topic::AgentQueue(agent)),
        Some(Err(detail)) => Err(Problem::new(Code::InvalidQueryParameter, detail).field("agent")),
        None if leads.is_empty() => refuse("There are neither leads nor an agent."),
        None => Ok(Topic::Leads(leads)),
    }
}

/// When the client got its last event.
fn last_seen(headers: &HeaderMap) -> Result<Option<Timestamp>, Problem> {
    let Some(id) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let micros = id.to_str().ok().and_then(|text| text.parse().ok());
    match micros.and_then(Timestamp::from_micros) {
        Some(at) => Ok(Some(at)),
        None => Err(Problem::new(Code::InvalidField, "is the id of no event of the server")
            .field("Last-Event-ID")
            .remedy("send the `id` of an event, or leave it out")),
    }
}

/// Writes the events of one stream until it ends.
async fn serve(api: Arc<Api>, mut session: Session, parts: mpsc::Sender<Bytes>) {
    let mailbox = Arc::clone(session.mailbox());
    let stall_max = api.sockets.options().stall_max;
    let telling = async {
        loop {
            let batch = mailbox.take().await;
            let messages = batch.len();
            match timeout(stall_max, parts.send(text(api.clock.now(), &batch))).await {
                Ok(Ok(())) => Delivery::Sent.count(messages),
                Ok(Err(_)) => return Ending::Left,
                Err(_) => return Ending::TooSlow,
            }
        }
    };
    let attending = async {
        loop {
            let duty = session.duties().next().await;
            if let Err(ending) = session.perform(duty).await {
                return ending;
            }
        }
    };
    let ending = tokio::select! {
        ending = telling => ending,
        ending = attending => ending,
        () = api.sockets.stopping().cancelled() => Ending::ShuttingDown,
        () = parts.closed() => Ending::Left,
    };
    count_closed(ending.reason(), 1);
    let farewell = ServerMessage::Closing { code: ending.code(), reason: ending.reason() }.text();
    // Where there is no room, the client does not read.
    parts.try_send(text(api.clock.now(), &[Outgoing::Text(farewell)])).ok();
}

/// Events as they are written, each with the instant as its id.
fn text(now: Timestamp, batch: &[Outgoing]) -> Bytes {
    let mut text = String::new();
    for outgoing in batch {
        match outgoing {
            Outgoing::Text(message) => {
                let id = now.as_micros();
                text.push_str(&format!("id: {id}\ndata: {message}\n\n"));
            }
            Outgoing::Heartbeat => text.push_str(": heartbeat\n\n"),
        }
    }
    text.into()
}

//! `GET /ws/v1/scores`: one socket, from the request that opens it to the frame that closes it.
//!
//! Invariants: before a client has said who it is, it is told nothing; every message of the client's gets an answer or
//! ends the connection; what ends it is said first, as far as the client still reads.

use std::{sync::Arc, time::Duration};

use axum::{
    Error,
    extract::{
        State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, HeaderValue, Uri, header},
    response::{IntoResponse as _, Response},
};
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use leadscore_domain::{Timestamp, time::SECOND_US};
use leadscore_store::{
    Principal,
    audit::Act,
    telemetry::{Delivery, Transport, count_closed},
};
use tokio::time::timeout;
use tungstenite::error::{CapacityError, Error as FrameError};

use super::{
    ending::Ending,
    mailbox::{Mailbox, Outgoing, heartbeat},
    origin,
    protocol::{ClientMessage, ServerMessage},
    seats::Seat,
    session::{Seen, Session},
};
use crate::{
    audit::Begun,
    auth::bearer::confirm,
    json::parse,
    problem::{Code, Problem},
    query::Parameters,
    state::Api,
};

/// What the audit log calls the leads of a subscription.
pub const OPERATION: &str = "subscribe_scores";
/// Longest message of a client: a thousand leads and their versions.
const MESSAGE_MAX_BYTES: usize = 128 * 1024;
/// What is read at once; every connection holds so much.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// What is written at once.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// Most that waits to be written: the largest snapshot fits.
const WRITE_BUFFER_MAX_BYTES: usize = 2 * 1024 * 1024;
/// Messages and frames that a client may send at once, and each second.
const FRAMES_BURST: i64 = 60;
const FRAMES_PER_S: i64 = 10;
/// Heartbeats that a client may leave unanswered.
pub const SILENT_BEATS_MAX: u32 = 3;
/// How long a client may take to hear that the connection ends.
pub const FAREWELL: Duration = Duration::from_secs(1);
/// Seconds after which a full server may be asked again.
const RETRY_AFTER_FULL_S: u64 = 5;

/// Opens a socket.
///
/// # Errors
/// [`Code::UnknownQueryParameter`], [`Code::OriginNotAllowed`], [`Code::UpgradeRequired`], [`Code::TooManyConnections`].
pub async fn open(
    State(api): State<Arc<Api>>,
    address: Uri,
    headers: HeaderMap,
    Begun(mut act): Begun,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    // A token in an address would be in every log on the way.
    Parameters::of(&address)?.end()?;
    if !origin::is_allowed(&headers, &api.sockets.options().allowed_origins) {
        return Err(Problem::new(Code::OriginNotAllowed, "The page is of another origin."));
    }
    let Ok(upgrade) = upgrade else { return Ok(no_socket()) };
    let Some(seat) = api.sockets.seats().take(Transport::WebSocket) else { return Err(full()) };
    act.operation = OPERATION.into();
    let tracked = api.sockets.tracked();
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_MAX_BYTES)
        .max_frame_size(MESSAGE_MAX_BYTES)
        .max_message_size(MESSAGE_MAX_BYTES);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let _tracked = tracked;
        serve(api, act, socket, seat).await;
    }))
}

fn no_socket() -> Response {
    let mut response = Problem::new(Code::UpgradeRequired, "The request does not open a WebSocket.").into_response();
    response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    response
}

/// What is said where the process has as many connections as it takes.
pub fn full() -> Problem {
    Problem::new(Code::TooManyConnections, "The server has as many connections as it takes.")
        .retry_after_s(RETRY_AFTER_FULL_S)
}

async fn serve(api: Arc<Api>, act: Act, socket: WebSocket, seat: Seat) {
    let (mut sink, frames) = socket.split();
    let mut client = Client { allowance: Allowance::new(api.clock.now()), api: Arc::clone(&api), frames };
    let stopping = api.sockets.stopping().clone();
    let ending = tokio::select! {
        ending = talk(&mut client, act, &mut sink, seat) => ending,
        () = stopping.cancelled() => Ending::ShuttingDown,
    };
    count_closed(ending.reason(), 1);
    if ending != Ending::Left {
        // A client that does not read any more does not hear it either.
        timeout(FAREWELL, take_leave(sink, client.frames, ending)).await.ok();
    }
}

/// Says why, and waits until the client has heard it: closing at once might destroy what is on its way.
async fn take_leave(mut sink: Sink, mut frames: SplitStream<WebSocket>, ending: Ending) {
    let (code, reason) = (ending.code(), ending.reason());
    let text = ServerMessage::Closing { code, reason }.text();
    let frame = CloseFrame { code, reason: reason.into() };
    if sink.feed(Message::Text(text)).await.is_ok() && sink.send(Message::Close(Some(frame))).await.is_ok() {
        while let Some(Ok(_)) = frames.next().await {}
    }
}

type Sink = SplitSink<WebSocket, Message>;

async fn talk(client: &mut Client, act: Act, sink: &mut Sink, mut seat: Seat) -> Ending {
    let options = client.api.sockets.options().clone();
    let (token, principal) = match timeout(options.authenticate_within, client.authenticate()).await {
        Err(_) => return Ending::Silent,
        Ok(Err(Refused::Ends(ending))) => return ending,
        Ok(Err(Refused::With(problem))) => {
            let away = problem.code() == Code::Unavailable;
            let error = Message::Text(ServerMessage::problem(None, problem));
            return match timeout(FAREWELL, sink.send(error)).await {
                Ok(Ok(())) if away => Ending::Unavailable,
                Ok(Ok(())) => Ending::Unauthenticated,
                Ok(Err(_)) | Err(_) => Ending::Left,
            };
        }
        Ok(Ok(known)) => known,
    };
    if !seat.claim(principal.id) {
        return Ending::TooMany;
    }
    let mut session = Session::new(Arc::clone(&client.api), act, token, principal, seat);
    let mailbox = Arc::clone(session.mailbox());
    mailbox.answer(welcome(&options));
    tokio::select! {
        ending = client.listen(&mut session) => ending,
        ending = tell(&mailbox, sink, options.stall_max) => ending,
    }
}

fn welcome(options: &super::Options) -> axum::extract::ws::Utf8Bytes {
    let heartbeat_s = options.heartbeat_every.as_secs();
    ServerMessage::Authenticated { heartbeat_s, leads_max: options.leads_max }.text()
}

/// Tells the client what its mailbox holds, as long as it reads.
async fn tell(mailbox: &Mailbox, sink: &mut Sink, stall_max: Duration) -> Ending {
    loop {
        let batch = mailbox.take().await;
        let messages = batch.len();
        match timeout(stall_max, send(sink, batch)).await {
            Ok(Ok(())) => Delivery::Sent.count(messages),
            Ok(Err(_)) => return Ending::Left,
            Err(_) => return Ending::TooSlow,
        }
    }
}

async fn send(sink: &mut Sink, batch: Vec<Outgoing>) -> Result<(), Error> {
    for outgoing in batch {
        match outgoing {
            Outgoing::Text(text) => sink.feed(Message::Text(text)).await?,
            Outgoing::Heartbeat => {
                sink.feed(Message::Text(heartbeat())).await?;
                sink.feed(Message::Ping(Default::default())).await?;
            }
        }
    }
    sink.flush().await
}

/// What comes from the client.
struct Client {
    api: Arc<Api>,
    frames: SplitStream<WebSocket>,
    allowance: Allowance,
}

/// Why a client is not let in.
enum Refused {
    /// The connection ends.
    Ends(Ending),
    /// As this says.
    With(Problem),
}

impl Client {
    /// Waits until the client has said who it is.
    async fn authenticate(&mut self) -> Result<(String, Arc<Principal>), Refused> {
        let text = loop {
            let frame = self.frames.next().await;
            if let Some(text) = self.text(frame).map_err(Refused::Ends)? {
                break text;
            }
        };
        match parse(text.as_bytes()).map_err(Refused::With)? {
            ClientMessage::Authenticate { token, ticket } => {
                known(&self.api, token, ticket).await.map_err(Refused::With)
            }
            ClientMessage::Subscribe { .. } | ClientMessage::Unsubscribe { .. } => {
                Err(Refused::With(Problem::new(Code::Unauthenticated, "The first message does not say who you are.")))
            }
        }
    }

    /// Does what the client asks for, and what is due.
    async fn listen(&mut self, session: &mut Session) -> Ending {
        let mailbox = Arc::clone(session.mailbox());
        let mut silent_beats = 0;
        loop {
            mailbox.room().await;
            let done = tokio::select! {
                frame = self.frames.next() => {
                    silent_beats = 0;
                    match self.text(frame) {
                        Ok(None) => Ok(()),
                        Ok(Some(text)) => self.obey(session, text.as_str()).await,
                        Err(ending) => Err(ending),
                    }
                }
                duty = session.duties().next() => {
                    silent_beats += u32::from(duty.is_beat());
                    if silent_beats > SILENT_BEATS_MAX { Err(Ending::TooSlow) } else { session.perform(duty).await }
                }
            };
            if let Err(ending) = done {
                return ending;
            }
        }
    }

    /// The text of a frame; none of those frames that keep the connection alive.
    fn text(&mut self, frame: Option<Result<Message, Error>>) -> Result<Option<axum::extract::ws::Utf8Bytes>, Ending> {
        if !self.allowance.take(self.api.clock.now()) {
            return Err(Ending::TooFast);
        }
        match frame {
            Some(Ok(Message::Text(text))) => Ok(Some(text)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
            Some(Ok(Message::Binary(_))) => Err(Ending::NoText),
            Some(Ok(Message::Close(_))) | None => Err(Ending::Left),
            Some(Err(error)) => Err(broken(error)),
        }
    }

    async fn obey(&self, session: &mut Session, text: &str) -> Result<(), Ending> {
        let mut named = None;
        let done = match parse(text.as_bytes()) {
            Err(problem) => Err(problem),
            Ok(ClientMessage::Authenticate { token, ticket }) => match known(&self.api, token, ticket).await {
                Ok((token, principal)) => {
                    session.renew(token, principal)?;
                    session.mailbox().answer(welcome(self.api.sockets.options()));
                    Ok(())
                }
                Err(problem) => Err(problem),
            },
            Ok(ClientMessage::Subscribe { id, topic, from }) => {
                named = Some(id.clone());
                session.subscribe(id, topic, &Seen::Versions(from)).await
            }
            Ok(ClientMessage::Unsubscribe { id }) => {
                let done = session.unsubscribe(&id);
                named = Some(id);
                done
            }
        };
        if let Err(problem) = done {
            session.mailbox().answer(ServerMessage::problem(named.as_deref(), problem));
        }
        Ok(())
    }
}

/// Who holds a token, or a ticket for one.
async fn known(api: &Api, token: Option<String>, ticket: Option<String>) -> Result<(String, Arc<Principal>), Problem> {
    let token = match (token, ticket) {
        (Some(token), None) => token,
        (None, Some(ticket)) => {
            let unknown = || Problem::new(Code::Unauthenticated, "The ticket is not known, or was taken before.");
            api.tickets.take(&ticket).await.ok_or_else(unknown)?
        }
        (None, None) | (Some(_), Some(_)) => {
            return Err(Problem::new(Code::InvalidField, "is not one token or one ticket")
                .field("token")
                .remedy("send either `token` or `ticket`"));
        }
    };
    let principal = confirm(api, &token).await?.principal;
    Ok((token, principal))
}

/// What an error of the connection is.
pub fn broken(error: Error) -> Ending {
    match error.into_inner().downcast_ref::<FrameError>() {
        Some(FrameError::Capacity(CapacityError::MessageTooLong { .. })) => Ending::TooLarge,
        Some(FrameError::Utf8(_)) => Ending::NoText,
        Some(_) | None => Ending::Left,
    }
}

/// How many frames a client may still send.
pub struct Allowance {
    left: i64,
    at: Timestamp,
}

impl Allowance {
    /// All of them, from an instant on.
    pub const fn new(at: Timestamp) -> Self {
        Self { left: FRAMES_BURST, at }
    }

    /// Takes one; whether there was one.
    pub fn take(&mut self, now: Timestamp) -> bool {
        let seconds = (now.since(self.at) / SECOND_US).max(0);
        if seconds > 0 {
            self.left = FRAMES_BURST.min(self.left.saturating_add(seconds.saturating_mul(FRAMES_PER_S)));
            self.at = now;
        }
        self.left -= 1;
        self.left >= 0
    }
}

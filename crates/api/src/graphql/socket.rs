//! `GET /graphql` as a WebSocket: subscriptions by the protocol `graphql-transport-ws`.
//!
//! Invariants: as on every socket, no page of another origin opens one, the token comes in the first message and never in
//! the address, what waits to be written is bounded, and who reads too slowly is cut off. Deliberately absent: queries
//! and mutations, which are sent by POST, where they have a status, a rate and a time of their own.

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use async_graphql::{
    Request, Response as Executed,
    futures_util::{
        SinkExt as _, StreamExt as _,
        stream::{AbortHandle, Abortable, BoxStream, SelectAll, SplitSink, SplitStream, once},
    },
    parser::types::OperationType,
};
use axum::{
    extract::{
        State,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, HeaderValue, Uri, header},
    response::{IntoResponse as _, Response},
};
use leadscore_store::{
    audit::Act,
    telemetry::{Delivery, Transport, count_closed},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};

use super::{error, http::Sent, limits, subscription::Connected};
use crate::{
    audit::Begun,
    auth::bearer::confirm,
    json::parse,
    middleware::method_not_allowed,
    problem::{Code, Problem},
    query::Parameters,
    socket::{
        connection::{Allowance, FAREWELL, OPERATION, SILENT_BEATS_MAX, broken, full},
        ending::Ending,
        origin,
        seats::Seat,
    },
    state::Api,
};

/// The protocol.
const PROTOCOL: &str = "graphql-transport-ws";
/// Most subscriptions of one connection; each takes a seat beside the connection's own.
const SUBSCRIPTIONS_MAX: usize = 16;
/// Longest name of a subscription.
const ID_MAX_BYTES: usize = 64;

/// What a client says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ClientMessage {
    ConnectionInit {
        payload: Option<Init>,
    },
    Subscribe {
        id: String,
        payload: Sent,
    },
    Complete {
        id: String,
    },
    Ping {
        #[serde(default)]
        payload: Option<Value>,
    },
    Pong {},
}

/// Who a client is.
#[derive(Deserialize)]
struct Init {
    /// An API key, or a token from a log-in.
    token: Option<String>,
}

/// Why a connection ends.
enum Closing {
    /// As every live connection does.
    As(Ending),
    /// As the protocol says.
    With(u16, &'static str),
}

/// Opens a socket.
///
/// # Errors
/// [`Code::MethodNotAllowed`] for a GET that opens none; [`Code::UnknownQueryParameter`], [`Code::OriginNotAllowed`],
/// [`Code::UpgradeRequired`], [`Code::TooManyConnections`].
pub async fn open(
    State(api): State<Arc<Api>>,
    address: Uri,
    headers: HeaderMap,
    Begun(mut act): Begun,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let Ok(upgrade) = upgrade else {
        let mut response = method_not_allowed().await.into_response();
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return Ok(response);
    };
    // A token in an address would be in every log on the way.
    Parameters::of(&address)?.end()?;
    if !origin::is_allowed(&headers, &api.sockets.options().allowed_origins) {
        return Err(Problem::new(Code::OriginNotAllowed, "The page is of another origin."));
    }
    let upgrade = upgrade.protocols([PROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return Err(Problem::new(Code::UpgradeRequired, "The socket speaks another protocol.")
            .remedy("ask for the subprotocol graphql-transport-ws"));
    }
    let Some(seat) = api.sockets.seats().take(Transport::WebSocket) else { return Err(full()) };
    act.operation = OPERATION.into();
    let tracked = api.sockets.tracked();
    let bounded = upgrade.max_frame_size(limits::BODY_MAX_BYTES).max_message_size(limits::BODY_MAX_BYTES);
    Ok(bounded.on_upgrade(move |socket| async move {
        let _tracked = tracked;
        serve(api, act, socket, seat).await;
    }))
}

async fn serve(api: Arc<Api>, act: Act, socket: WebSocket, seat: Seat) {
    let (mut sink, mut frames) = socket.split();
    let stopping = api.sockets.stopping().clone();
    let closing = tokio::select! {
        closing = talk(&api, act, &mut sink, &mut frames, seat) => closing,
        () = stopping.cancelled() => Closing::As(Ending::ShuttingDown),
    };
    let (code, reason) = match closing {
        Closing::As(Ending::Left) => return count_closed(Ending::Left.reason(), 1),
        Closing::As(ending) => (ending.code(), ending.reason()),
        Closing::With(code, reason) => (code, reason),
    };
    count_closed(reason, 1);
    let farewell = async {
        if sink.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await.is_ok() {
            while let Some(Ok(_)) = frames.next().await {}
        }
    };
    // A client that does not read any more does not hear it either.
    timeout(FAREWELL, farewell).await.ok();
}

type Sink = SplitSink<WebSocket, Message>;
type Frames = SplitStream<WebSocket>;

async fn talk(api: &Arc<Api>, act: Act, sink: &mut Sink, frames: &mut Frames, mut seat: Seat) -> Closing {
    let mut allowance = Allowance::new(api.clock.now());
    let within = api.sockets.options().authenticate_within;
    let (ended, endings) = mpsc::channel(1);
    let connected = match timeout(within, authenticate(api, act, frames, &mut allowance, ended)).await {
        Err(_) => return Closing::With(4408, "connection-initialisation-timeout"),
        Ok(Err(closing)) => return closing,
        Ok(Ok(connected)) => connected,
    };
    if !seat.claim(connected.principal.id) {
        return Closing::As(Ending::TooMany);
    }
    let mut talk = Talk { sink, connected, streams: SelectAll::new(), names: HashMap::new(), endings };
    if let Err(closing) = talk.say(&json!({"type": "connection_ack"})).await {
        return closing;
    }
    let Err(closing) = talk.run(frames, &mut allowance).await;
    closing
}

/// Waits until the client has said who it is.
async fn authenticate(
    api: &Arc<Api>,
    act: Act,
    frames: &mut Frames,
    allowance: &mut Allowance,
    ended: mpsc::Sender<Ending>,
) -> Result<Connected, Closing> {
    let message = loop {
        if let Some(text) = text(api, frames.next().await, allowance)? {
            break read(&text)?;
        }
    };
    let ClientMessage::ConnectionInit { payload } = message else {
        return Err(Closing::As(Ending::Unauthenticated));
    };
    let token = payload.and_then(|init| init.token).ok_or(Closing::As(Ending::Unauthenticated))?;
    match confirm(api, &token).await {
        Ok(identity) => Ok(Connected { api: Arc::clone(api), token, principal: identity.principal, act, ended }),
        Err(problem) if matches!(problem.code(), Code::Unauthenticated | Code::UnknownUser) => {
            Err(Closing::As(Ending::Unauthenticated))
        }
        Err(problem) if problem.code() == Code::Forbidden => Err(Closing::As(Ending::Forbidden)),
        Err(_) => Err(Closing::As(Ending::Unavailable)),
    }
}

fn read(text: &Utf8Bytes) -> Result<ClientMessage, Closing> {
    parse(text.as_bytes()).map_err(|_| Closing::With(4400, "invalid-message"))
}

/// The text of a frame; none of those frames that keep the connection alive.
fn text(
    api: &Api,
    frame: Option<Result<Message, axum::Error>>,
    allowance: &mut Allowance,
) -> Result<Option<Utf8Bytes>, Closing> {
    if !allowance.take(api.clock.now()) {
        return Err(Closing::As(Ending::TooFast));
    }
    match frame {
        Some(Ok(Message::Text(text))) => Ok(Some(text)),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Ok(Message::Binary(_))) => Err(Closing::As(Ending::NoText)),
        Some(Ok(Message::Close(_))) | None => Err(Closing::As(Ending::Left)),
        Some(Err(error)) => Err(Closing::As(broken(error))),
    }
}

/// A connection whose client has said who it is.
struct Talk<'s> {
    sink: &'s mut Sink,
    connected: Connected,
    /// What subscriptions have to tell, each with its name; `None` at its end.
    streams: SelectAll<BoxStream<'static, (String, Option<Executed>)>>,
    names: HashMap<String, AbortHandle>,
    endings: mpsc::Receiver<Ending>,
}

impl Talk<'_> {
    /// Does what the client asks for, and tells it what there is to tell, until something ends it.
    async fn run(&mut self, frames: &mut Frames, allowance: &mut Allowance) -> Result<Infallible, Closing> {
        let every = self.connected.api.sockets.options().heartbeat_every;
        let mut heartbeat = interval_at(Instant::now() + every, every);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silent_beats = 0;
        loop {
            tokio::select! {
                frame = frames.next() => {
                    silent_beats = 0;
                    if let Some(text) = text(&self.connected.api, frame, allowance)? {
                        self.obey(read(&text)?).await?;
                    }
                }
                Some((id, told)) = self.streams.next() => self.tell(id, told).await?,
                Some(ending) = self.endings.recv() => return Err(Closing::As(ending)),
                _ = heartbeat.tick() => {
                    silent_beats += 1;
                    if silent_beats > SILENT_BEATS_MAX {
                        return Err(Closing::As(Ending::TooSlow));
                    }
                    self.send(Message::Ping(Default::default())).await?;
                }
            }
        }
    }

    async fn obey(&mut self, message: ClientMessage) -> Result<(), Closing> {
        match message {
            ClientMessage::ConnectionInit { .. } => Err(Closing::With(4429, "too-many-initialisation-requests")),
            ClientMessage::Ping { payload: None } => self.say(&json!({"type": "pong"})).await,
            ClientMessage::Ping { payload: Some(payload) } => {
                self.say(&json!({"type": "pong", "payload": payload})).await
            }
            ClientMessage::Pong {} => Ok(()),
            ClientMessage::Complete { id } => {
                if let Some(subscription) = self.names.remove(&id) {
                    subscription.abort();
                }
                Ok(())
            }
            ClientMessage::Subscribe { id, payload } => self.subscribe(id, payload).await,
        }
    }

    async fn subscribe(&mut self, id: String, sent: Sent) -> Result<(), Closing> {
        if id.is_empty() || id.len() > ID_MAX_BYTES {
            return Err(Closing::With(4400, "invalid-message"));
        }
        if self.names.contains_key(&id) {
            return Err(Closing::With(4409, "subscriber-already-exists"));
        }
        if self.names.len() == SUBSCRIPTIONS_MAX {
            let problem =
                Problem::new(Code::TooManyConnections, "The connection has as many subscriptions as it takes.");
            return self.refuse(&id, Executed::from_errors(vec![error::of_request(&problem)])).await;
        }
        let request = match subscription(sent) {
            Ok(request) => request,
            Err(refused) => return self.refuse(&id, Executed::from_errors(vec![refused])).await,
        };
        let told = self.connected.api.graphql.execute_stream(request.data(self.connected.clone()));
        let (handle, registration) = AbortHandle::new_pair();
        let (of_news, of_end) = (id.clone(), id.clone());
        let told = told.map(move |news| (of_news.clone(), Some(news))).chain(once(async move { (of_end, None) }));
        self.streams.push(Abortable::new(told, registration).boxed());
        self.names.insert(id, handle);
        Ok(())
    }

    async fn tell(&mut self, id: String, told: Option<Executed>) -> Result<(), Closing> {
        // The client may have left the subscription meanwhile.
        if !self.names.contains_key(&id) {
            return Ok(());
        }
        match told {
            None => {
                self.names.remove(&id);
                self.say(&json!({"type": "complete", "id": id})).await
            }
            Some(refused) if refused.data == async_graphql::Value::Null => self.refuse(&id, refused).await,
            Some(news) => {
                let news = error::with_codes(news);
                self.say(&json!({"type": "next", "id": id, "payload": error::body(&news)})).await?;
                Delivery::Sent.count(1);
                Ok(())
            }
        }
    }

    /// Says that a subscription cannot begin, or has ended with an error.
    async fn refuse(&mut self, id: &str, refused: Executed) -> Result<(), Closing> {
        if let Some(subscription) = self.names.remove(id) {
            subscription.abort();
        }
        let refused = error::with_codes(refused);
        self.say(&json!({"type": "error", "id": id, "payload": refused.errors})).await
    }

    async fn say(&mut self, message: &Value) -> Result<(), Closing> {
        self.send(Message::text(message.to_string())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Closing> {
        match timeout(self.connected.api.sockets.options().stall_max, self.sink.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Closing::As(Ending::Left)),
            Err(_) => Err(Closing::As(Ending::TooSlow)),
        }
    }
}

/// A subscription within its limits.
fn subscription(sent: Sent) -> Result<Request, async_graphql::ServerError> {
    let mut request = sent.request();
    limits::check_text(&request.query).map_err(|problem| error::of_request(&problem))?;
    let document = request.parsed_query()?;
    limits::check(document, false).map_err(|problem| error::of_request(&problem))?;
    let is_one = |ty: OperationType, fields: usize| ty == OperationType::Subscription && fields == 1;
    if document.operations.iter().all(|(_, one)| is_one(one.node.ty, one.node.selection_set.node.items.len())) {
        return Ok(request);
    }
    let problem = Problem::new(Code::InvalidQuery, "A socket takes subscriptions, each with one field.");
    Err(error::of_request(&problem.remedy("send queries and mutations by POST")))
}

//! A server on a port of its own, and clients of it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use leadscore_domain::{LeadId, Score};
use leadscore_store::Change;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async, connect_async,
    tungstenite::{
        Message,
        client::IntoClientRequest as _,
        error::Error,
        http::{HeaderValue, Response},
        protocol::CloseFrame,
    },
};

use crate::{
    Limits,
    socket::{Options, PATH},
    testing::{TestApp, score},
};

/// How long a test waits for what must happen before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// Options under which access is asked anew at once.
pub fn quick() -> Options {
    Options { recheck_every: Duration::from_millis(5), ..Options::default() }
}

/// The API, listening.
pub struct Server {
    pub app: TestApp,
    pub address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Server {
    pub async fn start(options: Options) -> Self {
        Self::of(TestApp::with_sockets(Limits::default(), options).await).await
    }

    pub async fn of(app: TestApp) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = app.router.clone().into_make_service_with_connect_info::<SocketAddr>();
        let mut serving = JoinSet::new();
        serving.spawn(async { axum::serve(listener, service).await.unwrap() });
        Self { app, address, _serving: serving }
    }

    /// Opens a socket as a page of `origin` would.
    pub async fn open(&self, origin: Option<&str>, query: &str) -> Result<Client, Box<Response<Option<Vec<u8>>>>> {
        let mut request = format!("ws://{}{PATH}{query}", self.address).into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", HeaderValue::from_str(origin).unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Client { socket }),
            Err(Error::Http(response)) => Err(response),
            Err(other) => panic!("{other}"),
        }
    }

    /// A client that has not said who it is.
    pub async fn stranger(&self) -> Client {
        self.open(None, "").await.unwrap()
    }

    /// As [`Self::stranger`], with little room on the way to it: where it does not read, the server soon cannot write.
    pub async fn narrow_client(&self) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(2_048).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        let request = format!("ws://{}{PATH}", self.address);
        let (socket, _) = client_async(request, MaybeTlsStream::Plain(stream)).await.unwrap();
        Client { socket }
    }

    /// A client that has.
    pub async fn client(&self, token: &str) -> Client {
        let mut client = self.stranger().await;
        client.log_in(token).await;
        client
    }

    /// Commits nothing, and tells everybody of a score.
    pub fn publish(&self, lead: LeadId, log_position: i64) {
        self.app.state.cache.publish(vec![Change::Score(Arc::new(at(lead, log_position)))]);
    }
}

/// A score of a lead at a position.
pub fn at(lead: LeadId, log_position: i64) -> Score {
    Score { log_position, score: u8::try_from(log_position % 100).unwrap(), ..score(lead) }
}

/// Waits, but not for ever.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it happens in time")
}

/// Waits until something holds.
pub async fn until(holds: impl Fn() -> bool) {
    within(async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A socket of a client's.
pub struct Client {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    pub async fn log_in(&mut self, token: &str) {
        self.say(&json!({"type": "authenticate", "token": token})).await;
        assert_eq!(self.hear().await["type"], "authenticated");
    }

    pub async fn say(&mut self, message: &Value) {
        self.send(Message::text(message.to_string())).await;
    }

    pub async fn send(&mut self, message: Message) {
        within(self.socket.send(message)).await.unwrap();
    }

    /// The next message that is no heartbeat.
    pub async fn hear(&mut self) -> Value {
        loop {
            match within(self.socket.next()).await.expect("it is open").unwrap() {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if message["type"] != "heartbeat" {
                        return message;
                    }
                }
                Message::Ping(_) => {}
                other @ (Message::Binary(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {
                    panic!("{other:?}")
                }
            }
        }
    }

    /// The next message of a type; others are passed over.
    pub async fn hear_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.hear().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// What the server says as it closes: its last message but heartbeats and errors, and the frame.
    pub async fn closed(&mut self) -> (u16, String) {
        let mut farewell = Value::Null;
        loop {
            match within(self.socket.next()).await {
                Some(Ok(Message::Text(text))) => farewell = serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    assert_eq!(farewell["type"], "closing", "{farewell}");
                    assert_eq!(farewell["reason"], reason.as_str());
                    assert_eq!(farewell["code"], u16::from(code));
                    return (code.into(), reason.to_string());
                }
                Some(Ok(_)) => {}
                other => panic!("{other:?} after {farewell}"),
            }
        }
    }

    pub async fn subscribe(&mut self, id: &str, topic: &Value) -> Value {
        self.say(&json!({"type": "subscribe", "id": id, "topic": topic})).await;
        let answer = self.hear().await;
        assert!(["snapshot", "error"].contains(&answer["type"].as_str().unwrap()), "{answer}");
        assert_eq!(answer["id"], id);
        answer
    }

    pub async fn watch(&mut self, leads: &[LeadId]) -> Value {
        self.subscribe("leads", &json!({ "leads": leads })).await
    }
}

/// The position in a version.
pub fn position(message: &Value) -> i64 {
    let version = message["version"].as_str().unwrap_or_else(|| panic!("{message}"));
    version.split('-').next().unwrap().parse().unwrap()
}

//! An identity provider that listens, as far as it is asked for keys.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Response, StatusCode, Uri},
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::key::Key;
use crate::socket::tests::client::within;

/// See the module.
pub struct Issuer {
    address: SocketAddr,
    says: Arc<Says>,
    serving: JoinSet<()>,
}

/// Status, header fields and body.
type Answer = (StatusCode, Vec<(&'static str, String)>, String);

struct Says {
    answer: Mutex<Answer>,
    asked: AtomicUsize,
    /// How many requests have come; each waits while it is not open.
    arrived: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Issuer {
    /// One that has these keys.
    pub async fn new(keys: &[Value]) -> Self {
        let mut issuer = Self::away().await;
        issuer.publish(keys);
        issuer.come_back().await;
        issuer
    }

    /// One that does not listen.
    pub async fn away() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let says = Says {
            answer: Mutex::new((StatusCode::NOT_FOUND, Vec::new(), String::new())),
            asked: AtomicUsize::new(0),
            arrived: watch::Sender::new(0),
            open: watch::Sender::new(true),
        };
        Self { address: listener.local_addr().unwrap(), says: Arc::new(says), serving: JoinSet::new() }
    }

    /// Its name in tokens, which is not where its keys are.
    pub fn name(&self) -> String {
        format!("https://id-{}.example.com/realms/brokerage", self.address.port())
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn publish(&self, keys: &[Value]) {
        self.answer(StatusCode::OK, &[("cache-control", "public, max-age=600")], &json!({ "keys": keys }).to_string());
    }

    pub fn publish_keys(&self, keys: &[&Key]) {
        self.publish(&keys.iter().map(|key| key.jwk()).collect::<Vec<_>>());
    }

    pub fn answer(&self, status: StatusCode, headers: &[(&'static str, &str)], body: &str) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        *self.says.answer.lock().unwrap() = (status, headers, body.to_owned());
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.says.asked.load(Ordering::SeqCst)
    }

    /// Keeps everybody waiting from now on, or no longer.
    pub fn hold(&self, holds: bool) {
        self.says.open.send_replace(!holds);
    }

    /// Waits until somebody waits.
    pub async fn is_asked(&self) {
        within(self.says.arrived.subscribe().wait_for(|arrived| *arrived > 0)).await.unwrap();
    }

    pub async fn go_away(&mut self) {
        self.serving.shutdown().await;
    }

    pub async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let router = Router::new().fallback(serve).with_state(Arc::clone(&self.says));
        self.serving.spawn(async { axum::serve(listener, router).await.unwrap() });
    }
}

async fn serve(State(says): State<Arc<Says>>, address: Uri) -> Response<Body> {
    says.asked.fetch_add(1, Ordering::SeqCst);
    let mut open = says.open.subscribe();
    if !*open.borrow() {
        says.arrived.send_modify(|arrived| *arrived += 1);
    }
    open.wait_for(|open| *open).await.unwrap();
    let (status, headers, body) = says.answer.lock().unwrap().clone();
    // Keys are at one place; whoever is led elsewhere finds that out.
    let status = if address.path() == "/jwks.json" { status } else { StatusCode::OK };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}

/// One that answers every request over TLS with this body, and its port.
pub async fn secure(certificate: CertificateDer<'static>, key: Vec<u8>, body: String) -> (u16, JoinSet<()>) {
    let key = PrivateKeyDer::try_from(key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // Who does not trust it breaks the handshake off.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            assert_ne!(stream.read(&mut [0; 4_096]).await.unwrap(), 0);
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (port, serving)
}

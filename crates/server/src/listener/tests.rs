//! The listener over real sockets, with clients that behave and clients that do not.

use std::{
    convert::Infallible,
    fs, io,
    net::SocketAddr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
    http::{Request, Version},
    routing::get,
};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use leadscore_api::Encrypted;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::ring,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::{Instant, interval, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Bounds, Listener,
    tls::{Files, HTTP2, Keeper, Tls},
};

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

const BOUNDS: Bounds = Bounds {
    connections_max: 100,
    header_timeout: Duration::from_millis(250),
    idle_timeout: Duration::from_millis(1_500),
};

/// A listener at work.
struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
    ended: JoinHandle<()>,
}

impl Served {
    async fn new(router: Router, bounds: Bounds, tls: Option<Tls>) -> Self {
        Self::with_grace(router, bounds, tls, PATIENCE).await
    }

    async fn with_grace(router: Router, bounds: Bounds, tls: Option<Tls>, grace: Duration) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop, tasks) = (socket.local_addr().unwrap(), CancellationToken::new(), TaskTracker::new());
        let listener = Listener::new(router, bounds, tls, stop.clone());
        let ended = tasks.spawn(async move { listener.run(socket, grace).await });
        Self { address, stop, tasks, ended }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stopped(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.ended).await.expect("it stops").unwrap();
    }
}

/// A certificate for `localhost` in files, and what trusts it.
struct Certificate {
    folder: TempDir,
    current: CertificateDer<'static>,
}

impl Certificate {
    fn new() -> Self {
        let mut certificate = Self { folder: tempfile::tempdir().unwrap(), current: CertificateDer::from(Vec::new()) };
        certificate.renew();
        certificate
    }

    fn files(&self) -> Files {
        Files { certificate: self.folder.path().join("tls.crt"), key: self.folder.path().join("tls.key") }
    }

    fn renew(&mut self) {
        let CertifiedKey { cert, signing_key } = make();
        self.current = cert.der().clone();
        fs::write(self.files().certificate, cert.pem()).unwrap();
        fs::write(self.files().key, signing_key.serialize_pem()).unwrap();
    }
}

fn make() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

async fn shake_hands(
    address: SocketAddr,
    trusted: &[&CertificateDer<'static>],
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&[u8]],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add((*certificate).clone()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    timeout(PATIENCE, TlsConnector::from(Arc::new(config)).connect(name, stream)).await?
}

/// Answers with what is known of the request's connection.
fn mirror() -> Router {
    let handler = |request: Request<Body>| async move {
        let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>().unwrap();
        let Encrypted(encrypted) = request.extensions().get::<Encrypted>().unwrap();
        format!("{} {encrypted} {:?}", peer.ip(), request.version())
    };
    Router::new().route("/", get(handler))
}

/// All that a server sends until it ends the connection.
async fn rest(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    // Whether it ends with a reset is the system's choice.
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the connection ends").ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One request over HTTP/1.1, which leaves the connection open; the answer's first line.
async fn ask(stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin)) -> io::Result<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        answer.push(timeout(PATIENCE, stream.read_u8()).await??);
    }
    let head = String::from_utf8(answer).unwrap().to_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(head.lines().next().unwrap().to_owned())
}

#[tokio::test]
async fn what_is_spoken_is_agreed_on_in_the_handshake() {
    let certificate = Certificate::new();
    let (_keeper, tls) = Keeper::open(certificate.files()).await.unwrap();
    let served = Served::new(mirror(), BOUNDS, Some(tls)).await;
    let cases: [(&'static SupportedProtocolVersion, &[&[u8]], Version); 4] = [
        (&TLS13, &[HTTP2, b"http/1.1"], Version::HTTP_2),
        (&TLS12, &[HTTP2], Version::HTTP_2),
        (&TLS13, &[b"http/1.1"], Version::HTTP_11),
        (&TLS12, &[], Version::HTTP_11),
    ];
    for (version, offers, expected) in cases {
        let stream = shake_hands(served.address, &[&certificate.current], &[version], offers).await.unwrap();
        let io = TokioIo::new(stream);
        let request = Request::get("https://localhost/").body(String::new()).unwrap();
        let response = if expected == Version::HTTP_2 {
            let (mut client, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            served.tasks.spawn(connection);
            client.send_request(request).await.unwrap()
        } else {
            let (mut client, connection) = http1::handshake(io).await.unwrap();
            served.tasks.spawn(connection);
            client.send_request(request).await.unwrap()
        };
        let body = axum::body::to_bytes(Body::new(response.into_body()), 1_000).await.unwrap();
        assert_eq!(body, format!("127.0.0.1 true {expected:?}"));
    }
    let unknown = shake_hands(served.address, &[&certificate.current], &[&TLS13], &[b"spdy/3"]).await;
    assert!(unknown.is_err(), "a protocol that nobody speaks here");
    let mut clear = served.connect().await;
    clear.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(!rest(&mut clear).await.contains("200"), "nothing is answered in the clear");
    served.stopped().await;
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_without_a_failed_request_and_a_bad_one_is_not() {
    let mut certificate = Certificate::new();
    let files = certificate.files();
    let (keeper, tls) = Keeper::open(files.clone()).await.unwrap();
    let served = Served::new(mirror(), BOUNDS, Some(tls)).await;
    let stop = served.stop.clone();
    let kept = served.tasks.spawn(keeper.keep(Duration::from_millis(5), stop));
    let old = certificate.current.clone();

    let mut staying = shake_hands(served.address, &[&old], &[&TLS13], &[]).await.unwrap();
    certificate.renew();
    let new = certificate.current.clone();
    let (mut seen_old, mut seen_new) = (0, 0);
    while seen_new < 20 {
        let mut stream = shake_hands(served.address, &[&old, &new], &[&TLS13], &[]).await.expect("a handshake");
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        assert_eq!(ask(&mut stream).await.expect("an answer"), "http/1.1 200 ok");
        assert_eq!(ask(&mut staying).await.expect("an answer on the connection from before"), "http/1.1 200 ok");
        seen_old += usize::from(shown == old);
        seen_new += usize::from(shown == new);
        assert!(shown == new || seen_new == 0, "never back to the old one");
    }
    assert!(seen_old < 10_000);

    // Text, a key of another certificate, no file at all: what counted before goes on counting.
    let other = make();
    let key = fs::read(&files.key).unwrap();
    for bad in [Some("no key".to_owned()), Some(other.signing_key.serialize_pem()), None] {
        match bad {
            Some(text) => fs::write(&files.key, text).unwrap(),
            None => fs::remove_file(&files.key).unwrap(),
        }
        for _ in 0..10 {
            let mut stream = shake_hands(served.address, &[&new], &[&TLS13], &[]).await.expect("a handshake");
            assert_eq!(ask(&mut stream).await.unwrap(), "http/1.1 200 ok");
        }
    }
    fs::write(&files.key, key).unwrap();
    certificate.renew();
    let newest = certificate.current.clone();
    let taken_up = async { while shake_hands(served.address, &[&newest], &[&TLS13], &[]).await.is_err() {} };
    timeout(PATIENCE, taken_up).await.expect("the next good one counts");
    drop(staying);
    served.stopped().await;
    kept.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_hangup_has_the_files_read_at_once() {
    let mut certificate = Certificate::new();
    let (keeper, tls) = Keeper::open(certificate.files()).await.unwrap();
    let served = Served::new(mirror(), BOUNDS, Some(tls)).await;
    // The process's handler, without which the signal would end it.
    let _handler = signal(SignalKind::hangup()).unwrap();
    let kept = served.tasks.spawn(keeper.keep(Duration::from_secs(3_600), served.stop.clone()));
    for _ in 0..2 {
        certificate.renew();
        let new = certificate.current.clone();
        let taken_up = async {
            while shake_hands(served.address, &[&new], &[&TLS13], &[]).await.is_err() {
                let sent = Command::new("kill").args(["-HUP", &std::process::id().to_string()]).status().unwrap();
                assert!(sent.success());
            }
        };
        timeout(PATIENCE, taken_up).await.expect("the new certificate counts");
    }
    served.stopped().await;
    kept.await.unwrap().unwrap();
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let certificate = Certificate::new();
    let files = certificate.files();
    let swapped = Files { certificate: files.key.clone(), key: files.certificate.clone() };
    let absent = Files { key: files.key.with_extension("gone"), ..files.clone() };
    for (files, said) in [(swapped, "cannot be used"), (absent, "tls.gone")] {
        let error = Keeper::open(files).await.err().expect("refused").to_string();
        assert!(error.contains(said) || error.contains("holds no"), "{error}");
    }
}

#[tokio::test]
async fn who_sends_a_request_too_slowly_is_cut_off() {
    let served = Served::new(mirror(), BOUNDS, None).await;
    let started = Instant::now();
    let mut silent = served.connect().await;
    assert_eq!(rest(&mut silent).await, "");
    assert!(started.elapsed() < BOUNDS.idle_timeout, "a first request must come at once");

    let (mut reader, mut writer) = served.connect().await.into_split();
    writer.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ").await.unwrap();
    let drip = async {
        let mut clock = interval(Duration::from_millis(20));
        while writer.write_all(b"a").await.is_ok() {
            clock.tick().await;
        }
    };
    timeout(PATIENCE, async { tokio::join!(drip, async { rest(&mut reader).await }) }).await.expect("cut off");
    served.stopped().await;
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_cut_off() {
    let certificate = Certificate::new();
    let (_keeper, tls) = Keeper::open(certificate.files()).await.unwrap();
    let served = Served::new(mirror(), BOUNDS, Some(tls)).await;
    let mut silent = served.connect().await;
    silent.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
    assert_eq!(rest(&mut silent).await, "");
    served.stopped().await;
}

#[tokio::test]
async fn a_connection_may_rest_between_requests_but_not_for_ever() {
    let served = Served::new(mirror(), BOUNDS, None).await;
    let mut stream = served.connect().await;
    assert_eq!(ask(&mut stream).await.unwrap(), "http/1.1 200 ok");
    let resting = timeout(BOUNDS.header_timeout * 3, stream.read_u8()).await;
    assert!(resting.is_err(), "it rests for longer than a request may take");
    assert_eq!(ask(&mut stream).await.unwrap(), "http/1.1 200 ok");
    assert_eq!(rest(&mut stream).await, "");
    served.stopped().await;
}

/// Ends with its sender when the body is given up.
struct Endless(mpsc::Sender<Infallible>);

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        let _ = &self.0;
        std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(&[b'x'; 65_536])))))
    }
}

#[tokio::test]
async fn who_does_not_read_an_answer_is_cut_off() {
    let (sender, mut given_up) = mpsc::channel(1);
    let handler = move || {
        let sender = sender.clone();
        async move { Body::new(Endless(sender)) }
    };
    let served = Served::new(Router::new().route("/", get(handler)), BOUNDS, None).await;
    let mut stream = served.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    stream.read_exact(&mut [0; 1_000]).await.unwrap();
    served.stop.cancel();
    // The router goes when the listener ends, and the last sender with the body.
    assert!(timeout(PATIENCE, given_up.recv()).await.expect("the body is given up").is_none());
    served.stopped().await;
}

#[tokio::test]
async fn heads_are_bounded() {
    let served = Served::new(mirror(), BOUNDS, None).await;
    let long = "a".repeat(70_000);
    let many = "x-a: b\r\n".repeat(200);
    for (head, status) in [
        (format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-long: {long}\r\n\r\n"), "431"),
        (format!("GET / HTTP/1.1\r\nhost: localhost\r\n{many}\r\n"), "431"),
        (format!("GET /{long} HTTP/1.1\r\nhost: localhost\r\n\r\n"), "4"),
        ("GET / HTTP/1.1\r\nhost: localhost\r\nx-a : b\r\n\r\n".to_owned(), "400"),
    ] {
        let (mut reader, mut writer) = served.connect().await.into_split();
        let send = async { writer.write_all(head.as_bytes()).await.ok() };
        let (_, answer) = tokio::join!(send, async { rest(&mut reader).await });
        assert!(answer.is_empty() || answer.contains(&format!("HTTP/1.1 {status}")), "{} bytes: {answer}", head.len());
    }
    served.stopped().await;
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_a_place() {
    let served = Served::new(mirror(), Bounds { connections_max: 1, ..BOUNDS }, None).await;
    let mut first = served.connect().await;
    assert_eq!(ask(&mut first).await.unwrap(), "http/1.1 200 ok");
    let mut second = served.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert_eq!(ask(&mut first).await.unwrap(), "http/1.1 200 ok");
    assert!(second.try_read(&mut [0; 1]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock));
    drop(first);
    let mut byte = [0];
    timeout(PATIENCE, second.read_exact(&mut byte)).await.expect("its turn comes").unwrap();
    served.stopped().await;
}

#[tokio::test]
async fn what_has_begun_is_answered_and_nothing_new_is_taken() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&begun), Arc::clone(&go_on));
    let handler = move || async move {
        tell.notify_one();
        wait.notified().await;
        "done"
    };
    let served = Served::new(Router::new().route("/", get(handler)), BOUNDS, None).await;
    let mut stream = served.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    begun.notified().await;
    served.stop.cancel();
    let refused = async { while TcpStream::connect(served.address).await.is_ok() {} };
    timeout(PATIENCE, refused).await.expect("the port is closed");
    go_on.notify_one();
    let answer = rest(&mut stream).await;
    assert!(answer.contains("200 OK") && answer.ends_with("done"), "{answer}");
    served.stopped().await;
}

#[tokio::test]
async fn what_takes_too_long_is_cut_off_when_the_listener_stops() {
    let handler = || std::future::pending::<()>();
    let grace = Duration::from_millis(50);
    let served = Served::with_grace(Router::new().route("/", get(handler)), BOUNDS, None, grace).await;
    let mut stream = served.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    served.stop.cancel();
    assert_eq!(rest(&mut stream).await, "");
    served.stopped().await;
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

#[tokio::test]
async fn streams_that_are_reset_at_once_end_the_connection() {
    const STREAMS: u32 = 10_000;
    let certificate = Certificate::new();
    let (_keeper, tls) = Keeper::open(certificate.files()).await.unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let handler = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        std::future::pending::<()>()
    };
    let served = Served::new(Router::new().route("/", get(handler)), BOUNDS, Some(tls)).await;
    let stream = shake_hands(served.address, &[&certificate.current], &[&TLS13], &[HTTP2]).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    // The preface, and SETTINGS without any.
    let mut attack = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    attack.extend(frame(4, 0, 0, &[]));
    for stream in 0..STREAMS {
        // GET https://a/ by HPACK's static table, complete; then RST_STREAM with CANCEL.
        attack.extend(frame(1, 0b101, 2 * stream + 1, &[0x82, 0x84, 0x87, 0x01, 1, b'a']));
        attack.extend(frame(3, 0, 2 * stream + 1, &8_u32.to_be_bytes()));
    }
    let send = async { writer.write_all(&attack).await.ok() };
    let receive = async {
        let mut bytes = Vec::new();
        timeout(PATIENCE, reader.read_to_end(&mut bytes)).await.expect("the connection ends").ok();
    };
    tokio::join!(send, receive);
    let asked = asked.load(Ordering::Relaxed);
    assert!(asked < 2_000, "{asked} of {STREAMS} requests were begun");
    served.stopped().await;
}

//! One connection: its requests one after another or, in HTTP/2, beside each other, until it ends.
//!
//! Invariant: what a client can make the connection hold is bounded by the constants here.

use std::{convert::Infallible, future::Future, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::{body::Body, extract::ConnectInfo, response::Response};
use hyper::{
    Request,
    body::Incoming,
    rt::Executor,
    server::conn::{http1, http2},
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use leadscore_api::Encrypted;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    pin,
    sync::OwnedSemaphorePermit,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use crate::listener::{
    Bounds,
    pulse::{Pulse, Pulsed, Verdict},
};

/// Most header fields of a request; hyper answers 431.
const HEADERS_MAX: usize = 100;
/// Most bytes of a request's line and header fields; hyper answers 431. The API says more, and earlier (its `Limits`).
const HEAD_MAX_BYTES: usize = 64 * 1024;
/// Most bytes that are read ahead of what is understood.
const READ_AHEAD_MAX_BYTES: usize = 128 * 1024;
/// Requests beside each other on one connection.
const STREAMS_MAX: u32 = 128;
/// Most bytes of a request's header fields in HTTP/2.
const HEADER_LIST_MAX_BYTES: u32 = 32 * 1024;
/// Streams that were opened and reset before anybody looked at them; one more ends the connection (CVE-2023-44487).
const RESETS_PENDING_MAX: usize = 20;
/// Streams that we had to reset for the client's errors; one more ends the connection (CVE-2025-8671).
const RESETS_FOR_ERRORS_MAX: usize = 256;
/// Bytes of answers that wait on each stream for a client that does not read.
const SEND_BUFFER_MAX_BYTES: usize = 64 * 1024;

/// What a connection needs to be served.
pub struct Connection {
    pub router: axum::Router,
    pub bounds: Bounds,
    pub peer: SocketAddr,
    pub place: OwnedSemaphorePermit,
    /// What has begun is answered, then the connection ends.
    pub stop: CancellationToken,
    /// The connection ends.
    pub cut: CancellationToken,
    pub tasks: TaskTracker,
}

/// Runs the requests of HTTP/2 as tracked tasks.
#[derive(Clone)]
struct Tracked {
    tasks: TaskTracker,
    cut: CancellationToken,
}

impl<F> Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        let cut = self.cut.clone();
        self.tasks.spawn(async move {
            cut.run_until_cancelled(task).await;
        });
    }
}

impl Connection {
    /// Serves HTTP/1.1, and upgrades to other protocols.
    pub async fn serve_http1<S>(self, stream: S, encrypted: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { router, bounds, peer, place, stop, .. } = self;
        let pulse = Arc::new(Pulse::awaiting_head());
        let io = TokioIo::new(Pulsed::new(stream, Arc::clone(&pulse), place));
        let service = requests(router, peer, encrypted, Arc::clone(&pulse));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // `Pulse` tells a slow head from an idle connection; hyper has one time for both.
            .header_read_timeout(None::<Duration>)
            .max_headers(HEADERS_MAX)
            .max_header_size(HEAD_MAX_BYTES)
            .max_buf_size(READ_AHEAD_MAX_BYTES)
            .serve_connection(io, service)
            .with_upgrades();
        drive(connection, |connection| connection.graceful_shutdown(), &pulse, &bounds, &stop).await;
    }

    /// Serves HTTP/2, which is spoken over TLS only.
    pub async fn serve_http2<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { router, bounds, peer, place, stop, cut, tasks } = self;
        let pulse = Arc::new(Pulse::framed());
        let io = TokioIo::new(Pulsed::new(stream, Arc::clone(&pulse), place));
        let service = requests(router, peer, true, Arc::clone(&pulse));
        let connection = http2::Builder::new(Tracked { tasks, cut })
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEADER_LIST_MAX_BYTES)
            .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
            .max_local_error_reset_streams(RESETS_FOR_ERRORS_MAX)
            .max_send_buf_size(SEND_BUFFER_MAX_BYTES)
            .serve_connection(io, service);
        drive(connection, |connection| connection.graceful_shutdown(), &pulse, &bounds, &stop).await;
    }
}

/// Hands requests to the router, with where they come from.
fn requests(
    router: axum::Router,
    peer: SocketAddr,
    encrypted: bool,
    pulse: Arc<Pulse>,
) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send + 'static> {
    service_fn(move |mut request: Request<Incoming>| {
        let (router, answering) = (router.clone(), pulse.begin_answer());
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(Encrypted(encrypted));
        async move {
            let answer: Result<Response, Infallible> = router.oneshot(request.map(Body::new)).await;
            drop(answering);
            answer
        }
    })
}

/// Serves a connection until it ends, its peer is too slow, or `stop` lets it answer what has begun.
async fn drive<C>(connection: C, finish: fn(Pin<&mut C>), pulse: &Pulse, bounds: &Bounds, stop: &CancellationToken)
where
    C: Future<Output = Result<(), hyper::Error>>,
{
    pin!(connection);
    let watch = pulse.watch(bounds);
    pin!(watch);
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                finish(connection.as_mut());
            }
            verdict = watch.as_mut() => {
                match verdict {
                    Verdict::SlowHead => tracing::debug!("a connection was closed: its request came too slowly"),
                    Verdict::Idle => tracing::debug!("a connection was closed: nothing moved on it"),
                }
                return;
            }
        }
    }
}

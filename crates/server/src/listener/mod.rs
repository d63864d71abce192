//! The listener: connections to requests, HTTP/1.1 in the clear, HTTP/1.1 and HTTP/2 over TLS.
//!
//! Owns: accepting, TLS (`tls`), what one connection may cost (`connection`, `pulse`), stopping. Invariants: the number
//! of connections is bounded, and each ends some time after its peer stops taking part; a request that has begun is
//! answered though the listener stops. Deliberately absent: what is answered (`leadscore_api`), HTTP/2 without TLS.

mod connection;
mod pulse;
#[cfg(test)]
mod tests;
pub mod tls;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::listener::{connection::Connection, tls::Tls};

/// How long to wait where no connection can be accepted, as where the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// What connections may cost.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Connections at the same time; others wait in the system's queue.
    pub connections_max: usize,
    /// How long a TLS handshake, and the line and header fields of a request, may take.
    pub header_timeout: Duration,
    /// After how long a connection ends on which nothing moves: no request, and nobody reads an answer.
    pub idle_timeout: Duration,
}

/// Takes connections and hands their requests to a router.
pub struct Listener {
    router: axum::Router,
    bounds: Bounds,
    tls: Option<Tls>,
    connections: TaskTracker,
    /// Requests that have begun are answered, then connections end.
    stop: CancellationToken,
    /// Connections end.
    cut: CancellationToken,
}

impl Listener {
    /// A listener that goes on until `stop`.
    pub fn new(router: axum::Router, bounds: Bounds, tls: Option<Tls>, stop: CancellationToken) -> Self {
        let (connections, cut) = (TaskTracker::new(), CancellationToken::new());
        Self { router, bounds, tls, connections, stop, cut }
    }

    /// Answers requests until it is stopped, and those that have begun for `grace` longer.
    pub async fn run(self, socket: TcpListener, grace: Duration) {
        let places = Arc::new(Semaphore::new(self.bounds.connections_max));
        self.stop.run_until_cancelled(self.accept(&socket, &places)).await;
        drop(socket);
        self.connections.close();
        if timeout(grace, self.connections.wait()).await.is_err() {
            tracing::warn!("some requests were cut off: they took longer than server.drain_timeout_s");
        }
        self.cut.cancel();
        self.connections.wait().await;
    }

    async fn accept(&self, socket: &TcpListener, places: &Arc<Semaphore>) {
        loop {
            let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
            match socket.accept().await {
                Ok((stream, peer)) => self.begin(stream, peer, place),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn begin(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        // Small answers leave at once; where that is refused they leave later.
        stream.set_nodelay(true).ok();
        let connection = Connection {
            router: self.router.clone(),
            bounds: self.bounds.clone(),
            peer,
            place,
            stop: self.stop.clone(),
            cut: self.cut.clone(),
            tasks: self.connections.clone(),
        };
        let tls = self.tls.as_ref().map(Tls::acceptor);
        let cut = self.cut.clone();
        self.connections.spawn(async move {
            cut.run_until_cancelled(greet(connection, stream, tls)).await;
        });
    }
}

/// Shakes hands where TLS is spoken, and serves.
async fn greet(connection: Connection, stream: TcpStream, tls: Option<TlsAcceptor>) {
    let Some(tls) = tls else { return connection.serve_http1(stream, false).await };
    match timeout(connection.bounds.header_timeout, tls.accept(stream)).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2) => {
            connection.serve_http2(stream).await;
        }
        Ok(Ok(stream)) => connection.serve_http1(stream, true).await,
        Ok(Err(error)) => tracing::debug!(%error, "the TLS handshake failed"),
        Err(_) => tracing::debug!("the TLS handshake took too long"),
    }
}

/// Whether a connection broke before it was accepted; the next one is another.
fn is_of_one_connection(error: &io::Error) -> bool {
    [io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset]
        .contains(&error.kind())
}

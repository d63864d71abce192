//! One signed request to one checked address.
//!
//! Invariants: the addresses of a name are looked up here and all checked, and the connection goes to one of the very
//! addresses that were: what the name says a moment later does not matter. Deliberately absent, so that nothing has to
//! be switched off: redirects, proxies, cookies, compression, connections that are kept.

use std::{io, net::SocketAddr, path::Path, sync::Arc};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{self, HeaderMap},
};
use hyper_util::rt::TokioIo;
use leadscore_domain::webhook::{Destination, DestinationPolicy};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// How we introduce ourselves.
const USER_AGENT: &str = concat!("Leadscore/", env!("CARGO_PKG_VERSION"));
/// Most that is read of an answer's body, so that the receiver can finish; it is not kept.
const ANSWER_MAX_BYTES: usize = 1_024;
/// Most that is read of an answer's head.
const HEAD_MAX_BYTES: usize = 16 * 1_024;
/// Most header fields of an answer.
const HEADERS_MAX: usize = 64;

/// Why requests cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file of further authorities cannot be used.
    #[error("webhooks.ca_file: {0}")]
    Authorities(String),
    /// TLS does not start.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendError {
    AddressRefused,
    NameNotFound,
    ConnectionFailed,
    TlsFailed,
    NoAnswer,
}

impl SendError {
    /// As it is kept and shown.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::AddressRefused => "address_refused",
            Self::NameNotFound => "name_not_found",
            Self::ConnectionFailed => "connection_failed",
            Self::TlsFailed => "tls_failed",
            Self::NoAnswer => "no_answer",
        }
    }
}

/// What a receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<String>,
}

/// What is sent.
pub(super) struct Signed {
    pub(super) id: String,
    pub(super) timestamp_s: i64,
    pub(super) signature: String,
    pub(super) body: String,
}

/// Sends requests.
#[derive(Clone)]
pub(crate) struct Client {
    policy: Arc<DestinationPolicy>,
    tls: TlsConnector,
}

impl Client {
    /// A client that trusts the public authorities and those of `ca_file`.
    pub(crate) fn new(policy: DestinationPolicy, ca_file: Option<&Path>) -> Result<Self, ClientError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = ca_file {
            let wrong = |error: &dyn std::fmt::Display| ClientError::Authorities(error.to_string());
            for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(&e))? {
                roots.add(certificate.map_err(|e| wrong(&e))?)?;
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { policy: Arc::new(policy), tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Sends a message to an endpoint. The caller bounds the time.
    pub(super) async fn post(&self, url: &str, signed: Signed) -> Result<Answer, SendError> {
        // The policy may be another one than when the endpoint was made.
        let destination = self.policy.destination(url).map_err(|_| SendError::AddressRefused)?;
        let stream = connect(&self.addresses(&destination).await?).await?;
        if destination.is_tls() {
            let name = ServerName::try_from(destination.host()).map_err(|_| SendError::AddressRefused)?;
            let stream = self.tls.connect(name, stream).await.map_err(|_| SendError::TlsFailed)?;
            return exchange(stream, &destination, signed).await;
        }
        exchange(stream, &destination, signed).await
    }

    async fn addresses(&self, destination: &Destination) -> Result<Vec<SocketAddr>, SendError> {
        let (host, port) = (destination.host(), destination.port());
        let found = match destination.literal() {
            Some(address) => vec![SocketAddr::new(address, port)],
            None => {
                let found = tokio::net::lookup_host((host.as_str(), port)).await;
                found.map_err(|_| SendError::NameNotFound)?.collect()
            }
        };
        checked(&self.policy, found)
    }
}

/// These addresses, if all of them may be asked.
fn checked(policy: &DestinationPolicy, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, SendError> {
    policy.permit(addresses.iter().map(SocketAddr::ip)).map_err(|_| SendError::AddressRefused)?;
    Ok(addresses)
}

/// A connection to the first of these addresses that takes one.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, SendError> {
    let connected: io::Result<TcpStream> = TcpStream::connect(addresses).await;
    connected.map_err(|_| SendError::ConnectionFailed)
}

async fn exchange<S>(stream: S, destination: &Destination, signed: Signed) -> Result<Answer, SendError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_MAX_BYTES).max_headers(HEADERS_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| SendError::NoAnswer)?;
    let request = request(destination, signed).ok_or(SendError::AddressRefused)?;
    let answering = async {
        let response = sender.send_request(request).await.map_err(|_| SendError::NoAnswer)?;
        let (parts, body) = response.into_parts();
        // Whatever comes, and however it ends, the status has been said.
        Limited::new(body, ANSWER_MAX_BYTES).collect().await.ok();
        Ok(Answer { status: parts.status, retry_after: retry_after(&parts.headers) })
    };
    tokio::pin!(answering, connection);
    let mut is_open = true;
    loop {
        tokio::select! {
            biased;
            answer = &mut answering => return answer,
            _ = &mut connection, if is_open => is_open = false,
        }
    }
}

fn request(destination: &Destination, signed: Signed) -> Option<Request<Full<Bytes>>> {
    let Signed { id, timestamp_s, signature, body } = signed;
    Request::post(destination.target())
        .header(header::HOST, destination.authority())
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp_s)
        .header("webhook-signature", signature)
        .body(Full::new(Bytes::from(body)))
        .ok()
}

fn retry_after(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(header::RETRY_AFTER)?.to_str().ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_to_us_by_one_of_its_addresses_is_refused_whole() {
        let policy = DestinationPolicy::default();
        let addresses = |all: &[&str]| all.iter().map(|one| one.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let public = addresses(&["8.8.8.8:443", "[2606:4700::1111]:443"]);
        assert_eq!(checked(&policy, public.clone()), Ok(public));
        for rebound in [&["8.8.8.8:443", "127.0.0.1:443"][..], &["[::ffff:10.0.0.1]:443"], &[]] {
            assert_eq!(checked(&policy, addresses(rebound)), Err(SendError::AddressRefused), "{rebound:?}");
        }
    }

    #[tokio::test]
    async fn a_name_for_this_machine_is_refused_when_it_is_sent_to() {
        let policy = DestinationPolicy { allow_http: true, ports: vec![443, 9], ..DestinationPolicy::default() };
        let client = Client::new(policy, None).unwrap();
        for url in ["https://localhost/", "http://localhost:9/", "http://127.0.0.1:9/"] {
            let signed = Signed { id: String::new(), timestamp_s: 0, signature: String::new(), body: String::new() };
            assert_eq!(client.post(url, signed).await, Err(SendError::AddressRefused), "{url}");
        }
    }

    #[test]
    fn authorities_that_cannot_be_read_are_refused() {
        let missing = Client::new(DestinationPolicy::default(), Some(Path::new("/nowhere/ca.pem")));
        assert!(matches!(missing.err(), Some(ClientError::Authorities(_))));
    }
}

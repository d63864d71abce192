//! Asking a provider for its keys: one request, bounded in time and size.
//!
//! Invariants: over TLS with a verified name, or to this very machine; the answer is read up to a bound. Deliberately
//! absent, so that nothing has to be switched off: redirects, proxies, cookies, compression, connections that are kept.

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use leadscore_domain::time::{HOUR_US, SECOND_US};
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

use super::{
    jwks::{JwksError, KeySet},
    options::JwksUrl,
};

/// How we introduce ourselves.
const USER_AGENT: &str = concat!("Leadscore/", env!("CARGO_PKG_VERSION"));
/// Longest time, from looking the name up to the last byte.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest set of keys.
const BODY_MAX_BYTES: usize = 256 * 1_024;
/// Most that is read of an answer's head.
const HEAD_MAX_BYTES: usize = 16 * 1_024;
/// Most header fields of an answer.
const HEADERS_MAX: usize = 64;
/// How long keys are taken as new at least and at most, whatever the provider says.
const FRESH_MIN_US: i64 = 300 * SECOND_US;
const FRESH_MAX_US: i64 = 24 * HOUR_US;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("its name is not found, or leads elsewhere than to this machine")]
    Address,
    #[error("no connection: {0}")]
    Connection(#[source] io::Error),
    #[error("TLS: {0}")]
    Tls(#[source] io::Error),
    #[error("the answer breaks off, is too long or is no HTTP")]
    Answer,
    #[error("it answers {0}")]
    Status(StatusCode),
    #[error("it takes longer than {} seconds", TIMEOUT.as_secs())]
    TimedOut,
    #[error(transparent)]
    Keys(#[from] JwksError),
}

/// What a provider answered.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) keys: KeySet,
    /// How long they are new, in microseconds.
    pub(super) fresh_us: i64,
}

/// Asks a provider.
pub(super) struct Fetcher {
    url: JwksUrl,
    tls: TlsConnector,
}

impl Fetcher {
    /// One that trusts the public authorities and those of `ca_file`; else what is wrong with that.
    pub(super) fn new(url: JwksUrl, ca_file: Option<&Path>) -> Result<Self, String> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = ca_file {
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())? {
                let certificate = certificate.map_err(|error| error.to_string())?;
                roots.add(certificate).map_err(|error| error.to_string())?;
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { url, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// The keys as they are now.
    pub(super) async fn fetch(&self) -> Result<Fetched, FetchError> {
        tokio::time::timeout(TIMEOUT, self.ask()).await.map_err(|_| FetchError::TimedOut)?
    }

    async fn ask(&self) -> Result<Fetched, FetchError> {
        let found = tokio::net::lookup_host((self.url.host(), self.url.port())).await;
        let addresses: Vec<SocketAddr> = found.map_err(|_| FetchError::Address)?.collect();
        let stream = if self.url.is_tls() {
            connect(&addresses).await?
        } else {
            // Without TLS, only this machine says what a name leads to.
            if !addresses.iter().all(|address| address.ip().is_loopback()) {
                return Err(FetchError::Address);
            }
            return exchange(connect(&addresses).await?, &self.url).await;
        };
        let name = ServerName::try_from(self.url.host().to_owned()).map_err(|_| FetchError::Address)?;
        exchange(self.tls.connect(name, stream).await.map_err(FetchError::Tls)?, &self.url).await
    }
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, FetchError> {
    TcpStream::connect(addresses).await.map_err(FetchError::Connection)
}

async fn exchange<S>(stream: S, url: &JwksUrl) -> Result<Fetched, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_MAX_BYTES).max_headers(HEADERS_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| FetchError::Answer)?;
    let request = Request::get(url.target())
        .header(header::HOST, url.authority())
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "application/jwk-set+json, application/json")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| FetchError::Address)?;
    let answering = async {
        let response = sender.send_request(request).await.map_err(|_| FetchError::Answer)?;
        let (parts, body) = response.into_parts();
        // Also where it leads elsewhere: the keys are where the operator said.
        if parts.status != StatusCode::OK {
            return Err(FetchError::Status(parts.status));
        }
        let body = Limited::new(body, BODY_MAX_BYTES).collect().await.map_err(|_| FetchError::Answer)?;
        Ok(Fetched { keys: KeySet::parse(&body.to_bytes())?, fresh_us: fresh_us(&parts.headers) })
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

/// How long an answer is new (RFC 9111, section 5.2.2), within our bounds.
fn fresh_us(headers: &HeaderMap) -> i64 {
    let fields = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<String> =
        fields.flat_map(|field| field.split(',')).map(|one| one.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|one| one == "no-store" || one == "no-cache") {
        return FRESH_MIN_US;
    }
    let age = directives.iter().find_map(|one| one.strip_prefix("max-age="));
    let age_s: i64 = age.and_then(|age| age.trim_matches('"').parse().ok()).unwrap_or(0);
    age_s.saturating_mul(SECOND_US).clamp(FRESH_MIN_US, FRESH_MAX_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_keys_are_new_is_bounded() {
        for (field, seconds) in [
            ("", 300),
            ("max-age=10", 300),
            ("public, max-age=3600", 3_600),
            ("Max-Age=\"7200\"", 7_200),
            ("max-age=999999999999999999", 86_400),
            ("max-age=99999999999999999999", 300),
            ("max-age=99999999999", 86_400),
            ("max-age=-5", 300),
            ("max-age=7200, no-store", 300),
            ("no-cache, max-age=7200", 300),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CACHE_CONTROL, field.parse().unwrap());
            assert_eq!(fresh_us(&headers), seconds * SECOND_US, "{field}");
        }
    }
}

//! What stands between the network and the endpoints, as the binary configures it.
//!
//! Owns: which proxies are believed, how many requests are taken, which answers are compressed, what browsers of other
//! sites may do. Deliberately absent: listening, TLS (the binary's).

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use leadscore_store::RateLimiter;
use tower_http::{
    compression::{
        CompressionLayer, CompressionLevel,
        predicate::{And, NotForContentType, Predicate as _, SizeAbove},
    },
    cors::{AllowOrigin, CorsLayer},
};

use crate::client::Proxies;

/// Answers from so many bytes on are compressed: below, as a score, the time costs more than the bytes.
const COMPRESS_MIN_BYTES: u64 = 1_024;
/// How long a browser remembers what another site may do.
const CROSS_ORIGIN_MAX_AGE: Duration = Duration::from_secs(600);

/// What stands between the network and the endpoints; the default is a server that everybody reaches directly.
#[derive(Clone, Default)]
pub struct Edge {
    /// The proxies that are believed.
    pub proxies: Proxies,
    /// How many requests are taken.
    pub rates: RequestRates,
    /// `Strict-Transport-Security` on answers over TLS; `None` for none.
    pub transport_security: Option<HeaderValue>,
    /// Sites whose pages may use the API from a browser, such as `https://app.example.com`.
    pub origins: Vec<HeaderValue>,
}

/// How many requests are taken; `None` for any number.
#[derive(Clone, Default)]
pub struct RequestRates {
    /// Of each person.
    pub people: Option<RateLimiter>,
    /// Of each API key.
    pub keys: Option<RateLimiter>,
    /// Of each address without a valid token.
    pub addresses: Option<RateLimiter>,
}

type Compressible = And<And<SizeAbove, NotForContentType>, NotForContentType>;

/// Compresses answers for those who accept it. Streams stay as they are: what is compressed waits for more, and a line
/// or an event is to arrive when it is written.
pub(crate) fn compression() -> CompressionLayer<Compressible> {
    let which = SizeAbove::new(COMPRESS_MIN_BYTES)
        .and(NotForContentType::const_new("application/x-ndjson"))
        .and(NotForContentType::const_new("text/event-stream"));
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(which)
}

/// Lets pages of other sites use the API; `None` where there are none, and browsers refuse.
pub(crate) fn cross_origin(origins: &[HeaderValue]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let taken = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        HeaderName::from_static("idempotency-key"),
        HeaderName::from_static("x-request-id"),
        HeaderName::from_static("traceparent"),
        HeaderName::from_static("x-audit-reason"),
    ];
    let shown = [
        header::CONTENT_LOCATION,
        header::ETAG,
        header::LOCATION,
        header::RETRY_AFTER,
        HeaderName::from_static("x-request-id"),
        HeaderName::from_static("ratelimit"),
        HeaderName::from_static("ratelimit-policy"),
    ];
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.iter().cloned()))
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(taken)
        .expose_headers(shown)
        .max_age(CROSS_ORIGIN_MAX_AGE);
    Some(layer)
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, net::SocketAddr};

    use axum::{
        Router,
        body::Body,
        extract::ConnectInfo,
        http::{Request, StatusCode},
        response::IntoResponse as _,
        routing::get,
    };

    use super::*;
    use crate::{
        Encrypted,
        testing::{NOBODY, TestApp},
    };

    const SITE: &str = "https://app.example.com";

    #[tokio::test]
    async fn long_answers_are_compressed_for_who_accepts_it_and_streams_are_not() {
        let text = "score ".repeat(1_000);
        let routes = Router::new()
            .route("/long", get(|| async { "score ".repeat(1_000) }))
            .route("/short", get(|| async { "score" }))
            .route("/lines", get(|| async { ([("content-type", "application/x-ndjson")], "{}\n".repeat(1_000)) }))
            .route("/events", get(|| async { ([("content-type", "text/event-stream")], ":\n".repeat(1_000)) }))
            .route("/packed", get(|| async { ([("content-encoding", "gzip")], vec![0_u8; 2_000]).into_response() }));
        let app = TestApp::new().await.around(routes);
        let ask = async |path: &str, accept: &str| {
            app.send(app.request(Method::GET, path).header("accept-encoding", accept).body(Body::empty()).unwrap())
                .await
        };
        for (path, accept, coding) in [
            ("/long", "", ""),
            ("/long", "br", ""),
            ("/long", "identity", ""),
            ("/long", "gzip;q=0", ""),
            ("/long", "gzip", "gzip"),
            ("/long", "gzip, zstd", "zstd"),
            ("/short", "gzip", ""),
            ("/lines", "gzip", ""),
            ("/events", "zstd", ""),
            ("/packed", "zstd", "gzip"),
        ] {
            assert_eq!(ask(path, accept).await.header("content-encoding"), coding, "{path}: {accept}");
        }
        let packed = ask("/long", "gzip").await;
        assert!(packed.body.len() < text.len() / 10 && packed.header("vary").contains("accept-encoding"));
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, text);
        let packed = ask("/long", "zstd").await;
        assert_eq!(zstd::stream::decode_all(&packed.body[..]).unwrap(), text.as_bytes());
    }

    #[tokio::test]
    async fn other_sites_may_do_nothing_unless_they_are_named() {
        let preflight = |origin: &'static str| {
            Request::builder()
                .method(Method::OPTIONS)
                .uri(format!("/api/v1/leads/{NOBODY}/score"))
                .header("origin", origin)
                .header("access-control-request-method", "GET")
                .header("access-control-request-headers", "authorization")
                .body(Body::empty())
                .unwrap()
        };
        let closed = TestApp::new().await;
        let refused = closed.send(preflight(SITE)).await;
        assert_eq!(refused.code(), "method-not-allowed");
        assert_eq!(refused.header("access-control-allow-origin"), "");

        let origins = vec![HeaderValue::from_static(SITE)];
        let open = TestApp::new().await.behind(Edge { origins, ..Edge::default() });
        let reply = open.send(preflight(SITE)).await;
        assert_eq!(
            (reply.status, reply.header("access-control-allow-origin"), reply.header("access-control-max-age")),
            (StatusCode::OK, SITE, "600")
        );
        assert!(reply.header("access-control-allow-headers").contains("authorization"), "{reply:?}");
        assert_eq!(reply.header("access-control-allow-credentials"), "", "tokens travel in a header, not in cookies");
        for foreign in ["https://evil.example", "null", "https://app.example.com.evil.example"] {
            assert_eq!(open.send(preflight(foreign)).await.header("access-control-allow-origin"), "", "{foreign}");
        }
        let asked = open.request(Method::GET, &format!("/api/v1/leads/{NOBODY}")).header("origin", SITE);
        let reply = open.send(asked.body(Body::empty()).unwrap()).await;
        assert_eq!((reply.code().as_str(), reply.header("access-control-allow-origin")), ("lead-not-found", SITE));
    }

    #[tokio::test]
    async fn browsers_are_told_to_stay_with_tls_where_it_is_spoken() {
        let edge = Edge {
            proxies: Proxies { trusted: vec!["10.0.0.0/8".parse().unwrap()], ..Proxies::default() },
            transport_security: Some(HeaderValue::from_static("max-age=31536000")),
            ..Edge::default()
        };
        let app = TestApp::new().await.behind(edge);
        let ask = async |peer: &str, encrypted: bool, protocol: &str| {
            let request = Request::get("/healthz").header("x-forwarded-for", "198.51.100.1");
            let mut request = request.header("x-forwarded-proto", protocol).body(Body::empty()).unwrap();
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
            request.extensions_mut().insert(Encrypted(encrypted));
            app.send(request).await.header("strict-transport-security").to_owned()
        };
        assert_eq!(ask("198.51.100.7", true, "").await, "max-age=31536000");
        assert_eq!(ask("198.51.100.7", false, "https").await, "", "anybody can say so");
        assert_eq!(ask("10.0.0.1", false, "https").await, "max-age=31536000");
        assert_eq!(ask("10.0.0.1", false, "http").await, "");
    }
}

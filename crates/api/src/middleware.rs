//! What surrounds every request: where it comes from, an id, a span, bounds on its head and its time, a net under
//! panics, headers that protect browsers.
//!
//! Invariant: no query string, body, token or path parameter reaches a log; of the client only its address does.
//! Deliberately absent: who may do what (see `auth`).

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use leadscore_domain::Timestamp;
use leadscore_store::TraceParent;
use tracing::Instrument;

use crate::{
    Limits,
    client::Origin,
    problem::{Code, Problem},
    query::Parameters,
    state::Api,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id that is taken over from the sender.
const REQUEST_ID_MAX_BYTES: usize = 64;
/// An answer is no page: nothing is loaded for it, and nobody shows it in a frame.
const CONTENT_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// Keeps other sites from loading answers into their own pages.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// Keeps other sites' windows from reaching the pages'.
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// What pages may use of the browser's machine.
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
/// Seconds after which a request that timed out may be sent again.
const RETRY_AFTER_TIMEOUT_S: u64 = 5;

/// Unique words, such as for requests: start of the process, its number, a counter.
#[derive(Debug)]
pub struct Ids {
    prefix: String,
    next: AtomicU64,
}

impl Ids {
    /// A sequence of the process that started at `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self { prefix: format!("{:x}-{:x}", start.as_micros(), std::process::id()), next: AtomicU64::new(0) }
    }

    /// The next word.
    #[must_use]
    pub fn next(&self) -> String {
        format!("{}-{:x}", self.prefix, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// The id of a request, as one of its extensions.
#[derive(Debug, Clone)]
pub struct RequestId(pub HeaderValue);

/// Gives the request its id and span, bounds its time, and says how it went.
pub async fn observe(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = request_id(request.headers(), &api.ids);
    request.extensions_mut().insert(RequestId(request_id.clone()));
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let Origin { address, encrypted } = api.edge.proxies.origin(request.extensions(), request.headers());
    request.extensions_mut().insert(address);
    let trace = request.headers().get(TraceParent::HEADER).and_then(|value| TraceParent::parse(value.to_str().ok()?));
    let span = tracing::info_span!(
        "http.request",
        request_id = request_id.to_str().unwrap_or_default(),
        trace_id = trace.as_ref().map(TraceParent::trace_id),
        client = address.ip().map(tracing::field::display),
        method = request.method().as_str(),
        route
    );
    let oversized = oversized(&request, &api.limits);
    let run = async {
        match (oversized, trace) {
            (Some(problem), _) => problem.into_response(),
            (None, Some(trace)) => trace.within(next.run(request)).await,
            (None, None) => next.run(request).await,
        }
    };
    let answer = tokio::time::timeout(api.limits.answer_timeout, run).instrument(span.clone()).await;
    let mut response = answer.unwrap_or_else(|_| {
        Problem::new(Code::TimedOut, "The request was given up; what it sent may have been taken, and counts once.")
            .retry_after_s(RETRY_AFTER_TIMEOUT_S)
            .into_response()
    });
    response.headers_mut().insert(REQUEST_ID, request_id);
    protect(response.headers_mut());
    if encrypted && let Some(value) = &api.edge.transport_security {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, value.clone());
    }
    span.in_scope(|| report(&response, started));
    response
}

/// What is wrong with an address or header fields that are too long.
fn oversized(request: &Request, limits: &Limits) -> Option<Problem> {
    let uri = request.uri();
    let uri_bytes = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
    if uri_bytes > limits.uri_max_bytes {
        let detail = format!("An address may have at most {} bytes.", limits.uri_max_bytes);
        return Some(Problem::new(Code::UriTooLong, detail));
    }
    let headers = request.headers().iter();
    let header_bytes: usize = headers.map(|(name, value)| name.as_str().len() + value.len()).sum();
    (header_bytes > limits.headers_max_bytes).then(|| {
        let detail = format!("Header fields may have at most {} bytes.", limits.headers_max_bytes);
        Problem::new(Code::HeadersTooLarge, detail)
    })
}

fn request_id(headers: &HeaderMap, ids: &Ids) -> HeaderValue {
    let sent = headers.get(REQUEST_ID).filter(|id| {
        (1..=REQUEST_ID_MAX_BYTES).contains(&id.len())
            && id.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    });
    sent.cloned()
        .unwrap_or_else(|| HeaderValue::try_from(ids.next()).expect("hexadecimal digits and dashes are a header value"))
}

fn protect(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Answers are about persons: no cache on the way keeps them. A handler that knows better says so itself.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(CONTENT_POLICY));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
}

fn report(response: &Response, started: Instant) {
    let status = response.status().as_u16();
    let latency_ms = started.elapsed().as_secs_f64() * 1e3;
    let code = response.extensions().get::<Code>().map(|code| code.as_str());
    if response.status().is_server_error() {
        tracing::warn!(status, latency_ms, code, "request failed");
    } else {
        tracing::debug!(status, latency_ms, code, "request answered");
    }
}

/// Answers for a handler that panicked. The panic hook has logged where; its message may quote data and stays out.
pub fn panicked(_panic: Box<dyn Any + Send + 'static>) -> Response {
    Problem::new(Code::Internal, "The request met a defect.").into_response()
}

/// Lets the pages under `/docs` load their own scripts and styles, and nothing from elsewhere.
pub async fn docs_policy(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.status() == StatusCode::NOT_FOUND {
        response = not_found().await.into_response();
    }
    let headers = response.headers_mut();
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(PERMISSIONS_POLICY, HeaderValue::from_static("camera=(), geolocation=(), microphone=()"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; \
             object-src 'none'; base-uri 'none'; form-action 'none'",
        ),
    );
    response
}

/// Refuses query parameters: none of these endpoints takes any.
pub async fn refuse_query(request: Request, next: Next) -> Result<Response, Problem> {
    check_query(&request)?;
    Ok(next.run(request).await)
}

/// What [`refuse_query`] refuses.
///
/// # Errors
/// [`Code::UnknownQueryParameter`] with the name of the first parameter.
pub fn check_query(request: &Request) -> Result<(), Problem> {
    if request.uri().query().is_none() { Ok(()) } else { Parameters::of(request.uri())?.end() }
}

/// Answers for addresses that do not exist.
pub async fn not_found() -> Problem {
    Problem::new(Code::NotFound, "The address leads nowhere.")
}

/// Answers for addresses that exist with another method; the router adds `Allow`.
pub async fn method_not_allowed() -> Problem {
    Problem::new(Code::MethodNotAllowed, "The address exists, but not with this method.")
}

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll},
        time::Duration,
    };

    use axum::{
        Router,
        body::{Body, Bytes},
        http::{Method, Request},
        routing::get,
    };
    use http_body::Frame;
    use serde_json::json;

    use crate::{
        Limits,
        testing::{NOBODY, TestApp},
    };

    const EVENTS: &str = "/api/v1/events";

    /// A body that stops in the middle: silently, or with an error.
    struct Stuck {
        breaks: bool,
    }

    impl http_body::Body for Stuck {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            if self.breaks { Poll::Ready(Some(Err(std::io::Error::other("reset")))) } else { Poll::Pending }
        }
    }

    #[tokio::test]
    async fn addresses_and_methods_that_do_not_exist_are_problems() {
        let app = TestApp::new().await;
        for path in ["/nowhere", "/api/v1", "/api/v2/leads", "/api/v1/leads/", "//", "/docs/nothing.js", "/%00"] {
            assert_eq!(app.get(path).await.code(), "not-found", "{path}");
        }
        for (method, path, allow) in [
            (Method::DELETE, "/api/v1/leads", "POST,GET,HEAD"),
            (Method::TRACE, "/api/v1/leads", "POST,GET,HEAD"),
            (Method::GET, "/api/v1/leads/batch-score", "POST"),
            (Method::PUT, "/api/v1/leads/x/score", "GET,HEAD"),
            (Method::POST, "/healthz", "GET,HEAD"),
            (Method::POST, "/", "GET,HEAD"),
        ] {
            let reply = app.send(app.request(method.clone(), path).body(Body::empty()).unwrap()).await;
            assert_eq!(reply.code(), "method-not-allowed", "{method} {path}");
            assert_eq!(reply.header("allow"), allow, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn query_parameters_are_refused() {
        let app = TestApp::new().await;
        let reply = app.get(&format!("/api/v1/leads/{NOBODY}/score?verbose=1&x=2")).await;
        assert_eq!((reply.code().as_str(), &reply.json()["field"]), ("unknown-query-parameter", &json!("verbose")));
        assert_eq!(app.get("/healthz?x").await.code(), "unknown-query-parameter");
        assert_eq!(app.get("/healthz?").await.status, 200);
    }

    #[tokio::test]
    async fn bodies_are_bounded_in_size_time_and_kind() {
        let body_timeout = Duration::from_millis(5);
        let app = TestApp::with(Limits { body_max_bytes: 100, body_timeout, ..Limits::default() }).await;
        assert_eq!(app.post_text(EVENTS, " ".repeat(100)).await.code(), "malformed-json");
        assert_eq!(app.post_text(EVENTS, " ".repeat(101)).await.code(), "body-too-large");
        assert_eq!(app.post_text(EVENTS, Body::new(Stuck { breaks: false })).await.code(), "body-timeout");
        assert_eq!(app.post_text(EVENTS, Body::new(Stuck { breaks: true })).await.code(), "unreadable-body");
        for (name, value) in [
            ("content-type", "text/plain"),
            ("content-type", "application/jsonp"),
            ("content-type", ""),
            ("accept", "application/json"),
        ] {
            let request = app.request(Method::POST, EVENTS).header(name, value).body(Body::from("{}")).unwrap();
            assert_eq!(app.send(request).await.code(), "unsupported-media-type", "{name}: {value}");
        }
        let request = app
            .request(Method::POST, EVENTS)
            .header("content-type", "application/json")
            .header("content-encoding", "br")
            .body(Body::from("{}"));
        assert_eq!(app.send(request.unwrap()).await.code(), "unsupported-media-type");
        for value in ["application/json; charset=utf-8", "Application/JSON", "application/cloudevents+json"] {
            let request = app.request(Method::POST, EVENTS).header("content-type", value).body(Body::from("{}"));
            assert_eq!(app.send(request.unwrap()).await.code(), "invalid-field", "{value}");
        }
    }

    #[tokio::test]
    async fn heads_are_bounded() {
        let app = TestApp::with(Limits { uri_max_bytes: 50, headers_max_bytes: 300, ..Limits::default() }).await;
        let address = |bytes: usize| format!("/healthz?{}", "x".repeat(bytes - "/healthz?".len()));
        assert_eq!(app.get(&address(50)).await.code(), "unknown-query-parameter");
        assert_eq!(app.get(&address(51)).await.code(), "uri-too-long");
        let sent = |bytes: usize| Request::get("/healthz").header("x-long", "a".repeat(bytes)).body(Body::empty());
        assert_eq!(app.send(sent(294).unwrap()).await.status, 200);
        assert_eq!(app.send(sent(295).unwrap()).await.code(), "headers-too-large");
    }

    #[tokio::test]
    async fn a_method_in_a_header_is_not_followed() {
        let app = TestApp::new().await;
        for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
            let request = app.request(Method::GET, "/healthz").header(name, "DELETE").body(Body::empty());
            assert_eq!(app.send(request.unwrap()).await.status, 200, "{name}");
        }
    }

    #[tokio::test]
    async fn panics_and_endless_answers_end_as_problems() {
        async fn breaks() {
            panic!("a secret");
        }
        let routes = Router::new().route("/panics", get(breaks)).route("/hangs", get(std::future::pending::<()>));
        let answer_timeout = Duration::from_millis(5);
        let app = TestApp::with(Limits { answer_timeout, ..Limits::default() }).await.around(routes);
        let reply = app.get("/panics").await;
        assert_eq!(reply.code(), "internal");
        assert!(!String::from_utf8(reply.body).unwrap().contains("secret"));
        let reply = app.get("/hangs").await;
        assert_eq!((reply.code().as_str(), reply.header("retry-after")), ("timed-out", "5"));
    }

    #[tokio::test]
    async fn a_request_id_is_taken_over_where_it_is_harmless() {
        let app = TestApp::new().await;
        let sent = |id: &str| Request::get("/healthz").header("x-request-id", id).body(Body::empty()).unwrap();
        assert_eq!(app.send(sent("abc-1_2.Z")).await.header("x-request-id"), "abc-1_2.Z");
        let long = "x".repeat(65);
        let mut seen = Vec::new();
        for bad in ["", "a b", "a\tb", &long, "<script>", "\u{e9}"] {
            let id = app.send(sent(bad)).await.header("x-request-id").to_owned();
            assert!(id != bad && !id.is_empty() && !seen.contains(&id), "{bad}: {id}");
            seen.push(id);
        }
    }
}

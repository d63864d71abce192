//! How much a sender may ask for: requests of people, of programs and of addresses without a token, and events; and the
//! header fields that tell of it.
//!
//! Invariant: a request with a valid token is counted once, under its user or key, so that clients that share an
//! address do not hinder each other; one without is counted under its address. Deliberately absent: buckets (the
//! store's); a limit on whether the server lives, which must be told however many ask.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};
use leadscore_store::{Allowance, Authority, Principal, Rate, RateLimiter};

use crate::{
    auth::bearer::Caller,
    client::ClientAddress,
    problem::{Code, Problem},
    state::Api,
};

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// Events of a token.
    Events,
    /// Requests of a person, from wherever he or she is logged in.
    Person,
    /// Requests of an API key.
    Key,
    /// Requests of an address without a token.
    Address,
}

impl Limit {
    /// Its name in the header fields and in the names of buckets.
    const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Person => "person",
            Self::Key => "key",
            Self::Address => "address",
        }
    }

    fn problem(self, per_s: f64) -> Problem {
        match self {
            Self::Events => Problem::new(Code::TooFast, format!("This token may send {per_s} events each second.")),
            Self::Person => Self::too_many("You", per_s),
            Self::Key => Self::too_many("This key", per_s),
            Self::Address => Self::too_many("Your address, without a valid token,", per_s),
        }
    }

    fn too_many(who: &str, per_s: f64) -> Problem {
        Problem::new(Code::TooManyRequests, format!("{who} may send {per_s} requests each second."))
    }
}

/// What a sender's bucket said.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    limit: Limit,
    allowance: Allowance,
    rate: Rate,
}

/// Takes what events cost from what the sender may send; nothing is said where there is no limit.
///
/// # Errors
/// What the bucket said, where there is not enough in it.
pub async fn spend(api: &Api, caller: &Caller, events: usize) -> Result<Option<Spent>, Spent> {
    let tokens = u32::try_from(events).unwrap_or(u32::MAX);
    take(api.events_rate.as_ref(), Limit::Events, &caller.0, tokens).await
}

/// Counts a request of somebody whose token is valid.
///
/// # Errors
/// What the bucket said, where there were too many.
pub async fn admit(api: &Api, sender: &Principal) -> Result<Option<Spent>, Spent> {
    let rates = &api.edge.rates;
    let (limiter, limit) = match sender.authority {
        Authority::Person { .. } => (&rates.people, Limit::Person),
        Authority::Machine { .. } => (&rates.keys, Limit::Key),
    };
    let Some(limiter) = limiter else { return Ok(None) };
    let mut name = [0; uuid::fmt::Hyphenated::LENGTH];
    take(Some(limiter), limit, sender.id.hyphenated().encode_lower(&mut name), 1).await
}

/// Counts every request under its client's address.
pub async fn admit_address(
    State(api): State<Arc<Api>>,
    address: ClientAddress,
    request: Request,
    next: Next,
) -> Response {
    match spend_address(&api, address).await {
        Ok(()) => next.run(request).await,
        Err(spent) => spent.into_response(),
    }
}

/// The answer to a request without a valid token: that, until there were too many from its address.
pub async fn without_token(api: &Api, address: ClientAddress, problem: Problem) -> Response {
    match spend_address(api, address).await {
        Ok(()) => problem.into_response(),
        Err(spent) => spent.into_response(),
    }
}

async fn spend_address(api: &Api, address: ClientAddress) -> Result<(), Spent> {
    let limiter = api.edge.rates.addresses.as_ref();
    let address = address.network().map_or_else(|| "unknown".to_owned(), |network: IpAddr| network.to_string());
    take(limiter, Limit::Address, &address, 1).await.map(|_| ())
}

async fn take(limiter: Option<&RateLimiter>, limit: Limit, who: &str, tokens: u32) -> Result<Option<Spent>, Spent> {
    let Some(limiter) = limiter else { return Ok(None) };
    let allowance = limiter.take(&format!("{}:{who}", limit.name()), tokens).await;
    let spent = Spent { limit, allowance, rate: limiter.rate() };
    if allowance.taken { Ok(Some(spent)) } else { Err(spent) }
}

impl Spent {
    /// What is said to a sender who must wait.
    #[must_use]
    pub fn problem(&self) -> Problem {
        self.limit.problem(self.rate.per_s).retry_after_s(whole_s(self.allowance.wait).max(1))
    }

    /// Says what may still be sent (draft-ietf-httpapi-ratelimit-headers, from its eighth version on), beside what other
    /// limits say.
    pub fn show(&self, headers: &mut HeaderMap) {
        let Self { limit, allowance, rate } = self;
        let (name, window_s) = (limit.name(), (f64::from(rate.burst) / rate.per_s).ceil());
        let policy = format!("\"{name}\";q={};w={window_s}", rate.burst);
        let left = format!("\"{name}\";r={};t={}", allowance.left, whole_s(allowance.full_in));
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", left)] {
            let value = HeaderValue::try_from(value).expect("digits and punctuation are a header value");
            headers.append(HeaderName::from_static(name), value);
        }
    }
}

impl IntoResponse for Spent {
    /// The answer to a request that was not admitted.
    fn into_response(self) -> Response {
        let mut response = self.problem().into_response();
        self.show(response.headers_mut());
        response
    }
}

fn whole_s(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, sync::Arc};

    use axum::{
        body::Body,
        extract::ConnectInfo,
        http::{Method, Request, StatusCode},
    };
    use leadscore_domain::Clock;
    use leadscore_store::{Rate, RateLimiter, Role, Scope};
    use serde_json::{Value, json};

    use crate::{
        Edge, RequestRates,
        rest::post_events::PATH,
        testing::{NOBODY, Reply, TestApp},
    };

    fn opened(id: &str) -> Value {
        json!({
            "source": "site",
            "source_event_id": id,
            "lead": {"identities": [{"kind": "web", "value": "w1"}]},
            "occurred_at": "2026-03-01T09:00:00Z",
            "type": "email",
            "data": {"action": "opened"}
        })
    }

    #[tokio::test]
    async fn who_sends_too_much_is_told_when_to_go_on() {
        let app = TestApp::new().await;
        let events: Vec<Value> = (0..1_000).map(|i| opened(&i.to_string())).collect();
        let first = app.post(PATH, &json!(events)).await;
        assert_eq!(
            (first.header("ratelimit-policy"), first.header("ratelimit")),
            ("\"events\";q=2000;w=20", "\"events\";r=1000;t=10")
        );
        assert_eq!(app.post(PATH, &json!(events)).await.status, StatusCode::ACCEPTED);
        let refused = app.post(PATH, &json!(&events[..150])).await;
        assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("too-fast", "2"));
        assert_eq!(refused.header("ratelimit"), "\"events\";r=0;t=20");
        app.clock.advance_micros(2_000_000);
        assert_eq!(app.post(PATH, &json!(&events[..150])).await.status, StatusCode::ACCEPTED);
    }

    /// An API that takes two requests at once of anybody, and one more each second.
    async fn narrow() -> TestApp {
        let app = TestApp::new().await;
        let clock: Arc<dyn Clock> = Arc::new(app.clock.clone());
        let limiter = || Some(RateLimiter::new(Rate { per_s: 1.0, burst: 2 }, Arc::clone(&clock), None));
        let rates = RequestRates { people: limiter(), keys: limiter(), addresses: limiter() };
        app.behind(Edge { rates, ..Edge::default() })
    }

    async fn from(app: &TestApp, address: &str, path: &str, token: Option<&str>) -> Reply {
        let mut request = Request::builder().method(Method::GET).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut request = request.body(Body::empty()).unwrap();
        let peer = SocketAddr::new(address.parse().unwrap(), 1);
        request.extensions_mut().insert(ConnectInfo(peer));
        app.send(request).await
    }

    #[tokio::test]
    async fn a_key_is_bounded_whatever_it_asks_for_and_wherever_it_is() {
        let app = narrow().await;
        let path = format!("/api/v1/leads/{NOBODY}");
        let other = app.key(Scope::LeadsRead).await;
        assert_eq!(from(&app, "198.51.100.1", &path, Some(&app.token)).await.code(), "lead-not-found");
        assert_eq!(from(&app, "198.51.100.2", "/api/v1/jobs/x", Some(&app.token)).await.code(), "job-not-found");
        let refused = from(&app, "198.51.100.3", &path, Some(&app.token)).await;
        assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("too-many-requests", "1"));
        assert_eq!(
            (refused.header("ratelimit-policy"), refused.header("ratelimit")),
            ("\"key\";q=2;w=2", "\"key\";r=0;t=2")
        );
        assert_eq!(from(&app, "198.51.100.1", &path, Some(&other)).await.code(), "lead-not-found", "another key");
        app.clock.advance_micros(1_000_000);
        assert_eq!(from(&app, "198.51.100.1", &path, Some(&app.token)).await.code(), "lead-not-found");
    }

    #[tokio::test]
    async fn a_person_is_bounded_over_all_sessions() {
        let app = narrow().await;
        let user = app.state.store.create_user("ann@example.com", "a long password", Role::Agent).await.unwrap();
        let end = app.state.clock.now().plus_micros(60_000_000);
        let path = format!("/api/v1/leads/{NOBODY}");
        for expected in ["lead-not-found", "lead-not-found", "too-many-requests"] {
            let session = app.state.store.create_session(&user, end).await.unwrap();
            assert_eq!(from(&app, "198.51.100.1", &path, Some(&session)).await.code(), expected);
        }
    }

    #[tokio::test]
    async fn an_address_without_a_token_is_bounded_and_hinders_nobody_with_one() {
        let app = narrow().await;
        let path = format!("/api/v1/leads/{NOBODY}");
        for (path, token, status) in [
            (path.as_str(), None, 401),
            (path.as_str(), Some("lsk_guessed"), 401),
            (path.as_str(), Some("lsk_guessed again"), 429),
            (path.as_str(), None, 429),
            ("/openapi.json", None, 429),
            ("/healthz", None, 200),
            ("/metrics", None, 200),
        ] {
            assert_eq!(from(&app, "198.51.100.1", path, token).await.status, status, "{path} {token:?}");
        }
        assert_eq!(from(&app, "198.51.100.1", &path, Some(&app.token)).await.code(), "lead-not-found");
        assert_eq!(from(&app, "198.51.100.2", &path, None).await.code(), "unauthenticated");
        for expected in [401, 401, 429] {
            let subscriber = format!("2001:db8:0:7::{expected}");
            assert_eq!(from(&app, &subscriber, &path, None).await.status, expected, "a network is one client");
        }
    }
}

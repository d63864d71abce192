//! What the endpoints share.
//!
//! Owns: the handles that the binary passes in, and the API's own bounded memory (log-in attempts, loaded models).
//! Invariant: everything here is bounded by a field of [`Limits`] or a named constant.

use std::{sync::Arc, time::Duration};

use leadscore_domain::{
    Clock, Region,
    time::{DAY_US, HOUR_US},
    webhook::DestinationPolicy,
};
use leadscore_engine::score::Scorer;
use leadscore_store::{IdempotencyRecords, RateLimiter, Registry, ScoreCache, Store, Tickets, audit::AuditLog};
use tokio::sync::{Semaphore, watch};

use crate::{
    auth::{bearer::Confirmed, jwt::SigningKeys, provider::Providers, throttle::Throttle},
    connectors::Connectors,
    edge::Edge,
    graphql::{self, Schema},
    middleware::Ids,
    rest::models::Models,
    socket::Sockets,
};

/// The handles that the API works with.
#[derive(Clone)]
pub struct AppState {
    /// Leads, events, states, scores, users.
    pub store: Store,
    /// Latest scores in memory.
    pub cache: ScoreCache,
    /// The champion, as the pipeline hands it on.
    pub scorer: watch::Receiver<Arc<Scorer>>,
    /// Model versions.
    pub registry: Registry,
    /// Who saw or changed what.
    pub audit: AuditLog,
    /// The present instant.
    pub clock: Arc<dyn Clock>,
    /// The country whose telephone numbers may be written without a prefix.
    pub region: Region,
    /// Answers that are given again where a request is repeated.
    pub idempotency: IdempotencyRecords,
    /// What stands between the network and the endpoints.
    pub edge: Edge,
    /// How many events a token may send; `None` for any number.
    pub events_rate: Option<RateLimiter>,
    /// Tokens of people.
    pub access: AccessOptions,
    /// Identity providers whose access tokens are taken, too.
    pub providers: Providers,
    /// Other systems whose webhooks are taken.
    pub connectors: Connectors,
    /// Live connections.
    pub sockets: Sockets,
    /// Tickets that open them.
    pub tickets: Tickets,
    /// Bounds.
    pub limits: Limits,
    /// Where webhooks may listen.
    pub destinations: DestinationPolicy,
    /// What `GET /metrics` answers.
    pub metrics: Metrics,
}

/// Writes down what the process has measured of itself, in Prometheus' text format.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What tokens of people say, and how long they last.
#[derive(Debug, Clone)]
pub struct AccessOptions {
    /// Who issues access tokens: the claim `iss`.
    pub issuer: String,
    /// Whom they are for: the claim `aud`.
    pub audience: String,
    /// Life of an access token, in microseconds; at most an hour.
    pub access_token_us: i64,
    /// Life of a session from its log-in, however often it is refreshed, in microseconds.
    pub session_us: i64,
    /// After which time without a refresh a session is over, in microseconds.
    pub session_idle_us: i64,
    /// Longest life of an API key, in microseconds; `None` for no limit.
    pub api_key_us: Option<i64>,
    /// Age at which a signing key gets a successor, in microseconds.
    pub signing_key_us: i64,
}

impl Default for AccessOptions {
    fn default() -> Self {
        Self {
            issuer: "leadscore".to_owned(),
            audience: "leadscore".to_owned(),
            access_token_us: HOUR_US / 6,
            session_us: 30 * DAY_US,
            session_idle_us: 7 * DAY_US,
            api_key_us: None,
            signing_key_us: 90 * DAY_US,
        }
    }
}

/// Bounds on what one request, and all of them together, may ask for.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest address of a request, with its query.
    pub uri_max_bytes: usize,
    /// Most bytes of a request's header fields, names and values.
    pub headers_max_bytes: usize,
    /// Longest body, also after it was decompressed.
    pub body_max_bytes: usize,
    /// Longest time for a body to arrive.
    pub body_timeout: Duration,
    /// Longest time for an answer.
    pub answer_timeout: Duration,
    /// Most events in one request.
    pub events_max: usize,
    /// Age from which an event is set aside instead of applied, in microseconds; 0 for none.
    pub late_max_us: i64,
    /// Most leads in one batch.
    pub batch_max: usize,
    /// Most leads in one streamed batch: their ids are held in memory.
    pub stream_max: usize,
    /// Longest time that an answer waits for scores.
    pub wait_timeout: Duration,
    /// Requests that wait for scores at the same time; others are answered without.
    pub waits_at_once: usize,
    /// Batches that are calculated at the same time; others wait.
    pub batches_at_once: usize,
    /// Log-in attempts per e-mail address and client address, and uses of a refresh token, within [`Self::login_window_us`].
    pub login_attempts_max: u32,
    /// The window of log-in attempts, in microseconds.
    pub login_window_us: i64,
    /// Passwords that are checked at the same time; others wait. Each check takes much memory, by design.
    pub logins_at_once: usize,
    /// Events that the scorer may lag behind before the server calls itself not ready.
    pub scorer_lag_max: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            uri_max_bytes: 8 * 1024,
            headers_max_bytes: 16 * 1024,
            body_max_bytes: 2 * 1024 * 1024,
            body_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
            events_max: 1_000,
            late_max_us: 400 * DAY_US,
            batch_max: 10_000,
            stream_max: 1_000_000,
            wait_timeout: Duration::from_secs(5),
            waits_at_once: 256,
            batches_at_once: 2,
            login_attempts_max: 10,
            login_window_us: HOUR_US / 4,
            logins_at_once: 2,
            scorer_lag_max: 10_000,
        }
    }
}

/// The handles together with the API's own memory.
pub struct Api {
    pub(crate) store: Store,
    pub(crate) cache: ScoreCache,
    pub(crate) scorer: watch::Receiver<Arc<Scorer>>,
    pub(crate) registry: Registry,
    pub(crate) audit: AuditLog,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) region: Region,
    pub(crate) idempotency: IdempotencyRecords,
    pub(crate) edge: Edge,
    pub(crate) events_rate: Option<RateLimiter>,
    pub(crate) access: AccessOptions,
    pub(crate) providers: Providers,
    pub(crate) connectors: Connectors,
    pub(crate) sockets: Sockets,
    pub(crate) tickets: Tickets,
    pub(crate) limits: Limits,
    pub(crate) destinations: DestinationPolicy,
    pub(crate) metrics: Metrics,
    pub(crate) ids: Ids,
    pub(crate) confirmed: Confirmed,
    pub(crate) signing: SigningKeys,
    pub(crate) logins: Throttle,
    pub(crate) refreshes: Throttle,
    pub(crate) login_permits: Semaphore,
    pub(crate) batch_permits: Semaphore,
    pub(crate) wait_permits: Semaphore,
    pub(crate) models: Models,
    pub(crate) graphql: Schema,
}

impl From<AppState> for Api {
    fn from(state: AppState) -> Self {
        let AppState {
            store,
            cache,
            scorer,
            registry,
            audit,
            clock,
            region,
            idempotency,
            edge,
            events_rate,
            access,
            providers,
            connectors,
            limits,
            destinations,
            sockets,
            tickets,
            metrics,
        } = state;
        Self {
            ids: Ids::new(clock.now()),
            confirmed: Confirmed::default(),
            logins: Throttle::new(limits.login_attempts_max, limits.login_window_us),
            signing: SigningKeys::default(),
            refreshes: Throttle::new(limits.login_attempts_max, limits.login_window_us),
            login_permits: Semaphore::new(limits.logins_at_once),
            batch_permits: Semaphore::new(limits.batches_at_once),
            wait_permits: Semaphore::new(limits.waits_at_once),
            models: Models::default(),
            graphql: graphql::schema(),
            store,
            cache,
            scorer,
            registry,
            audit,
            clock,
            region,
            idempotency,
            edge,
            events_rate,
            access,
            providers,
            connectors,
            sockets,
            tickets,
            limits,
            destinations,
            metrics,
        }
    }
}

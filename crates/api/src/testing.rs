//! A whole API on a store of its own, for the tests of this crate.
//!
//! Invariant: every answer that a test receives is checked against what holds for all answers, and every problem
//! against the OpenAPI document.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use leadscore_domain::{
    Approach, Breakdown, Clock, Grade, LeadId, ManualClock, Region, Score, Timestamp,
    time::{DAY_US, SECOND_US},
    webhook::{DestinationPolicy, MessageType},
};
use leadscore_engine::{
    features::{LeadState, Market},
    score::{Model, Scorer, ScoringPolicy},
    scorecard::Scorecard,
};
use leadscore_store::{
    Decile, Derived, EndpointSettings, Export, IdempotencyRecords, NewOverride, NewRequest, NewUser, PeriodPerformance,
    Principal, Rate, RateLimiter, Registry, RequestKind, Role, Scope, Scopes, ScoreCache, Store, StoreOptions, Tickets,
    audit::{Actor, ActorKind, AuditLog, AuditOptions},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tower::ServiceExt;
use uuid::Uuid;

use crate::{
    AccessOptions, AppState, Connectors, Edge, Limits, Metrics,
    provider::{ProviderOptions, Providers},
    socket::{Options, Sockets},
    state::Api,
};

/// A lead id that no lead has.
pub const NOBODY: &str = "0198c2c4-0000-7000-8000-000000000000";
/// The lead id of the examples.
pub const EXAMPLE_LEAD: &str = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e";
/// The lead id of the examples that a lead absorbs.
pub const EXAMPLE_ABSORBED: &str = "0198c2c4-7d21-7c34-8e56-3a2b1c0d9e8f";
/// The user id of the examples.
pub const EXAMPLE_USER: &str = "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a";
/// The refresh token of the examples.
pub const EXAMPLE_REFRESH_TOKEN: &str = "lsr_0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
/// The password of users.
pub const PASSWORD: &str = "correct horse battery staple";
/// What the process has measured of itself.
pub const METRICS: &str = "# TYPE leadscore_scores_total counter\nleadscore_scores_total 7\n";
const MINUTE_US: i64 = 60 * SECOND_US;
/// The group that scores.
const GROUP: &str = "scorer";

/// The API, and handles to what stands behind it.
pub struct TestApp {
    pub router: Router,
    pub state: AppState,
    pub clock: ManualClock,
    pub token: String,
    pub scorer: watch::Sender<Arc<Scorer>>,
    /// Ends the live connections; waited for by the tracker.
    pub stop: DropGuard,
    pub tracker: TaskTracker,
    document: Value,
    folder: TempDir,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl TestApp {
    pub async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub async fn with(limits: Limits) -> Self {
        Self::with_sockets(limits, Options::default()).await
    }

    pub async fn with_sockets(limits: Limits, options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new("2026-03-01T10:00:00Z".parse().unwrap());
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let store = Store::open(StoreOptions::new(folder.path(), Arc::clone(&shared))).await.unwrap();
        let registry = Registry::open(&folder.path().join("models"), Arc::clone(&shared)).unwrap();
        let (token, _) = store.create_api_key("tests", Scope::Admin.into(), None).await.unwrap();
        let (scorer, receiver) = watch::channel(Arc::new(scorecard("scorecard")));
        let cache = ScoreCache::sole_writer(1_000, 16);
        let region = Region::default();
        let idempotency = IdempotencyRecords::new(&store, None);
        let rate = Rate { per_s: 100.0, burst: 2_000 };
        let events_rate = Some(RateLimiter::new(rate, Arc::clone(&shared), None));
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let sockets = Sockets::start(&cache, options, &tracker, stop.clone());
        let tickets = Tickets::new(&store, Arc::clone(&shared), None);
        let metrics: Metrics = Arc::new(|| METRICS.to_owned());
        // Blocks are closed by whoever waits for them, and by nothing else.
        let options = AuditOptions {
            block_interval: Duration::from_secs(3_600),
            ..AuditOptions::new(folder.path().join("audit/checkpoints.jsonl"))
        };
        let audit = AuditLog::start(store.clone(), options).await.unwrap();
        let state = AppState {
            audit,
            store,
            cache,
            scorer: receiver,
            registry,
            clock: shared,
            region,
            idempotency,
            edge: Edge::default(),
            events_rate,
            access: AccessOptions::default(),
            providers: Providers::default(),
            connectors: Connectors::default(),
            sockets,
            tickets,
            limits,
            destinations: DestinationPolicy::default(),
            metrics,
        };
        let router = crate::router(state.clone());
        let document = serde_json::from_str(&crate::openapi_json()).unwrap();
        let stop = stop.drop_guard();
        Self { router, state, clock, token, scorer, stop, tracker, document, folder }
    }

    /// A new API key.
    pub async fn key(&self, scopes: impl Into<Scopes>) -> String {
        let (key, _) = self.state.store.create_api_key("key", scopes.into(), None).await.unwrap();
        key
    }

    /// A webhook, and a message that waits for it.
    pub async fn webhook(&self) -> (Uuid, Uuid) {
        let settings = EndpointSettings {
            url: "https://hooks.example.com/leadscore".to_owned(),
            description: String::new(),
            event_types: vec![MessageType::LeadSilent],
            threshold: None,
            direction: None,
            silent_days: None,
        };
        let (_, made) = self.state.store.create_webhook(settings).await.unwrap();
        (made.id, self.state.store.test_webhook(made.id).await.unwrap())
    }

    /// A privacy request about a lead, as it must stand for an operation on it.
    pub async fn privacy_request(&self, operation: &str, lead_id: LeadId) -> Uuid {
        let kind = match operation {
            "fetch_privacy_export" => RequestKind::Access,
            "lift_privacy_request" => RequestKind::Restriction,
            "complete_privacy_request" | "extend_privacy_request" => RequestKind::Rectification,
            _ => RequestKind::Erasure,
        };
        let approved = matches!(kind, RequestKind::Access | RequestKind::Restriction);
        let opened_by = Actor { kind: ActorKind::Cli, id: Some(Uuid::nil()), role: None };
        let note = Some("by letter".to_owned());
        let new = NewRequest { kind, lead_id, opened_by, received_at: None, note, approved, claimed: None };
        let id = self.state.store.open_privacy_request(new).await.unwrap().unwrap().id;
        if approved {
            self.carry_out(id).await;
        }
        id
    }

    /// Does what the process with the role trainer does about an approved request.
    pub async fn carry_out(&self, id: Uuid) {
        let (store, owner) = (&self.state.store, self.state.store.presence());
        let request = store.claim_privacy_request(owner, Some(id), MINUTE_US).await.unwrap().unwrap();
        if request.kind == RequestKind::Access {
            store.export_for(owner, &request, &Export::default(), MINUTE_US).await.unwrap().unwrap();
        } else {
            store.carry_out(owner, request, &self.state.cache).await.unwrap();
        }
    }

    /// Gives a lead a score of a person's own.
    pub async fn override_score(&self, lead_id: LeadId) {
        let set_by = Actor { kind: ActorKind::User, id: Some(Uuid::nil()), role: None };
        let new = NewOverride { lead_id, score: 95, reason: "met in person".to_owned(), set_by, expires_at: None };
        self.state.store.set_override(new).await.unwrap().unwrap();
    }

    /// A new team.
    pub async fn team(&self, name: &str) -> Uuid {
        self.state.store.add_team(name).await.unwrap().unwrap().id
    }

    /// A new user.
    pub async fn user(&self, email: &str, role: Role, team_id: Option<Uuid>) -> Principal {
        let new = NewUser { email: email.to_owned(), password: PASSWORD.to_owned(), name: None, role, team_id };
        self.state.store.add_user(new).await.unwrap().unwrap();
        self.state.store.verify_password(email, PASSWORD).await.unwrap().unwrap()
    }

    /// An access token of a user.
    pub async fn log_in(&self, user: &Principal) -> String {
        let reply = self.post("/api/v1/login", &json!({"email": user.name, "password": PASSWORD})).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        reply.json()["token"].as_str().unwrap().to_owned()
    }

    /// The API with other options for tokens.
    pub fn with_access(mut self, access: AccessOptions) -> Self {
        self.state.access = access;
        self.router = crate::router(self.state.clone());
        self
    }

    /// The API with identity providers.
    pub fn trusting(mut self, providers: Vec<ProviderOptions>) -> Self {
        let stop = CancellationToken::new();
        let shared: Arc<dyn Clock> = Arc::new(self.clock.clone());
        self.state.providers = Providers::start(providers, &shared, &self.tracker, &stop).unwrap();
        self.router = crate::router(self.state.clone());
        self
    }

    /// The API with connectors.
    pub fn connecting(mut self, connectors: Connectors) -> Self {
        self.state.connectors = connectors;
        self.router = crate::router(self.state.clone());
        self
    }

    /// The API behind another edge.
    pub fn behind(mut self, edge: Edge) -> Self {
        self.state.edge = edge;
        self.router = crate::router(self.state.clone());
        self
    }

    /// A session of the user who has this role, as the log-in answers it.
    pub async fn session(&self, role: Role) -> Value {
        let email = format!("{role}@example.com");
        // The same password again would end the user's other sessions.
        if self.state.store.verify_password(&email, PASSWORD).await.unwrap().is_none() {
            self.state.store.create_user(&email, PASSWORD, role).await.unwrap();
        }
        let reply = self.post("/api/v1/login", &json!({"email": email, "password": PASSWORD})).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        reply.json()
    }

    /// Where the store is.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Another process that shares the store.
    pub fn beside(&self) -> Router {
        crate::router(self.state.clone())
    }

    /// The API around other routes than its own.
    pub fn around(mut self, routes: crate::Routes) -> Self {
        self.router = crate::surround(routes, Arc::new(Api::from(self.state.clone())));
        self
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_text(path, body.to_string()).await
    }

    pub async fn post_text(&self, path: &str, body: impl Into<Body>) -> Reply {
        let request = self.request(Method::POST, path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(self.request(Method::DELETE, path).body(Body::empty()).unwrap()).await
    }

    pub async fn send_json(&self, method: Method, path: &str, body: &Value) -> Reply {
        let request = self.request(method, path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// A request with the token.
    pub fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Bearer {}", self.token))
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        let reply = Reply { status: parts.status, headers: parts.headers, body };
        for name in ["x-request-id", "content-security-policy", "cache-control"] {
            assert!(reply.headers.contains_key(name), "{method} {path} answers without {name}");
        }
        assert!(reply.header("content-security-policy").contains("base-uri 'none'"), "{method} {path}");
        assert_eq!(reply.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(reply.headers[header::X_FRAME_OPTIONS], "DENY");
        // GraphQL tells of a query that was refused in its own way.
        let is_graphql = reply.header("content-type") == "application/graphql-response+json";
        if reply.status.as_u16() >= 400 && !is_graphql {
            self.check_problem(&method, &path, &reply);
        }
        reply
    }

    fn check_problem(&self, method: &Method, path: &str, reply: &Reply) {
        assert_eq!(reply.headers[header::CONTENT_TYPE], "application/problem+json", "{method} {path}");
        let body = reply.json();
        assert_eq!(body["status"], reply.status.as_u16());
        assert_eq!(body["type"], format!("/docs/errors#{}", body["code"].as_str().unwrap()));
        for member in ["title", "detail", "remedy"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        }
        let Some(operation) = self.operation(method, path) else { return };
        let code = body["code"].as_str().unwrap();
        let response = &operation["responses"][reply.status.as_str()];
        let examples = &response["content"]["application/problem+json"]["examples"];
        assert!(examples[code].is_object(), "{method} {path} answers {code}, which is not documented");
    }

    /// What the document says of a request.
    pub fn operation(&self, method: &Method, path: &str) -> Option<&Value> {
        let fits = |template: &str| {
            let (mut asked, mut known) = (path.split('/'), template.split('/'));
            loop {
                match (asked.next(), known.next()) {
                    (None, None) => return true,
                    (Some(asked), Some(known)) if asked == known || (known.starts_with('{') && !asked.is_empty()) => {}
                    _ => return false,
                }
            }
        };
        let paths = self.document["paths"].as_object().unwrap();
        // A template without parameters goes first, as in the router.
        let exact = paths.get(path).map(|item| (path, item));
        let (_, item) = exact.or_else(|| paths.iter().map(|(t, i)| (t.as_str(), i)).find(|(t, _)| fits(t)))?;
        item.get(method.as_str().to_lowercase())
    }

    /// The OpenAPI document.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// A new lead that allows profiling, known by its id in a CRM.
    pub async fn lead(&self, crm: &str) -> LeadId {
        self.lead_with(&json!({
            "identities": [{"kind": "crm", "value": crm}],
            "channel": "referral",
            "attributes": {"budget": 450_000},
            "consents": [{"purpose": "profiling", "state": "granted", "basis": "consent", "evidence": "form 4"}]
        }))
        .await
    }

    pub async fn lead_with(&self, lead: &Value) -> LeadId {
        let reply = self.post("/api/v1/leads", lead).await;
        assert!(reply.status.is_success(), "{reply:?}");
        reply.json()["lead_id"].as_str().unwrap().parse().unwrap()
    }

    /// Makes `absorbed` a part of `survivor`.
    pub async fn merge(&self, survivor: LeadId, absorbed: LeadId) {
        let event = json!({
            "source": "crm",
            "source_event_id": format!("merge-{absorbed}"),
            "lead": {"lead_id": survivor},
            "occurred_at": self.clock.now(),
            "type": "lead_merged",
            "data": {"absorbed": absorbed}
        });
        let reply = self.post("/api/v1/events", &event).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
    }

    /// A new version of the model, as far as it is shown; it cannot score.
    pub fn model(&self) -> String {
        let manifest = json!({
            "created_at": "2026-03-01T09:00:00Z",
            "data": {"examples": 1_000, "leads": 100, "won_leads": 40},
            "metrics": {"n": 200, "auc": 0.8, "ece": 0.01}
        });
        let files = [("manifest.json", manifest), ("card.json", json!({"intended_use": "ranking leads"}))];
        let files = files.map(|(name, json)| (name.to_owned(), json.to_string().into_bytes()));
        self.state.registry.put(&files.into_iter().collect()).unwrap()
    }

    /// Ends the task that scores, as a crash would.
    pub fn stop_scorer(&mut self) {
        (self.scorer, _) = watch::channel(Arc::clone(&self.state.scorer.borrow()));
    }

    /// Does the scorer's work: folds all events, and commits states, and `score` for each lead that it names.
    pub async fn derive(&self, scores: impl Fn(LeadId) -> Option<Score>) {
        let store = &self.state.store;
        for partition in 0..store.partitions() {
            let from = store.position(GROUP, partition).await.unwrap();
            let to = store.head(partition).await.unwrap();
            let records = store.read_log(partition, 0, 10_000).await.unwrap();
            let mut states: HashMap<LeadId, LeadState> = HashMap::new();
            for event in records.into_iter().filter_map(|record| record.event.ok()) {
                states.entry(event.lead_id).or_default().apply(&event);
            }
            let scores = states.keys().filter_map(|id| scores(*id)).map(|score| Score { log_position: to, ..score });
            let derived = Derived {
                group: GROUP.to_owned(),
                partition,
                from,
                to,
                scores: scores.collect(),
                states: states.iter().map(|(id, state)| (*id, state.to_bytes())).collect(),
                ..Derived::default()
            };
            store.commit(derived).await.unwrap();
        }
    }
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a problem; the whole answer where it is none.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().map_or_else(|| format!("{self:?}"), str::to_owned)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// The scorer of the first day.
pub fn scorecard(version: &str) -> Scorer {
    let model = Arc::new(Model::Scorecard(Scorecard));
    Scorer::new(model, version.to_owned(), Arc::new(Market::empty()), ScoringPolicy::default())
}

/// How a week's predictions fared that began on this day of January 2026.
pub fn week(model_version: &str, day: u8) -> PeriodPerformance {
    PeriodPerformance {
        model_version: model_version.to_owned(),
        period_start: format!("2026-01-{day:02}T00:00:00Z").parse().unwrap(),
        n: 100,
        positives: 0,
        accuracy: 1.0,
        precision: 0.0,
        recall: 0.0,
        f1: 0.0,
        log_loss: None,
        auc: None,
        ece: Some(0.01),
        test_date: "2026-02-20T03:00:00Z".parse().unwrap(),
        calibration: vec![Decile { decile: 1, n: 10, probability: 0.02, share: 0.01 }],
    }
}

/// A score as the story shows it.
pub fn score(lead_id: LeadId) -> Score {
    let at: Timestamp = "2026-03-01T10:30:00Z".parse().unwrap();
    Score {
        lead_id,
        score: 87,
        grade: Grade::B,
        confidence: 0.917_4,
        probability: 0.730_04,
        lower: 0.69,
        upper: 0.772_6,
        breakdown: Breakdown { behavioral: 82, engagement: 91, market_fit: 88, timing: 85 },
        optimal_contact_time: Some("2026-03-02T15:00:00Z".parse().unwrap()),
        recommended_approach: Approach::PremiumPropertyFocus,
        model_version: "v3".to_owned(),
        schema_hash: "00".to_owned(),
        features_hash: "00".to_owned(),
        log_position: 1,
        calculated_at: at,
        expires_at: at.plus_micros(DAY_US),
    }
}

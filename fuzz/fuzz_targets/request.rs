//! Whole requests to the whole API, by an administrator's key, over a store in a folder: queries, cursors, bodies and
//! headers where they are used. No answer is a defect, and every refusal is a problem.
//!
//! The input is written as HTTP is: `GET /api/v1/leads?limit=2`, lines of headers, an empty line, the body.

#![no_main]

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use leadscore_api::{
    AccessOptions, AppState, Edge, Limits,
    provider::Providers,
    socket::{Options, Sockets},
};
use leadscore_domain::{Clock, ManualClock, Region, webhook::DestinationPolicy};
use leadscore_engine::{
    features::Market,
    score::{Model, Scorer, ScoringPolicy},
    scorecard::Scorecard,
};
use leadscore_store::{
    IdempotencyRecords, Registry, Scope, ScoreCache, Store, StoreOptions, Tickets,
    audit::{AuditLog, AuditOptions},
};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

/// Passwords are hashed there, which takes long by design.
const SLOW: [&str; 2] = ["/api/v1/login", "/api/v1/users"];

struct Desk {
    router: Router,
    token: String,
    runtime: Runtime,
    _scorer: watch::Sender<Arc<Scorer>>,
    _folder: TempDir,
}

static DESK: LazyLock<Desk> = LazyLock::new(|| {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new("2026-03-01T10:00:00Z".parse().expect("an instant")));
    let (scorer, receiver) = watch::channel(Arc::new(scorer()));
    let (router, token) = runtime.block_on(serve(&folder, clock, receiver));
    Desk { router, token, runtime, _scorer: scorer, _folder: folder }
});

fn scorer() -> Scorer {
    let model = Arc::new(Model::Scorecard(Scorecard));
    Scorer::new(model, "scorecard".to_owned(), Arc::new(Market::empty()), ScoringPolicy::default())
}

async fn serve(folder: &TempDir, clock: Arc<dyn Clock>, scorer: watch::Receiver<Arc<Scorer>>) -> (Router, String) {
    let store = Store::open(StoreOptions::new(folder.path(), Arc::clone(&clock))).await.expect("a store");
    let (token, _) = store.create_api_key("fuzzing", Scope::Admin.into(), None).await.expect("a key");
    let cache = ScoreCache::sole_writer(1_000, 16);
    let sockets = Sockets::start(&cache, Options::default(), &TaskTracker::new(), CancellationToken::new());
    // Changes wait for it.
    let block_interval = Duration::from_millis(1);
    let audit = AuditOptions { block_interval, ..AuditOptions::new(folder.path().join("audit/checkpoints.jsonl")) };
    let state = AppState {
        audit: AuditLog::start(store.clone(), audit).await.expect("an audit log"),
        registry: Registry::open(&folder.path().join("models"), Arc::clone(&clock)).expect("a registry"),
        idempotency: IdempotencyRecords::new(&store, None),
        tickets: Tickets::new(&store, Arc::clone(&clock), None),
        store,
        cache,
        scorer,
        clock,
        region: Region::default(),
        edge: Edge::default(),
        events_rate: None,
        access: AccessOptions::default(),
        providers: Providers::default(),
        sockets,
        limits: Limits { wait_timeout: Duration::from_millis(1), ..Limits::default() },
        destinations: DestinationPolicy::default(),
        metrics: Arc::new(String::new),
    };
    (leadscore_api::router(state), token)
}

/// The request that the input writes, where HTTP could carry it.
fn request(input: &[u8], token: &str) -> Option<Request<Body>> {
    let end = input.windows(2).position(|two| two == b"\n\n").unwrap_or(input.len());
    let mut lines = input[..end].split(|byte| *byte == b'\n');
    let mut words = lines.next()?.split(|byte| *byte == b' ');
    let mut built = Request::builder().method(words.next()?).uri(words.next()?);
    built = built.header(header::AUTHORIZATION, format!("Bearer {token}"));
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        built = built.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    let body = input.get(end + 2..).unwrap_or_default().to_vec();
    built.body(Body::from(body)).ok().filter(|request| !SLOW.iter().any(|slow| request.uri().path().starts_with(slow)))
}

fuzz_target!(|input: &[u8]| {
    let desk = &*DESK;
    let Some(request) = request(input, &desk.token) else { return };
    let response = desk.runtime.block_on(desk.router.clone().oneshot(request)).expect("a router never fails");
    assert_ne!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    assert!(!is_error || kind.is_some_and(|kind| kind == "application/problem+json"), "{}", response.status());
});

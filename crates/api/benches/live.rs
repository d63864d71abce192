//! How fast live scores reach those who watch, and whether clients that do not read harm the others.
//!
//! `cargo bench -p leadscore-api --bench live` serves 1,000 sockets from this process, to clients in this process: both
//! sides share its processors. Each client watches 10 of 1,000 leads; 1,000 scores a second are told, so 10,000
//! messages. A score's position is when it was told, in microseconds, so that a client knows how long it took. Measured
//! twice: with all clients reading, and with 100 that do not. Bars: p99 at most 100 ms, and at most 10 % more with the
//! others; memory is shown.

#![expect(clippy::print_stdout, reason = "the table is the result")]

use std::{
    error::Error,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{SinkExt as _, StreamExt as _};
use leadscore_api::{
    AccessOptions, AppState, Connectors, Edge, Limits,
    provider::Providers,
    router,
    socket::{Options, Sockets},
};
use leadscore_domain::{
    Approach, Breakdown, Clock, Grade, LeadId, ManualClock, Region, Score, Timestamp,
    time::{DAY_US, SECOND_US},
    webhook::DestinationPolicy,
};
use leadscore_engine::{
    features::Market,
    score::{Model, Scorer, ScoringPolicy},
    scorecard::Scorecard,
};
use leadscore_store::{
    Change, IdempotencyRecords, Registry, Scope, ScoreCache, Store, StoreOptions, Tickets,
    audit::{AuditLog, AuditOptions},
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

const CLIENTS: usize = 1_000;
const STALLED: usize = 100;
const LEADS: usize = 1_000;
const LEADS_OF_ONE: usize = 10;
const UPDATES_PER_S: u32 = 1_000;
const WARM_UP: Duration = Duration::from_secs(3);
const DURATION: Duration = Duration::from_secs(15);

type Failure = Box<dyn Error + Send + Sync>;
type Socket = WebSocketStream<TcpStream>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (alone, alone_mib) = measure(0).await?;
    let (beside, beside_mib) = measure(STALLED).await?;
    println!("{CLIENTS} clients, {UPDATES_PER_S} scores a second, p99: {alone:.1} ms (at most 100), {alone_mib} MiB");
    println!("the same, {STALLED} of them stalled: {beside:.1} ms, {beside_mib} MiB");
    println!("p99 beside stalled clients / alone: {:.2} (at most 1.10)", beside / alone);
    Ok(())
}

/// The 99th percentile of what the clients that read saw, in milliseconds, and the memory of the process.
async fn measure(stalled: usize) -> Result<(f64, u64), Failure> {
    let folder = tempfile::tempdir()?;
    let clock = ManualClock::new(Timestamp::from_micros(1_772_366_400_000_000).ok_or("within 1900..2200")?);
    let stop = CancellationToken::new();
    let (state, token) = state(folder.path(), &clock, &stop).await?;
    let cache = state.cache.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut serving = JoinSet::new();
    let service = router(state).into_make_service_with_connect_info::<SocketAddr>();
    serving.spawn(async move { axum::serve(listener, service).await.ok() });

    cache.publish((0..LEADS).map(|i| Change::Score(Arc::new(score(lead(i), 1)))).collect());
    let epoch = Instant::now();
    let (mut readers, mut idle) = (JoinSet::new(), Vec::new());
    for i in 0..CLIENTS {
        let socket = connect(address, &token, i, i < stalled).await?;
        if i < stalled {
            idle.push(socket);
        } else {
            readers.spawn(read(socket, epoch));
        }
    }
    let from = epoch.elapsed() + WARM_UP;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / UPDATES_PER_S);
    let mut told = 0;
    while epoch.elapsed() < from + DURATION {
        // Ticks that come too late come at once.
        ticks.tick().await;
        let position = i64::try_from(epoch.elapsed().as_micros())?;
        cache.publish(vec![Change::Score(Arc::new(score(lead(told % LEADS), position)))]);
        told += 1;
        if told.is_multiple_of(LEADS) {
            clock.advance_micros(SECOND_US);
        }
    }
    let mib = resident_mib()?;
    stop.cancel();
    let seen = readers.join_all().await.concat();
    let mut latencies_ms: Vec<f64> =
        seen.into_iter().filter(|(told, _)| *told >= from).map(|(_, latency)| latency.as_secs_f64() * 1e3).collect();
    latencies_ms.sort_by(f64::total_cmp);
    let last = latencies_ms.len().checked_sub(1).ok_or("nothing was told")?;
    Ok((latencies_ms[last * 99 / 100], mib))
}

/// The API on a store of its own, and a token.
async fn state(folder: &Path, clock: &ManualClock, stop: &CancellationToken) -> Result<(AppState, String), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let store = Store::open(StoreOptions::new(folder, Arc::clone(&clock))).await?;
    let (token, _) = store.create_api_key("bench", Scope::ScoresRead.into(), None).await?;
    let cache = ScoreCache::sole_writer(100_000, 4_096);
    let options = Options { connections_of_one_max: CLIENTS, ..Options::default() };
    let model = Arc::new(Model::Scorecard(Scorecard));
    let scorer = Scorer::new(model, "bench".to_owned(), Arc::new(Market::empty()), ScoringPolicy::default());
    let audit = AuditLog::start(store.clone(), AuditOptions::new(folder.join("audit/checkpoints.jsonl"))).await?;
    let state = AppState {
        audit,
        edge: Edge::default(),
        access: AccessOptions::default(),
        providers: Providers::default(),
        connectors: Connectors::default(),
        destinations: DestinationPolicy::default(),
        sockets: Sockets::start(&cache, options, &TaskTracker::new(), stop.clone()),
        tickets: Tickets::new(&store, Arc::clone(&clock), None),
        idempotency: IdempotencyRecords::new(&store, None),
        registry: Registry::open(&folder.join("models"), Arc::clone(&clock))?,
        scorer: watch::channel(Arc::new(scorer)).1,
        events_rate: None,
        region: Region::default(),
        limits: Limits::default(),
        metrics: Arc::new(String::new),
        store,
        cache,
        clock,
    };
    Ok((state, token))
}

/// A client that watches its leads; one that will not read has little room on the way to it.
async fn connect(address: SocketAddr, token: &str, i: usize, stalls: bool) -> Result<Socket, Failure> {
    let socket = TcpSocket::new_v4()?;
    if stalls {
        socket.set_recv_buffer_size(4_096)?;
    }
    let stream = socket.connect(address).await?;
    let (mut socket, _) = client_async(format!("ws://{address}/ws/v1/scores"), stream).await?;
    let leads: Vec<LeadId> = (0..LEADS_OF_ONE).map(|k| lead((i + k * LEADS / LEADS_OF_ONE) % LEADS)).collect();
    for message in [
        json!({"type": "authenticate", "token": token}),
        json!({"type": "subscribe", "id": "bench", "topic": {"leads": leads}}),
    ] {
        socket.send(Message::text(message.to_string())).await?;
        let answer = socket.next().await.ok_or("the server closed")??;
        let answer: Value = serde_json::from_str(answer.to_text()?)?;
        if answer["type"] == "error" {
            return Err(answer.to_string().into());
        }
    }
    Ok(socket)
}

/// When each score was told, and how long it took.
async fn read(mut socket: Socket, epoch: Instant) -> Vec<(Duration, Duration)> {
    let mut seen = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let now = epoch.elapsed();
        // As little work as possible: the text is not read as JSON.
        let told = text.strip_prefix("{\"type\":\"score\",\"version\":\"").and_then(|rest| rest.split('-').next());
        if let Some(told) = told.and_then(|text| text.parse().ok()).map(Duration::from_micros) {
            seen.push((told, now.saturating_sub(told)));
        }
    }
    seen
}

fn lead(i: usize) -> LeadId {
    LeadId(Uuid::from_u128(i as u128 + 1))
}

fn score(lead_id: LeadId, log_position: i64) -> Score {
    let at = Timestamp::MIN;
    Score {
        lead_id,
        score: 87,
        grade: Grade::B,
        confidence: 0.92,
        probability: 0.73,
        lower: 0.69,
        upper: 0.77,
        breakdown: Breakdown { behavioral: 82, engagement: 91, market_fit: 88, timing: 85 },
        optimal_contact_time: None,
        recommended_approach: Approach::PremiumPropertyFocus,
        model_version: "bench".to_owned(),
        schema_hash: String::new(),
        features_hash: String::new(),
        log_position,
        calculated_at: at,
        expires_at: at.plus_micros(DAY_US),
    }
}

/// Memory of this process.
fn resident_mib() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1_024)
}

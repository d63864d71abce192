//! The serving process: one listener, one pipeline, one store, stopped in the order that loses nothing.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use leadscore_api::{AppState, Limits, provider::Providers, socket::Sockets};
use leadscore_pipeline::topology::{Duties, Health, Pipeline, PipelineOptions};
use leadscore_store::{IdempotencyRecords, RateLimiter, Redis, ScoreCache, StoreError, Tickets, audit::AuditLog};
use tokio::{net::TcpListener, sync::watch, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::Role,
    context::Context,
    failure::bad_input,
    folder::Folder,
    lifecycle::StopSignals,
    listener::{
        Listener,
        tls::{Keeper, READ_EVERY},
    },
    telemetry,
};

/// Scores that a slow watcher may lag behind before it misses some.
const WATCHER_LAG_MAX: usize = 4_096;

/// Opens the port.
///
/// # Errors
/// Where somebody else has it, with what to do.
pub async fn bind(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen).await.map_err(|error| {
        let kind = error.kind();
        let remedy = if kind == io::ErrorKind::AddrInUse {
            format!("stop the process that has it, or take a free port: --listen {}:0", listen.ip())
        } else if kind == io::ErrorKind::PermissionDenied {
            "ports below 1024 need root; take another one with --listen".to_owned()
        } else {
            "name an address of this machine with --listen".to_owned()
        };
        anyhow::anyhow!("cannot listen on {listen}: {error}; {remedy}")
    })
}

/// Serves until a signal stops it; `beside` runs meanwhile and ends when its token is cancelled.
///
/// # Errors
/// Where serving fails, or a second signal ends it before it has drained.
pub async fn serve<F>(
    context: &Context,
    folder: Folder,
    listener: TcpListener,
    signals: StopSignals,
    beside: impl FnOnce(CancellationToken) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let stop = CancellationToken::new();
    tokio::select! {
        served = until_drained(context, folder, listener, stop.clone(), beside(stop.clone())) => served,
        insisted = signals.insisted(stop) => {
            insisted?;
            anyhow::bail!("stopped before everything was drained; nothing that was acknowledged is lost")
        }
    }
}

async fn until_drained(
    context: &Context,
    folder: Folder,
    listener: TcpListener,
    stop: CancellationToken,
    beside: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let Folder { store, registry } = folder;
    let redis = open_redis(context)?;
    let cache = open_cache(context, redis.as_ref());
    let tracker = TaskTracker::new();
    let metrics = telemetry::measure()?;
    tracker.spawn(telemetry::upkeep(metrics.clone(), stop.clone()));
    let options = PipelineOptions {
        store: store.clone(),
        registry: registry.clone(),
        cache: cache.clone(),
        clock: context.clock.clone(),
        tracker: tracker.clone(),
        shutdown: stop.child_token(),
        policy: context.config.scoring.policy()?,
        retention: context.config.retention.months(),
        webhooks: context.config.webhooks.options(),
    };
    let roles = &context.config.server.roles;
    let duties = Duties { scorer: roles.contains(&Role::Scorer), trainer: roles.contains(&Role::Trainer) };
    let pipeline = Pipeline::start(options, duties).await.context("starting the pipeline")?;
    let rate = context.config.server.rate_limit();
    let edge = context.config.server.edge(&context.clock, redis.as_ref())?;
    let audit = AuditLog::start(store.clone(), context.config.audit.options(&context.data)).await?;
    let state = AppState {
        audit: audit.clone(),
        edge,
        idempotency: IdempotencyRecords::new(&store, redis.clone()),
        events_rate: rate.map(|rate| RateLimiter::new(rate, context.clock.clone(), redis.clone())),
        sockets: Sockets::start(&cache, context.config.server.sockets(), &tracker, stop.child_token()),
        tickets: Tickets::new(&store, context.clock.clone(), redis.clone()),
        store: store.clone(),
        cache,
        scorer: pipeline.scorer(),
        registry,
        clock: context.clock.clone(),
        region: context.config.import.region()?,
        access: context.config.access.options(),
        providers: providers(context, &tracker, &stop)?,
        connectors: context.config.connectors.open()?,
        destinations: context.config.webhooks.policy(),
        limits: Limits { late_max_us: context.config.ingest.late_max_us(), ..Limits::default() },
        metrics: Arc::new(move || metrics.render()),
    };
    let router =
        if roles.contains(&Role::Api) { leadscore_api::router(state) } else { leadscore_api::health_router(state) };
    let address = listener.local_addr()?;
    tracing::info!(%address, "serving");
    let http = answer(context, listener, router, stop.clone());
    let scores = until_scores_fail(pipeline.health(), stop.clone());
    // The failure of one ends the others: a server whose scores stand still must not look alive.
    let ended = tokio::try_join!(stop_after(http, &stop), stop_after(scores, &stop), stop_after(beside, &stop));
    stop.cancel();
    drain(pipeline, &tracker, context.config.server.drain_timeout()).await;
    audit.close().await;
    if let Some(redis) = redis {
        redis.close().await;
    }
    store.close().await;
    tracing::info!("stopped");
    ended.map(|_| ())
}

/// Identity providers, of a process that serves the API. They may be away.
fn providers(context: &Context, tracker: &TaskTracker, stop: &CancellationToken) -> anyhow::Result<Providers> {
    let config = &context.config;
    if !config.server.roles.contains(&Role::Api) {
        return Ok(Providers::default());
    }
    let options = config.access.providers().map_err(|(key, problem)| bad_input(format_args!("{key}: {problem}")))?;
    Providers::start(options, &context.clock, tracker, &stop.child_token()).map_err(|error| {
        bad_input(format_args!("access.providers[{}].{}: {}", error.index, error.option, error.problem))
    })
}

fn open_redis(context: &Context) -> Result<Option<Redis>, StoreError> {
    context.config.store.redis().map(|options| Redis::open(&options)).transpose()
}

/// The cache of latest scores. A database on a server may have other processes that score: without Redis, nobody tells
/// of theirs.
fn open_cache(context: &Context, redis: Option<&Redis>) -> ScoreCache {
    let store = &context.config.store;
    match (redis, store.postgres()) {
        (Some(redis), _) => ScoreCache::with_redis(redis, store.cached_scores, WATCHER_LAG_MAX),
        (None, Some(_)) => ScoreCache::untrusted(store.cached_scores, WATCHER_LAG_MAX),
        (None, None) => ScoreCache::sole_writer(store.cached_scores, WATCHER_LAG_MAX),
    }
}

/// Runs something and cancels `stop` when it fails.
async fn stop_after(work: impl Future<Output = anyhow::Result<()>>, stop: &CancellationToken) -> anyhow::Result<()> {
    let done = work.await;
    if done.is_err() {
        stop.cancel();
    }
    done
}

/// Waits until the pipeline fails, or `stop`.
async fn until_scores_fail(mut health: watch::Receiver<Health>, stop: CancellationToken) -> anyhow::Result<()> {
    let failed = health.wait_for(|health| matches!(health, Health::Failed(_)));
    tokio::select! {
        health = failed => match health.as_deref() {
            Ok(Health::Failed(reason)) => anyhow::bail!("scores are no longer kept up to date: {reason}"),
            Ok(Health::Running | Health::Stopped) | Err(_) => Ok(()),
        },
        () = stop.cancelled() => Ok(()),
    }
}

/// Answers requests until `stop`, and those that have begun for as long as the configuration gives them.
async fn answer(
    context: &Context,
    listener: TcpListener,
    router: axum::Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let server = &context.config.server;
    let serve = async |tls| {
        let listening = Listener::new(router, server.bounds(), tls, stop.clone());
        listening.run(listener, server.drain_timeout()).await;
    };
    let Some(files) = server.tls.files() else {
        serve(None).await;
        return Ok(());
    };
    let (keeper, tls) = Keeper::open(files).await.map_err(|error| bad_input(format_args!("server.tls: {error}")))?;
    let ((), kept) = tokio::join!(serve(Some(tls)), keeper.keep(READ_EVERY, stop.clone()));
    kept.context("listening to SIGHUP")
}

/// Lets the pipeline finish what it has begun, within `grace`. What is left over is in the log and scored next time.
async fn drain(pipeline: Pipeline, tracker: &TaskTracker, grace: Duration) {
    let drained = timeout(grace, async {
        pipeline.drain().await;
        tracker.close();
        tracker.wait().await;
    });
    if drained.await.is_err() {
        tracing::warn!("the scorer did not finish within server.drain_timeout_s; it goes on at the next start");
    }
}

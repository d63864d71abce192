//! The wiring of the flow from the log to published scores, on one screen.
//!
//! ```text
//! Store::append ──▶ log ──▶ ScorerTask ──▶ Store::commit ──▶ Publisher ──▶ ScoreCache, watchers
//!                             ▲
//!                                        │ webhook_messages
//!                                        └──▶ Deliverer ──▶ other systems
//! Registry (champion) ──▶ ModelWatch ──▶ watch<Arc<Scorer>> ──▶ readers that explain
//! ```
//!
//! Owns: which tasks there are, how they start, stop and report. Deliberately absent: what they do.

use std::sync::Arc;

use leadscore_domain::Clock;
use leadscore_engine::score::{Scorer, ScoringPolicy};
use leadscore_store::{Registry, Retention, ScoreCache, Store};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use crate::scorer::{Health, Tally};
use crate::{
    jobs::Runner,
    outcomes, presence,
    privacy::{self, Clerk},
    publish::Publisher,
    retention,
    scorer::{ModelError, ModelWatch, ScorerError, ScorerTask},
    webhooks::{self, Client, ClientError, Deliverer, WebhookOptions},
};

/// What the pipeline stands on.
#[derive(Clone)]
pub struct PipelineOptions {
    /// Log, states, scores, market.
    pub store: Store,
    /// Models.
    pub registry: Registry,
    /// Where committed scores are published.
    pub cache: ScoreCache,
    /// The present instant.
    pub clock: Arc<dyn Clock>,
    /// Counts the tasks, so that the process can wait for them.
    pub tracker: TaskTracker,
    /// Ends the tasks, after the batch at hand.
    pub shutdown: CancellationToken,
    /// Consent, zone and lifetime of scores.
    pub policy: ScoringPolicy,
    /// For how long what grows for ever is kept.
    pub retention: Retention,
    /// How other systems are told.
    pub webhooks: WebhookOptions,
}

/// Why the pipeline did not start or did not finish.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The model in use cannot be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The store failed.
    #[error(transparent)]
    Scorer(#[from] ScorerError),
    /// Webhooks cannot be sent.
    #[error(transparent)]
    Webhooks(#[from] ClientError),
}

/// Which of the work a process takes on; several processes may share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duties {
    /// Keeping scores in step with the log, and telling other systems.
    pub scorer: bool,
    /// Jobs, privacy requests, what is learned from outcomes, who fell silent, and removing what is too old.
    pub trainer: bool,
}

impl Duties {
    /// Everything: the only process.
    pub const ALL: Self = Self { scorer: true, trainer: true };
}

/// The running tasks.
pub struct Pipeline {
    scorer: watch::Receiver<Arc<Scorer>>,
    health: watch::Receiver<Health>,
    reload: Arc<Notify>,
    shutdown: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Pipeline {
    /// Loads the model and starts the tasks of `duties`, and the one that watches for another model.
    ///
    /// # Errors
    /// Where model or positions cannot be read.
    pub async fn start(options: PipelineOptions, duties: Duties) -> Result<Self, PipelineError> {
        let PipelineOptions { store, registry, cache, clock, tracker, shutdown, policy, retention, webhooks: hooks } =
            options;
        let shutdown = shutdown.child_token();
        let reload = Arc::new(Notify::new());
        let (models, scorer) = ModelWatch::open(store.clone(), registry.clone(), policy, Arc::clone(&reload)).await?;
        let publisher = Publisher::new(cache.clone());
        let (report, health) = watch::channel(Health::Running);
        let mut tasks = vec![tracker.spawn(models.run(shutdown.clone()))];
        tasks.push(tracker.spawn(webhooks::refresh(store.clone(), shutdown.clone())));
        tasks.push(tracker.spawn(privacy::refresh(store.clone(), shutdown.clone())));
        if duties.trainer {
            let jobs = Runner::new(store.clone(), Arc::clone(&clock), publisher.clone(), scorer.clone());
            tasks.push(tracker.spawn(jobs.run(shutdown.clone())));
            let clerk = Clerk::new(store.clone(), cache, Arc::clone(&clock), scorer.clone());
            tasks.push(tracker.spawn(clerk.run(shutdown.clone())));
            tasks.push(tracker.spawn(outcomes::run(store.clone(), Arc::clone(&clock), shutdown.clone())));
            let aging = retention::run(store.clone(), Arc::clone(&clock), retention, shutdown.clone());
            tasks.push(tracker.spawn(aging));
            let watch = webhooks::watch(store.clone(), registry, Arc::clone(&clock), hooks.clone(), shutdown.clone());
            tasks.push(tracker.spawn(watch));
        }
        if duties.scorer {
            let client = Client::new(hooks.policy.clone(), hooks.ca_file.as_deref())?;
            let deliverer = Deliverer::new(store.clone(), Arc::clone(&clock), client, hooks);
            tasks.push(tracker.spawn(deliverer.run(shutdown.clone())));
            let task = ScorerTask::open(store.clone(), clock, publisher, scorer.clone()).await?;
            tasks.push(tracker.spawn(presence::keep(store, presence::SCORER, shutdown.clone())));
            tasks.push(tracker.spawn(keep_scores(task, shutdown.clone(), report)));
        }
        Ok(Self { scorer, health, reload, shutdown, tasks })
    }

    /// The scorer in use, and every later one.
    #[must_use]
    pub fn scorer(&self) -> watch::Receiver<Arc<Scorer>> {
        self.scorer.clone()
    }

    /// Whether scores are kept up to date, and every later change of that.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Looks for another champion and another market at once, instead of within a second or half a minute.
    pub fn reload(&self) {
        self.reload.notify_one();
    }

    /// Lets the tasks finish what they are at, and waits for them.
    pub async fn drain(self) {
        self.shutdown.cancel();
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(error = %error, "a task of the pipeline panicked");
            }
        }
    }
}

async fn keep_scores(mut task: ScorerTask, shutdown: CancellationToken, health: watch::Sender<Health>) {
    let mut report = Report { health, end: Health::Failed("the scorer panicked".to_owned()) };
    let ended = task.run(&shutdown).await;
    task.leave().await;
    report.end = match ended {
        Ok(()) => Health::Stopped,
        Err(error) => {
            tracing::error!(error = %error, "scores are no longer kept up to date");
            Health::Failed(error.to_string())
        }
    };
}

/// Says how the scorer ended, also where it ended in a panic.
struct Report {
    health: watch::Sender<Health>,
    end: Health,
}

impl Drop for Report {
    fn drop(&mut self) {
        self.health.send_replace(self.end.clone());
    }
}

/// Scores everything that the log holds with the present champion, then returns; for commands that run without a
/// server. Stops early, with what was done, when `options.shutdown` is cancelled.
///
/// # Errors
/// See [`PipelineError`]; what was committed stays.
pub async fn catch_up(
    options: PipelineOptions,
    progress: &(dyn Fn(Tally) + Send + Sync),
) -> Result<Tally, PipelineError> {
    let PipelineOptions { store, registry, cache, clock, shutdown, policy, tracker: _, retention: _, webhooks: _ } =
        options;
    let (_models, scorer) = ModelWatch::open(store.clone(), registry, policy, Arc::new(Notify::new())).await?;
    let mut task = ScorerTask::open(store, clock, Publisher::new(cache), scorer).await?;
    let done = task.catch_up(&shutdown, progress).await;
    task.leave().await;
    Ok(done?)
}

/// What carries out privacy requests, for who works without a server.
///
/// # Errors
/// Where the model in use cannot be loaded.
pub async fn clerk(options: PipelineOptions) -> Result<Clerk, PipelineError> {
    let PipelineOptions { store, registry, cache, clock, policy, .. } = options;
    let (_, scorer) = ModelWatch::open(store.clone(), registry, policy, Arc::new(Notify::new())).await?;
    Ok(Clerk::new(store, cache, clock, scorer))
}

/// A runner of jobs for a command that works without a server. Publishes nothing.
///
/// # Errors
/// Where the model in use cannot be loaded.
pub async fn job_runner(options: PipelineOptions) -> Result<Runner, PipelineError> {
    let PipelineOptions { store, registry, cache, clock, shutdown: _, policy, .. } = options;
    let (_, scorer) = ModelWatch::open(store.clone(), registry, policy, Arc::new(Notify::new())).await?;
    Ok(Runner::new(store, clock, Publisher::new(cache), scorer))
}

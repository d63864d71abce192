//! Jobs: what a person asks for and a process does in the background.
//!
//! Owns: claiming jobs, one at a time in each process, and doing them page by page. Invariant: a step is committed before
//! it is counted, so that whoever goes on after a crash repeats at most one page, which changes nothing but the instant
//! of its scores. Deliberately absent: who may ask.

use std::{sync::Arc, time::Duration};

use leadscore_domain::{Clock, time::SECOND_US};
use leadscore_engine::score::Scorer;
use leadscore_store::{Job, Presence, Store, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    publish::Publisher,
    scorer::{ScorerError, ScorerTask},
};

/// The job that scores every lead anew.
pub const SCORE_ALL: &str = "score_all";

/// How long a step may take before another process takes the job over.
const LEASE_US: i64 = 30 * SECOND_US;
/// How often an idle runner looks for a job.
const POLL: Duration = Duration::from_secs(1);
/// Leads of one step.
const PAGE_LEADS: usize = 512;

/// Why a job stopped.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The scorer could not begin.
    #[error(transparent)]
    Scorer(#[from] ScorerError),
    /// A later release made it.
    #[error("this release does not know jobs of kind {0}")]
    UnknownKind(String),
}

/// How a job's work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is through.
    Done,
    /// Somebody cancelled it or took it over.
    Lost,
    /// The process stops.
    Stopped,
}

/// Does jobs, one at a time.
#[derive(Clone)]
pub struct Runner {
    store: Store,
    clock: Arc<dyn Clock>,
    publisher: Publisher,
    scorer: watch::Receiver<Arc<Scorer>>,
    owner: Presence,
}

impl Runner {
    /// A runner that scores with `scorer` and publishes what it committed.
    #[must_use]
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        publisher: Publisher,
        scorer: watch::Receiver<Arc<Scorer>>,
    ) -> Self {
        let owner = store.presence();
        Self { store, clock, publisher, scorer, owner }
    }

    /// Does what is queued, until `shutdown`; a job at hand goes back to the queue.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut poll = tokio::time::interval(POLL);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = poll.tick() => {}
            }
            match self.run_next(None, &shutdown, &|_| {}).await {
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "jobs cannot be done at present; trying again"),
            }
        }
    }

    /// Does the job that waits longest, or `id`, telling `progress` after each step; whether there was one to do.
    ///
    /// # Errors
    /// Where the store fails: then the job is done by whoever finds that its lease ran out.
    pub async fn run_next(
        &self,
        id: Option<Uuid>,
        shutdown: &CancellationToken,
        progress: &(dyn Fn(&Job) + Sync),
    ) -> Result<bool, StoreError> {
        let Some(job) = self.store.claim_job(self.owner, id, LEASE_US).await? else { return Ok(false) };
        let id = job.id;
        tracing::info!(job = %id, kind = job.kind, done = job.done, "a job begins or goes on");
        match self.work(job, shutdown, progress).await {
            Ok(End::Done) => self.store.finish_job(self.owner, id, None).await?,
            Ok(End::Lost) => tracing::info!(job = %id, "a job was cancelled, or is done elsewhere"),
            Ok(End::Stopped) => self.store.release_job(self.owner, id).await?,
            // Its lease runs out, and it goes on.
            Err(JobError::Store(error) | JobError::Scorer(ScorerError::Store(error))) if error.is_outage() => {
                return Err(error);
            }
            Err(error) => {
                tracing::error!(job = %id, %error, "a job failed");
                self.store.finish_job(self.owner, id, Some(error.to_string())).await?;
            }
        }
        Ok(true)
    }

    async fn work(
        &self,
        job: Job,
        shutdown: &CancellationToken,
        progress: &(dyn Fn(&Job) + Sync),
    ) -> Result<End, JobError> {
        match job.kind.as_str() {
            SCORE_ALL => self.score_all(job, shutdown, progress).await,
            other => Err(JobError::UnknownKind(other.to_owned())),
        }
    }

    /// Scores every lead anew with the model in use, in the order of their ids.
    async fn score_all(
        &self,
        mut job: Job,
        shutdown: &CancellationToken,
        progress: &(dyn Fn(&Job) + Sync),
    ) -> Result<End, JobError> {
        let (store, clock) = (self.store.clone(), Arc::clone(&self.clock));
        let mut task = ScorerTask::beside(store, clock, self.publisher.clone(), self.scorer.clone());
        loop {
            if shutdown.is_cancelled() {
                return Ok(End::Stopped);
            }
            let page = self.store.leads_page(job.resume_after, PAGE_LEADS).await?;
            let Some(&last) = page.last() else { return Ok(End::Done) };
            task.score_anew(&page).await?;
            job.done += page.len() as u64;
            job.resume_after = Some(last);
            if !self.store.advance_job(self.owner, job.id, job.done, job.resume_after, LEASE_US).await? {
                return Ok(End::Lost);
            }
            progress(&job);
        }
    }
}

//! Long pieces of work that a person asks for and a process does: queued, leased, counted, cancelled, resumed.
//!
//! Invariant: one owner at a time works on a job; whoever lost its lease learns so at its next step and stops. Where a
//! job stands is kept with each step, so that another process goes on there. Deliberately absent: what kinds of jobs do.

use leadscore_domain::{LeadId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Presence, Store, StoreError,
    db::{After, Conn, Lane, Row, query},
    keyring::timed_id,
    scores::{from_word, word},
};

/// Most jobs of one page.
const PAGE_MAX: usize = 1_000;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits for a process.
    Queued,
    /// A process works on it, or died over it and will be replaced.
    Running,
    /// It is through.
    Done,
    /// It gave up; resuming it goes on where it was.
    Failed,
    /// Somebody stopped it; resuming it goes on where it was.
    Cancelled,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Job {
    /// By which it is shown, cancelled and resumed.
    pub id: Uuid,
    /// What it does, such as `score_all`.
    pub kind: String,
    /// How.
    pub parameters: Value,
    /// Where it stands.
    pub state: JobState,
    /// Leads that are done.
    pub done: u64,
    /// Leads when it began.
    pub total: u64,
    /// The last lead that is done.
    pub resume_after: Option<LeadId>,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last made a step.
    pub updated_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl Store {
    /// Queues a job, unless one of its kind waits or runs already; that one, or the new one.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn create_job(&self, kind: &str, parameters: Value, total: u64) -> Result<Job, StoreError> {
        let (now, kind) = (self.now(), kind.to_owned());
        // In the lane whose transactions follow one another in all processes, so that two do not queue the same.
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move { create(conn, now, kind, parameters, total).await })
        })
        .await
    }

    /// A job.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn job(&self, id: Uuid) -> Result<Option<Job>, StoreError> {
        find(&mut self.reader().await?, id).await
    }

    /// Jobs, the newest first, up to `limit` (at most 1,000).
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn jobs(&self, limit: usize) -> Result<Vec<Job>, StoreError> {
        let rows = query(
            "SELECT id, kind, parameters, state, done, total, resume_after, error, created_at, updated_at, finished_at \
             FROM jobs ORDER BY created_at DESC, id DESC LIMIT $1",
        )
        .bind(i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX))
        .fetch_all(&mut self.reader().await?)
        .await?;
        rows.iter().map(read).collect()
    }

    /// Takes the job that waits longest, or one whose owner is gone, for `for_us` microseconds; only `id` where given.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn claim_job(&self, owner: Presence, id: Option<Uuid>, for_us: i64) -> Result<Option<Job>, StoreError> {
        let now = self.now();
        self.write(Lane::Derive, 1, After::Sync, move |conn| {
            Box::pin(async move {
                let row = query(
                    "UPDATE jobs SET state = 'running', owner = $1, leased_until = $2, updated_at = $3 WHERE id = \
                     (SELECT id FROM jobs WHERE ($4 IS NULL OR id = $4) \
                     AND (state = 'queued' OR (state = 'running' AND leased_until <= $3)) \
                     ORDER BY created_at, id LIMIT 1) \
                     AND (state = 'queued' OR (state = 'running' AND leased_until <= $3)) \
                     RETURNING id, kind, parameters, state, done, total, resume_after, error, created_at, updated_at, \
                     finished_at",
                )
                .bind(owner.0)
                .bind(now.plus_micros(for_us))
                .bind(now)
                .bind(id)
                .fetch_optional(conn)
                .await?;
                row.as_ref().map(read).transpose()
            })
        })
        .await
    }

    /// Keeps how far a job is, and its lease; whether it still is the owner's to work on.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn advance_job(
        &self,
        owner: Presence,
        id: Uuid,
        done: u64,
        resume_after: Option<LeadId>,
        for_us: i64,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        self.write(Lane::Derive, 1, After::Sync, move |conn| {
            Box::pin(async move {
                let kept = query(
                    "UPDATE jobs SET done = $1, resume_after = $2, leased_until = $3, updated_at = $4 \
                     WHERE id = $5 AND owner = $6 AND state = 'running'",
                )
                .bind(i64::try_from(done).unwrap_or(i64::MAX))
                .bind(resume_after)
                .bind(now.plus_micros(for_us))
                .bind(now)
                .bind(id)
                .bind(owner.0)
                .execute(conn)
                .await?;
                Ok(kept == 1)
            })
        })
        .await
    }

    /// Ends a job of the owner's: done, or failed for a reason without personal data.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn finish_job(&self, owner: Presence, id: Uuid, failure: Option<String>) -> Result<(), StoreError> {
        let now = self.now();
        let state = if failure.is_some() { JobState::Failed } else { JobState::Done };
        self.write(Lane::Derive, 1, After::Sync, move |conn| {
            Box::pin(async move {
                query(
                    "UPDATE jobs SET state = $1, error = $2, owner = NULL, leased_until = NULL, updated_at = $3, \
                     finished_at = $3 WHERE id = $4 AND owner = $5 AND state = 'running'",
                )
                .bind(word(&state))
                .bind(failure)
                .bind(now)
                .bind(id)
                .bind(owner.0)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Gives a job of the owner's back to the queue, where it stands.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn release_job(&self, owner: Presence, id: Uuid) -> Result<(), StoreError> {
        self.write(Lane::Derive, 1, After::Sync, move |conn| {
            Box::pin(async move {
                query(
                    "UPDATE jobs SET state = 'queued', owner = NULL, leased_until = NULL \
                     WHERE id = $1 AND owner = $2 AND state = 'running'",
                )
                .bind(id)
                .bind(owner.0)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Stops a job that waits or runs, where it stands; the job, and whether there was anything to stop.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn cancel_job(&self, id: Uuid) -> Result<Option<(Job, bool)>, StoreError> {
        let sql = "UPDATE jobs SET state = 'cancelled', owner = NULL, leased_until = NULL, updated_at = $1, \
                   finished_at = $1 WHERE id = $2 AND state IN ('queued', 'running')";
        self.turn(id, sql).await
    }

    /// Queues a job again that failed or was cancelled; the job, and whether it could be.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn resume_job(&self, id: Uuid) -> Result<Option<(Job, bool)>, StoreError> {
        let sql = "UPDATE jobs SET state = 'queued', error = NULL, updated_at = $1, finished_at = NULL \
                   WHERE id = $2 AND state IN ('failed', 'cancelled')";
        self.turn(id, sql).await
    }

    async fn turn(&self, id: Uuid, sql: &'static str) -> Result<Option<(Job, bool)>, StoreError> {
        let now = self.now();
        self.write(Lane::Derive, 1, After::Sync, move |conn| {
            Box::pin(async move {
                let turned = query(sql).bind(now).bind(id).execute(conn).await? == 1;
                Ok(find(conn, id).await?.map(|job| (job, turned)))
            })
        })
        .await
    }
}

async fn create(
    conn: &mut Conn,
    now: Timestamp,
    kind: String,
    parameters: Value,
    total: u64,
) -> Result<Job, StoreError> {
    let row = query(
        "SELECT id, kind, parameters, state, done, total, resume_after, error, created_at, updated_at, finished_at \
         FROM jobs WHERE kind = $1 AND state IN ('queued', 'running') ORDER BY created_at LIMIT 1",
    )
    .bind(&kind)
    .fetch_optional(conn)
    .await?;
    if let Some(row) = row {
        return read(&row);
    }
    let id = timed_id(now);
    query(
        "INSERT INTO jobs (id, kind, parameters, state, done, total, created_at, updated_at) \
         VALUES ($1, $2, $3, 'queued', 0, $4, $5, $5)",
    )
    .bind(id)
    .bind(kind)
    .bind(parameters.to_string())
    .bind(i64::try_from(total).unwrap_or(i64::MAX))
    .bind(now)
    .execute(conn)
    .await?;
    find(conn, id).await?.ok_or_else(|| StoreError::Corrupt("a job that was just written".to_owned()))
}

async fn find(conn: &mut Conn, id: Uuid) -> Result<Option<Job>, StoreError> {
    let row = query(
        "SELECT id, kind, parameters, state, done, total, resume_after, error, created_at, updated_at, finished_at \
         FROM jobs WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(read).transpose()
}

/// Columns as the queries above name them.
fn read(row: &Row) -> Result<Job, StoreError> {
    let damaged = || StoreError::Corrupt("a job".to_owned());
    Ok(Job {
        id: row.get(0)?,
        kind: row.get(1)?,
        parameters: serde_json::from_str(row.get(2)?).map_err(|_| damaged())?,
        state: from_word(row.get(3)?).ok_or_else(damaged)?,
        done: row.get(4)?,
        total: row.get(5)?,
        resume_after: row.get(6)?,
        error: row.get(7)?,
        created_at: row.get(8)?,
        updated_at: row.get(9)?,
        finished_at: row.get(10)?,
    })
}

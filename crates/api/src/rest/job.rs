//! What the endpoints of jobs share: the shape of a job, its id in the address, and why there is none.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
    response::{IntoResponse, Response},
};
use leadscore_domain::Timestamp;
use leadscore_store::{JobState, StoreError};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    problem::{Code, Problem},
    rest::unavailable,
    state::Api,
};

/// Problems of every endpoint that names a job.
pub const PROBLEMS: &[Code] = &[Code::JobNotFound, Code::JobConflict];

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub struct Job {
    /// Its id.
    id: Uuid,
    /// What it does.
    #[schema(example = "score_all")]
    kind: String,
    /// Where it stands: `queued`, `running`, `done`, `failed` or `cancelled`.
    #[schema(value_type = String, example = "running")]
    state: JobState,
    /// Leads that are done.
    done: u64,
    /// Leads when it began.
    total: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<String>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it last made a step.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    finished_at: Option<Timestamp>,
}

impl From<leadscore_store::Job> for Job {
    fn from(job: leadscore_store::Job) -> Self {
        let leadscore_store::Job { id, kind, state, done, total, error, created_at, updated_at, finished_at, .. } = job;
        Self { id, kind, state, done, total, error, created_at, updated_at, finished_at }
    }
}

/// Why nothing was done about a job.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such job.
    #[error("the job is unknown")]
    Unknown,
    /// It stands elsewhere.
    #[error("the job is {0:?}")]
    Conflict(JobState),
    /// The request is wrong.
    #[error("the request was refused")]
    Refused(Problem),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Unknown => Self::new(Code::JobNotFound, "No job has this id."),
            Error::Conflict(state) => Self::new(Code::JobConflict, format!("The job is {}.", word(state))),
            Error::Refused(problem) => problem,
            Error::Store(error) => unavailable(error),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

const fn word(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}

/// What turning a job came to.
pub(super) fn turned(found: Option<(leadscore_store::Job, bool)>) -> Result<Job, Error> {
    match found {
        Some((job, true)) => Ok(job.into()),
        Some((job, false)) => Err(Error::Conflict(job.state)),
        None => Err(Error::Unknown),
    }
}

/// The job that the path names.
pub struct JobPath(pub Uuid);

impl FromRequestParts<Arc<Api>> for JobPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        // What is no id names no job.
        let refuse = || Problem::new(Code::JobNotFound, "The job id in the address is not a UUID.");
        let Path(text) = Path::<String>::from_request_parts(parts, api).await.map_err(|_| refuse())?;
        text.parse().map(Self).map_err(|_| refuse())
    }
}

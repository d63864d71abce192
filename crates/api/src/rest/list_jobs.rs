//! `GET /api/v1/jobs`: the latest jobs.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    problem::Code,
    rest::job::{Error, Job},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[];

/// Most jobs of an answer.
const JOBS_MAX: usize = 100;

/// The latest jobs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Jobs {
    /// The newest first, at most 100.
    jobs: Vec<Job>,
}

/// List jobs
#[utoipa::path(
    get,
    path = "/api/v1/jobs",
    tag = "jobs",
    responses((
        status = 200,
        description = "The latest jobs",
        body = Jobs,
        example = json!({"jobs": [{
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "kind": "score_all",
            "state": "done",
            "done": 1250,
            "total": 1250,
            "created_at": "2026-03-01T10:00:00Z",
            "updated_at": "2026-03-01T10:00:01Z",
            "finished_at": "2026-03-01T10:00:01Z"
        }]})
    ))
)]
pub async fn list_jobs(State(api): State<Arc<Api>>) -> Result<Json<Jobs>, Error> {
    let jobs = api.store.jobs(JOBS_MAX).await?;
    Ok(Json(Jobs { jobs: jobs.into_iter().map(Job::from).collect() }))
}

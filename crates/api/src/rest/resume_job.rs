//! `POST /api/v1/jobs/{job_id}/resume`: a job goes on.

use std::sync::Arc;

use axum::{Json, extract::State};

use crate::{
    problem::Code,
    rest::job::{self, Error, Job, JobPath, turned},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = job::PROBLEMS;

/// Resume a job
///
/// Puts a job that failed or was cancelled back into the queue; it goes on where it was.
#[utoipa::path(
    post,
    path = "/api/v1/jobs/{job_id}/resume",
    tag = "jobs",
    params(("job_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    responses((
        status = 200,
        description = "The job as it stands now",
        body = Job,
        example = json!({
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "kind": "score_all",
            "state": "queued",
            "done": 512,
            "total": 1250,
            "created_at": "2026-03-01T10:00:00Z",
            "updated_at": "2026-03-01T10:00:01Z",
            "finished_at": null
        })
    ))
)]
pub async fn resume_job(State(api): State<Arc<Api>>, JobPath(id): JobPath) -> Result<Json<Job>, Error> {
    Ok(Json(turned(api.store.resume_job(id).await?)?))
}

//! `POST /api/v1/jobs/{job_id}/cancel`: a job stops.

use std::sync::Arc;

use axum::{Json, extract::State};

use crate::{
    problem::Code,
    rest::job::{self, Error, Job, JobPath, turned},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = job::PROBLEMS;

/// Cancel a job
///
/// Stops a job that waits or runs. What it did stays done, and it can be resumed.
#[utoipa::path(
    post,
    path = "/api/v1/jobs/{job_id}/cancel",
    tag = "jobs",
    params(("job_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    responses((
        status = 200,
        description = "The job as it stands now",
        body = Job,
        example = json!({
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "kind": "score_all",
            "state": "cancelled",
            "done": 512,
            "total": 1250,
            "created_at": "2026-03-01T10:00:00Z",
            "updated_at": "2026-03-01T10:00:01Z",
            "finished_at": "2026-03-01T10:00:01Z"
        })
    ))
)]
pub async fn cancel_job(State(api): State<Arc<Api>>, JobPath(id): JobPath) -> Result<Json<Job>, Error> {
    Ok(Json(turned(api.store.cancel_job(id).await?)?))
}

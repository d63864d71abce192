//! `GET /api/v1/jobs/{job_id}`: where a job stands.

use std::sync::Arc;

use axum::{Json, extract::State};

use crate::{
    problem::Code,
    rest::job::{Error, Job, JobPath},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::JobNotFound];

/// Show a job
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{job_id}",
    tag = "jobs",
    params(("job_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    responses((
        status = 200,
        description = "The job",
        body = Job,
        example = json!({
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "kind": "score_all",
            "state": "running",
            "done": 512,
            "total": 1250,
            "created_at": "2026-03-01T10:00:00Z",
            "updated_at": "2026-03-01T10:00:01Z",
            "finished_at": null
        })
    ))
)]
pub async fn show_job(State(api): State<Arc<Api>>, JobPath(id): JobPath) -> Result<Json<Job>, Error> {
    let job = api.store.job(id).await?.ok_or(Error::Unknown)?;
    Ok(Json(job.into()))
}

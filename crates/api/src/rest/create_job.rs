//! `POST /api/v1/jobs`: long work in the background.

use std::sync::Arc;

use axum::{Extension, Json, extract::State, http::StatusCode};
use leadscore_store::audit::Object;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    audit::Touched,
    json::{JsonBytes, parse},
    problem::{Code, Problem},
    rest::job::{Error, Job},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[];

/// A job to be done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// What it does.
    kind: Kind,
    /// The model that scores, to be sure of it.
    #[serde(default)]
    model_version: Option<String>,
}

/// What jobs do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Calculates every lead's score anew, with the model that scores.
    ScoreAll,
}

/// Start a job
///
/// A running server does it in the background, one at a time. While a job of the kind waits or runs, the answer is that
/// one. Where it was cancelled or failed it can be resumed and goes on where it was.
#[utoipa::path(
    post,
    path = "/api/v1/jobs",
    tag = "jobs",
    request_body(content = NewJob, example = json!({"kind": "score_all"})),
    responses((
        status = 202,
        description = "It waits, or runs already",
        body = Job,
        example = json!({
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "kind": "score_all",
            "state": "queued",
            "done": 0,
            "total": 1250,
            "created_at": "2026-03-01T10:00:00Z",
            "updated_at": "2026-03-01T10:00:00Z",
            "finished_at": null
        })
    ))
)]
pub async fn create_job(
    State(api): State<Arc<Api>>,
    JsonBytes(bytes): JsonBytes,
) -> Result<(StatusCode, Extension<Touched>, Json<Job>), Error> {
    let NewJob { kind: Kind::ScoreAll, model_version } = parse(&bytes).map_err(Error::Refused)?;
    let champion = api.scorer.borrow().version().to_owned();
    if model_version.is_some_and(|version| version != champion) {
        return Err(Error::Refused(
            Problem::new(Code::InvalidField, format!("Scores are kept by the model that scores, {champion}."))
                .field("model_version")
                .remedy("leave it out; another model's scores are read by POST /api/v1/leads/batch-score"),
        ));
    }
    let total = api.store.counts().await?.leads;
    let job = api.store.create_job("score_all", serde_json::json!({}), total).await?;
    let touched = Touched::from_iter([Object::Job(job.id)]);
    Ok((StatusCode::ACCEPTED, Extension(touched), Json(job.into())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::TestApp;

    const PATH: &str = "/api/v1/jobs";

    #[tokio::test]
    async fn what_is_no_job_is_refused() {
        let app = TestApp::new().await;
        for (body, field) in [
            (json!({}), "kind"),
            (json!({"kind": "sing"}), "kind"),
            (json!({"kind": "score_all", "colour": 1}), "colour"),
            (json!({"kind": "score_all", "model_version": "v9"}), "model_version"),
        ] {
            let reply = app.post(PATH, &body).await;
            assert_eq!(reply.code(), "invalid-field", "{body}");
            let named = reply.json()["field"].as_str().unwrap_or_default().to_owned();
            assert!(named.is_empty() || named == field, "{body}: {named}");
        }
        assert_eq!(app.state.store.jobs(10).await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_job_is_started_once_listed_cancelled_and_resumed() {
        let app = TestApp::new().await;
        app.lead("1").await;
        let reply = app.post(PATH, &json!({"kind": "score_all", "model_version": "scorecard"})).await;
        assert_eq!(reply.status, 202, "{reply:?}");
        let job = reply.json();
        assert_eq!((&job["state"], &job["total"], &job["done"]), (&json!("queued"), &json!(1), &json!(0)));
        assert_eq!(app.post(PATH, &json!({"kind": "score_all"})).await.json(), job);
        let path = format!("{PATH}/{}", job["id"].as_str().unwrap());
        assert_eq!(app.get(&path).await.json(), job);
        assert_eq!(app.get(PATH).await.json()["jobs"], json!([job]));

        assert_eq!(app.post_text(&format!("{path}/resume"), "").await.code(), "job-conflict");
        let cancelled = app.post_text(&format!("{path}/cancel"), "").await;
        assert_eq!((cancelled.status.as_u16(), &cancelled.json()["state"]), (200, &json!("cancelled")));
        assert_eq!(app.post_text(&format!("{path}/cancel"), "").await.code(), "job-conflict");
        let resumed = app.post_text(&format!("{path}/resume"), "").await.json();
        assert_eq!((&resumed["state"], &resumed["finished_at"]), (&json!("queued"), &json!(null)));
    }

    #[tokio::test]
    async fn jobs_that_are_not_there_are_not_found() {
        let app = TestApp::new().await;
        for id in ["7", crate::testing::NOBODY] {
            assert_eq!(app.get(&format!("{PATH}/{id}")).await.code(), "job-not-found");
            for verb in ["cancel", "resume"] {
                assert_eq!(app.post_text(&format!("{PATH}/{id}/{verb}"), "").await.code(), "job-not-found");
            }
        }
    }
}

//! `GET /readyz`: the server can take events and answer with fresh scores.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use leadscore_store::{Health, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    problem::{Code, Problem},
    rest::unavailable,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::NotReady, Code::Unavailable];

/// Seconds after which a server that is not ready may be asked again.
const RETRY_AFTER_NOT_READY_S: u64 = 2;

/// The server works.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// Always `ready`.
    #[schema(example = "ready")]
    status: &'static str,
    /// The model that scores, such as `v3`.
    #[schema(example = "v3")]
    model_version: String,
    /// Events that the scorer has still to read.
    #[schema(minimum = 0, example = 0)]
    scorer_lag: i64,
}

/// Why the server is not ready.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing can be written.
    #[error("the store is not writable")]
    NotWritable,
    /// The scorer is behind.
    #[error("the scorer lags {0} events behind")]
    Lagging(i64),
    /// No scorer runs any more.
    #[error("no scorer is running")]
    NoScorer,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = match error {
            Error::NotWritable => "The store cannot be written.".to_owned(),
            Error::Lagging(events) => format!("The scorer has still {events} events to read."),
            Error::NoScorer => "No scorer is running.".to_owned(),
            Error::Store(error) => return unavailable(error),
        };
        Self::new(Code::NotReady, detail).retry_after_s(RETRY_AFTER_NOT_READY_S)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

/// Whether the server is ready
///
/// The store is writable, a model is loaded, and the scorer has read nearly all events.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    responses((
        status = 200,
        description = "Ready",
        body = Ready,
        example = json!({"status": "ready", "model_version": "v3", "scorer_lag": 0})
    ))
)]
pub async fn readyz(State(api): State<Arc<Api>>) -> Result<Json<Ready>, Error> {
    let health = api.store.health().await?;
    if !health.writable {
        return Err(Error::NotWritable);
    }
    let scorer_lag = lag(&health);
    if scorer_lag > api.limits.scorer_lag_max {
        return Err(Error::Lagging(scorer_lag));
    }
    // The sender ends with the task that scores.
    if api.scorer.has_changed().is_err() {
        return Err(Error::NoScorer);
    }
    let model_version = api.scorer.borrow().version().to_owned();
    Ok(Json(Ready { status: "ready", model_version, scorer_lag }))
}

/// Events of all partitions that the slowest group of readers has still to read; all, where there is no group.
pub(super) fn lag(health: &Health) -> i64 {
    let slowest = |partition: usize| {
        health.groups.iter().filter(|group| usize::from(group.partition) == partition).map(|group| group.position).min()
    };
    health.heads.iter().enumerate().map(|(partition, head)| head - slowest(partition).unwrap_or(0)).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{Limits, testing::TestApp};

    #[tokio::test]
    async fn a_server_that_lags_or_cannot_score_is_not_ready() {
        let app = TestApp::with(Limits { scorer_lag_max: 0, ..Limits::default() }).await;
        let ready = json!({"status": "ready", "model_version": "scorecard", "scorer_lag": 0});
        assert_eq!(app.get("/readyz").await.json(), ready);
        app.lead("ann").await;
        let reply = app.get("/readyz").await;
        assert_eq!((reply.code().as_str(), reply.header("retry-after")), ("not-ready", "2"));
        assert_eq!(reply.json()["detail"], "The scorer has still 1 events to read.");
        app.derive(|_| None).await;
        assert_eq!(app.get("/readyz").await.json(), ready);
    }

    #[tokio::test]
    async fn a_server_without_a_scorer_is_not_ready() {
        let mut app = TestApp::new().await;
        app.stop_scorer();
        assert_eq!(app.get("/readyz").await.code(), "not-ready");
    }

    #[tokio::test]
    async fn a_closed_store_is_unavailable() {
        let app = TestApp::new().await;
        app.state.store.close().await;
        assert_eq!(app.get("/readyz").await.code(), "unavailable");
        assert_eq!(app.get("/healthz").await.json(), json!({"status": "alive"}));
    }
}

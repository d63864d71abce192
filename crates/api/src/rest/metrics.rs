//! `GET /metrics`: what the process measures of itself, for Prometheus.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderName, header},
};
use leadscore_store::telemetry;

use crate::{rest::readyz::lag, state::Api};

/// The media type of Prometheus' text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How long the store may take to say how far the scorer is: the rest is answered without it.
const LAG_TIMEOUT: Duration = Duration::from_secs(1);

/// What the process measures of itself
///
/// Counts of events and scores, how long each stage of an event's way takes, and how many events the scorer has still
/// to read (`NaN` where the store does not say), in Prometheus' text format. Nothing in it is about a person. Each
/// process answers for itself alone.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    responses((
        status = 200,
        description = "The metrics",
        body = String,
        content_type = "text/plain",
        example = "# HELP leadscore_events_total Events by what became of them.\n# TYPE leadscore_events_total counter\nleadscore_events_total{fate=\"accepted\"} 1042\n"
    ))
)]
pub async fn metrics(State(api): State<Arc<Api>>) -> ([(HeaderName, &'static str); 1], String) {
    let health = tokio::time::timeout(LAG_TIMEOUT, api.store.health()).await;
    telemetry::set_scorer_lag(health.ok().and_then(Result::ok).map(|health| lag(&health)));
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], (api.metrics)())
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};

    use crate::testing::{METRICS, TestApp};

    #[tokio::test]
    async fn they_need_no_token_and_no_store() {
        let app = TestApp::new().await;
        app.state.store.close().await;
        let reply = app.send(Request::get("/metrics").body(Body::empty()).unwrap()).await;
        assert_eq!((reply.status.as_u16(), reply.body), (200, METRICS.as_bytes().to_vec()));
        assert_eq!(reply.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    }
}

//! `GET /healthz`: the process is alive.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    /// Always `alive`.
    #[schema(example = "alive")]
    status: &'static str,
}

/// Whether the process is alive
///
/// Says nothing of what it depends on: see `/readyz`.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "health",
    responses((status = 200, description = "The process answers", body = Alive, example = json!({"status": "alive"})))
)]
pub async fn healthz() -> Json<Alive> {
    Json(Alive { status: "alive" })
}

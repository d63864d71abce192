//! `GET /api/v1/leads/{lead_id}/overrides`: where people decided otherwise than the model, and why.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    auth::{bearer::Sender, sight::unknown_lead},
    problem::{Code, Problem},
    rest::{LeadPath, score_override::ScoreOverride, unavailable},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::InvalidLeadId, Code::LeadNotFound];

/// Most overrides that are shown.
const SHOWN_MAX: usize = 1_000;

/// Overrides of a lead's score.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScoreOverrides {
    /// Whose. Where the lead was merged into another, that one.
    lead_id: Uuid,
    /// The newest first; at most the latest 1,000.
    overrides: Vec<ScoreOverride>,
}

/// Overrides of a lead's score
///
/// The present one and all that ended, with who gave them and why.
#[utoipa::path(
    get,
    path = "/api/v1/leads/{lead_id}/overrides",
    tag = "privacy",
    params(("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e")),
    responses((
        status = 200,
        description = "The overrides",
        body = ScoreOverrides,
        example = json!({"lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e", "overrides": [{
            "score": 95,
            "reason": "called in person, buys this week",
            "set_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
            "created_at": "2026-03-01T10:30:00Z",
            "expires_at": "2026-03-08T10:30:00Z",
            "ended_at": "2026-03-02T09:00:00Z",
            "ended_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"}
        }]})
    ))
)]
pub async fn list_overrides(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(asked): LeadPath,
) -> Result<Json<ScoreOverrides>, Problem> {
    let record = api.store.lead(asked).await.map_err(unavailable)?.ok_or_else(unknown_lead)?;
    let lead = record.merged_into.unwrap_or(asked);
    let found = api.store.score_overrides(lead, SHOWN_MAX).await.map_err(unavailable)?;
    let overrides = found.into_iter().map(|one| ScoreOverride::new(one, &principal)).collect();
    Ok(Json(ScoreOverrides { lead_id: lead.0, overrides }))
}

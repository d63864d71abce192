//! `DELETE /api/v1/leads/{lead_id}/override`: the model's score alone holds again.

use std::sync::Arc;

use axum::{Json, extract::State};

use crate::{
    audit::actor,
    auth::{bearer::Sender, sight::unknown_lead},
    problem::{Code, Problem},
    rest::{LeadPath, score_override::ScoreOverride, unavailable},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::InvalidLeadId, Code::LeadNotFound, Code::OverrideNotFound];

/// End the override of a lead's score
///
/// It stays in the history of overrides.
#[utoipa::path(
    delete,
    path = "/api/v1/leads/{lead_id}/override",
    tag = "privacy",
    params(("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e")),
    responses((
        status = 200,
        description = "The override as it ended",
        body = ScoreOverride,
        example = json!({
            "score": 95,
            "reason": "called in person, buys this week",
            "set_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
            "created_at": "2026-03-01T10:30:00Z",
            "expires_at": "2026-03-08T10:30:00Z",
            "ended_at": "2026-03-02T09:00:00Z",
            "ended_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"}
        })
    ))
)]
pub async fn end_override(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(asked): LeadPath,
) -> Result<Json<ScoreOverride>, Problem> {
    let record = api.store.lead(asked).await.map_err(unavailable)?.ok_or_else(unknown_lead)?;
    let lead = record.merged_into.unwrap_or(asked);
    let ended = api.store.end_override(lead, actor(&principal)).await.map_err(unavailable)?;
    let none = || Problem::new(Code::OverrideNotFound, "No override of the lead's score is in force.");
    Ok(Json(ScoreOverride::new(ended.ok_or_else(none)?, &principal)))
}

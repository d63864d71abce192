//! `POST /api/v1/privacy-requests/{request_id}/start`: somebody approves a request, or takes it.

use std::sync::Arc;

use axum::extract::State;
use leadscore_store::Decided;

use crate::{
    auth::bearer::Sender,
    problem::{Code, Problem},
    rest::privacy_request::{self, Answered, PrivacyRequest, RequestPath, check_approval, look_up},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = privacy_request::PROBLEMS;

/// Approve or take a privacy request
///
/// Access, restriction, objection and erasure are carried out by the server from then on; rectification and contest are
/// yours to look at and to complete. It takes who may do the same without a request: for an erasure an administrator.
#[utoipa::path(
    post,
    path = "/api/v1/privacy-requests/{request_id}/start",
    tag = "privacy",
    params(("request_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    responses((
        status = 200,
        description = "The request, in progress",
        body = PrivacyRequest,
        example = json!({
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "kind": "erasure",
            "status": "in_progress",
            "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
            "received_at": "2026-03-01T10:00:00Z",
            "due_at": "2026-04-01T10:00:00Z",
            "overdue": false,
            "extended_at": null,
            "opened_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
            "decided_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
            "texts": {"note": "by letter", "extension_reason": null, "decision": null},
            "receipt": null,
            "export_expires_at": null,
            "lifted_at": null,
            "created_at": "2026-03-01T10:30:00Z",
            "finished_at": null
        })
    ))
)]
pub async fn start_privacy_request(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    RequestPath(id): RequestPath,
) -> Result<Answered, Problem> {
    let request = look_up(&api, &principal, id).await?;
    check_approval(&principal, request.kind)?;
    privacy_request::decide(&api, &principal, id, Decided::Started).await
}

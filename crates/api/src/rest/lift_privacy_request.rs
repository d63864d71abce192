//! `POST /api/v1/privacy-requests/{request_id}/lift`: a restriction or an objection ends.

use std::sync::Arc;

use axum::extract::State;
use leadscore_store::Decided;

use crate::{
    auth::bearer::Sender,
    json::Json,
    problem::{Code, Problem},
    rest::{
        privacy_request::{self, Answered, Because, PrivacyRequest, RequestPath, check_approval, conflict, look_up},
        unavailable,
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = privacy_request::PROBLEMS;

/// End a restriction or an objection
///
/// The person is to be told before a restriction ends (GDPR Art. 18(3)); an objection ends where they no longer object. An
/// event of the lead says so, and its score is there again within moments, unless something else stands in the way.
#[utoipa::path(
    post,
    path = "/api/v1/privacy-requests/{request_id}/lift",
    tag = "privacy",
    params(("request_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    request_body(content = Because, example = json!({"reason": "the person confirmed the corrected number"})),
    responses((
        status = 200,
        description = "The request, lifted",
        body = PrivacyRequest,
        example = json!({
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "kind": "restriction",
            "status": "done",
            "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
            "received_at": "2026-03-01T10:00:00Z",
            "due_at": "2026-04-01T10:00:00Z",
            "overdue": false,
            "extended_at": null,
            "opened_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
            "decided_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
            "texts": {"note": "by letter", "extension_reason": null, "decision": null},
            "receipt": {
                "request_id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
                "kind": "restriction",
                "outcome": "done",
                "leads": ["0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"],
                "received_at": "2026-03-01T10:00:00Z",
                "finished_at": "2026-03-02T09:00:00Z",
                "by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
                "counts": {"events": 1},
                "replayed": false,
                "content_sha256": null,
                "digest": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
            },
            "export_expires_at": null,
            "lifted_at": "2026-03-09T09:00:00Z",
            "created_at": "2026-03-01T10:30:00Z",
            "finished_at": "2026-03-02T09:00:00Z"
        })
    ))
)]
pub async fn lift_privacy_request(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    RequestPath(id): RequestPath,
    Json(because): Json<Because>,
) -> Result<Answered, Problem> {
    let request = look_up(&api, &principal, id).await?;
    check_approval(&principal, request.kind)?;
    let reason = because.reason()?;
    if !request.is_liftable() {
        return Err(conflict(&request));
    }
    // Where this is as far as it comes, it can be asked for again: the event has one id.
    api.store.lift_limit(&request, &reason).await.map_err(unavailable)?;
    privacy_request::decide(&api, &principal, id, Decided::Lifted).await
}

//! `POST /api/v1/privacy-requests/{request_id}/refuse`: a request is not done.

use std::sync::Arc;

use axum::extract::State;
use leadscore_store::Decided;

use crate::{
    auth::bearer::Sender,
    json::Json,
    problem::{Code, Problem},
    rest::privacy_request::{self, Answered, Because, PrivacyRequest, RequestPath, check_approval, look_up},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = privacy_request::PROBLEMS;

/// Refuse a privacy request
///
/// With the reason, which the person is to be told together with their right to complain (GDPR Art. 12(4)). What the server
/// carries out already cannot be refused.
#[utoipa::path(
    post,
    path = "/api/v1/privacy-requests/{request_id}/refuse",
    tag = "privacy",
    params(("request_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    request_body(content = Because, example = json!({"reason": "we could not verify who asked"})),
    responses((
        status = 200,
        description = "The request, refused",
        body = PrivacyRequest,
        example = json!({
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "kind": "erasure",
            "status": "refused",
            "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
            "received_at": "2026-03-01T10:00:00Z",
            "due_at": "2026-04-01T10:00:00Z",
            "overdue": false,
            "extended_at": null,
            "opened_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
            "decided_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
            "texts": {"note": "by letter", "extension_reason": null, "decision": "we could not verify who asked"},
            "receipt": {
                "request_id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
                "kind": "erasure",
                "outcome": "refused",
                "leads": ["0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"],
                "received_at": "2026-03-01T10:00:00Z",
                "finished_at": "2026-03-02T09:00:00Z",
                "by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
                "counts": {},
                "replayed": false,
                "content_sha256": null,
                "digest": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
            },
            "export_expires_at": null,
            "lifted_at": null,
            "created_at": "2026-03-01T10:30:00Z",
            "finished_at": "2026-03-02T09:00:00Z"
        })
    ))
)]
pub async fn refuse_privacy_request(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    RequestPath(id): RequestPath,
    Json(because): Json<Because>,
) -> Result<Answered, Problem> {
    let request = look_up(&api, &principal, id).await?;
    check_approval(&principal, request.kind)?;
    privacy_request::decide(&api, &principal, id, Decided::Refused(because.reason()?)).await
}

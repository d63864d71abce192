//! `GET /api/v1/privacy-requests/{request_id}`: where a request stands.

use std::sync::Arc;

use axum::extract::State;

use crate::{
    auth::bearer::Sender,
    problem::{Code, Problem},
    rest::privacy_request::{Answered, PrivacyRequest, RequestPath, answer, look_up},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::PrivacyRequestNotFound];

/// A privacy request
///
/// Where it stands, by when it must be answered, and, once it is over, the receipt.
#[utoipa::path(
    get,
    path = "/api/v1/privacy-requests/{request_id}",
    tag = "privacy",
    params(("request_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    responses((
        status = 200,
        description = "The request",
        body = PrivacyRequest,
        example = json!({
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "kind": "erasure",
            "status": "done",
            "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
            "received_at": "2026-03-01T10:00:00Z",
            "due_at": "2026-04-01T10:00:00Z",
            "overdue": false,
            "extended_at": "2026-03-02T09:00:00Z",
            "opened_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
            "decided_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
            "texts": {"note": "by letter", "extension_reason": "records of two merged brokerages", "decision": "as asked"},
            "receipt": {
                "request_id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
                "kind": "erasure",
                "outcome": "done",
                "leads": ["0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"],
                "received_at": "2026-03-01T10:00:00Z",
                "finished_at": "2026-03-02T09:00:00Z",
                "by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
                "counts": {"leads": 1, "events": 42, "identities": 2},
                "replayed": false,
                "content_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "digest": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
            },
            "export_expires_at": "2026-03-09T09:00:00Z",
            "lifted_at": "2026-03-09T09:00:00Z",
            "created_at": "2026-03-01T10:30:00Z",
            "finished_at": "2026-03-02T09:00:00Z"
        })
    ))
)]
pub async fn show_privacy_request(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    RequestPath(id): RequestPath,
) -> Result<Answered, Problem> {
    let request = look_up(&api, &principal, id).await?;
    Ok(answer(&api, &principal, request))
}

//! `POST /api/v1/privacy-requests/{request_id}/extend`: a request takes longer.

use std::sync::Arc;

use axum::extract::State;
use leadscore_store::Decided;

use crate::{
    auth::bearer::Sender,
    json::Json,
    problem::{Code, Problem},
    rest::privacy_request::{self, Answered, Because, PrivacyRequest, RequestPath, look_up},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = privacy_request::PROBLEMS;

/// Extend the deadline of a privacy request
///
/// Once, by two months, where requests are complex or many; the person is to be told within the first month, with the
/// reason (GDPR Art. 12(3)).
#[utoipa::path(
    post,
    path = "/api/v1/privacy-requests/{request_id}/extend",
    tag = "privacy",
    params(("request_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    request_body(content = Because, example = json!({"reason": "records of two merged brokerages have to be gone through"})),
    responses((
        status = 200,
        description = "The request with its new deadline",
        body = PrivacyRequest,
        example = json!({
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "kind": "rectification",
            "status": "open",
            "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
            "received_at": "2026-03-01T10:00:00Z",
            "due_at": "2026-06-01T10:00:00Z",
            "overdue": false,
            "extended_at": "2026-03-02T09:00:00Z",
            "opened_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
            "decided_by": null,
            "texts": {"note": "by letter", "extension_reason": "records of two merged brokerages have to be gone through", "decision": null},
            "receipt": null,
            "export_expires_at": null,
            "lifted_at": null,
            "created_at": "2026-03-01T10:30:00Z",
            "finished_at": null
        })
    ))
)]
pub async fn extend_privacy_request(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    RequestPath(id): RequestPath,
    Json(because): Json<Because>,
) -> Result<Answered, Problem> {
    look_up(&api, &principal, id).await?;
    privacy_request::decide(&api, &principal, id, Decided::Extended(because.reason()?)).await
}

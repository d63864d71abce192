//! `POST /api/v1/leads/{lead_id}/contest`: a person does not accept what a machine made of them.

use std::sync::Arc;

use axum::{
    Extension, Json as Answer,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use leadscore_domain::LeadId;
use leadscore_store::{NewRequest, Principal, RequestKind};

use crate::{
    audit::{Touched, actor},
    auth::{
        bearer::{Caller, Sender},
        sight::check_exists,
    },
    idempotency::{self, Key},
    json::{JsonBytes, parse},
    problem::{Code, Problem},
    rest::{
        LeadPath,
        privacy_request::{Because, PrivacyRequest, answer, open},
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[
    Code::InvalidLeadId,
    Code::LeadNotFound,
    Code::InvalidIdempotencyKey,
    Code::IdempotencyKeyReused,
    Code::RequestRunning,
];

/// Contest a lead's score
///
/// Opens a request that a person looks at (GDPR Art. 22(3)), within a month: a manager takes it, sees the score with its
/// explanation, overrides it where they find otherwise, and completes the request with what came of it.
#[utoipa::path(
    post,
    path = "/api/v1/leads/{lead_id}/contest",
    tag = "privacy",
    params(
        ("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"),
        ("Idempotency-Key" = Option<String>, Header, description =
            "A key of the sender's own, such as a UUID: the same request under the same key gets the first answer for a day")
    ),
    request_body(content = Because, example = json!({"reason": "I was not called back though I have sold with you before"})),
    responses((
        status = 201,
        description = "The request",
        body = PrivacyRequest,
        example = json!({
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "kind": "contest",
            "status": "open",
            "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
            "received_at": "2026-03-01T10:00:00Z",
            "due_at": "2026-04-01T10:00:00Z",
            "overdue": false,
            "extended_at": null,
            "opened_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
            "decided_by": null,
            "texts": {
                "note": "I was not called back though I have sold with you before",
                "extension_reason": null,
                "decision": null
            },
            "receipt": null,
            "export_expires_at": null,
            "lifted_at": null,
            "created_at": "2026-03-01T10:00:00Z",
            "finished_at": null
        })
    ))
)]
pub async fn contest_score(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(lead): LeadPath,
    headers: HeaderMap,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let key = Key::read(&headers, &Caller::of(&principal), "contest")?;
    let run = async { take(&api, &principal, lead, &bytes).await.into_response() };
    idempotency::once(&api, key, &[lead.0.as_bytes(), &bytes], run).await
}

async fn take(
    api: &Api,
    principal: &Principal,
    lead_id: LeadId,
    bytes: &[u8],
) -> Result<(StatusCode, Extension<Touched>, Answer<PrivacyRequest>), Problem> {
    check_exists(api, lead_id).await?;
    let note = Some(parse::<Because>(bytes)?.reason()?);
    let kind = RequestKind::Contest;
    let opened_by = actor(principal);
    let new = NewRequest { kind, lead_id, opened_by, received_at: None, note, approved: false, claimed: None };
    let (touched, request) = answer(api, principal, open(api, new).await?);
    Ok((StatusCode::CREATED, touched, request))
}

//! `GET /api/v1/privacy-requests`: what people ask for, and by when.

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use leadscore_domain::LeadId;
use leadscore_store::{RequestFilter, RequestKind, RequestStatus, audit::Object};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    audit::Touched,
    auth::bearer::Sender,
    problem::{Code, Problem},
    query::{Parameters, Word},
    rest::{privacy_request::PrivacyRequest, unavailable},
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::InvalidQueryParameter];

/// Requests of a page, unless the request says otherwise, and at most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 500;

/// A page of privacy requests.
#[derive(Debug, Serialize, ToSchema)]
pub struct PrivacyRequests {
    /// The newest first.
    requests: Vec<PrivacyRequest>,
    /// The `cursor` of the next page; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<Uuid>,
}

/// Privacy requests
///
/// Those about leads that you see, the newest first, page by page; those about erased leads for who sees all leads.
#[utoipa::path(
    get,
    path = "/api/v1/privacy-requests",
    tag = "privacy",
    params(
        ("kind" = Option<String>, Query, description = "Of this kind, such as `erasure`"),
        ("status" = Option<String>, Query, description = "That stand here: `open`, `in_progress`, `done` or `refused`"),
        ("overdue" = Option<bool>, Query, description = "`true`: whose deadline has passed, and that are not over"),
        ("lead" = Option<Uuid>, Query, description = "About this lead"),
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 500, description = "Requests of the page, 1 to 500; 50 unless you say otherwise"),
        ("cursor" = Option<Uuid>, Query, description = "`next` of the page before")
    ),
    responses((
        status = 200,
        description = "A page",
        body = PrivacyRequests,
        example = json!({"requests": [{
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
        }], "next": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2"})
    ))
)]
pub async fn list_privacy_requests(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    mut query: Parameters,
) -> Result<(Extension<Touched>, Json<PrivacyRequests>), Problem> {
    let kind: Option<Word<RequestKind>> = query.take("kind", "send a kind of request, such as erasure")?;
    let status: Option<Word<RequestStatus>> = query.take("status", "send open, in_progress, done or refused")?;
    let filter = RequestFilter {
        kind: kind.map(|Word(kind)| kind),
        status: status.map(|Word(status)| status),
        overdue: query.take("overdue", "send true or false")?.unwrap_or(false),
        lead_id: query.take::<LeadId>("lead", "send the id of a lead")?,
    };
    let after = query.take("cursor", "send `next` of the page before as it was")?;
    let limit = query.limit(LIMIT, LIMIT_MAX)?;
    query.end()?;
    let found = api.store.privacy_requests(principal.sight(), &filter, after, limit + 1).await;
    let mut found = found.map_err(unavailable)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.id);
    let touched = found.iter().map(|request| Object::Lead(request.lead_id)).collect();
    let now = api.clock.now();
    let requests = found.into_iter().map(|request| PrivacyRequest::new(request, &principal, now)).collect();
    Ok((Extension(touched), Json(PrivacyRequests { requests, next })))
}

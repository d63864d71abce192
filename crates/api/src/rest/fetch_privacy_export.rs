//! `GET /api/v1/privacy-requests/{request_id}/export`: what a request for access brought together.
//!
//! Invariant: one piece is in memory at a time. A document that breaks off is no JSON, and its SHA-256 is not the
//! receipt's.

use std::{io, sync::Arc};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt as _, stream};
use leadscore_store::{RequestKind, audit::Object};

use crate::{
    audit::Touched,
    auth::bearer::Sender,
    problem::{Code, Problem},
    rest::{
        privacy_request::{RequestPath, check_approval, conflict, look_up},
        unavailable,
    },
    schema,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::PrivacyRequestNotFound, Code::PrivacyRequestConflict, Code::ExportExpired];

/// Fetch the export of a request for access
///
/// One JSON document for the person to have: what is known of them, every event, every score, the logic involved. Its
/// `events` can be sent to another server's `POST /api/v1/events` as they are, or imported line by line. It can be fetched
/// for seven days, and its SHA-256 stands in the receipt.
#[utoipa::path(
    get,
    path = "/api/v1/privacy-requests/{request_id}/export",
    tag = "privacy",
    params(("request_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    responses((
        status = 200,
        description = "All of it",
        body = schema::PrivacyExport,
        headers(("Content-Disposition" = String, description = "A name for the file")),
        example = json!({
            "request_id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "exported_at": "2026-03-01T10:30:00Z",
            "lead": {
                "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
                "created_at": "2026-03-01T10:30:00Z",
                "name": "Ann Example",
                "identities": [{"kind": "email", "value": "ann@example.com"}],
                "agent_id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a",
                "team_id": null
            },
            "logic": "A statistical model estimates …",
            "explanation": null,
            "events": [{
                "source": "website",
                "source_event_id": "7c9e6679-7425-50de-944b-e07fc1f90ae7",
                "lead": {"identities": [{"kind": "email", "value": "ann@example.com"}]},
                "occurred_at": "2026-03-01T10:30:00Z",
                "type": "email",
                "data": {"action": "opened"}
            }],
            "scores": [],
            "privacy_requests": [],
            "overrides": [],
            "unreadable_events": 0,
            "complete": true
        })
    ))
)]
pub async fn fetch_privacy_export(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    RequestPath(id): RequestPath,
) -> Result<Response, Problem> {
    let request = look_up(&api, &principal, id).await?;
    check_approval(&principal, RequestKind::Access)?;
    if request.kind != RequestKind::Access || request.finished_at.is_none() {
        return Err(conflict(&request));
    }
    let expired = || Problem::new(Code::ExportExpired, "The export was fetched, removed or erased with its lead.");
    if request.export_expires_at.is_none_or(|end| end <= api.clock.now()) {
        return Err(expired());
    }
    let first = api.store.export_part(id, 0).await.map_err(unavailable)?.ok_or_else(expired)?;
    let parts = stream::unfold(Some((api, Some(first), 0_u32)), move |reading| async move {
        let (api, read, part) = reading?;
        let bytes = match read {
            Some(bytes) => Ok(Some(bytes)),
            None => api.store.export_part(id, part).await,
        };
        match bytes {
            Ok(Some(bytes)) => Some((Ok(Bytes::from(bytes)), Some((api, None, part + 1)))),
            Ok(None) => None,
            Err(error) => {
                tracing::error!(%error, request = %id, part, "an export broke off");
                Some((Err(io::Error::other(error)), None))
            }
        }
    });
    let name = HeaderValue::try_from(format!("attachment; filename=\"privacy-request-{id}.json\""));
    let headers = [
        (header::CONTENT_DISPOSITION, name.expect("a UUID is a header value")),
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ];
    let touched: Touched = [Object::PrivacyRequest(id), Object::Lead(request.lead_id)].into_iter().collect();
    // What packs it asks once more after the end.
    Ok((Extension(touched), headers, Body::from_stream(parts.fuse())).into_response())
}

//! `POST /api/v1/privacy-requests/{request_id}/complete`: a person has done what was asked for.

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;
use leadscore_domain::{Identity, LeadId, RawIdentity};
use leadscore_store::{Authority, Decided, Principal, RequestKind};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    auth::{bearer::Sender, sight::check_handles},
    json::Json,
    problem::{Code, Problem},
    rest::{
        lead_event::append,
        privacy_request::{self, Answered, PrivacyRequest, RequestPath, check_approval, conflict, look_up, text},
        unavailable,
        update_lead::LeadChange,
    },
    schema,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::PrivacyRequestNotFound, Code::PrivacyRequestConflict, Code::LeadTaken];

/// What came of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Completion {
    /// What was decided or done, for the person to be told.
    #[schema(min_length = 1, max_length = 8_192)]
    resolution: String,
    /// What a rectification changes, as `PATCH /api/v1/leads/{lead_id}` takes it.
    #[serde(default)]
    #[schema(nullable = false)]
    change: Option<LeadChange>,
    /// Handles that a rectification takes from the lead. Whoever sends one of them next is another lead.
    #[schema(value_type = Vec<schema::Identity>, max_items = 16)]
    #[serde(default)]
    remove_identities: Vec<RawIdentity>,
}

/// Complete a privacy request
///
/// A rectification or a contest, which people carry out. A rectification is made and recorded in one go: what changes is an
/// event of the lead, and wrong handles are removed. A contest is completed by a person, never by a program.
#[utoipa::path(
    post,
    path = "/api/v1/privacy-requests/{request_id}/complete",
    tag = "privacy",
    params(("request_id" = uuid::Uuid, Path, description = "The id that the server gave")),
    request_body(content = Completion, example = json!({
        "resolution": "the telephone number was that of a namesake",
        "change": {"name": "Ann Example"},
        "remove_identities": [{"kind": "phone", "value": "+1 512 555 0199"}]
    })),
    responses((
        status = 200,
        description = "The request, done",
        body = PrivacyRequest,
        example = json!({
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "kind": "rectification",
            "status": "done",
            "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
            "received_at": "2026-03-01T10:00:00Z",
            "due_at": "2026-04-01T10:00:00Z",
            "overdue": false,
            "extended_at": null,
            "opened_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
            "decided_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
            "texts": {"note": "by letter", "extension_reason": null, "decision": "the telephone number was that of a namesake"},
            "receipt": {
                "request_id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
                "kind": "rectification",
                "outcome": "done",
                "leads": ["0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"],
                "received_at": "2026-03-01T10:00:00Z",
                "finished_at": "2026-03-02T09:00:00Z",
                "by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
                "counts": {"events": 1, "identities": 1},
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
pub async fn complete_privacy_request(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    RequestPath(id): RequestPath,
    Json(completion): Json<Completion>,
) -> Result<Answered, Problem> {
    let request = look_up(&api, &principal, id).await?;
    check_approval(&principal, request.kind)?;
    if request.kind == RequestKind::Contest && matches!(principal.authority, Authority::Machine { .. }) {
        return Err(Problem::new(Code::Forbidden, "A person looks at what was contested, not a program."));
    }
    if request.kind.is_carried_out() || request.finished_at.is_some() {
        return Err(conflict(&request));
    }
    let resolution = text("resolution", completion.resolution.clone())?;
    let counts = if request.kind == RequestKind::Rectification {
        rectify(&api, &principal, &request, completion).await?
    } else {
        nothing_to_change(&completion)?
    };
    privacy_request::decide(&api, &principal, id, Decided::Completed(resolution, counts)).await
}

fn nothing_to_change(completion: &Completion) -> Result<BTreeMap<&'static str, u64>, Problem> {
    let field = match (&completion.change, completion.remove_identities.as_slice()) {
        (Some(_), _) => "change",
        (None, [_, ..]) => "remove_identities",
        (None, []) => return Ok(BTreeMap::new()),
    };
    Err(Problem::new(Code::InvalidField, "Only a rectification changes the lead.").field(field))
}

/// Makes the change and removes the handles. Each can be done again, where it broke off: the event has one id.
async fn rectify(
    api: &Api,
    principal: &Principal,
    request: &leadscore_store::PrivacyRequest,
    completion: Completion,
) -> Result<BTreeMap<&'static str, u64>, Problem> {
    let lead = request.lead_id;
    let wrong = handles(api, &completion.remove_identities)?;
    let mut counts = BTreeMap::new();
    if let Some(change) = completion.change {
        let mut event = change.into_event(lead).map_err(within_change)?;
        event.source_event_id = Some(format!("rectification {}", request.id));
        let pending = event.check(api, None).map_err(within_change)?;
        check_handles(api, principal, &pending.identities).await?;
        append(api, pending).await?;
        counts.insert("events", 1);
    }
    let mut removed = 0;
    for handle in &wrong {
        removed += u64::from(remove(api, lead, handle).await?);
    }
    counts.insert("identities", removed);
    Ok(counts)
}

async fn remove(api: &Api, lead: LeadId, handle: &Identity) -> Result<bool, Problem> {
    api.store.remove_identity(lead, handle).await.map_err(unavailable)
}

fn handles(api: &Api, raw: &[RawIdentity]) -> Result<Vec<Identity>, Problem> {
    let normal = |(i, one): (usize, &RawIdentity)| {
        one.normalise(api.region).map_err(|error| error.within(&format!("remove_identities[{i}]")).into())
    };
    raw.iter().enumerate().map(normal).collect()
}

fn within_change(problem: Problem) -> Problem {
    match problem.named_field().map(|field| format!("change.{field}")) {
        Some(field) => problem.field(field),
        None => problem.field("change"),
    }
}

//! What the endpoints of privacy requests share: the shape of a request and of its receipt, its id in the address, who may
//! approve what, and how it is opened.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension, Json,
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use leadscore_domain::{Invalid, Timestamp, limits};
use leadscore_store::{
    Decided, NewRequest, Principal, RequestKind, RequestStatus, Role, Scope,
    audit::{Actor, ActorKind, Object},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    audit::{Touched, actor},
    problem::{Code, Problem},
    rest::unavailable,
    schema,
    state::Api,
};

/// Problems of every endpoint that changes a request.
pub const PROBLEMS: &[Code] = &[Code::PrivacyRequestNotFound, Code::PrivacyRequestConflict];

/// What a person asks for by their rights over their data.
#[derive(Debug, Serialize, ToSchema)]
pub struct PrivacyRequest {
    /// Its id.
    id: Uuid,
    /// What is asked for.
    #[schema(value_type = schema::PrivacyRequestKind)]
    kind: RequestKind,
    /// Where it stands.
    #[schema(value_type = schema::PrivacyRequestStatus)]
    status: RequestStatus,
    /// Whose data it is about.
    lead_id: Uuid,
    /// When the person asked.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// By when they must have their answer: a month later, three where it was extended.
    #[schema(value_type = String, format = DateTime)]
    due_at: Timestamp,
    /// Whether that passed before it was over.
    overdue: bool,
    /// When the deadline was extended.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    extended_at: Option<Timestamp>,
    /// Who wrote it down.
    opened_by: Who,
    /// Who approved, took or refused it.
    #[schema(required)]
    decided_by: Option<Who>,
    /// What the person and those who answer them said; left out for keys without the scope `leads:personal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    texts: Option<Texts>,
    /// What was done; there once it is over.
    #[schema(required)]
    receipt: Option<PrivacyReceipt>,
    /// Until when the export of a request for access can be fetched.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    export_expires_at: Option<Timestamp>,
    /// When a restriction or an objection ended.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    lifted_at: Option<Timestamp>,
    /// When it was written down.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was over.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    finished_at: Option<Timestamp>,
}

/// What was said about a request. It is sealed under the lead's key, and gone with the lead.
#[derive(Debug, Serialize, ToSchema)]
pub struct Texts {
    /// By the person.
    #[schema(required)]
    note: Option<String>,
    /// Why the deadline was extended.
    #[schema(required)]
    extension_reason: Option<String>,
    /// Why it was refused, or what came of it.
    #[schema(required)]
    decision: Option<String>,
}

/// Who did something.
#[derive(Debug, Serialize, ToSchema)]
pub struct Who {
    /// `user`, `api_key`, `cli` for the command line, or `nobody`.
    #[schema(value_type = String, example = "user")]
    kind: ActorKind,
    /// The id of the user or API key.
    #[schema(required)]
    id: Option<Uuid>,
}

impl From<Actor> for Who {
    fn from(Actor { kind, id, role: _ }: Actor) -> Self {
        Self { kind, id }
    }
}

/// The proof of what was done. It holds no personal data, and stays when the lead is erased.
#[derive(Debug, Serialize, ToSchema)]
pub struct PrivacyReceipt {
    /// Of which request.
    request_id: Uuid,
    /// What was asked for.
    #[schema(value_type = schema::PrivacyRequestKind)]
    kind: RequestKind,
    /// How it ended: `done` or `refused`.
    #[schema(value_type = schema::PrivacyRequestStatus)]
    outcome: RequestStatus,
    /// The lead, and those that were one with it.
    leads: Vec<Uuid>,
    /// When the person asked.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// When it was over.
    #[schema(value_type = String, format = DateTime)]
    finished_at: Timestamp,
    /// Who approved or did it.
    by: Who,
    /// How much of what: `events`, `identities`, `scores` and so on.
    #[schema(example = json!({"events": 42, "identities": 2}))]
    counts: BTreeMap<String, u64>,
    /// Whether an erasure was done again over a database that was restored from an older copy.
    replayed: bool,
    /// SHA-256 of what was handed out, hexadecimal.
    #[schema(required)]
    content_sha256: Option<String>,
    /// SHA-256 of the receipt as the server keeps it, hexadecimal.
    digest: String,
}

impl From<leadscore_store::Receipt> for PrivacyReceipt {
    fn from(receipt: leadscore_store::Receipt) -> Self {
        Self {
            request_id: receipt.request_id,
            kind: receipt.kind,
            outcome: receipt.outcome,
            leads: receipt.leads.into_iter().map(|lead| lead.0).collect(),
            received_at: receipt.received_at,
            finished_at: receipt.finished_at,
            by: receipt.by.into(),
            counts: receipt.counts,
            replayed: receipt.replayed,
            content_sha256: receipt.content_sha256,
            digest: receipt.digest,
        }
    }
}

impl PrivacyRequest {
    /// As somebody is shown it.
    pub fn new(request: leadscore_store::PrivacyRequest, principal: &Principal, now: Timestamp) -> Self {
        let overdue = request.is_overdue(now);
        let texts =
            Texts { note: request.note, extension_reason: request.extension_reason, decision: request.decision };
        Self {
            id: request.id,
            kind: request.kind,
            status: request.status,
            lead_id: request.lead_id.0,
            received_at: request.received_at,
            due_at: request.due_at,
            overdue,
            extended_at: request.extended_at,
            opened_by: request.opened_by.into(),
            decided_by: request.decided_by.map(Who::from),
            texts: principal.sees_persons().then_some(texts),
            // Of an erasure that is still under way it only says what the first step did.
            receipt: request.finished_at.and(request.receipt).map(PrivacyReceipt::from),
            export_expires_at: request.export_expires_at,
            lifted_at: request.lifted_at,
            created_at: request.created_at,
            finished_at: request.finished_at,
        }
    }
}

/// Why something is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Because {
    /// Why.
    #[schema(min_length = 1, max_length = 8_192)]
    reason: String,
}

impl Because {
    /// The reason.
    ///
    /// # Errors
    /// [`Code::InvalidField`] where there is none, or a novel.
    pub fn reason(self) -> Result<String, Problem> {
        text("reason", self.reason)
    }
}

/// A text that says something.
///
/// # Errors
/// [`Code::InvalidField`] where it is empty or too long.
pub fn text(field: &'static str, text: String) -> Result<String, Problem> {
    if text.trim().is_empty() || text.len() > limits::TEXT_MAX_BYTES {
        let remedy = format!("send 1 to {} bytes", limits::TEXT_MAX_BYTES);
        return Err(Invalid::new(field, "is empty or too long", remedy).into());
    }
    Ok(text)
}

/// The least role and the scope that approving a request of a kind takes: who may do the same without one.
pub const fn approval(kind: RequestKind) -> (Role, Scope) {
    match kind {
        RequestKind::Erasure => (Role::Admin, Scope::Admin),
        RequestKind::Access => (Role::Manager, Scope::LeadsPersonal),
        RequestKind::Restriction | RequestKind::Objection => (Role::Agent, Scope::EventsWrite),
        RequestKind::Rectification | RequestKind::Contest => (Role::Manager, Scope::LeadsWrite),
    }
}

/// Whether somebody may approve a request of a kind.
pub fn may_approve(principal: &Principal, kind: RequestKind) -> bool {
    let (role, scope) = approval(kind);
    principal.may(role, Some(scope))
}

/// Refuses who may not approve a request of a kind.
///
/// # Errors
/// [`Code::Forbidden`].
pub fn check_approval(principal: &Principal, kind: RequestKind) -> Result<(), Problem> {
    if may_approve(principal, kind) {
        return Ok(());
    }
    let (role, scope) = approval(kind);
    let detail = format!("This kind of request takes the role {role} or the scope {}.", scope.as_str());
    Err(Problem::new(Code::Forbidden, detail))
}

/// What is answered about a request, and recorded.
pub type Answered = (Extension<Touched>, Json<PrivacyRequest>);

/// A request as an answer, recorded as a look at its lead.
pub fn answer(api: &Api, principal: &Principal, request: leadscore_store::PrivacyRequest) -> Answered {
    let touched = Touched::from_iter([Object::PrivacyRequest(request.id), Object::Lead(request.lead_id)]);
    (Extension(touched), Json(PrivacyRequest::new(request, principal, api.clock.now())))
}

/// The request with this id, for who sees its lead.
///
/// # Errors
/// [`Code::PrivacyRequestNotFound`]; where the store fails.
pub async fn look_up(api: &Api, principal: &Principal, id: Uuid) -> Result<leadscore_store::PrivacyRequest, Problem> {
    api.store.privacy_request(principal.sight(), id).await.map_err(unavailable)?.ok_or_else(unknown)
}

/// Does what somebody decided about a request that they see.
///
/// # Errors
/// [`Code::PrivacyRequestConflict`]; where the store fails.
pub async fn decide(api: &Api, principal: &Principal, id: Uuid, decided: Decided) -> Result<Answered, Problem> {
    match api.store.decide_privacy_request(id, actor(principal), decided).await.map_err(unavailable)? {
        Some((request, true)) => Ok(answer(api, principal, request)),
        Some((request, false)) => Err(conflict(&request)),
        None => Err(unknown()),
    }
}

/// What is said of a request that stands elsewhere.
pub fn conflict(request: &leadscore_store::PrivacyRequest) -> Problem {
    let status = match request.status {
        RequestStatus::Open => "open",
        RequestStatus::InProgress => "in progress",
        RequestStatus::Done => "done",
        RequestStatus::Refused => "refused",
    };
    Problem::new(Code::PrivacyRequestConflict, format!("The request is {status}."))
}

/// Opens a request.
///
/// # Errors
/// Where the lead went meanwhile, or the store fails.
pub async fn open(api: &Api, new: NewRequest) -> Result<leadscore_store::PrivacyRequest, Problem> {
    let opened = api.store.open_privacy_request(new).await;
    opened.map_err(unavailable)?.ok_or_else(crate::auth::sight::unknown_lead)
}

fn unknown() -> Problem {
    Problem::new(Code::PrivacyRequestNotFound, "No privacy request has this id.")
}

/// The request that the path names.
pub struct RequestPath(pub Uuid);

impl FromRequestParts<Arc<Api>> for RequestPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        // What is no id names no request.
        let Path(text) = Path::<String>::from_request_parts(parts, api).await.map_err(|_| unknown())?;
        text.parse().map(Self).map_err(|_| unknown())
    }
}

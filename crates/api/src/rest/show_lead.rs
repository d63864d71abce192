//! `GET /api/v1/leads/{lead_id}`: what is known of a lead.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use leadscore_domain::{AttributeValue, EventKind, Identity, LeadId, Timestamp, event::Stage};
use leadscore_engine::features::{LeadState, StateError};
use leadscore_store::{LeadRecord, Principal, StoreError};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    auth::{bearer::Sender, sight::unknown_lead},
    conditional::IfNoneMatch,
    problem::{Code, Problem},
    rest::{LeadPath, unavailable},
    schema,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::InvalidLeadId, Code::LeadNotFound, Code::Internal];

/// A lead. What is derived from its events may be some milliseconds behind them.
#[derive(Debug, Serialize, ToSchema)]
pub struct Lead {
    /// Its id.
    lead_id: Uuid,
    /// The id that was asked for, where that lead was merged into this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    merged_from: Option<Uuid>,
    /// When its first event was received.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The agent whose lead it is.
    #[schema(required)]
    agent_id: Option<Uuid>,
    /// The team that has still to choose an agent.
    #[schema(required)]
    team_id: Option<Uuid>,
    /// The person's name; left out for keys without the scope `leads:personal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    /// Handles by which it is recognised, in normal form; left out as the name is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<schema::Identity>, required = false)]
    identities: Option<Vec<Identity>>,
    /// Where it stands in the pipeline.
    #[schema(value_type = Option<schema::Stage>, required)]
    stage: Option<Stage>,
    /// Where it came from.
    #[schema(required)]
    channel: Option<String>,
    /// IANA time zone.
    #[schema(required)]
    time_zone: Option<String>,
    /// Custom attributes by name.
    #[schema(value_type = BTreeMap<String, schema::AttributeValue>)]
    attributes: BTreeMap<String, AttributeValue>,
    /// When the first event happened.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    first_event_at: Option<Timestamp>,
    /// When the last event happened.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    last_event_at: Option<Timestamp>,
    /// Number of events by kind; kinds without events are left out.
    event_counts: BTreeMap<&'static str, u32>,
}

impl Lead {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> LeadId {
        LeadId(self.lead_id)
    }

    fn new(record: LeadRecord, state: &LeadState, merged_from: Option<LeadId>, principal: &Principal) -> Self {
        let LeadRecord { id, created_at, name, identities, assignment, merged_into: _ } = record;
        let (agent_id, team_id) = assignment.ids();
        let sees_persons = principal.sees_persons();
        let event_counts = EventKind::ALL.iter().map(|kind| (kind.as_str(), state.events(*kind)));
        Self {
            lead_id: id.0,
            merged_from: merged_from.map(|id| id.0),
            created_at,
            agent_id,
            team_id,
            name: sees_persons.then_some(name),
            identities: sees_persons.then_some(identities),
            stage: state.stage(),
            channel: state.channel().map(str::to_owned),
            time_zone: state.time_zone().map(str::to_owned),
            attributes: state.attributes().map(|(name, value)| (name.to_owned(), value.clone())).collect(),
            first_event_at: state.first_event_at(),
            last_event_at: state.last_event_at(),
            event_counts: event_counts.filter(|(_, count)| *count > 0).collect(),
        }
    }
}

/// Why there is no lead to show.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such lead.
    #[error("the lead is unknown")]
    Unknown,
    /// The stored state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Unknown => unknown_lead(),
            Error::State(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a stored state cannot be read");
                Self::new(Code::Internal, "What was derived from the lead's events cannot be read.")
            }
            Error::Store(error) => unavailable(error),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

/// Show a lead
///
/// Where the lead was merged into another, the answer is that lead; `merged_from` says so and `Content-Location`
/// names it.
#[utoipa::path(
    get,
    path = "/api/v1/leads/{lead_id}",
    tag = "leads",
    params(
        ("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"),
        ("If-None-Match" = Option<String>, Header, description = "`ETag` of the answer that you have")
    ),
    responses((
        status = 304,
        description = "You have the lead as it is"
    ), (
        status = 200,
        description = "The lead",
        body = Lead,
        headers(
            ("ETag" = String, description = "Changes with the lead, and with every event of its history"),
            ("Content-Location" = String, description = "Where the lead was merged: the address of the one it belongs to")
        ),
        example = json!({
            "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
            "created_at": "2026-03-01T10:30:00Z",
            "agent_id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a",
            "team_id": null,
            "name": "Ann Example",
            "identities": [{"kind": "email", "value": "ann@example.com"}],
            "stage": "qualified",
            "channel": "referral",
            "time_zone": "America/Chicago",
            "attributes": {"budget": 450_000.0, "pre_approved": true},
            "first_event_at": "2026-03-01T10:30:00Z",
            "last_event_at": "2026-03-01T17:30:00Z",
            "event_counts": {"lead_created": 1, "voice_call": 2}
        })
    ))
)]
pub async fn show_lead(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(asked): LeadPath,
    known: IfNoneMatch,
) -> Result<Response, Error> {
    let Shown { lead, tag } = shown(&api, &principal, asked).await?;
    let is_known = known.has(&tag);
    let mut headers = HeaderMap::from_iter([(header::ETAG, tag)]);
    if lead.merged_from.is_some() {
        let address = HeaderValue::try_from(format!("/api/v1/leads/{}", lead.lead_id));
        headers.insert(header::CONTENT_LOCATION, address.expect("a UUID is a header value"));
    }
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, Json(lead)).into_response())
}

/// A lead as somebody is shown it.
pub struct Shown {
    /// The lead.
    pub lead: Lead,
    /// What this is known by: of what is shown, and of how many events there are, since what is derived comes after them.
    pub tag: HeaderValue,
}

/// A lead, or the one that it was merged into, as somebody is shown it.
///
/// # Errors
/// Where there is none.
pub async fn shown(api: &Api, principal: &Principal, asked: LeadId) -> Result<Shown, Error> {
    let mut record = api.store.lead(asked).await?.ok_or(Error::Unknown)?;
    let mut merged_from = None;
    if let Some(survivor) = record.merged_into {
        record = api.store.lead(survivor).await?.ok_or(Error::Unknown)?;
        merged_from = Some(asked);
    }
    let events = api.store.event_count(record.id).await?;
    let state = match api.store.states(&[record.id]).await?.remove(&record.id) {
        Some(stored) => LeadState::from_bytes(&stored.bytes)?,
        None => LeadState::default(),
    };
    let lead = Lead::new(record, &state, merged_from, principal);
    let json = serde_json::to_vec(&lead).expect("a lead is plain data with string keys");
    let hash = Sha256::new().chain_update(events.to_be_bytes()).chain_update(json).finalize();
    let digits: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = HeaderValue::try_from(format!("\"{digits}\"")).expect("digits and quotes are a header value");
    Ok(Shown { lead, tag })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{NOBODY, TestApp};

    #[tokio::test]
    async fn who_is_unknown_is_not_found() {
        let app = TestApp::new().await;
        assert_eq!(app.get("/api/v1/leads/ann").await.code(), "invalid-lead-id");
        assert_eq!(app.get(&format!("/api/v1/leads/{NOBODY}")).await.code(), "lead-not-found");
    }

    #[tokio::test]
    async fn a_lead_is_shown_with_what_its_events_say() {
        let app = TestApp::new().await;
        let id = app
            .lead_with(&json!({
                "identities": [{"kind": "email", "value": "Ann@Example.com"}, {"kind": "phone", "value": "(512) 555-0123"}],
                "name": "Ann Example",
                "channel": "referral",
                "time_zone": "America/Chicago",
                "attributes": {"budget": 450_000, "pre_approved": true, "source page": "elm", "since": {"time": "2026-02-01T00:00:00Z"}}
            }))
            .await;
        let path = format!("/api/v1/leads/{id}");
        let before = app.get(&path).await.json();
        assert_eq!((&before["name"], &before["event_counts"]), (&json!("Ann Example"), &json!({})));
        app.derive(|_| None).await;
        let mut lead = app.get(&path).await.json();
        assert_eq!(lead["lead_id"], id.to_string());
        lead["lead_id"] = json!("LEAD");
        insta::assert_json_snapshot!(lead);
    }

    #[tokio::test]
    async fn a_merged_lead_is_answered_by_its_survivor_and_says_so() {
        let app = TestApp::new().await;
        let (survivor, absorbed) = (app.lead("one").await, app.lead("two").await);
        app.merge(survivor, absorbed).await;
        let reply = app.get(&format!("/api/v1/leads/{absorbed}")).await;
        assert_eq!(reply.header("content-location"), format!("/api/v1/leads/{survivor}"));
        let lead = reply.json();
        assert_eq!((&lead["lead_id"], &lead["merged_from"]), (&json!(survivor), &json!(absorbed)));
        assert_eq!(lead["identities"].as_array().unwrap().len(), 2);
        assert_eq!(app.get(&format!("/api/v1/leads/{survivor}")).await.json().get("merged_from"), None);
    }
}

//! `GET /api/v1/leads/{lead_id}/export`: everything that is kept of a lead, for the person to have.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use leadscore_domain::{LeadId, Score, Timestamp};
use leadscore_engine::explain::LOGIC;
use leadscore_store::{PastEvent, StoredScore};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    audit::actor,
    auth::bearer::Sender,
    problem::{Code, Problem},
    rest::{
        LeadPath,
        list_events::EventRow,
        list_scores::PastScore,
        show_lead::{Lead, shown},
        unavailable,
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::InvalidLeadId, Code::LeadNotFound];

/// Entries that are read at once, and how often: what one answer holds at most.
const PAGE: usize = 10_000;
const PAGES_MAX: usize = 10;

/// Everything that is kept of a lead.
#[derive(Debug, Serialize, ToSchema)]
pub struct Export {
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    exported_at: Timestamp,
    /// What is known of the lead.
    lead: Lead,
    /// Everything that happened, the latest first, in the form of `POST /api/v1/events`.
    events: Vec<EventRow>,
    /// Every score that the lead had, the latest first.
    scores: Vec<PastScore>,
    /// How a score comes about.
    logic: &'static str,
    /// Whether this is all: `false` where there are more than 100,000 events or scores.
    complete: bool,
}

/// Export a lead
///
/// The whole of what is kept of a person, for a request for access: identities, events with their data, scores. It is
/// recorded as a request for access that is done. Of a lead with more than 100,000 events or scores, and for a document
/// that another server takes in again, open a request with `POST /api/v1/privacy-requests`.
#[utoipa::path(
    get,
    path = "/api/v1/leads/{lead_id}/export",
    tag = "privacy",
    params(("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e")),
    responses((
        status = 200,
        description = "All of it",
        body = Export,
        headers(("Content-Disposition" = String, description = "A name for the file")),
        example = json!({
            "exported_at": "2026-03-01T10:30:00Z",
            "lead": {
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
                "event_counts": {"lead_created": 1}
            },
            "events": [{
                "event_id": "7c9e6679-7425-50de-944b-e07fc1f90ae7",
                "source": "api",
                "type": "lead_created",
                "occurred_at": "2026-03-01T10:30:00Z",
                "received_at": "2026-03-01T10:30:00.2Z",
                "data": {"channel": "referral"}
            }],
            "scores": [{
                "score": 87,
                "grade": "B",
                "confidence": 0.92,
                "interval": {"lower": 0.69, "upper": 0.77},
                "breakdown": {"behavioral": 82, "engagement": 91, "market_fit": 88, "timing": 85},
                "prediction": {
                    "conversion_probability": 0.73,
                    "optimal_contact_time": "2026-03-02T15:00:00Z",
                    "recommended_approach": "premium_property_focus"
                },
                "model_version": "v3",
                "log_position": 1,
                "calculated_at": "2026-03-01T10:30:00Z"
            }],
            "logic": "A statistical model estimates …",
            "complete": true
        })
    ))
)]
pub async fn export_lead(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(asked): LeadPath,
) -> Result<Response, Problem> {
    let lead = shown(&api, &principal, asked).await?.lead;
    let id = lead.id();
    let (events, all_events) = events(&api, id).await?;
    let (scores, all_scores) = scores(&api, id).await?;
    let export = Export {
        exported_at: api.clock.now(),
        lead,
        events: events.into_iter().map(|event| EventRow::new(event, &principal)).collect(),
        scores: scores.iter().map(|score| PastScore::new(score, &principal)).collect(),
        logic: LOGIC,
        complete: all_events && all_scores,
    };
    let counts = BTreeMap::from([("events", export.events.len() as u64), ("scores", export.scores.len() as u64)]);
    let bytes = serde_json::to_vec(&export).expect("an export is plain data with string keys");
    api.store.record_access(actor(&principal), id, counts, &bytes).await.map_err(unavailable)?;
    let name = HeaderValue::try_from(format!("attachment; filename=\"lead-{id}.json\""));
    let headers = [
        (header::CONTENT_DISPOSITION, name.expect("a UUID is a header value")),
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ];
    Ok((headers, bytes).into_response())
}

/// Every event of a lead, and whether these are all.
async fn events(api: &Api, lead: LeadId) -> Result<(Vec<PastEvent>, bool), Problem> {
    let mut events: Vec<PastEvent> = Vec::new();
    for _ in 0..PAGES_MAX {
        let before = events.last().map(|last| (last.occurred_at, last.id));
        let page = api.store.history(lead, &[], before, PAGE).await.map_err(unavailable)?;
        let full = page.len() == PAGE;
        events.extend(page);
        if !full {
            return Ok((events, true));
        }
    }
    Ok((events, false))
}

/// Every score of a lead, and whether these are all.
async fn scores(api: &Api, lead: LeadId) -> Result<(Vec<Score>, bool), Problem> {
    let mut scores: Vec<Score> = Vec::new();
    for _ in 0..PAGES_MAX {
        let before = scores.last().map(|last| (last.calculated_at, last.log_position));
        let page = api.store.score_history(lead, before, PAGE).await.map_err(unavailable)?;
        let full = page.len() == PAGE;
        scores.extend(page.into_iter().map(|StoredScore { score, .. }| score));
        if !full {
            return Ok((scores, true));
        }
    }
    Ok((scores, false))
}

#[cfg(test)]
mod tests {
    use leadscore_store::{Assignment, Role, Scope};
    use serde_json::json;

    use crate::testing::{NOBODY, TestApp, score};

    #[tokio::test]
    async fn everything_is_in_it_and_can_be_sent_again() {
        let app = TestApp::new().await;
        assert_eq!(app.get(&format!("/api/v1/leads/{NOBODY}/export")).await.code(), "lead-not-found");
        let (lead, absorbed) = (app.lead("ann").await, app.lead("other").await);
        app.merge(lead, absorbed).await;
        app.derive(|id| (id == lead).then(|| score(id))).await;
        let reply = app.get(&format!("/api/v1/leads/{absorbed}/export")).await;
        assert_eq!(reply.header("content-disposition"), format!("attachment; filename=\"lead-{lead}.json\""));
        let export = reply.json();
        assert_eq!(export["lead"]["lead_id"], json!(lead));
        assert_eq!(export["lead"]["identities"].as_array().unwrap().len(), 2);
        assert_eq!((export["scores"].as_array().unwrap().len(), &export["complete"]), (1, &json!(true)));
        let events = export["events"].as_array().unwrap();
        assert_eq!(events.len(), 4, "two arrivals, and the merge as it was sent and as it was made");
        let arrival = events.iter().find(|event| event["type"] == "lead_created").unwrap();
        let again = json!({
            "source": "export", "source_event_id": arrival["event_id"], "type": arrival["type"],
            "data": arrival["data"], "occurred_at": arrival["occurred_at"],
            "lead": {"identities": export["lead"]["identities"]}
        });
        assert_eq!(app.post("/api/v1/events", &again).await.status, 202);
    }

    #[tokio::test]
    async fn agents_and_keys_without_persons_export_nothing() {
        let mut app = TestApp::new().await;
        let lead = app.lead("ann").await;
        let path = format!("/api/v1/leads/{lead}/export");
        let agent = app.user("agent@example.com", Role::Agent, None).await;
        app.state.store.assign_lead(lead, Assignment::Agent(agent.id)).await.unwrap();
        for token in [app.log_in(&agent).await, app.key(Scope::LeadsRead).await] {
            app.token = token;
            assert_eq!(app.get(&path).await.code(), "forbidden");
        }
    }
}

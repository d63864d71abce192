//! `GET /api/v1/leads/{lead_id}/outcomes`: how it ended with a lead.

use std::sync::Arc;

use axum::{Json, extract::State};
use leadscore_domain::EventKind;

use crate::{
    auth::bearer::Sender,
    problem::{Code, Problem},
    query::Parameters,
    rest::{
        LeadPath,
        list_events::{EventPage, page},
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::InvalidLeadId, Code::LeadNotFound, Code::InvalidQueryParameter];

/// Outcomes of a lead
///
/// The latest first, page by page: the outcomes among `GET /api/v1/leads/{lead_id}/events`.
#[utoipa::path(
    get,
    path = "/api/v1/leads/{lead_id}/outcomes",
    tag = "events",
    params(
        ("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"),
        ("limit" = Option<usize>, Query, description = "Outcomes of the page, 1 to 500; 50 unless you say otherwise"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before")
    ),
    responses((
        status = 200,
        description = "A page",
        body = EventPage,
        example = json!({
            "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
            "events": [{
                "event_id": "7c9e6679-7425-50de-944b-e07fc1f90ae7",
                "source": "api",
                "type": "outcome",
                "occurred_at": "2026-03-21T10:30:00Z",
                "received_at": "2026-03-21T10:30:00.2Z",
                "data": {"result": "won", "reason": "offer accepted", "value": 12_500}
            }],
            "next": "1774089000000000.7c9e6679742550de944be07fc1f90ae7"
        })
    ))
)]
pub async fn list_outcomes(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(lead): LeadPath,
    query: Parameters,
) -> Result<Json<EventPage>, Problem> {
    page(&api, &principal, lead, &[EventKind::Outcome], query).await.map(Json)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::TestApp;

    #[tokio::test]
    async fn outcomes_are_listed_and_nothing_else_is() {
        let app = TestApp::new().await;
        let path = format!("/api/v1/leads/{}/outcomes", app.lead("ann").await);
        assert_eq!(app.get(&path).await.json()["events"], json!([]));
        for (result, at) in [("no_answer", "2026-03-01T09:00:00Z"), ("won", "2026-03-01T10:00:00Z")] {
            app.post(&path, &json!({"result": result, "occurred_at": at})).await;
        }
        let page = app.get(&format!("{path}?limit=1")).await.json();
        assert_eq!(page["events"][0]["data"], json!({"result": "won"}));
        let rest = app.get(&format!("{path}?cursor={}", page["next"].as_str().unwrap())).await.json();
        assert_eq!(rest["events"][0]["data"], json!({"result": "no_answer"}));
        assert_eq!((rest["events"].as_array().unwrap().len(), rest.get("next")), (1, None));
    }
}

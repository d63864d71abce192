//! `POST /api/v1/leads/{lead_id}/outcomes`: how it ended with a lead.

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use leadscore_domain::{
    EventBody, LeadId, Timestamp,
    event::{Outcome, OutcomeResult},
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    auth::{
        bearer::{Caller, Sender},
        sight::check_exists,
    },
    idempotency::{self, Key},
    json::{JsonBytes, parse},
    problem::{Code, Problem},
    rest::{
        LeadPath,
        lead_event::{LeadEvent, RecordedEvent, append},
    },
    schema,
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

/// How it ended.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOutcome {
    /// How.
    #[schema(value_type = schema::OutcomeResult)]
    result: OutcomeResult,
    /// Why, in a word.
    #[schema(max_length = 256)]
    #[serde(default)]
    reason: Option<String>,
    /// Worth of the deal to the brokerage, in whole units of its currency.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    #[serde(default)]
    value: Option<i64>,
    /// When it ended; now, where it is left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    occurred_at: Option<Timestamp>,
    /// An id of the sender's own: the same id is the same outcome, however often it is sent.
    #[schema(max_length = 200)]
    #[serde(default)]
    source_event_id: Option<String>,
}

impl NewOutcome {
    fn into_event(self, lead: LeadId) -> LeadEvent {
        let Self { result, reason, value, occurred_at, source_event_id } = self;
        let body = EventBody::Outcome(Outcome { result, reason, value });
        LeadEvent { lead, identities: Vec::new(), occurred_at, source_event_id, body }
    }
}

/// Record an outcome
///
/// Won, lost, or never reached: what models learn from. Another one may follow; a lead that was ever won within the 30
/// days of a prediction counts as won.
#[utoipa::path(
    post,
    path = "/api/v1/leads/{lead_id}/outcomes",
    tag = "events",
    params(
        ("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"),
        ("Idempotency-Key" = Option<String>, Header, description =
            "A key of the sender's own, such as a UUID: the same request under the same key gets the first answer for a day")
    ),
    request_body(content = NewOutcome, example = json!({"result": "won", "reason": "offer accepted", "value": 12_500})),
    responses(
        (status = 201, description = "It is in the lead's history", body = RecordedEvent,
            example = json!({
                "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
                "event_id": "7c9e6679-7425-50de-944b-e07fc1f90ae7",
                "recorded": true
            })),
        (status = 200, description = "It was there before", body = RecordedEvent,
            example = json!({
                "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
                "event_id": "7c9e6679-7425-50de-944b-e07fc1f90ae7",
                "recorded": false
            }))
    )
)]
pub async fn create_outcome(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(lead): LeadPath,
    headers: HeaderMap,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let key = Key::read(&headers, &Caller::of(&principal), "outcomes")?;
    let id = key.clone();
    let run = async { take(&api, lead, &bytes, id.as_ref()).await.into_response() };
    idempotency::once(&api, key, &[lead.0.as_bytes(), &bytes], run).await
}

async fn take(
    api: &Api,
    lead: LeadId,
    bytes: &[u8],
    key: Option<&Key>,
) -> Result<(StatusCode, Answer<RecordedEvent>), Problem> {
    check_exists(api, lead).await?;
    let event = parse::<NewOutcome>(bytes)?.into_event(lead);
    let recorded = append(api, event.check(api, key)?).await?;
    Ok((recorded.status(), Answer(recorded)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{NOBODY, TestApp};

    #[tokio::test]
    async fn what_is_wrong_is_named_and_not_recorded() {
        let app = TestApp::new().await;
        let path = format!("/api/v1/leads/{}/outcomes", app.lead("ann").await);
        for (body, field) in [
            (json!({}), "result"),
            (json!({"result": "sold"}), "result"),
            (json!({"result": "won", "value": -1}), "value"),
            (json!({"result": "won", "reason": "x".repeat(257)}), "reason"),
            (json!({"result": "won", "occurred_at": "2026-03-02T10:00:00Z"}), "occurred_at"),
            (json!({"result": "won", "occurred_at": "2020-03-02T10:00:00Z"}), "occurred_at"),
            (json!({"result": "won", "source_event_id": "x".repeat(201)}), "source_event_id"),
            (json!({"result": "won", "source_event_id": ""}), "source_event_id"),
            (json!({"result": "won", "agent": "x"}), "agent"),
        ] {
            let reply = app.post(&path, &body).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), ("invalid-field", &json!(field)), "{body}");
        }
        let nobody = format!("/api/v1/leads/{NOBODY}/outcomes");
        assert_eq!(app.post(&nobody, &json!({"result": "won"})).await.code(), "lead-not-found");
        assert_eq!(app.state.store.counts().await.unwrap().events, 1);
    }

    #[tokio::test]
    async fn the_same_outcome_is_recorded_once_for_each_lead() {
        let app = TestApp::new().await;
        let body = json!({"result": "lost", "occurred_at": "2026-03-01T09:00:00Z", "source_event_id": "deal 7"});
        for lead in [app.lead("ann").await, app.lead("bob").await] {
            let path = format!("/api/v1/leads/{lead}/outcomes");
            let (first, again) = (app.post(&path, &body).await, app.post(&path, &body).await);
            assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 200));
            assert_eq!(first.json()["event_id"], again.json()["event_id"]);
            assert_eq!(json!([first.json()["recorded"], again.json()["recorded"]]), json!([true, false]));
            assert_eq!(again.json()["lead_id"], json!(lead));
        }
        assert_eq!(app.state.store.counts().await.unwrap().events, 4);
    }
}

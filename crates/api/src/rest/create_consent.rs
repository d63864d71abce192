//! `POST /api/v1/leads/{lead_id}/consents`: a lead's person allows something, or no longer does.

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use leadscore_domain::{Consent, ConsentState, EventBody, LeadId, LegalBasis, Purpose, Timestamp};
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

/// A statement about a purpose.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConsent {
    /// What the data is used for.
    #[schema(value_type = schema::Purpose)]
    purpose: Purpose,
    /// Whether that is allowed.
    #[schema(value_type = schema::ConsentState)]
    state: ConsentState,
    /// The legal basis (GDPR Art. 6(1)) that is claimed.
    #[schema(value_type = schema::LegalBasis)]
    basis: LegalBasis,
    /// Where the proof is: the text shown and the form or recording.
    #[schema(min_length = 1, max_length = 8_192)]
    evidence: String,
    /// When it was said; now, where it is left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    occurred_at: Option<Timestamp>,
    /// An id of the sender's own: the same id is the same statement, however often it is sent.
    #[schema(max_length = 200)]
    #[serde(default)]
    source_event_id: Option<String>,
}

impl NewConsent {
    fn into_event(self, lead: LeadId) -> LeadEvent {
        let Self { purpose, state, basis, evidence, occurred_at, source_event_id } = self;
        let body = EventBody::Consent(Consent { purpose, state, basis, evidence });
        LeadEvent { lead, identities: Vec::new(), occurred_at, source_event_id, body }
    }
}

/// Record a consent or a withdrawal
///
/// Of each purpose the latest statement holds. Within moments of a withdrawal for `profiling` the lead has no score any
/// more; earlier ones are no longer shown, and models do not learn from the lead.
#[utoipa::path(
    post,
    path = "/api/v1/leads/{lead_id}/consents",
    tag = "privacy",
    params(
        ("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"),
        ("Idempotency-Key" = Option<String>, Header, description =
            "A key of the sender's own, such as a UUID: the same request under the same key gets the first answer for a day")
    ),
    request_body(content = NewConsent, example = json!({
        "purpose": "call_by_person",
        "state": "withdrawn",
        "basis": "consent",
        "evidence": "said so in the call of 2026-03-01"
    })),
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
pub async fn create_consent(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(lead): LeadPath,
    headers: HeaderMap,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let key = Key::read(&headers, &Caller::of(&principal), "consents")?;
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
    let event = parse::<NewConsent>(bytes)?.into_event(lead);
    let recorded = append(api, event.check(api, key)?).await?;
    Ok((recorded.status(), Answer(recorded)))
}

#[cfg(test)]
mod tests {
    use leadscore_engine::features::LeadState;
    use serde_json::json;

    use crate::testing::{TestApp, score};

    #[tokio::test]
    async fn what_is_wrong_is_named_and_not_recorded() {
        let app = TestApp::new().await;
        let path = format!("/api/v1/leads/{}/consents", app.lead("ann").await);
        let whole = json!({"purpose": "email", "state": "granted", "basis": "consent", "evidence": "form 4"});
        for (field, value) in [
            ("purpose", json!("everything")),
            ("state", json!("perhaps")),
            ("basis", json!("because")),
            ("evidence", json!(" ")),
            ("occurred_at", json!("2026-03-02T10:00:00Z")),
            ("note", json!("x")),
        ] {
            let mut body = whole.clone();
            body[field] = value;
            let reply = app.post(&path, &body).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), ("invalid-field", &json!(field)), "{body}");
        }
        assert_eq!(app.state.store.counts().await.unwrap().events, 1);
    }

    #[tokio::test]
    async fn a_withdrawal_counts_from_when_it_was_made_however_late_it_is_told() {
        let app = TestApp::new().await;
        let lead = app.lead("ann").await;
        app.derive(|id| Some(score(id))).await;
        let path = format!("/api/v1/leads/{lead}/consents");
        // Years ago: too late for anything else.
        for (state, at) in [("withdrawn", "2021-03-01T09:00:00Z"), ("withdrawn", "2026-03-01T10:00:01Z")] {
            let body = json!({
                "purpose": "profiling", "state": state, "basis": "consent", "evidence": "letter", "occurred_at": at
            });
            assert_eq!(app.post(&path, &body).await.status, 201);
        }
        app.derive(|_| None).await;
        let stored = app.state.store.states(&[lead]).await.unwrap().remove(&lead).unwrap();
        let state = LeadState::from_bytes(&stored.bytes).unwrap();
        let policy = app.state.scorer.borrow().policy().clone();
        assert!(policy.permits(&state).is_err());
    }
}

//! `GET /api/v1/leads/{lead_id}/consents`: what a lead's person allowed, and where the proof is.

use std::{collections::HashSet, sync::Arc};

use axum::{Json, extract::State};
use leadscore_domain::{
    Consent, ConsentState, EventBody, EventKind, LegalBasis, Purpose, Timestamp, event::LeadCreated,
};
use leadscore_store::{PastEvent, Principal};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    auth::{bearer::Sender, sight::unknown_lead},
    problem::{Code, Problem},
    rest::{LeadPath, unavailable},
    schema,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::InvalidLeadId, Code::LeadNotFound];

/// Most events whose statements are shown.
pub const EVENTS_MAX: usize = 1_000;

/// What a person allowed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Consents {
    /// Whose. Where the lead was merged into another, that one.
    lead_id: Uuid,
    /// The latest statement first; at most those of the latest 1,000 events that make any.
    consents: Vec<Statement>,
}

/// A statement about a purpose.
#[derive(Debug, Serialize, ToSchema)]
pub struct Statement {
    /// What the data is used for.
    #[schema(value_type = schema::Purpose)]
    purpose: Purpose,
    /// Whether that is allowed.
    #[schema(value_type = schema::ConsentState)]
    state: ConsentState,
    /// The legal basis that is claimed.
    #[schema(value_type = schema::LegalBasis)]
    basis: LegalBasis,
    /// Where the proof is; left out for keys without the scope `leads:personal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    evidence: Option<String>,
    /// Whether it holds: no later one was made about the purpose.
    holds: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    occurred_at: Timestamp,
    /// Which system sent it.
    source: String,
    /// The event that it stands in.
    event_id: Uuid,
}

/// Consents of a lead
///
/// Every statement about every purpose, granted or withdrawn, with its basis and evidence. Of each purpose the latest
/// one holds.
#[utoipa::path(
    get,
    path = "/api/v1/leads/{lead_id}/consents",
    tag = "privacy",
    params(("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e")),
    responses((
        status = 200,
        description = "The statements",
        body = Consents,
        example = json!({
            "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
            "consents": [{
                "purpose": "profiling",
                "state": "granted",
                "basis": "consent",
                "evidence": "web form 2026-03-01, text version 4",
                "holds": true,
                "occurred_at": "2026-03-01T10:30:00Z",
                "source": "website",
                "event_id": "7c9e6679-7425-50de-944b-e07fc1f90ae7"
            }]
        })
    ))
)]
pub async fn list_consents(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(asked): LeadPath,
) -> Result<Json<Consents>, Problem> {
    let record = api.store.lead(asked).await.map_err(unavailable)?.ok_or_else(unknown_lead)?;
    let lead = record.merged_into.unwrap_or(asked);
    let kinds = [EventKind::Consent, EventKind::LeadCreated];
    let events = api.store.history(lead, &kinds, None, EVENTS_MAX).await.map_err(unavailable)?;
    let mut said = HashSet::new();
    let mut consents = Vec::new();
    for event in &events {
        for consent in statements(event) {
            consents.push(Statement::new(event, consent, said.insert(consent.purpose), &principal));
        }
    }
    Ok(Json(Consents { lead_id: lead.0, consents }))
}

/// What an event says, its last word first.
pub fn statements(event: &PastEvent) -> impl Iterator<Item = &Consent> {
    let said = match &event.body {
        Some(EventBody::Consent(consent)) => std::slice::from_ref(consent),
        Some(EventBody::LeadCreated(LeadCreated { consents, .. })) => consents.as_slice(),
        // Only the two kinds were asked for; what is damaged says nothing.
        Some(_) | None => &[],
    };
    said.iter().rev()
}

impl Statement {
    fn new(event: &PastEvent, consent: &Consent, holds: bool, principal: &Principal) -> Self {
        let Consent { purpose, state, basis, evidence } = consent;
        Self {
            purpose: *purpose,
            state: *state,
            basis: *basis,
            evidence: principal.sees_persons().then(|| evidence.clone()),
            holds,
            occurred_at: event.occurred_at,
            source: event.source.clone(),
            event_id: event.id.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use leadscore_store::Scope;
    use serde_json::{Value, json};

    use crate::testing::{NOBODY, TestApp};

    #[tokio::test]
    async fn the_latest_statement_of_each_purpose_holds() {
        let mut app = TestApp::new().await;
        assert_eq!(app.get(&format!("/api/v1/leads/{NOBODY}/consents")).await.code(), "lead-not-found");
        let path = format!("/api/v1/leads/{}/consents", app.lead("ann").await);
        // The withdrawal came first, and is told last.
        for (purpose, state, at) in [
            ("email", "granted", "2026-03-01T09:30:00Z"),
            ("email", "withdrawn", "2026-03-01T09:00:00Z"),
            ("profiling", "withdrawn", "2026-03-01T10:01:00Z"),
        ] {
            let body = json!({
                "purpose": purpose, "state": state, "basis": "consent", "evidence": "said Ann", "occurred_at": at
            });
            assert_eq!(app.post(&path, &body).await.status, 201);
        }
        let rows = |page: &Value| -> Vec<Value> {
            let row = |one: &Value| json!([one["purpose"], one["state"], one["holds"]]);
            page["consents"].as_array().unwrap().iter().map(row).collect()
        };
        let page = app.get(&path).await.json();
        assert_eq!(
            rows(&page),
            [
                json!(["profiling", "withdrawn", true]),
                json!(["profiling", "granted", false]),
                json!(["email", "granted", true]),
                json!(["email", "withdrawn", false]),
            ]
        );
        assert_eq!(page["consents"][0]["evidence"], "said Ann");
        app.token = app.key(Scope::LeadsRead).await;
        let masked = app.get(&path).await.json();
        assert_eq!(rows(&masked), rows(&page));
        assert!(!masked.to_string().contains("Ann"), "{masked}");
    }
}

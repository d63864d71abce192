//! `DELETE /api/v1/leads/{lead_id}`: nothing personal is left of a lead.

use std::sync::Arc;

use axum::{Json, extract::State};
use leadscore_domain::{Timestamp, time::SECOND_US};
use leadscore_store::{NewRequest, RequestKind};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    audit::actor,
    auth::{bearer::Sender, sight::unknown_lead},
    problem::{Code, Problem},
    rest::{
        LeadPath,
        privacy_request::{PrivacyReceipt, open},
        unavailable,
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::InvalidLeadId, Code::LeadNotFound];

/// How long the erasure may take before another process goes on with it.
const LEASE_US: i64 = 60 * SECOND_US;

/// What was destroyed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Erasure {
    /// The leads: the one that was named, and those that were one with it.
    leads: Vec<Uuid>,
    /// Events of which nothing can be read any more.
    events: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    erased_at: Timestamp,
    /// The request that it was recorded as.
    request_id: Uuid,
    /// The proof, which the server keeps too.
    receipt: PrivacyReceipt,
}

/// Erase a lead
///
/// Its key is destroyed, and with it all that was ever sealed under it; handles, scores and what they were calculated
/// from are deleted; events keep their kind and their times, and say nothing. It cannot be undone. An event that names
/// one of the handles later is that of a new lead. The answer holds the
/// receipt: keep it as the proof.
#[utoipa::path(
    delete,
    path = "/api/v1/leads/{lead_id}",
    tag = "privacy",
    params(("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e")),
    responses((
        status = 200,
        description = "It is erased",
        body = Erasure,
        example = json!({
            "leads": ["0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"],
            "events": 42,
            "erased_at": "2026-03-01T10:30:00Z",
            "request_id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "receipt": {
                "request_id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
                "kind": "erasure",
                "outcome": "done",
                "leads": ["0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"],
                "received_at": "2026-03-01T10:30:00Z",
                "finished_at": "2026-03-01T10:30:00Z",
                "by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
                "counts": {"leads": 1, "events": 42},
                "replayed": false,
                "content_sha256": null,
                "digest": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
            }
        })
    ))
)]
pub async fn erase_lead(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(lead_id): LeadPath,
) -> Result<Json<Erasure>, Problem> {
    // Where this process dies over it, another one goes on when the lease has run out.
    let owner = api.store.presence();
    let new = NewRequest {
        kind: RequestKind::Erasure,
        lead_id,
        opened_by: actor(&principal),
        received_at: None,
        note: None,
        approved: true,
        claimed: Some((owner, LEASE_US)),
    };
    let request = open(&api, new).await?;
    let done = api.store.carry_out(owner, request, &api.cache).await.map_err(unavailable)?;
    // Somebody else erased the lead in between, and has the proof.
    let receipt = done.receipt.filter(|receipt| !receipt.counts.is_empty()).ok_or_else(unknown_lead)?;
    Ok(Json(Erasure {
        leads: receipt.leads.iter().map(|lead| lead.0).collect(),
        events: receipt.counts.get("events").copied().unwrap_or_default(),
        erased_at: receipt.finished_at,
        request_id: done.id,
        receipt: receipt.into(),
    }))
}

#[cfg(test)]
mod tests {
    use leadscore_store::{Assignment, Role, Scope};
    use serde_json::json;

    use crate::testing::{NOBODY, TestApp, score};

    #[tokio::test]
    async fn an_erased_lead_is_gone_with_those_that_it_absorbed() {
        let app = TestApp::new().await;
        let (lead, absorbed) = (app.lead("ann").await, app.lead("other").await);
        app.merge(lead, absorbed).await;
        app.derive(|id| (id == lead).then(|| score(id))).await;
        let path = format!("/api/v1/leads/{lead}");
        // Now it is in the process's memory, too.
        assert_eq!(app.get(&format!("{path}/score")).await.status, 200);
        let receipt = app.delete(&format!("/api/v1/leads/{absorbed}")).await.json();
        assert_eq!((receipt["leads"].as_array().unwrap().len(), &receipt["events"]), (2, &json!(4)));
        for part in ["", "/score", "/scores", "/events", "/consents", "/export"] {
            assert_eq!(app.get(&format!("{path}{part}")).await.code(), "lead-not-found", "{part}");
        }
        for gone in [lead.to_string(), absorbed.to_string(), NOBODY.to_owned()] {
            assert_eq!(app.delete(&format!("/api/v1/leads/{gone}")).await.code(), "lead-not-found");
        }
        assert_ne!(app.lead("ann").await, lead, "the handle is a new lead's");
    }

    #[tokio::test]
    async fn only_administrators_erase() {
        let mut app = TestApp::new().await;
        let lead = app.lead("ann").await;
        let team = app.team("North").await;
        app.state.store.assign_lead(lead, Assignment::Team(team)).await.unwrap();
        let path = format!("/api/v1/leads/{lead}");
        let manager = app.user("manager@example.com", Role::Manager, Some(team)).await;
        for token in [app.log_in(&manager).await, app.key(Scope::LeadsWrite).await] {
            app.token = token;
            assert_eq!(app.delete(&path).await.code(), "forbidden");
        }
        assert!(app.state.store.lead(lead).await.unwrap().is_some());
    }
}

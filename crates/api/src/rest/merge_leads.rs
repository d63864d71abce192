//! `POST /api/v1/leads/{lead_id}/merge`: two leads turn out to be one person.

use std::sync::Arc;

use axum::{
    Extension, Json as Answer,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use leadscore_domain::{EventBody, LeadId, event::LeadMerged};
use leadscore_store::{LeadRecord, Principal, audit::Object};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    audit::Touched,
    auth::{
        bearer::{Caller, Sender},
        sight::{self, unknown_lead},
    },
    idempotency::{self, Key},
    json::{JsonBytes, parse},
    problem::{Code, Problem},
    rest::{
        LeadPath,
        lead_event::{LeadEvent, append},
        unavailable,
    },
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

/// The other lead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Merge {
    /// The lead that is the same person.
    absorbed: Uuid,
}

/// What the two are now.
#[derive(Debug, Serialize, ToSchema)]
pub struct MergedLead {
    /// The lead that they are now: the older of the two.
    lead_id: Uuid,
    /// The lead whose history belongs to that one now.
    absorbed: Uuid,
}

/// Merge two leads
///
/// The older one survives, with the handles and the history of both; it is whose the survivor was, or else whose the
/// other was. This cannot be undone. Two that are one already stay as they are.
#[utoipa::path(
    post,
    path = "/api/v1/leads/{lead_id}/merge",
    tag = "leads",
    params(
        ("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"),
        ("Idempotency-Key" = Option<String>, Header, description =
            "A key of the sender's own, such as a UUID: the same request under the same key gets the first answer for a day")
    ),
    request_body(content = Merge, example = json!({"absorbed": "0198c2c4-7d21-7c34-8e56-3a2b1c0d9e8f"})),
    responses((
        status = 200,
        description = "They are one",
        body = MergedLead,
        example = json!({
            "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
            "absorbed": "0198c2c4-7d21-7c34-8e56-3a2b1c0d9e8f"
        })
    ))
)]
pub async fn merge_leads(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(lead): LeadPath,
    headers: HeaderMap,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let key = Key::read(&headers, &Caller::of(&principal), "merge")?;
    let id = key.clone();
    let run = async { merge(&api, &principal, lead, &bytes, id.as_ref()).await.into_response() };
    idempotency::once(&api, key, &[lead.0.as_bytes(), &bytes], run).await
}

async fn merge(
    api: &Api,
    principal: &Principal,
    lead: LeadId,
    bytes: &[u8],
    key: Option<&Key>,
) -> Result<(Extension<Touched>, Answer<MergedLead>), Problem> {
    let lead = present(api, lead).await?.ok_or_else(unknown_lead)?;
    let other = LeadId(parse::<Merge>(bytes)?.absorbed);
    let seen = sight::sees(api, principal, other).await?;
    let other = if seen { present(api, other).await? } else { None };
    let unknown = || Problem::new(Code::InvalidField, "No lead has this id.").field("absorbed");
    let other = other.ok_or_else(unknown)?;
    // The rule by which handles join leads, too.
    let age = |lead: &LeadRecord| (lead.created_at, lead.id);
    let (survivor, absorbed) = if age(&lead) <= age(&other) { (lead.id, other.id) } else { (other.id, lead.id) };
    if survivor != absorbed {
        let body = EventBody::LeadMerged(LeadMerged { absorbed });
        let event =
            LeadEvent { lead: survivor, identities: Vec::new(), occurred_at: None, source_event_id: None, body };
        append(api, event.check(api, key)?).await?;
    }
    let touched = Touched::from_iter([Object::Lead(survivor), Object::Lead(absorbed)]);
    Ok((Extension(touched), Answer(MergedLead { lead_id: survivor.0, absorbed: absorbed.0 })))
}

/// A lead, or the one that it was merged into.
async fn present(api: &Api, id: LeadId) -> Result<Option<LeadRecord>, Problem> {
    match api.store.lead(id).await.map_err(unavailable)? {
        Some(LeadRecord { merged_into: Some(survivor), .. }) => api.store.lead(survivor).await.map_err(unavailable),
        found => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use leadscore_domain::{LeadId, time::SECOND_US};
    use leadscore_store::{Assignment, Role};
    use serde_json::json;

    use crate::testing::{NOBODY, Reply, TestApp};

    async fn merge(app: &TestApp, lead: LeadId, other: &str) -> Reply {
        app.post(&format!("/api/v1/leads/{lead}/merge"), &json!({"absorbed": other})).await
    }

    #[tokio::test]
    async fn the_older_survives_whichever_is_named_and_once() {
        let app = TestApp::new().await;
        let older = app.lead("older").await;
        app.clock.advance_micros(SECOND_US);
        let younger = app.lead("younger").await;
        for other in [NOBODY, "7"] {
            let reply = merge(&app, older, other).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), ("invalid-field", &json!("absorbed")));
        }
        let merged = merge(&app, younger, &older.to_string()).await.json();
        assert_eq!(merged, json!({"lead_id": older, "absorbed": younger}));
        let shown = app.get(&format!("/api/v1/leads/{younger}")).await.json();
        assert_eq!((&shown["lead_id"], shown["identities"].as_array().unwrap().len()), (&json!(older), 2));
        let events = app.state.store.counts().await.unwrap().events;
        assert_eq!(merge(&app, older, &younger.to_string()).await.json()["lead_id"], json!(older));
        assert_eq!(app.state.store.counts().await.unwrap().events, events, "they were one already");
    }

    #[tokio::test]
    async fn a_lead_that_one_does_not_see_is_one_that_is_not_there() {
        let mut app = TestApp::new().await;
        let (own, foreign) = (app.lead("own").await, app.lead("foreign").await);
        let agent = app.user("agent@example.com", Role::Agent, None).await;
        app.state.store.assign_lead(own, Assignment::Agent(agent.id)).await.unwrap();
        app.token = app.log_in(&agent).await;
        let (hidden, none) = (merge(&app, own, &foreign.to_string()).await, merge(&app, own, NOBODY).await);
        assert_eq!((hidden.status, hidden.body), (none.status, none.body));
        assert_eq!(merge(&app, foreign, &own.to_string()).await.code(), "lead-not-found");
    }
}

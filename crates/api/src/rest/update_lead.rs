//! `PATCH /api/v1/leads/{lead_id}`: more, or something else, becomes known of a lead.

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use leadscore_domain::{
    Attributes, EventBody, LeadId, RawIdentity,
    attribute::deserialize_attributes,
    event::{CrmUpdated, LeadCreated},
};
use leadscore_store::Principal;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    auth::{
        bearer::{Caller, Sender},
        sight::check_handles,
    },
    conditional::IfMatch,
    idempotency::{self, Key},
    json::{JsonBytes, given, parse},
    problem::{Code, Problem},
    rest::{
        LeadPath,
        lead_event::{LeadEvent, RecordedEvent, append},
        show_lead::shown,
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
    Code::LeadTaken,
    Code::PreconditionFailed,
];

/// What changes; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeadChange {
    /// The person's name; kept encrypted, never a feature.
    #[schema(nullable = false, max_length = 256)]
    #[serde(default, deserialize_with = "given")]
    name: Option<String>,
    /// Where the lead came from, such as `referral`.
    #[schema(nullable = false, max_length = 64)]
    #[serde(default, deserialize_with = "given")]
    channel: Option<String>,
    /// IANA time zone, such as `America/Chicago`.
    #[schema(nullable = false)]
    #[serde(default, deserialize_with = "given")]
    time_zone: Option<String>,
    /// Custom attributes by name; `null` clears one.
    #[schema(value_type = std::collections::BTreeMap<String, schema::AttributeValue>)]
    #[serde(default, deserialize_with = "deserialize_attributes")]
    attributes: Attributes,
    /// Further handles of the lead. Where one belongs to another lead that you see, the two are merged.
    #[schema(value_type = Vec<schema::Identity>, max_items = 16)]
    #[serde(default)]
    identities: Vec<RawIdentity>,
}

impl LeadChange {
    /// The event that makes it.
    ///
    /// # Errors
    /// [`Code::InvalidField`] where nothing changes.
    pub fn into_event(self, lead: LeadId) -> Result<LeadEvent, Problem> {
        let Self { name, channel, time_zone, attributes, identities } = self;
        let plain = name.is_none() && channel.is_none() && time_zone.is_none();
        if plain && attributes.is_empty() && identities.is_empty() {
            return Err(Problem::new(Code::InvalidField, "Nothing is to be changed.")
                .remedy("send at least one field, attribute or identity"));
        }
        let body = if plain {
            EventBody::CrmUpdated(CrmUpdated { attributes })
        } else {
            EventBody::LeadCreated(LeadCreated { name, channel, time_zone, attributes, consents: Vec::new() })
        };
        Ok(LeadEvent { lead, identities, occurred_at: None, source_event_id: None, body })
    }
}

/// Change a lead
///
/// The change is an event of the lead's history, and shows within milliseconds. With `If-Match` it is made only where
/// the lead still is as `GET /api/v1/leads/{lead_id}` showed it to you; of two changes that arrive in the same
/// instant both may pass. Where a handle belongs to a lead that you do not see, nothing is changed and the answer is 409.
#[utoipa::path(
    patch,
    path = "/api/v1/leads/{lead_id}",
    tag = "leads",
    params(
        ("lead_id" = Uuid, Path, description = "The lead", example = "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"),
        ("If-Match" = Option<String>, Header, description = "`ETag` of the lead as you know it"),
        ("Idempotency-Key" = Option<String>, Header, description =
            "A key of the sender's own, such as a UUID: the same request under the same key gets the first answer for a day")
    ),
    request_body(content = LeadChange, example = json!({
        "name": "Ann Example",
        "attributes": {"budget": 475_000, "pre_approved": null},
        "identities": [{"kind": "phone", "value": "+1 512 555 0199"}]
    })),
    responses((
        status = 200,
        description = "It is in the lead's history",
        body = RecordedEvent,
        example = json!({
            "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
            "event_id": "7c9e6679-7425-50de-944b-e07fc1f90ae7",
            "recorded": true
        })
    ))
)]
pub async fn update_lead(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    LeadPath(lead): LeadPath,
    condition: IfMatch,
    headers: HeaderMap,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let key = Key::read(&headers, &Caller::of(&principal), "lead")?;
    let id = key.clone();
    let run = async { change(&api, &principal, lead, &condition, &bytes, id.as_ref()).await.into_response() };
    idempotency::once(&api, key, &[lead.0.as_bytes(), &bytes], run).await
}

async fn change(
    api: &Api,
    principal: &Principal,
    lead: LeadId,
    condition: &IfMatch,
    bytes: &[u8],
    key: Option<&Key>,
) -> Result<Answer<RecordedEvent>, Problem> {
    let known = shown(api, principal, lead).await?;
    let pending = parse::<LeadChange>(bytes)?.into_event(lead)?.check(api, key)?;
    if !condition.holds(&known.tag) {
        return Err(Problem::new(Code::PreconditionFailed, "The lead is not as you know it."));
    }
    check_handles(api, principal, &pending.identities).await?;
    append(api, pending).await.map(Answer)
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Method};
    use leadscore_domain::time::SECOND_US;
    use leadscore_store::{Assignment, Role};
    use serde_json::{Value, json};

    use crate::testing::{NOBODY, Reply, TestApp};

    async fn change(app: &TestApp, lead: &str, body: &Value) -> Reply {
        app.send_json(Method::PATCH, &format!("/api/v1/leads/{lead}"), body).await
    }

    #[tokio::test]
    async fn what_is_wrong_is_named_and_changes_nothing() {
        let app = TestApp::new().await;
        let lead = app.lead("ann").await.to_string();
        for (body, field) in [
            (json!({}), Value::Null),
            (json!({"name": null}), json!("name")),
            (json!({"name": ""}), json!("name")),
            (json!({"time_zone": "Mars/Olympus"}), json!("time_zone")),
            (json!({"attributes": {"a": []}}), json!("attributes.a")),
            (json!({"identities": [{"kind": "phone", "value": "12"}]}), json!("identities[0].value")),
            (json!({"score": 100}), json!("score")),
        ] {
            let reply = change(&app, &lead, &body).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), ("invalid-field", &field), "{body}");
        }
        assert_eq!(change(&app, NOBODY, &json!({"name": "Ann"})).await.code(), "lead-not-found");
        assert_eq!(change(&app, "7", &json!({"name": "Ann"})).await.code(), "invalid-lead-id");
        assert_eq!(app.state.store.counts().await.unwrap().events, 1);
    }

    #[tokio::test]
    async fn a_change_shows_and_what_is_left_out_stays() {
        let app = TestApp::new().await;
        let lead = app.lead("ann").await.to_string();
        app.clock.advance_micros(SECOND_US);
        let body = json!({"name": "Ann", "time_zone": "America/Chicago", "attributes": {"budget": null, "rooms": 3}});
        assert_eq!(change(&app, &lead, &body).await.json()["lead_id"], lead.as_str());
        app.clock.advance_micros(SECOND_US);
        let body = json!({"attributes": {"rooms": 4}, "identities": [{"kind": "email", "value": "ann@example.com"}]});
        assert_eq!(change(&app, &lead, &body).await.json()["recorded"], true);
        app.derive(|_| None).await;
        let lead = app.get(&format!("/api/v1/leads/{lead}")).await.json();
        assert_eq!(
            json!([lead["name"], lead["channel"], lead["time_zone"], lead["attributes"]]),
            json!(["Ann", "referral", "America/Chicago", {"rooms": 4.0}])
        );
        assert_eq!(lead["identities"].as_array().unwrap().len(), 2);
        assert_eq!(lead["event_counts"], json!({"lead_created": 2, "crm_updated": 1}));
    }

    #[tokio::test]
    async fn who_knows_an_older_lead_changes_nothing() {
        let app = TestApp::new().await;
        let path = format!("/api/v1/leads/{}", app.lead("ann").await);
        let tag = app.get(&path).await.header("etag").to_owned();
        let send = async |tag: &str, name: &str| {
            app.clock.advance_micros(SECOND_US);
            let request = app.request(Method::PATCH, &path).header("content-type", "application/json");
            let body = json!({"name": name}).to_string();
            app.send(request.header("if-match", tag).body(Body::from(body)).unwrap()).await
        };
        let unchanged = app.request(Method::GET, &path).header("if-none-match", &tag).body(Body::empty()).unwrap();
        assert_eq!(app.send(unchanged).await.status, 304);
        assert_eq!(send("\"other\"", "Bob").await.code(), "precondition-failed");
        assert_eq!(send(&format!("W/{tag}"), "Bob").await.code(), "precondition-failed");
        assert_eq!(send(&format!("\"other\", {tag}"), "Ann").await.status, 200);
        assert_eq!(send(&tag, "Bob").await.code(), "precondition-failed");
        assert_eq!(send("*", "Eve").await.status, 200);
        assert_eq!(app.get(&path).await.json()["name"], "Eve");
    }

    #[tokio::test]
    async fn a_handle_of_a_lead_that_one_does_not_see_is_not_taken() {
        let mut app = TestApp::new().await;
        let own = app.lead("own").await;
        // Which of two is older, the milliseconds say.
        app.clock.advance_micros(SECOND_US);
        let (other, foreign) = (app.lead("other").await, app.lead("foreign").await);
        let agent = app.user("agent@example.com", Role::Agent, None).await;
        for lead in [own, other] {
            app.state.store.assign_lead(lead, Assignment::Agent(agent.id)).await.unwrap();
        }
        app.token = app.log_in(&agent).await;
        let join = |crm: &str| json!({"identities": [{"kind": "crm", "value": crm}]});
        assert_eq!(change(&app, &own.to_string(), &join("foreign")).await.code(), "lead-taken");
        assert_eq!(change(&app, &foreign.to_string(), &join("new")).await.code(), "lead-not-found");
        let merged = change(&app, &other.to_string(), &join("own")).await.json();
        assert_eq!(merged["lead_id"], own.to_string(), "the older one survives");
    }

    #[tokio::test]
    async fn a_repeated_request_is_one_change() {
        let app = TestApp::new().await;
        let path = format!("/api/v1/leads/{}", app.lead("ann").await);
        let send = async |name: &str| {
            let request = app.request(Method::PATCH, &path).header("content-type", "application/json");
            let body = json!({"name": name}).to_string();
            app.send(request.header("idempotency-key", "k1").body(Body::from(body)).unwrap()).await
        };
        let first = send("Ann").await;
        let again = send("Ann").await;
        assert_eq!((&first.body, again.header("idempotent-replayed")), (&again.body, "?1"));
        assert_eq!(send("Bob").await.code(), "idempotency-key-reused");
        assert_eq!(app.state.store.counts().await.unwrap().events, 2);
    }
}

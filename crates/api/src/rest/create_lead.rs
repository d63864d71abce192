//! `POST /api/v1/leads`: a lead comes into being, or more becomes known of one.

use std::sync::Arc;

use axum::{
    Extension, Json as Answer,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use leadscore_domain::{
    Attributes, Consent, EventBody, EventEnvelope, Invalid, RawIdentity, Timestamp,
    attribute::deserialize_attributes,
    event::{LeadCreated, LeadRef},
};
use leadscore_store::{Appended, Principal, Sight, StoreError, audit::Object};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    audit::Touched,
    auth::{
        bearer::{Caller, Sender},
        sight,
    },
    idempotency,
    json::{JsonBytes, parse},
    problem::{Code, Problem},
    rest::{lead_event::SOURCE, unavailable},
    schema,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] =
    &[Code::InvalidIdempotencyKey, Code::IdempotencyKeyReused, Code::RequestRunning, Code::LeadTaken];

/// A lead, as far as it is known.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLead {
    /// Handles by which the lead is recognised. Where one belongs to a lead already, this becomes that lead.
    #[schema(value_type = Vec<schema::Identity>, min_items = 1, max_items = 16)]
    identities: Vec<RawIdentity>,
    /// The person's name; kept encrypted, never a feature.
    #[schema(max_length = 256)]
    #[serde(default)]
    name: Option<String>,
    /// Where the lead came from, such as `referral`.
    #[schema(max_length = 64)]
    #[serde(default)]
    channel: Option<String>,
    /// IANA time zone, such as `America/Chicago`.
    #[serde(default)]
    time_zone: Option<String>,
    /// Custom attributes by name.
    #[schema(value_type = std::collections::BTreeMap<String, schema::AttributeValue>)]
    #[serde(default, deserialize_with = "deserialize_attributes")]
    attributes: Attributes,
    /// Consents given with the lead. Without one for `profiling` there is no score.
    #[schema(value_type = Vec<schema::Consent>, max_items = 16)]
    #[serde(default)]
    consents: Vec<Consent>,
    /// Which system sends it; `api` where it is left out.
    #[schema(max_length = 64)]
    #[serde(default)]
    source: Option<String>,
    /// The source's own id of this message. The same id is the same message: a repeated request changes nothing.
    #[schema(max_length = 256)]
    #[serde(default)]
    source_event_id: Option<String>,
}

/// The lead.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedLead {
    /// Its id.
    lead_id: Uuid,
    /// Whether it came into being now; `false` where the handles belong to a lead already.
    created: bool,
}

/// Why the lead was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body is no lead.
    #[error("the request was refused")]
    Refused(Problem),
    /// The request is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(problem) => problem,
            Error::Invalid(invalid) => invalid.into(),
            Error::Store(error) => unavailable(error),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

impl NewLead {
    fn into_envelope(self, fresh_id: impl FnOnce() -> String, occurred_at: Timestamp) -> EventEnvelope {
        let Self { identities, name, channel, time_zone, attributes, consents, source, source_event_id } = self;
        EventEnvelope {
            source: source.unwrap_or_else(|| SOURCE.to_owned()),
            source_event_id: source_event_id.unwrap_or_else(fresh_id),
            lead: LeadRef { lead_id: None, identities },
            occurred_at,
            body: EventBody::LeadCreated(LeadCreated { name, channel, time_zone, attributes, consents }),
        }
    }
}

/// The request is flatter than the event that is made of it: names the field as the sender knows it.
pub(super) fn as_sent(mut invalid: Invalid) -> Invalid {
    if invalid.field == "lead" {
        return Invalid::new("identities", "is empty", "send at least one handle of the lead");
    }
    for prefix in ["data.", "lead."] {
        if let Some(field) = invalid.field.strip_prefix(prefix) {
            invalid.field = field.to_owned();
            break;
        }
    }
    invalid
}

/// Create a lead
///
/// Where one of the handles belongs to a lead already, what was sent is added to that lead and the answer is 200. A lead
/// that an agent or a manager creates is theirs; where a handle belongs to a lead that they do not see, nothing is added
/// and the answer is 409.
#[utoipa::path(
    post,
    path = "/api/v1/leads",
    tag = "leads",
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description =
        "A key of the sender's own, such as a UUID: the same request under the same key gets the first answer for a day")),
    request_body(content = NewLead, example = json!({
        "identities": [{"kind": "email", "value": "ann@example.com"}, {"kind": "phone", "value": "+1 512 555 0123"}],
        "name": "Ann Example",
        "channel": "referral",
        "time_zone": "America/Chicago",
        "attributes": {"budget": 450_000, "pre_approved": true, "lead_type": "buyer"},
        "consents": [{
            "purpose": "profiling",
            "state": "granted",
            "basis": "consent",
            "evidence": "web form 2026-03-01, text version 4"
        }]
    })),
    responses(
        (status = 201, description = "Created", body = CreatedLead,
            headers(("Location" = String, description = "Address of the lead")),
            example = json!({"lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e", "created": true})),
        (status = 200, description = "Joined a lead that was there", body = CreatedLead,
            example = json!({"lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e", "created": false}))
    )
)]
pub async fn create_lead(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    headers: HeaderMap,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let key = idempotency::Key::read(&headers, &Caller::of(&principal), "leads")?;
    // Also where the record of the key is lost, the log knows the message.
    let id = key.as_ref().map(|key| format!("key-{}", key.as_str()));
    let run = async { take(&api, &principal, &bytes, id).await.into_response() };
    idempotency::once(&api, key, &[&bytes], run).await
}

async fn take(api: &Api, principal: &Principal, bytes: &[u8], id: Option<String>) -> Result<Response, Error> {
    let lead: NewLead = parse(bytes)?;
    let now = api.clock.now();
    let fresh_id = || id.unwrap_or_else(|| api.ids.next());
    let pending = lead.into_envelope(fresh_id, now).validate(now, api.region).map_err(as_sent)?;
    let all = principal.sight() == Sight::All;
    sight::check_handles(api, principal, &pending.identities).await?;
    let appended = api.store.append(vec![pending], None).await?.pop();
    let (lead_id, created) = match appended.expect("the store answers for each event") {
        Appended::Applied { lead_id, created, .. } => (lead_id, created),
        Appended::Duplicate { lead_id, .. } => (lead_id, false),
        Appended::Refused(invalid) => return Err(as_sent(invalid).into()),
    };
    if created && !all {
        api.store.claim_lead(lead_id, principal.id).await?;
    }
    let touched = Extension(Touched::from_iter([Object::Lead(lead_id)]));
    let answer = (touched, Answer(CreatedLead { lead_id: lead_id.0, created }));
    if !created {
        return Ok(answer.into_response());
    }
    let address = HeaderValue::try_from(format!("/api/v1/leads/{lead_id}")).expect("a UUID is a header value");
    Ok((StatusCode::CREATED, [(header::LOCATION, address)], answer).into_response())
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use crate::testing::TestApp;

    const PATH: &str = "/api/v1/leads";

    #[tokio::test]
    async fn a_refusal_names_the_field_as_it_was_sent() {
        let app = TestApp::new().await;
        for (lead, field) in [
            (json!({}), "identities"),
            (json!({"identities": []}), "identities"),
            (json!({"identities": "ann"}), "identities"),
            (json!({"identities": [{"kind": "fax", "value": "1"}]}), "identities[0].kind"),
            (json!({"identities": [{"kind": "phone", "value": "12"}]}), "identities[0].value"),
            (json!({"identities": [{"kind": "crm", "value": "1"}], "colour": 1}), "colour"),
            (json!({"identities": [{"kind": "crm", "value": "1"}], "name": ""}), "name"),
            (json!({"identities": [{"kind": "crm", "value": "1"}], "time_zone": "Mars/Olympus"}), "time_zone"),
            (json!({"identities": [{"kind": "crm", "value": "1"}], "source": "x".repeat(65)}), "source"),
            (json!({"identities": [{"kind": "crm", "value": "1"}], "attributes": {"a": []}}), "attributes.a"),
            (
                json!({"identities": [{"kind": "crm", "value": "1"}], "consents": [
                    {"purpose": "profiling", "state": "granted", "basis": "consent", "evidence": " "}]}),
                "consents[0].evidence",
            ),
        ] {
            let reply = app.post(PATH, &lead).await;
            assert_eq!(reply.code(), "invalid-field", "{lead}");
            assert_eq!(reply.json()["field"], field, "{lead}");
        }
        assert_eq!(app.state.store.counts().await.unwrap().leads, 0);
    }

    #[tokio::test]
    async fn a_lead_is_created_once_and_joined_after() {
        let app = TestApp::new().await;
        let first = app.post(PATH, &json!({"identities": [{"kind": "email", "value": "ann@example.com"}]})).await;
        assert_eq!((first.status, &first.json()["created"]), (StatusCode::CREATED, &json!(true)));
        let id = first.json()["lead_id"].clone();
        assert_eq!(first.header("location"), format!("/api/v1/leads/{}", id.as_str().unwrap()));
        let more = json!({
            "identities": [{"kind": "email", "value": " ANN@example.com"}, {"kind": "crm", "value": "42"}],
            "source": "crm",
            "source_event_id": "42-1"
        });
        // The second is another message about the lead; the third is the second again.
        for _ in 0..2 {
            let reply = app.post(PATH, &more).await;
            assert_eq!(reply.status, StatusCode::OK);
            assert_eq!(reply.json(), json!({"lead_id": id, "created": false}));
        }
        let counts = app.state.store.counts().await.unwrap();
        assert_eq!((counts.leads, counts.events), (1, 2));
    }
}

//! `POST /api/v1/privacy-requests`: a person asks for something by their rights over their data.

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use leadscore_domain::{Invalid, LeadId, RawIdentity, Timestamp, limits, time::DAY_US};
use leadscore_store::{NewRequest, Principal, RequestKind};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    audit::actor,
    auth::{
        bearer::{Caller, Sender},
        sight::{check, unknown_lead},
    },
    idempotency::{self, Key},
    json::{JsonBytes, parse},
    problem::{Code, Problem},
    rest::{
        privacy_request::{PrivacyRequest, answer, may_approve, open, text},
        unavailable,
    },
    schema,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] =
    &[Code::LeadNotFound, Code::InvalidIdempotencyKey, Code::IdempotencyKeyReused, Code::RequestRunning];

/// How long ago a person can have asked.
const RECEIVED_MAX_US: i64 = 366 * DAY_US;

/// What a person asks for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPrivacyRequest {
    /// What; a contest is opened with `POST /api/v1/leads/{lead_id}/contest`.
    #[schema(value_type = schema::PrivacyRequestKind)]
    kind: RequestKind,
    /// Whose data it is about: the lead,
    #[schema(value_type = Option<Uuid>, nullable = false)]
    #[serde(default)]
    lead_id: Option<LeadId>,
    /// or one of their handles.
    #[schema(value_type = Option<schema::Identity>, nullable = false)]
    #[serde(default)]
    identity: Option<RawIdentity>,
    /// When they asked; now, where it is left out. An objection holds from then on.
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    #[serde(default)]
    received_at: Option<Timestamp>,
    /// What they said, and how they showed who they are; kept encrypted, and gone with the lead.
    #[schema(nullable = false, min_length = 1, max_length = 8_192)]
    #[serde(default)]
    note: Option<String>,
}

/// Open a privacy request
///
/// It must be answered within a month (GDPR Art. 12(3)). Who may do what is asked for approves it by opening it: access,
/// restriction, objection and erasure are then carried out by the server within moments. Otherwise it waits for somebody
/// who may.
#[utoipa::path(
    post,
    path = "/api/v1/privacy-requests",
    tag = "privacy",
    params(("Idempotency-Key" = Option<String>, Header, description =
        "A key of the sender's own, such as a UUID: the same request under the same key gets the first answer for a day")),
    request_body(content = NewPrivacyRequest, example = json!({
        "kind": "access",
        "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
        "received_at": "2026-03-01T09:00:00Z",
        "note": "by letter"
    })),
    responses((
        status = 201,
        description = "The request",
        body = PrivacyRequest,
        example = json!({
            "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2",
            "kind": "access",
            "status": "in_progress",
            "lead_id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e",
            "received_at": "2026-03-01T10:00:00Z",
            "due_at": "2026-04-01T10:00:00Z",
            "overdue": false,
            "extended_at": null,
            "opened_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
            "decided_by": {"kind": "user", "id": "0198c2c4-6a10-7b21-8c32-1f2e3d4c5b6a"},
            "texts": {"note": "by letter", "extension_reason": null, "decision": null},
            "receipt": null,
            "export_expires_at": null,
            "lifted_at": null,
            "created_at": "2026-03-01T10:30:00Z",
            "finished_at": null
        })
    ))
)]
pub async fn open_privacy_request(
    State(api): State<Arc<Api>>,
    Sender(principal): Sender,
    headers: HeaderMap,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let key = Key::read(&headers, &Caller::of(&principal), "privacy-requests")?;
    let run = async { take(&api, &principal, &bytes).await.into_response() };
    idempotency::once(&api, key, &[&bytes], run).await
}

async fn take(api: &Api, principal: &Principal, bytes: &[u8]) -> Result<impl IntoResponse + use<>, Problem> {
    let NewPrivacyRequest { kind, lead_id, identity, received_at, note } = parse(bytes)?;
    if kind == RequestKind::Contest {
        return Err(Problem::new(Code::InvalidField, "A contest is about a score.")
            .field("kind")
            .remedy("open it with POST /api/v1/leads/{lead_id}/contest"));
    }
    check_received(received_at, api.clock.now())?;
    let note = note.map(|note| text("note", note)).transpose()?;
    let lead_id = whose(api, lead_id, identity).await?;
    check(api, principal, lead_id).await?;
    let approved = kind.is_carried_out() && may_approve(principal, kind);
    let new = NewRequest { kind, lead_id, opened_by: actor(principal), received_at, note, approved, claimed: None };
    let (touched, Answer(request)) = answer(api, principal, open(api, new).await?);
    Ok((StatusCode::CREATED, touched, Answer(request)))
}

fn check_received(received_at: Option<Timestamp>, now: Timestamp) -> Result<(), Problem> {
    let Some(at) = received_at else { return Ok(()) };
    if at > now.plus_micros(limits::CLOCK_SKEW_MAX_US) || at < now.plus_micros(-RECEIVED_MAX_US) {
        return Err(Invalid::new("received_at", "lies in the future or over a year ago", "send when they asked").into());
    }
    Ok(())
}

/// The lead that is named, in the one way or the other.
async fn whose(api: &Api, lead: Option<LeadId>, identity: Option<RawIdentity>) -> Result<LeadId, Problem> {
    match (lead, identity) {
        (Some(lead), None) => Ok(lead),
        (None, Some(raw)) => {
            let identity = raw.normalise(api.region).map_err(|error| error.within("identity"))?;
            api.store.find(&identity).await.map_err(unavailable)?.ok_or_else(unknown_lead)
        }
        (None, None) => Err(Invalid::new("lead_id", "is missing", "send lead_id or identity").into()),
        (Some(_), Some(_)) => Err(Invalid::new("identity", "stands beside lead_id", "send one of them").into()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use leadscore_domain::Clock;
    use leadscore_store::{Assignment, Role, Scope, Scopes, audit::AuditFilter};
    use serde_json::{Value, json};
    use uuid::Uuid;

    use crate::testing::{NOBODY, Reply, TestApp, score};

    const PATH: &str = "/api/v1/privacy-requests";

    fn id(reply: &Reply) -> Uuid {
        assert!(reply.status.is_success(), "{reply:?}");
        reply.json()["id"].as_str().unwrap().parse().unwrap()
    }

    async fn decide(app: &TestApp, id: Uuid, verb: &str, body: &Value) -> Reply {
        app.post(&format!("{PATH}/{id}/{verb}"), body).await
    }

    #[tokio::test]
    async fn what_is_wrong_is_named_and_opens_nothing() {
        let app = TestApp::new().await;
        let lead = app.lead("ann").await;
        let whole = json!({"kind": "access", "lead_id": lead});
        for (field, value) in [
            ("kind", json!("everything")),
            ("kind", json!("contest")),
            ("lead_id", json!("7")),
            ("lead_id", json!(null)),
            ("identity", json!({"kind": "crm", "value": "ann"})),
            ("received_at", json!("2026-03-01T10:05:01Z")),
            ("received_at", json!("2025-02-01T10:00:00Z")),
            ("note", json!(" ")),
            ("score", json!(1)),
        ] {
            let mut body = whole.clone();
            body[field] = value;
            let reply = app.post(PATH, &body).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), ("invalid-field", &json!(field)), "{body}");
        }
        let missing = json!({"kind": "access", "identity": {"kind": "crm", "value": "nobody"}});
        for body in [missing, json!({"kind": "access", "lead_id": NOBODY})] {
            assert_eq!(app.post(PATH, &body).await.code(), "lead-not-found");
        }
        assert_eq!(app.get(PATH).await.json()["requests"], json!([]));
        for query in ["kind=x", "status=x", "overdue=perhaps", "lead=7", "cursor=7", "limit=0"] {
            assert_eq!(app.get(&format!("{PATH}?{query}")).await.code(), "invalid-query-parameter", "{query}");
        }
    }

    #[tokio::test]
    async fn what_nobody_asked_for_is_not_there() {
        let app = TestApp::new().await;
        let because = json!({"reason": "x"});
        for (verb, body) in [
            ("start", Value::Null),
            ("refuse", because.clone()),
            ("extend", because.clone()),
            ("lift", because.clone()),
            ("complete", json!({"resolution": "x"})),
        ] {
            for id in [NOBODY, "7"] {
                let reply = app.post(&format!("{PATH}/{id}/{verb}"), &body).await;
                assert_eq!(reply.code(), "privacy-request-not-found", "{verb}");
            }
        }
        assert_eq!(app.get(&format!("{PATH}/{NOBODY}")).await.code(), "privacy-request-not-found");
        assert_eq!(app.get(&format!("{PATH}/{NOBODY}/export")).await.code(), "privacy-request-not-found");
    }

    #[tokio::test]
    async fn an_agent_asks_and_who_may_erase_approves() {
        let mut app = TestApp::new().await;
        let (own, hidden) = (app.lead("own").await, app.lead("hidden").await);
        let agent = app.user("agent@example.com", Role::Agent, None).await;
        app.state.store.assign_lead(own, Assignment::Agent(agent.id)).await.unwrap();
        let admin = app.token.clone();
        let others = id(&app.post(PATH, &json!({"kind": "rectification", "lead_id": hidden})).await);
        app.token = app.log_in(&agent).await;
        let of = |lead| json!({"kind": "erasure", "lead_id": lead, "note": "by telephone"});
        assert_eq!(app.post(PATH, &of(hidden)).await.code(), "lead-not-found");
        assert_eq!(app.get(&format!("{PATH}/{others}")).await.code(), "privacy-request-not-found");
        let asked = app.post(PATH, &of(own)).await;
        assert_eq!((asked.status, &asked.json()["status"]), (StatusCode::CREATED, &json!("open")));
        let request = id(&asked);
        assert_eq!(app.get(PATH).await.json()["requests"].as_array().unwrap().len(), 1);
        for (verb, body) in [("start", Value::Null), ("refuse", json!({"reason": "x"}))] {
            assert_eq!(decide(&app, request, verb, &body).await.code(), "forbidden");
        }
        // A program that changes leads does not erase them by approving it.
        app.token = app.key(Scope::LeadsWrite).await;
        assert_eq!(decide(&app, request, "start", &Value::Null).await.code(), "forbidden");
        app.token = admin;
        let started = decide(&app, request, "start", &Value::Null).await.json();
        assert_eq!((&started["status"], &started["due_at"]), (&json!("in_progress"), &json!("2026-04-01T10:00:00Z")));
        assert_eq!(decide(&app, request, "start", &Value::Null).await.code(), "privacy-request-conflict");
        assert_eq!(decide(&app, request, "refuse", &json!({"reason": "x"})).await.code(), "privacy-request-conflict");
        assert_eq!(
            decide(&app, request, "complete", &json!({"resolution": "x"})).await.code(),
            "privacy-request-conflict"
        );
        app.carry_out(request).await;
        let done = app.get(&format!("{PATH}/{request}")).await.json();
        assert_eq!((&done["status"], &done["receipt"]["counts"]["events"]), (&json!("done"), &json!(1)));
        assert_eq!(done["texts"]["note"], Value::Null, "it went with the lead");
        assert_eq!(app.get(&format!("/api/v1/leads/{own}")).await.code(), "lead-not-found");
        let filter = AuditFilter { operation: Some("start_privacy_request".to_owned()), ..AuditFilter::default() };
        app.state.audit.flush().await.unwrap();
        let kinds = app.state.store.audit_oldest(&filter, None, 10).await.unwrap();
        assert!(!kinds.entries.is_empty());
    }

    #[tokio::test]
    async fn an_access_is_carried_out_fetched_and_expires() {
        let mut app = TestApp::new().await;
        let lead = app.lead("ann").await;
        let by_handle = json!({"kind": "access", "identity": {"kind": "crm", "value": "ann"}});
        let opened = app.post(PATH, &by_handle).await;
        assert_eq!(opened.json()["lead_id"], json!(lead));
        let request = id(&opened);
        let path = format!("{PATH}/{request}/export");
        assert_eq!(app.get(&path).await.code(), "privacy-request-conflict", "it is not there yet");
        app.carry_out(request).await;
        let reply = app.get(&path).await;
        let name = format!("attachment; filename=\"privacy-request-{request}.json\"");
        assert_eq!(reply.header("content-disposition"), name);
        let export = reply.json();
        let packed = app.request(axum::http::Method::GET, &path).header("accept-encoding", "zstd");
        let packed = app.send(packed.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(zstd::stream::decode_all(&packed.body[..]).unwrap(), reply.body, "{:?}", packed.headers);
        // What is exported is taken in again, as a new lead of another server would be.
        app.delete(&format!("/api/v1/leads/{lead}")).await;
        let sent = app.post("/api/v1/events", &export["events"]).await.json();
        assert_eq!((&sent["accepted"], &sent["refused"]), (&json!(1), &json!(0)), "{sent}");
        assert_eq!(app.get(&path).await.code(), "export-expired", "it went with the lead");
        let other = id(&app.post(PATH, &json!({"kind": "access", "lead_id": app.lead("bob").await})).await);
        app.carry_out(other).await;
        app.token = app.key([Scope::LeadsRead, Scope::LeadsWrite].into_iter().collect::<Scopes>()).await;
        assert_eq!(app.get(&format!("{PATH}/{other}/export")).await.code(), "forbidden");
        let shown = app.get(&format!("{PATH}/{other}")).await.json();
        assert!(shown.get("texts").is_none(), "{shown}");
    }

    #[tokio::test]
    async fn a_rectification_changes_the_lead_and_records_it() {
        let app = TestApp::new().await;
        let lead = app.lead("ann").await;
        let more = json!({"identities": [{"kind": "phone", "value": "+1 512 555 0199"}]});
        app.send_json(axum::http::Method::PATCH, &format!("/api/v1/leads/{lead}"), &more).await;
        let request = id(&app.post(PATH, &json!({"kind": "rectification", "lead_id": lead})).await);
        let whole = json!({
            "resolution": "the number was a namesake's",
            "change": {"name": "Ann Example"},
            "remove_identities": [{"kind": "phone", "value": "(512) 555-0199"}]
        });
        for (field, value, named) in [
            ("resolution", json!(""), "resolution"),
            ("change", json!({}), "change"),
            ("change", json!({"name": ""}), "change.name"),
            ("remove_identities", json!([{"kind": "phone", "value": "1"}]), "remove_identities[0].value"),
        ] {
            let mut body = whole.clone();
            body[field] = value;
            let reply = decide(&app, request, "complete", &body).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), ("invalid-field", &json!(named)), "{body}");
        }
        let done = decide(&app, request, "complete", &whole).await.json();
        assert_eq!(done["receipt"]["counts"], json!({"events": 1, "identities": 1}));
        assert_eq!(done["texts"]["decision"], "the number was a namesake's");
        let shown = app.get(&format!("/api/v1/leads/{lead}")).await.json();
        assert_eq!((&shown["name"], shown["identities"].as_array().unwrap().len()), (&json!("Ann Example"), 1));
        assert_eq!(decide(&app, request, "complete", &whole).await.code(), "privacy-request-conflict");
        assert_eq!(decide(&app, request, "extend", &json!({"reason": "x"})).await.code(), "privacy-request-conflict");
    }

    #[tokio::test]
    async fn a_contest_is_a_persons_to_decide() {
        let mut app = TestApp::new().await;
        let lead = app.lead("ann").await;
        app.derive(|id| Some(score(id))).await;
        let path = format!("/api/v1/leads/{lead}/contest");
        assert_eq!(app.post(&path, &json!({"reason": " "})).await.json()["field"], "reason");
        let opened = app.post(&path, &json!({"reason": "nobody called me back"})).await;
        assert_eq!((&opened.json()["kind"], &opened.json()["status"]), (&json!("contest"), &json!("open")));
        let request = id(&opened);
        let completion = json!({"resolution": "we call this week"});
        assert_eq!(decide(&app, request, "complete", &completion).await.code(), "forbidden", "a program");
        let manager = app.user("manager@example.com", Role::Admin, None).await;
        app.token = app.log_in(&manager).await;
        let taken = decide(&app, request, "start", &Value::Null).await.json();
        assert_eq!(taken["decided_by"]["id"], json!(manager.id));
        let change = json!({"resolution": "x", "change": {"name": "Ann"}});
        assert_eq!(decide(&app, request, "complete", &change).await.json()["field"], "change");
        let done = decide(&app, request, "complete", &completion).await.json();
        assert_eq!((&done["status"], &done["texts"]["decision"]), (&json!("done"), &completion["resolution"]));
        assert_eq!(done["receipt"]["by"]["id"], json!(manager.id));
    }

    #[tokio::test]
    async fn a_restriction_is_lifted_once_and_with_a_reason() {
        let app = TestApp::new().await;
        let lead = app.lead("ann").await;
        let request = id(&app.post(PATH, &json!({"kind": "restriction", "lead_id": lead})).await);
        let because = json!({"reason": "the number was right"});
        assert_eq!(
            decide(&app, request, "lift", &because).await.code(),
            "privacy-request-conflict",
            "not in force yet"
        );
        app.carry_out(request).await;
        app.derive(|_| None).await;
        for part in ["score", "scores", "explanation"] {
            let reply = app.get(&format!("/api/v1/leads/{lead}/{part}")).await;
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (StatusCode::FORBIDDEN, "processing-restricted"),
                "{part}"
            );
        }
        let batch = app.post("/api/v1/leads/batch-score", &json!({"lead_ids": [lead]})).await.json();
        assert_eq!(batch["errors"][0]["code"], "processing-restricted");
        assert_eq!(decide(&app, request, "lift", &json!({})).await.json()["field"], "reason");
        let lifted = decide(&app, request, "lift", &because).await.json();
        assert_eq!(lifted["lifted_at"], json!(app.clock.now()));
        assert_eq!(decide(&app, request, "lift", &because).await.code(), "privacy-request-conflict");
    }

    #[tokio::test]
    async fn what_is_done_at_once_leaves_a_receipt_too() {
        let app = TestApp::new().await;
        let lead = app.lead("ann").await;
        app.get(&format!("/api/v1/leads/{lead}/export")).await;
        app.clock.advance_micros(leadscore_domain::time::SECOND_US);
        let erased = app.delete(&format!("/api/v1/leads/{lead}")).await.json();
        let all = app.get(&format!("{PATH}?status=done&lead={lead}")).await.json();
        let all = all["requests"].as_array().unwrap();
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!((&all[0]["kind"], &all[0]["receipt"]), (&json!("erasure"), &erased["receipt"]));
        assert_eq!((&all[1]["kind"], &all[1]["receipt"]["counts"]["events"]), (&json!("access"), &json!(1)));
        assert!(all[1]["receipt"]["content_sha256"].is_string());
    }
}

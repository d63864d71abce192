//! `GET /api/v1/audit`: who saw or changed what.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    problem::{Code, Problem},
    query::Parameters,
    rest::{
        audit_entry::{self, Entry, filter},
        unavailable,
    },
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = audit_entry::PROBLEMS;

/// Entries of a page, unless the request says otherwise, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditPage {
    /// The newest first; may be fewer than asked for, or none, though there is a `next`.
    entries: Vec<Entry>,
    /// The `cursor` of the next page; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// Search the audit log
///
/// Who read or changed what, the newest first, page by page. A page looks through a bounded stretch of the log: go on
/// while there is a `next`, also where a page has no entries. With `lead_id` also what was done to leads that were merged
/// with it.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    tag = "audit",
    params(
        ("lead_id" = Option<uuid::Uuid>, Query, description = "About this lead"),
        ("actor_id" = Option<uuid::Uuid>, Query, description = "By this user or API key"),
        ("operation" = Option<String>, Query, description = "Of this operation, such as `show_score`"),
        ("from" = Option<String>, Query, description = "At this instant or later (RFC 3339)"),
        ("until" = Option<String>, Query, description = "Before this instant (RFC 3339)"),
        ("limit" = Option<usize>, Query, description = "Entries of the page, 1 to 1000; 100 unless you say otherwise"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before")
    ),
    responses((
        status = 200,
        description = "A page",
        body = AuditPage,
        example = json!({
            "entries": [{
                "number": 1207,
                "at": "2026-03-01T10:30:00Z",
                "actor": {"kind": "user", "id": "0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2", "role": "agent"},
                "operation": "show_score",
                "object": {"kind": "lead", "id": "0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e"},
                "status": 200,
                "reason": "call back at 3 pm",
                "address": "192.0.2.7",
                "request_id": "64c2b1-1f-7",
                "count": 1
            }],
            "next": "311.16"
        })
    ))
)]
pub async fn list_audit(State(api): State<Arc<Api>>, mut query: Parameters) -> Result<Json<AuditPage>, Problem> {
    let filter = filter(&mut query)?;
    let limit = query.take("limit", "send a number from 1 to 1000")?.unwrap_or(LIMIT);
    let cursor = query.take("cursor", "send `next` of the page before as it was")?;
    query.end()?;
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::new(Code::InvalidQueryParameter, "The parameter is out of range.")
            .field("limit")
            .remedy("send a number from 1 to 1000"));
    }
    // What was answered here before is to be found.
    api.audit.flush().await.map_err(unavailable)?;
    let page = api.store.audit_newest(&filter, cursor, limit).await.map_err(unavailable)?;
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(Json(AuditPage { entries: page.entries.into_iter().map(Entry::from).collect(), next }))
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        http::{Method, StatusCode},
    };
    use leadscore_store::{Role, Scope, Scopes};
    use serde_json::{Value, json};

    use crate::testing::{NOBODY, TestApp, score};

    const PATH: &str = "/api/v1/audit";

    /// Operations, objects and statuses of a page, the oldest first.
    async fn acts(app: &TestApp, query: &str) -> Vec<(String, String, u64)> {
        let page = app.get(&format!("{PATH}?{query}")).await.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let act = |entry: &Value| {
            (text(&entry["operation"]), text(&entry["object"]["id"]), entry["status"].as_u64().unwrap())
        };
        page["entries"].as_array().unwrap().iter().rev().map(act).collect()
    }

    #[tokio::test]
    async fn what_is_wrong_is_named_and_only_administrators_look() {
        let mut app = TestApp::new().await;
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("lead_id=7", "lead_id"),
            ("actor_id=ann", "actor_id"),
            ("from=yesterday", "from"),
            ("until=x", "until"),
            ("cursor=1", "cursor"),
            ("cursor=-1.2", "cursor"),
        ] {
            let reply = app.get(&format!("{PATH}?{query}")).await;
            assert_eq!((reply.code().as_str(), &reply.json()["field"]), ("invalid-query-parameter", &json!(field)));
        }
        assert_eq!(app.get(&format!("{PATH}?colour=1")).await.code(), "unknown-query-parameter");
        app.token = app.key(Scope::JobsWrite).await;
        for path in [PATH.to_owned(), format!("{PATH}/export")] {
            assert_eq!(app.get(&path).await.code(), "forbidden");
        }
    }

    #[tokio::test]
    async fn reads_changes_and_refusals_are_recorded_with_their_reason() {
        let mut app = TestApp::new().await;
        let admin = app.token.clone();
        let lead = app.lead("ann").await;
        app.derive(|id| Some(score(id))).await;
        app.token = app.key([Scope::LeadsRead, Scope::ScoresRead].into_iter().collect::<Scopes>()).await;
        let path = format!("/api/v1/leads/{lead}/score");
        let request =
            app.request(Method::GET, &path).header("x-audit-reason", "call back").header("x-request-id", "r7");
        assert_eq!(app.send(request.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
        app.get(&format!("/api/v1/leads/{NOBODY}")).await;
        app.post("/api/v1/leads/batch-score", &json!({"lead_ids": [lead, NOBODY]})).await;
        app.get("/api/v1/api-keys").await;
        app.token = admin;
        let (lead, nobody) = (lead.to_string(), NOBODY.to_owned());
        let expected = [
            ("create_lead", &lead, 201),
            ("show_score", &lead, 200),
            ("show_lead", &nobody, 404),
            ("batch_score", &lead, 200),
            ("batch_score", &nobody, 200),
            ("list_api_keys", &String::new(), 403),
        ];
        let expected = expected.map(|(operation, id, status)| (operation.to_owned(), id.clone(), status));
        assert_eq!(acts(&app, "").await, expected);
        let page = app.get(&format!("{PATH}?operation=show_score")).await.json();
        let entry = &page["entries"][0];
        assert_eq!((&entry["reason"], &entry["request_id"]), (&json!("call back"), &json!("r7")));
        assert_eq!((&entry["actor"]["kind"], &entry["actor"]["role"]), (&json!("api_key"), &Value::Null));
        assert_eq!(acts(&app, &format!("lead_id={nobody}")).await.len(), 2);
        assert_eq!(acts(&app, "operation=list_audit").await.len(), 3, "looking is recorded, too");
    }

    #[tokio::test]
    async fn log_ins_are_recorded_without_the_address() {
        let app = TestApp::new().await;
        app.state.store.create_user("ann@example.com", "a long password", Role::Agent).await.unwrap();
        for password in ["wrong", "a long password"] {
            app.post("/api/v1/login", &json!({"email": "Ann@example.com", "password": password})).await;
        }
        let page = app.get(&format!("{PATH}?operation=log_in")).await.json();
        let [right, wrong] = page["entries"].as_array().unwrap().as_slice() else { panic!("{page}") };
        assert_eq!((&right["status"], &right["actor"]["kind"]), (&json!(200), &json!("user")));
        assert_eq!((&wrong["status"], &wrong["actor"]["kind"]), (&json!(401), &json!("nobody")));
        assert_eq!(right["object"], wrong["object"]);
        assert!(!page.to_string().contains("example.com"), "{page}");
    }

    #[tokio::test]
    async fn an_export_holds_every_entry_and_a_count() {
        let app = TestApp::new().await;
        let lead = app.lead("ann").await;
        let made = app.post("/api/v1/api-keys", &json!({"name": "website", "role": "agent"})).await.json();
        let reply = app.get(&format!("{PATH}/export")).await;
        let lines: Vec<Value> = reply
            .body
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        let [first, second, summary] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(first["object"]["id"], json!(lead));
        assert_eq!((&second["operation"], &second["object"]["id"]), (&json!("create_api_key"), &made["id"]));
        assert_eq!(summary["total_entries"], 2);
    }

    #[tokio::test]
    async fn nothing_is_answered_that_cannot_be_recorded() {
        let app = TestApp::new().await;
        let lead = app.lead("ann").await;
        app.state.audit.close().await;
        assert_eq!(app.get(&format!("/api/v1/leads/{lead}")).await.code(), "unavailable");
        let keys = app.state.store.api_keys().await.unwrap();
        let reply = app.post("/api/v1/api-keys", &json!({"name": "website", "role": "agent"})).await;
        assert_eq!(reply.code(), "unavailable");
        assert_eq!(app.state.store.api_keys().await.unwrap(), keys, "and nothing is changed");
        assert_eq!(app.get("/api/v1/jobs").await.status, StatusCode::OK, "what is not recorded goes on");
    }
}

//! The GraphQL API as its clients meet it.

mod access;
mod documents;
mod limits;
mod mutations;
mod queries;
mod socket;

use axum::{body::Body, http::Method};
use leadscore_domain::{LeadId, Score, time::HOUR_US};
use leadscore_store::{Assignment, Principal, Role};
use serde_json::{Value, json};

use super::PATH;
use crate::testing::{Reply, TestApp, score};

/// Sends a query without variables.
async fn ask(app: &TestApp, query: &str) -> Value {
    ask_with(app, query, json!({})).await
}

/// Sends a query.
async fn ask_with(app: &TestApp, query: &str, variables: Value) -> Value {
    let reply = post(app, &json!({"query": query, "variables": variables})).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "application/json"), "{reply:?}");
    reply.json()
}

async fn post(app: &TestApp, body: &Value) -> Reply {
    app.post(PATH, body).await
}

/// The same for who asks for the media type of GraphQL.
async fn post_graphql(app: &TestApp, body: &Value) -> Reply {
    let request = app.request(Method::POST, PATH).header("content-type", "application/json");
    let request = request.header("accept", "application/graphql-response+json, application/json;q=0.9");
    app.send(request.body(Body::from(body.to_string())).unwrap()).await
}

/// The code of an answer's first error; nothing where there is none.
fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default()
}

/// A lead of an agent with a name, a history, scores, consents and an outcome.
async fn full_lead(app: &TestApp, crm: &str) -> LeadId {
    let lead = app
        .lead_with(&json!({
            "identities": [{"kind": "crm", "value": crm}, {"kind": "email", "value": format!("{crm}@example.com")}],
            "name": "Ann Example",
            "channel": "referral",
            "attributes": {"budget": 450_000},
            "consents": [{"purpose": "profiling", "state": "granted", "basis": "consent", "evidence": "form 4"}]
        }))
        .await;
    let outcome = json!({"result": "no_answer", "reason": "voice mail"});
    let reply = app.post(&format!("/api/v1/leads/{lead}/outcomes"), &outcome).await;
    assert!(reply.status.is_success(), "{reply:?}");
    lead
}

/// Scores every lead, once an hour.
async fn score_all(app: &TestApp, hours: u8) {
    for hour in (0..hours).rev() {
        let back = -i64::from(hour) * HOUR_US;
        app.derive(|id| {
            let at = score(id).calculated_at.plus_micros(back);
            Some(Score { score: 90 - hour, calculated_at: at, ..score(id) })
        })
        .await;
    }
}

/// A user with a lead.
async fn agent_with(app: &TestApp, lead: LeadId) -> Principal {
    let agent = app.user("agent@example.com", Role::Agent, None).await;
    app.state.store.assign_lead(lead, Assignment::Agent(agent.id)).await.unwrap();
    agent
}

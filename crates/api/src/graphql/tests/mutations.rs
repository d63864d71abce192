//! What changes, as by REST.

use leadscore_store::Assignment;
use serde_json::{Value, json};

use super::{agent_with, ask, ask_with, code, full_lead, score_all};
use crate::testing::TestApp;

const CREATE: &str =
    "mutation($input: NewLead!, $key: String) { createLead(input: $input, idempotencyKey: $key) { leadId created } }";

#[tokio::test]
async fn a_lead_is_created_once_under_a_key_and_joined_after() {
    let app = TestApp::new().await;
    let input = json!({
        "identities": [{"kind": "EMAIL", "value": "ann@example.com"}],
        "name": "Ann Example",
        "timeZone": "America/Chicago",
        "attributes": {"budget": 450_000, "pre_approved": true},
        "consents": [{"purpose": "PROFILING", "state": "GRANTED", "basis": "CONSENT", "evidence": "form 4"}]
    });
    let create = async |input: &Value, key: Value| ask_with(&app, CREATE, json!({"input": input, "key": key})).await;
    let first = create(&input, json!("k1")).await;
    assert_eq!(first["data"]["createLead"]["created"], true, "{first}");
    assert_eq!(create(&input, json!("k1")).await, first, "the same answer");
    let joined = create(&input, Value::Null).await;
    assert_eq!(
        joined["data"]["createLead"],
        json!({"leadId": first["data"]["createLead"]["leadId"], "created": false})
    );
    let other = json!({"identities": [{"kind": "CRM", "value": "42"}]});
    assert_eq!(code(&create(&other, json!("k1")).await), "idempotency-key-reused");
    assert_eq!(code(&create(&other, json!("é")).await), "invalid-idempotency-key");
    assert_eq!(app.state.store.counts().await.unwrap().leads, 1);
}

#[tokio::test]
async fn a_refusal_names_the_field_by_its_name_here() {
    let app = TestApp::new().await;
    let lead = app.lead("ann").await;
    for (input, field) in [
        (json!({"identities": []}), "identities"),
        (json!({"identities": [{"kind": "PHONE", "value": "12"}]}), "identities[0].value"),
        (json!({"identities": [{"kind": "CRM", "value": "1"}], "timeZone": "Mars/Olympus"}), "timeZone"),
        (json!({"identities": [{"kind": "CRM", "value": "1"}], "attributes": {"a": []}}), "attributes.a"),
    ] {
        let answer = ask_with(&app, CREATE, json!({"input": input})).await;
        let members = &answer["errors"][0]["extensions"];
        assert_eq!((&members["code"], &members["field"]), (&json!("invalid-field"), &json!(field)), "{answer}");
        assert_eq!(answer["data"], json!({"createLead": null}));
    }
    let late = format!(
        r#"mutation {{ recordOutcome(lead: "{lead}", input: {{result: LOST, occurredAt: "2020-01-01T00:00:00Z"}}) {{ eventId }} }}"#
    );
    assert_eq!(ask(&app, &late).await["errors"][0]["extensions"]["field"], "occurredAt");
    let nothing = format!(r#"mutation {{ updateLead(lead: "{lead}", input: {{}}) {{ eventId }} }}"#);
    assert_eq!(code(&ask(&app, &nothing).await), "invalid-field");
    assert_eq!(code(&ask_with(&app, CREATE, json!({"input": {"colour": 1}})).await), "invalid-query");
}

#[tokio::test]
async fn a_lead_is_changed_and_what_was_said_and_how_it_ended_is_recorded() {
    let app = TestApp::new().await;
    let lead = app.lead("ann").await;
    app.clock.advance_micros(1);
    let mutation = format!(
        r#"mutation {{
            updateLead(lead: "{lead}", input: {{name: "Ann Example", attributes: {{budget: 475000}}}}) {{ leadId recorded }}
            recordOutcome(lead: "{lead}", input: {{result: WON, value: 12500}}) {{ recorded }}
            recordConsent(lead: "{lead}", input: {{purpose: EMAIL, state: WITHDRAWN, basis: CONSENT, evidence: "said so"}}) {{ recorded }}
        }}"#
    );
    let answer = ask(&app, &mutation).await;
    assert_eq!(answer["data"]["updateLead"], json!({"leadId": lead, "recorded": true}), "{answer}");
    app.derive(|_| None).await;
    let query = format!(
        r#"{{ lead(id: "{lead}") {{ name profile {{ attributes }} outcomes {{ events {{ data }} }} consents {{ purpose holds }} }} }}"#
    );
    let shown = ask(&app, &query).await["data"]["lead"].clone();
    assert_eq!((&shown["name"], &shown["profile"]["attributes"]["budget"]), (&json!("Ann Example"), &json!(475_000.0)));
    assert_eq!(shown["outcomes"]["events"][0]["data"], json!({"result": "won", "value": 12_500}));
    assert_eq!(shown["consents"][0], json!({"purpose": "EMAIL", "holds": true}));
}

#[tokio::test]
async fn leads_are_assigned_and_merged_within_sight() {
    let mut app = TestApp::new().await;
    let one = app.lead("one").await;
    // The older one survives.
    app.clock.advance_micros(1);
    let (two, hidden) = (app.lead("two").await, app.lead("hidden").await);
    let agent = agent_with(&app, one).await;
    let assign =
        format!(r#"mutation {{ assignLead(lead: "{two}", to: {{agentId: "{}"}}) {{ agentId teamId }} }}"#, agent.id);
    assert_eq!(ask(&app, &assign).await["data"]["assignLead"], json!({"agentId": agent.id, "teamId": null}));
    assert_eq!(app.state.store.lead(two).await.unwrap().unwrap().assignment, Assignment::Agent(agent.id));
    let nobody = assign.replace(&agent.id.to_string(), "ann");
    assert_eq!(ask(&app, &nobody).await["errors"][0]["extensions"]["field"], "agentId");
    app.token = app.log_in(&agent).await;
    assert_eq!(code(&ask(&app, &assign).await), "forbidden");
    let merge = |absorbed: &str| {
        format!(r#"mutation {{ mergeLeads(lead: "{two}", absorbed: "{absorbed}") {{ leadId absorbed }} }}"#)
    };
    let unseen = ask(&app, &merge(&hidden.to_string())).await;
    assert_eq!(unseen, ask(&app, &merge(crate::testing::NOBODY)).await, "hidden is as unknown");
    assert_eq!(unseen["errors"][0]["extensions"]["field"], "absorbed");
    let merged = ask(&app, &merge(&one.to_string())).await["data"]["mergeLeads"].clone();
    assert_eq!(merged, json!({"leadId": one, "absorbed": two}));
}

#[tokio::test]
async fn events_are_recorded_each_by_itself() {
    let app = TestApp::new().await;
    let lead = app.lead("ann").await;
    let record = async |lead: &str, id: &str| {
        let event = json!({
            "source": "site",
            "sourceEventId": id,
            "lead": {"leadId": lead},
            "occurredAt": "2026-03-01T09:00:00Z",
            "kind": "EMAIL",
            "data": {"action": "opened"}
        });
        let other = json!({
            "source": "site",
            "sourceEventId": "visit-1",
            "lead": {"identities": [{"kind": "WEB", "value": "w1"}]},
            "occurredAt": "2026-03-01T09:00:00Z",
            "kind": "PAGE_VIEW",
            "data": {"page": "listing", "duration_ms": -1}
        });
        let mutation = "mutation($input: [NewEvent!]!) { recordEvents(input: $input) {
            accepted duplicates refused results { index status leadId error { code field } } } }";
        ask_with(&app, mutation, json!({"input": [event, other]})).await
    };
    let first = record(&lead.to_string(), "opened-1").await["data"]["recordEvents"].clone();
    assert_eq!((&first["accepted"], &first["refused"]), (&json!(1), &json!(1)), "{first}");
    assert_eq!(first["results"][0], json!({"index": 0, "status": "ACCEPTED", "leadId": lead, "error": null}));
    let refused = json!({"code": "invalid-field", "field": "data.duration_ms"});
    assert_eq!((&first["results"][1]["status"], &first["results"][1]["error"]), (&json!("REFUSED"), &refused));
    assert_eq!(record(&lead.to_string(), "opened-1").await["data"]["recordEvents"]["duplicates"], 1);
    let unknown = record(crate::testing::NOBODY, "opened-2").await;
    assert_eq!((code(&unknown), &unknown["data"]), ("invalid-field", &json!({"recordEvents": null})), "{unknown}");
    assert_eq!(unknown["errors"][0]["extensions"]["field"], "[0].lead.leadId");
}

#[tokio::test]
async fn a_score_is_overridden_and_contested_beside_the_models_own() {
    let app = TestApp::new().await;
    let lead = full_lead(&app, "ann").await;
    score_all(&app, 1).await;
    let set = |score: u8| {
        format!(
            r#"mutation {{ setOverride(lead: "{lead}", input: {{score: {score}, reason: "met in person"}}) {{ score endedAt }} }}"#
        )
    };
    let shown = format!(r#"{{ lead(id: "{lead}") {{ score {{ score }} override {{ score reason endedAt }} }} }}"#);
    let end = format!(r#"mutation {{ endOverride(lead: "{lead}") {{ score endedAt }} }}"#);
    assert_eq!(code(&ask(&app, &end).await), "override-not-found");
    assert_eq!(ask(&app, &set(101)).await["errors"][0]["extensions"]["field"], "score");
    assert_eq!(ask(&app, &set(7)).await["data"]["setOverride"], json!({"score": 7, "endedAt": null}));
    let both = json!({"score": {"score": 90}, "override": {"score": 7, "reason": "met in person", "endedAt": null}});
    assert_eq!(ask(&app, &shown).await["data"]["lead"], both);
    assert!(ask(&app, &end).await["data"]["endOverride"]["endedAt"].is_string());
    assert_eq!(ask(&app, &shown).await["data"]["lead"]["override"], Value::Null);
    let contest = format!(r#"mutation {{ contestScore(lead: "{lead}", reason: "I do buy") {{ id leadId dueAt }} }}"#);
    let opened = ask(&app, &contest).await["data"]["contestScore"].clone();
    let request = app.get(&format!("/api/v1/privacy-requests/{}", opened["id"].as_str().unwrap())).await.json();
    assert_eq!((&request["kind"], &request["lead_id"]), (&json!("contest"), &opened["leadId"]));
    assert_eq!(request["due_at"], opened["dueAt"]);
}

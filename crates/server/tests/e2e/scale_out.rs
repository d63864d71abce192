//! Several processes that share the work: one answers, others score, and these come and go.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::support::{Client, Folder, describe};

/// Leads that events are sent about.
const LEADS: usize = 60;

#[tokio::test]
async fn scorers_come_and_go_and_no_event_is_lost_or_applied_twice() {
    let folder = Folder::on_servers().await;
    let key = folder.json(&["init"])["api_key"].as_str().unwrap().to_owned();
    let api = folder.serve_roles("api");
    let client = api.client(&key);
    let mut seen = HashMap::new();

    let first = folder.serve_roles("scorer,trainer");
    round(&client, 1, &mut seen).await;
    let second = folder.serve_roles("scorer");
    round(&client, 2, &mut seen).await;
    // One dies without a word, the other one takes over what it had.
    first.kill();
    round(&client, 3, &mut seen).await;
    let third = folder.serve_roles("scorer");
    round(&client, 4, &mut seen).await;
    assert!(second.terminate().success());
    round(&client, 5, &mut seen).await;
    assert!(third.terminate().success());
    assert!(api.terminate().success());

    let events = folder.export("events");
    assert_eq!(events.len(), 5 * LEADS);
    let checked = folder.json(&["replay", "--check"]);
    assert_eq!(checked["differences"], json!([]), "{checked}");
}

/// Sends one event of each lead and waits for the scores, which never go back.
async fn round(client: &Client, round: usize, seen: &mut HashMap<String, String>) {
    let mut waiting: Vec<Value> = (0..LEADS).map(|lead| event(lead, round)).collect();
    while !waiting.is_empty() {
        let (status, receipt) = client.post("/api/v1/events?wait=score", &json!(waiting)).await.unwrap();
        assert!(matches!(status, 200 | 202), "{status}: {receipt}");
        let results = receipt["results"].as_array().unwrap();
        for result in results.iter().filter(|result| !result["score"].is_null()) {
            let lead = result["lead_id"].as_str().unwrap().to_owned();
            let updated = result["score"]["last_updated"].as_str().unwrap().to_owned();
            let last = seen.entry(lead).or_default();
            assert!(updated >= *last, "a score went back: {result}");
            *last = updated;
        }
        // What is not scored within the server's patience is asked for again; it counts once.
        let pending = results.iter().map(|result| result["score"].is_null());
        waiting = waiting.into_iter().zip(pending).filter(|(_, pending)| *pending).map(|(event, _)| event).collect();
    }
}

fn event(lead: usize, round: usize) -> Value {
    let source_event_id = format!("{lead}/{round}");
    let identity = json!({"identities": [{"kind": "crm", "value": format!("lead-{lead}")}]});
    let at = format!("2026-03-01T09:{round:02}:00Z");
    if round == 1 {
        let consent = json!({"purpose": "profiling", "state": "granted", "basis": "consent", "evidence": "form"});
        return json!({"source": "test", "source_event_id": source_event_id, "lead": identity, "occurred_at": at,
            "type": "consent", "data": consent});
    }
    json!({"source": "test", "source_event_id": source_event_id, "lead": identity, "occurred_at": at,
        "type": "email", "data": {"action": "clicked"}})
}

#[test]
fn a_process_that_leaves_work_to_others_needs_a_server() {
    let (folder, _) = Folder::initialised();
    let refused = folder.run(&["serve", "--roles", "scorer"]);
    assert_eq!(refused.status.code(), Some(2), "{}", describe(&refused));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("store.postgres"), "{}", describe(&refused));
}

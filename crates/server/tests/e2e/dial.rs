//! `leadscore voice dial` on a real server: the score moves while the call goes on.

use serde_json::{Value, json};

use crate::support::{Folder, arg, describe};

const NUMBER: &str = "+1 512 555 0123";

#[tokio::test]
async fn a_call_moves_the_score_turn_by_turn_and_counts_once() {
    let (folder, key) = Folder::initialised();
    let server = folder.serve();
    let client = server.client(&key);
    let consent = json!({"purpose": "profiling", "state": "granted", "basis": "consent", "evidence": "form 4"});
    let lead = json!({"identities": [{"kind": "phone", "value": NUMBER}], "consents": [consent]});
    let (_, lead) = client.post("/api/v1/leads", &lead).await.unwrap();
    let lead = lead["lead_id"].as_str().unwrap();
    let dial = |more: &[&str]| {
        let common = ["voice", "dial", "--target", &server.address, "--token", &key, "--phone", NUMBER, "--speed", "0"];
        folder.json(&[&common, more].concat())
    };
    let call = dial(&[]);
    assert_eq!(call["lead_id"], *lead);
    let turns = call["turns"].as_array().unwrap();
    let scores: Vec<u64> = turns.iter().map(|turn| turn["score"]["score"].as_u64().unwrap()).collect();
    assert_eq!(turns.len(), 12);
    assert!(scores.windows(2).any(|pair| pair[0] != pair[1]), "{scores:?}");

    let (_, history) = client.get(&format!("/api/v1/leads/{lead}/events")).await;
    let kinds: Vec<&str> =
        history["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    let count = |kind: &str| kinds.iter().filter(|one| **one == kind).count();
    assert_eq!((count("call_turn"), count("voice_call")), (12, 1), "{kinds:?}");
}

#[tokio::test]
async fn a_script_that_is_none_and_a_lead_without_consent_are_told() {
    let (folder, key) = Folder::initialised();
    let server = folder.serve();
    let script = folder.write("call.txt", "agent: Hello\nsomebody: Hi\n");
    let dial = ["voice", "dial", "--target", &server.address, "--token", &key, "--phone", NUMBER, "--speed", "0"];
    let refused = folder.run(&[&dial[..], &["--script", arg(&script)]].concat());
    assert_eq!(refused.status.code(), Some(2), "{}", describe(&refused));
    assert!(describe(&refused).contains("line 2"), "{}", describe(&refused));
    let stranger = folder.json(&dial);
    assert_eq!(stranger["turns"][0]["withheld"], "profiling-consent-missing");
    assert_eq!(stranger["score"], Value::Null);
}

//! A new user's path, on an export of their own CRM.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{Folder, arg, describe, eventually};

/// Leads in the export.
const LEADS: u64 = 900;

#[tokio::test]
async fn from_an_export_to_served_scores() {
    journey(Folder::new()).await;
}

#[tokio::test]
async fn from_an_export_to_served_scores_on_postgresql() {
    journey(Folder::on_postgres().await).await;
}

#[tokio::test]
async fn from_an_export_to_served_scores_on_postgresql_kafka_and_redis() {
    journey(Folder::on_servers().await).await;
}

#[tokio::test]
async fn a_server_whose_schema_is_missing_is_migrated_by_command_only() {
    let folder = Folder::on_postgres().await;
    std::fs::create_dir(folder.data()).unwrap();
    std::fs::write(folder.data().join("master.key"), "11".repeat(32)).unwrap();
    let refused = folder.run(&["export", "leads"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("leadscore migrate"), "{}", describe(&refused));
    assert_eq!(folder.json(&["migrate"])["from"], 0);
    let again = folder.json(&["migrate"]);
    assert_eq!(again["from"], again["to"]);
    assert!(folder.export("leads").is_empty());
}

async fn journey(folder: Folder) {
    let made = folder.json(&["init"]);
    let key = made["api_key"].as_str().unwrap();
    let export = folder.write("leads.csv", export());

    let mapping = folder.path("mapping.toml");
    let inspection = folder.json(&["import", "inspect", arg(&export), "--out", arg(&mapping)]);
    assert_eq!(inspection["kind"], "leads", "{inspection}");
    assert_eq!(inspection["rows"], LEADS, "{inspection}");
    assert_warned(&inspection, "Commission", "Leak");
    assert_warned(&inspection, "Religion", "Protected");

    let summary = folder.json(&["import", "leads", arg(&export), "--mapping", arg(&mapping)]);
    assert_eq!((&summary["imported"], &summary["rejected"]), (&json!(LEADS), &json!(0)), "{summary}");
    let again = folder.json(&["import", "leads", arg(&export), "--mapping", arg(&mapping)]);
    assert_eq!(folder.export("leads").len() as u64, LEADS, "importing again changes nothing: {again}");

    let trained = folder.json(&["train"]);
    assert_eq!((&trained["version"], &trained["promoted"]), (&json!("v1"), &json!(true)), "{trained}");
    let scored = folder.json(&["score", "lead7@example.com", "L-00008"]);
    for score in scored["scores"].as_array().unwrap() {
        assert_eq!(score["score"]["model_version"], "v1", "{scored}");
    }
    let table = folder.run(&["score", "lead7@example.com"]);
    assert!(String::from_utf8_lossy(&table.stdout).starts_with("lead"), "{}", describe(&table));

    serve(&folder, key, scored["scores"][0]["score"]["lead_id"].as_str().unwrap()).await;
    keep_house(&folder);
}

/// An export of a CRM: who came when from where, how it ended; one column that gives the outcome away, and one that
/// nobody may learn from.
fn export() -> String {
    let mut text = "Lead ID,Email,Created,Source,Budget,Site Visits,Religion,Commission,Converted\n".to_owned();
    let mut random = 88_172_645_463_325_252_u64;
    let mut draw = |below: u64| {
        // xorshift64 (Marsaglia 2003)
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for number in 0..LEADS {
        let (month, day) = (1 + number * 9 / LEADS, 1 + draw(28));
        let source = ["Referral", "Portal", "Open House"][draw(3) as usize];
        let (visits, budget) = (draw(12), 150_000 + 1_000 * draw(600));
        let won = draw(100) < visits * 4 + if source == "Referral" { 25 } else { 2 };
        let (commission, won) = if won { (format!("{}", budget / 40), "Yes") } else { (String::new(), "No") };
        let religion = ["A", "B", "C"][draw(3) as usize];
        let row = format!(
            "L-{number:05},lead{number}@example.com,2025-{month:02}-{day:02},{source},{budget},{visits},{religion},{commission},{won}"
        );
        writeln!(text, "{row}").unwrap();
    }
    text
}

fn assert_warned(inspection: &Value, column: &str, kind: &str) {
    let warnings = inspection["warnings"].as_array().unwrap();
    let warned = warnings.iter().any(|warning| warning["column"] == column && warning["kind"] == kind);
    assert!(warned, "no warning of {kind} in {column}: {inspection}");
}

/// What the story's clients do over HTTP.
async fn serve(folder: &Folder, key: &str, lead: &str) {
    let server = folder.serve();
    server.ready().await;
    let client = server.client(key);
    let path = format!("/api/v1/leads/{lead}/score");
    let (status, before) = client.get(&path).await;
    assert_eq!(status, 200, "{before}");
    assert!((0..=100).contains(&before["score"].as_i64().unwrap()), "{before}");
    for part in ["behavioral", "engagement", "market_fit", "timing"] {
        assert!(before["breakdown"][part].is_u64(), "{before}");
    }

    let call = json!({
        "source": "test", "source_event_id": "call-1", "lead": { "lead_id": lead }, "occurred_at": before["last_updated"],
        "type": "voice_call", "data": { "direction": "inbound", "answered": true, "duration_ms": 300_000 },
    });
    let (status, receipt) = client.post("/api/v1/events", &call).await.unwrap();
    assert_eq!((status, &receipt["accepted"]), (202, &json!(1)), "{receipt}");
    eventually("the score follows the call", async || {
        client.get(&path).await.1["last_updated"] != before["last_updated"]
    })
    .await;
    let (_, receipt) = client.post("/api/v1/events", &call).await.unwrap();
    assert_eq!(receipt["duplicates"], 1, "{receipt}");

    let batch = json!({ "lead_ids": [lead], "include_predictions": true });
    let (status, scores) = client.post("/api/v1/leads/batch-score", &batch).await.unwrap();
    assert_eq!((status, &scores["total_processed"]), (200, &json!(1)), "{scores}");
    assert!(server.terminate().success());
}

/// What an owner does now and then.
fn keep_house(folder: &Folder) {
    let evaluated = folder.json(&["evaluate", "--split", "time:0.7", "--predictions", arg(&folder.path("p.csv"))]);
    assert!(evaluated["model"]["auc"].as_f64().unwrap() > 0.6, "visits and source tell: {evaluated}");
    assert!(folder.path("p.csv").exists());
    assert!(folder.data().join("evaluation/report.html").exists());

    let second = folder.json(&["train", "--no-promote"]);
    assert_eq!((&second["version"], &second["promoted"]), (&json!("v2"), &json!(false)), "{second}");
    folder.json(&["models", "promote", "v2", "--reason", "a look"]);
    assert_eq!(folder.json(&["models", "rollback"])["champion"], "v1");
    assert_eq!(folder.json(&["models", "show"])["version"], "v1");
    let models = folder.json(&["models", "list"]);
    assert_eq!(models["models"].as_array().unwrap().len(), 2, "{models}");

    assert_eq!(folder.export("scores").len() as u64, LEADS);
    let csv = folder.path("scores.csv");
    assert_eq!(folder.json(&["export", "scores", "--format", "csv", "--out", arg(&csv)])["rows"], LEADS);
    assert!(std::fs::read_to_string(&csv).unwrap().lines().count() as u64 == LEADS + 1);
    let doctor = folder.json(&["doctor", "--deep"]);
    assert_eq!(doctor["wrong"], 0, "{doctor}");
}

//! `leadscore bench` on a real server: what it reports is what the server stored and what the server counted.

use serde_json::{Value, json};

use crate::support::{Folder, Server, http};

/// Leads that the load is about.
const LEADS: u64 = 50;
/// Events of each run.
const EVENTS: u64 = 400;

#[tokio::test]
async fn what_the_generator_reports_is_what_the_server_stored_and_counted() {
    let (folder, key) = Folder::initialised();
    let server = folder.serve();
    let bench = |what: &str, more: &[&str]| {
        let leads = LEADS.to_string();
        let common = ["bench", what, "--target", &server.address, "--token", &key, "--leads", &leads];
        folder.json(&[&common, more].concat())
    };

    let single = bench("events", &["--rate", "200", "--duration", "2s"]);
    assert_adds_up(&single, EVENTS);
    let several = bench("events", &["--rate", "200", "--duration", "2s", "--per-request", "10"]);
    assert_adds_up(&several, EVENTS / 10);
    let most = bench("events", &["--rate", "max", "--duration", "500ms", "--connections", "2", "--per-request", "5"]);
    let requests = most["requests"]["succeeded"].as_u64().unwrap();
    assert_eq!((&most["rate"], &most["events"]["accepted"]), (&Value::Null, &json!(requests * 5)), "{most}");

    let scores = bench("scores", &["--duration", "500ms", "--connections", "4"]);
    let read = &scores["requests"];
    assert_eq!(read["by_status"], json!({ "200": read["succeeded"] }), "every lead has a score: {scores}");
    let batch = bench("batch", &["--runs", "2"]);
    assert_eq!((&batch["sizes"][0]["leads"], &batch["sizes"][0]["runs"]), (&json!(LEADS), &json!(2)), "{batch}");
    let [min, median, max] = ["min_ms", "median_ms", "max_ms"].map(|name| batch["sizes"][0][name].as_f64().unwrap());
    assert!(0.0 < min && min <= median && median <= max, "{batch}");

    let stored = LEADS + 2 * EVENTS + requests * 5;
    let metrics = metrics(&server).await;
    // Each of the four further commands found the leads of the first.
    for (fate, count) in
        [("accepted", stored), ("duplicate", 4 * LEADS), ("refused", 0), ("applied", stored), ("dead", 0)]
    {
        let line = format!("leadscore_events_total{{fate=\"{fate}\"}} {count}");
        assert!(metrics.lines().any(|shown| shown == line), "{line} is not in {metrics}");
    }
    assert!(metrics.lines().any(|line| line == "leadscore_scorer_lag_events 0"), "{metrics}");

    assert!(server.terminate().success());
    assert_eq!(folder.export("events").len() as u64, stored);
    assert_eq!(folder.export("leads").len() as u64, LEADS);
}

/// A run of [`EVENTS`] that met no trouble, by `requests` requests.
fn assert_adds_up(report: &Value, requests: u64) {
    assert_eq!(report["requests"]["by_status"], json!({ "202": requests }), "{report}");
    assert_eq!((&report["requests"]["unanswered"], &report["requests"]["unsent"]), (&json!({}), &json!(0)), "{report}");
    assert_eq!(report["events"], json!({ "accepted": EVENTS, "duplicates": 0, "refused": 0 }), "{report}");
    let fates = json!({ "accepted": EVENTS, "duplicate": 0, "refused": 0, "applied": EVENTS, "dead": 0 });
    assert_eq!(report["fates"], fates, "{report}");
    assert!(report["scored_after_s"].as_f64().unwrap() >= 1.9, "{report}");
    let latency: Vec<f64> = ["p50_ms", "p90_ms", "p99_ms", "p99_9_ms", "max_ms"]
        .iter()
        .map(|n| report["latency"][n].as_f64().unwrap())
        .collect();
    assert!(latency[0] > 0.0 && latency.is_sorted(), "{report}");
    let stages = report["stages"].as_array().unwrap();
    assert_eq!((&stages[0]["stage"], &stages[0]["count"]), (&json!("ingest"), &json!(requests)), "{report}");
    assert_eq!((&stages[1]["stage"], &stages[1]["count"]), (&json!("log"), &json!(requests)), "{report}");
    assert!(stages.iter().all(|stage| stage["total_s"].as_f64().unwrap() > 0.0), "{report}");
    let shares: f64 = stages.iter().map(|stage| stage["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{report}");
}

/// What the server says without being shown a token.
async fn metrics(server: &Server) -> String {
    let response = http().get(format!("{}/metrics", server.address)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.text().await.unwrap()
}

//! kill -9, twenty times: nothing that was acknowledged is lost, nothing is doubled.
//!
//! Each test is compared with a run of the same input that nothing disturbed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Child,
    time::SystemTime,
};

use serde_json::{Value, json};

use crate::support::{Client, Folder, arg};

/// How often the process is killed.
const KILLS: usize = 20;
/// Rows of an import that are committed together: few, so that kills meet many commits.
const BATCH_ROWS: &str = "20";
/// Events of one request.
const REQUEST_EVENTS: usize = 10;

#[test]
fn an_import_that_is_killed_twenty_times_ends_as_one_that_was_not() {
    let files = simulated(400);
    let events = files.path("files/events.jsonl");
    let undisturbed = Folder::initialised().0;
    let expected = undisturbed.json(&["import", "events", arg(&events)]);

    let folder = Folder::initialised().0;
    for kill in 0..KILLS {
        let mut child = folder
            .command(&["import", "events", arg(&events)])
            .env("LEADSCORE_IMPORT__BATCH_ROWS", BATCH_ROWS)
            .spawn()
            .unwrap();
        // From one to five commits later than the last time, so that kills meet every stage of a run.
        let cut_off = wait_for_writes(&mut child, &folder.data(), 1 + kill % 5);
        assert!(cut_off, "the import ended before kill {kill}; it needs more events");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let summary = folder.json(&["import", "events", arg(&events)]);
    assert!(summary["resumed_from"].as_u64().is_some_and(|row| row > 0), "{summary}");
    // Which rows of the batch at hand were duplicates, a killed run cannot tell the next one; the log is compared below.
    let taken = |summary: &Value| summary["imported"].as_u64().unwrap() + summary["duplicates"].as_u64().unwrap();
    assert_eq!(taken(&summary), taken(&expected), "{summary} instead of {expected}");
    for figure in ["rows", "rejected"] {
        assert_eq!(summary[figure], expected[figure], "{figure}: {summary} instead of {expected}");
    }
    assert_same_log(&folder, &undisturbed);
}

#[tokio::test]
async fn a_server_that_is_killed_twenty_times_while_events_arrive_keeps_each_once() {
    let files = simulated(60);
    let events = read_events(&files.path("files/events.jsonl"));
    let (undisturbed, key) = Folder::initialised();
    let server = undisturbed.serve();
    for request in events.chunks(REQUEST_EVENTS) {
        assert!(send(&server.client(&key), request).await.is_some(), "an undisturbed server takes everything");
    }
    server.ready().await;
    assert!(server.terminate().success());

    let (folder, key) = Folder::initialised();
    let requests: Vec<&[Value]> = events.chunks(REQUEST_EVENTS).collect();
    let per_life = requests.len() / (KILLS + 1);
    assert!(per_life >= 2, "too few events for {KILLS} kills");
    let mut acknowledged = BTreeSet::new();
    for life in requests.chunks(per_life).take(KILLS) {
        let server = folder.serve();
        let client = server.client(&key);
        let (last, before) = life.split_last().unwrap();
        for request in before {
            acknowledged.extend(send(&client, request).await.expect("a living server takes everything"));
        }
        // The last request of a life is under way when the process dies; it may or may not be answered.
        let racing = tokio::task::spawn_blocking(move || server.kill());
        acknowledged.extend(send(&client, last).await.into_iter().flatten());
        racing.await.unwrap();
    }
    let kept: Vec<Value> = folder.export("events").iter().map(|event| event["id"].clone()).collect();
    let distinct: BTreeSet<String> = kept.iter().map(id_text).collect();
    assert_eq!(distinct.len(), kept.len(), "an event is there twice");
    assert!(distinct.is_superset(&acknowledged), "an acknowledged event is gone");

    // A sender that got no answer sends again; here everything is sent again, and changes nothing.
    let server = folder.serve();
    for request in &requests {
        assert!(send(&server.client(&key), request).await.is_some());
    }
    server.ready().await;
    assert!(server.terminate().success());
    assert_same_log(&folder, &undisturbed);
    let doctor = folder.json(&["doctor", "--deep"]);
    assert_eq!(doctor["wrong"], 0, "states are what the log gives: {doctor}");
    assert_eq!(folder.export("scores").len(), undisturbed.export("scores").len());
}

/// A small brokerage as files.
fn simulated(leads: u32) -> Folder {
    let folder = Folder::new();
    let out = folder.path("files");
    folder.json(&["simulate", "--out", arg(&out), "--leads", &leads.to_string(), "--days", "120"]);
    folder
}

fn read_events(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let without_receipt = |line| {
        let mut event: Value = serde_json::from_str(line).unwrap();
        event.as_object_mut().unwrap().remove("received_at");
        event
    };
    text.lines().map(without_receipt).collect()
}

fn id_text(id: &Value) -> String {
    id.as_str().unwrap().to_owned()
}

/// Sends events; the ids of the acknowledged ones, or nothing where the connection broke.
async fn send(client: &Client, events: &[Value]) -> Option<Vec<String>> {
    let (status, receipt) = client.post("/api/v1/events", &json!(events)).await.ok()?;
    assert_eq!(status, 202, "{receipt}");
    assert_eq!(receipt["refused"], 0, "{receipt}");
    Some(receipt["results"].as_array().unwrap().iter().map(|result| id_text(&result["event_id"])).collect())
}

/// Waits until the database was written `writes` times; false where the process ended before.
fn wait_for_writes(child: &mut Child, data: &Path, writes: usize) -> bool {
    let mut seen: BTreeSet<(u64, SystemTime)> = BTreeSet::new();
    while seen.len() <= writes {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if let Ok(log) = std::fs::metadata(data.join("leadscore.db-wal")) {
            seen.insert((log.len(), log.modified().unwrap()));
        }
        std::thread::yield_now();
    }
    true
}

/// The same events about the same leads. Ids of leads differ between two runs, so leads are compared by their events.
fn assert_same_log(folder: &Folder, expected: &Folder) {
    let leads = |folder: &Folder| -> BTreeSet<BTreeMap<String, String>> {
        let mut leads: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let events = folder.export("events");
        let count = events.len();
        for mut event in events {
            let fields = event.as_object_mut().unwrap();
            fields.remove("received_at");
            let lead = fields.remove("lead_id").unwrap().to_string();
            let id = event["id"].to_string();
            if event["type"] == "lead_merged" {
                continue; // made by the store, with an id and a lead of its own run
            }
            leads.entry(lead).or_default().insert(id, event.to_string());
        }
        assert!(count > 0);
        leads.into_values().collect()
    };
    let (found, expected) = (leads(folder), leads(expected));
    assert_eq!(found.len(), expected.len(), "as many leads");
    assert!(found == expected, "the events of the leads differ");
}

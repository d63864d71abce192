//! Starting and stopping the server.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Client, Folder, describe, eventually};

/// Who posts at the same time.
const WORKERS: u32 = 8;
/// Acknowledged leads after which the server is told to stop.
const STOP_AFTER: u32 = 60;

#[test]
fn an_address_in_use_is_a_failure_that_names_the_remedy() {
    let (folder, _) = Folder::initialised();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = folder.run(&["serve", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1), "{}", describe(&output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(&address) && stderr.contains("--listen"), "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
}

#[tokio::test]
async fn a_terminated_server_answers_what_it_began_and_keeps_what_it_took() {
    let (folder, key) = Folder::initialised();
    let server = folder.serve();
    let acknowledged = Arc::new(AtomicU32::new(0));
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        workers.spawn(post_leads(server.client(&key), worker, Arc::clone(&acknowledged)));
    }
    eventually("leads are taken", async || acknowledged.load(Ordering::SeqCst) >= STOP_AFTER).await;
    let status = server.terminate();
    assert!(status.success(), "{status}");
    let taken: Vec<String> = workers.join_all().await.concat();
    assert!(taken.len() >= STOP_AFTER as usize);
    let kept: Vec<Value> = folder.export("leads");
    for id in &taken {
        assert!(kept.iter().any(|lead| lead["lead_id"] == **id), "{id} was acknowledged and is gone");
    }

    let server = folder.serve();
    server.ready().await;
    let client = server.client(&key);
    for id in &taken {
        let path = format!("/api/v1/leads/{id}/score");
        eventually("every lead is scored", async || client.get(&path).await.0 == 200).await;
    }
    assert!(server.terminate().success());
    let doctor = folder.json(&["doctor", "--deep"]);
    assert_eq!(doctor["wrong"], 0, "{doctor}");
}

/// Posts leads until the server takes no more; the ids of those that it acknowledged.
async fn post_leads(client: Client, worker: u32, acknowledged: Arc<AtomicU32>) -> Vec<String> {
    let mut taken = Vec::new();
    for number in 0.. {
        let Ok((status, created)) = client.post("/api/v1/leads", &lead(&format!("{worker}-{number}"))).await else {
            break;
        };
        if status == 503 {
            break;
        }
        assert_eq!(status, 201, "{created}");
        taken.push(created["lead_id"].as_str().unwrap().to_owned());
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    taken
}

fn lead(name: &str) -> Value {
    json!({
        "identities": [{ "kind": "crm", "value": name }],
        "consents": [{ "purpose": "profiling", "state": "granted", "basis": "consent", "evidence": "form 4" }],
    })
}

#[tokio::test]
async fn without_a_key_there_is_health_and_documentation_and_nothing_else() {
    let (folder, _) = Folder::initialised();
    let server = folder.serve();
    server.ready().await;
    let client = server.client("lsk_wrong");
    assert_eq!(client.get("/healthz").await.0, 200);
    assert_eq!(client.get("/openapi.json").await.0, 200);
    assert_eq!(client.get("/docs/").await.0, 200);
    let (status, problem) = client.get("/api/v1/leads/0198c2c4-0000-7000-8000-000000000000").await;
    assert_eq!(status, 401, "{problem}");
}

#[tokio::test]
async fn the_password_of_init_logs_in() {
    let folder = Folder::new();
    let made = folder.json(&["init", "--email", "boss@example.com"]);
    let server = folder.serve();
    let client = server.client("");
    let body = json!({ "email": "boss@example.com", "password": made["password"] });
    let (status, session) = client.post("/api/v1/login", &body).await.unwrap();
    assert_eq!(status, 200, "{session}");
    let client = server.client(session["token"].as_str().unwrap());
    let (status, _) = client.get("/api/v1/leads/0198c2c4-0000-7000-8000-000000000000").await;
    assert_eq!(status, 404);
}

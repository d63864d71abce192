//! Requests that nobody thought of: generated from the API's document, as each role, by schemathesis.
//!
//! How many there are of each operation, `LEADSCORE_GENERATED_EXAMPLES` says.

use std::{path::PathBuf, process::Command};

use serde_json::{Value, json};

use crate::support::{Folder, Server, arg, describe, http};

/// Of each operation, in each of the generator's phases that take a number.
const EXAMPLES: &str = "300";
/// What a stream of events is like, no generator can say; the others would end the session that asks.
const WITHOUT: [&str; 5] = ["stream_scores", "log_out", "change_password", "end_session", "end_sessions"];
const PASSWORD: &str = "correct horse battery staple";

/// Sends what is generated, by whoever has the token; nothing may be found.
async fn generate(server: &Server, token: &str) {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../..");
    let folder = root.join("tests/schemathesis");
    let python = Command::new(root.join("scripts/python-venv")).arg(folder.join("requirements.txt")).output().unwrap();
    assert!(python.status.success(), "{}", describe(&python));
    let python = PathBuf::from(String::from_utf8(python.stdout).unwrap().trim());
    let examples = std::env::var("LEADSCORE_GENERATED_EXAMPLES");
    let scratch = tempfile::tempdir().unwrap();
    let without = WITHOUT.iter().flat_map(|operation| ["--exclude-operation-id", operation]);
    let found = Command::new(python.with_file_name("schemathesis"))
        .args(["--config-file", arg(&folder.join("schemathesis.toml"))])
        .args(["run", &format!("{}/openapi.json", server.address)])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--checks", "all", "--continue-on-failure", "--warnings", "off"])
        .args(without)
        .args(["--max-examples", examples.as_deref().unwrap_or(EXAMPLES), "--seed", "1"])
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", &folder)
        .current_dir(scratch.path())
        .output()
        .unwrap();
    assert!(found.status.success(), "{}", describe(&found));
    let me = http().get(format!("{}/api/v1/me", server.address)).bearer_auth(token).send().await.unwrap();
    assert_eq!(me.status(), 200, "the token ended on the way, and nothing after it was tried");
}

/// A folder whose server does not count how often somebody asks: the generator is to meet everything behind that.
fn folder() -> (Folder, String) {
    let folder = Folder::new()
        .with("LEADSCORE_SERVER__RATES__ADDRESS_PER_S", "0")
        .with("LEADSCORE_SERVER__RATES__PERSON_PER_S", "0")
        .with("LEADSCORE_SERVER__RATES__KEY_PER_S", "0")
        .with("LEADSCORE_ACCESS__ACCESS_TOKEN_MIN", "60");
    let made = folder.json(&["init"]);
    (folder, made["api_key"].as_str().unwrap().to_owned())
}

async fn post(server: &Server, path: &str, token: &str, body: Value) -> Value {
    let url = format!("{}{path}", server.address);
    let answer = http().post(url).bearer_auth(token).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
    answer.json().await.unwrap()
}

/// What is generated is sent by a user of this role, whose own lead there is.
async fn as_role(role: &str) {
    let (folder, key) = folder();
    let server = folder.serve();
    let team = post(&server, "/api/v1/teams", &key, json!({ "name": "North" })).await;
    let email = format!("{role}@example.com");
    let user = json!({ "email": email, "name": role, "role": role, "team_id": team["id"], "password": PASSWORD });
    post(&server, "/api/v1/users", &key, user).await;
    let session = post(&server, "/api/v1/login", &key, json!({ "email": email, "password": PASSWORD })).await;
    let token = session["token"].as_str().unwrap();
    post(&server, "/api/v1/leads", token, json!({ "identities": [{ "kind": "email", "value": "ann@example.com" }] }))
        .await;
    generate(&server, token).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_found_as_an_agent() {
    as_role("agent").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_found_as_a_manager() {
    as_role("manager").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_found_as_an_administrator() {
    as_role("admin").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_found_as_a_program() {
    let (folder, key) = folder();
    let server = folder.serve();
    generate(&server, &key).await;
}

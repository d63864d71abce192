//! A master key that a vault opens, by the documented shape of its transit API; here a server that has that shape.

use std::{collections::HashMap, process::Output};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use crate::support::{Folder, arg, describe};

const TOKEN: &str = "hvs.CAESIJ";

/// Opens what it knows for whoever has the token.
async fn decrypt(
    State(known): State<HashMap<&'static str, String>>,
    Path((mount, key)): Path<(String, String)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    assert_eq!((&*mount, &*key), ("sealing", "leads"));
    assert_eq!(
        (&headers["x-vault-request"], &headers["x-vault-namespace"]),
        (&"true".parse().unwrap(), &"homes".parse().unwrap())
    );
    assert_eq!(body.as_object().unwrap().len(), 1);
    if headers["x-vault-token"] != TOKEN {
        return (StatusCode::FORBIDDEN, Json(json!({"errors": ["1 error occurred:\n\t* permission denied\n\n"]})));
    }
    match known.get(body["ciphertext"].as_str().unwrap()) {
        Some(plaintext) => {
            (StatusCode::OK, Json(json!({"request_id": "1", "lease_id": "", "data": {"plaintext": plaintext}})))
        }
        None => (StatusCode::BAD_REQUEST, Json(json!({"errors": ["cipher: message authentication failed"]}))),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_opens_the_master_key_and_nothing_else_does() {
    let plaintext = |digits: &str, count: usize| STANDARD.encode(digits.repeat(count));
    let known = HashMap::from([
        ("vault:v1:one", plaintext("1", 64)),
        ("vault:v2:one", plaintext("1", 64)),
        ("vault:v1:other", plaintext("2", 64)),
        ("vault:v1:short", plaintext("1", 5)),
    ]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let vault = Router::new().route("/v1/{mount}/decrypt/{key}", post(decrypt)).with_state(known);
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, vault).await.unwrap() });

    let folder = Folder::new();
    let key = |name: &str, text: &str| folder.write(name, format!("{text}\n"));
    let [one, rewrapped, other, short, forged, token] = [
        ("one", "vault:v1:one"),
        ("rewrapped", "vault:v2:one"),
        ("other", "vault:v1:other"),
        ("short", "vault:v1:short"),
        ("forged", "vault:v1:forged"),
        ("token", TOKEN),
    ]
    .map(|(name, text)| key(name, text));
    let config = |token: &std::path::Path| {
        let text = format!(
            "[store.vault]\naddress = {address:?}\ntoken_file = {token:?}\nnamespace = \"homes\"\nmount = \"sealing\"\nkey = \"leads\"\n"
        );
        folder.write("config.toml", text)
    };
    let run = |words: &[&str], key: &std::path::Path| -> Output {
        let mut command = folder.command(words);
        command.env("LEADSCORE_CONFIG", folder.path("config.toml")).env("LEADSCORE_STORE__MASTER_KEY_FILE", key);
        command.output().unwrap()
    };
    let fails = |words: &[&str], key: &std::path::Path, code: i32, why: &str| {
        let output = run(words, key);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(code) && stderr.contains(why), "{why}: {}", describe(&output));
        assert!(!stderr.contains(TOKEN) && stderr.trim_end().lines().count() == 1, "{stderr}");
    };
    config(&token);
    fails(&["init"], &short, 2, "64 hexadecimal digits");
    fails(&["init"], &forged, 1, "message authentication failed");
    assert!(run(&["init"], &one).status.success());
    assert!(run(&["doctor"], &rewrapped).status.success(), "sealed anew, it is the same key");
    fails(&["models", "list"], &other, 1, "master key");
    assert!(run(&["keys", "rotate-master", "--new-key-file", arg(&other)], &one).status.success());
    assert!(run(&["doctor"], &other).status.success());
    fails(&["models", "list"], &one, 1, "master key");

    config(&key("stolen", "hvs.other"));
    fails(&["models", "list"], &other, 1, "permission denied");
    config(&folder.path("absent"));
    fails(&["models", "list"], &other, 2, "store.vault.token_file");
    config(std::path::Path::new(""));
    fails(&["models", "list"], &other, 2, "store.vault.token_file");
    folder.write("config.toml", "[store.vault]\naddress = \"http://vault.example.com\"\ntoken_file = \"token\"\n");
    fails(&["models", "list"], &other, 2, "store.vault.address");
    folder.write("config.toml", "");
    fails(&["models", "list"], &other, 2, "[store.vault]");
}

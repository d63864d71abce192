//! What a person is called and says, searched for byte by byte in everything that a server and the servers behind it keep:
//! the database's files with their write-ahead log, Kafka's segments, Redis, the data folder, and every log.

use std::{fs::File, path::Path, process::Command};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, Folder, Server, arg, describe};

/// Words that stand nowhere else, by what they are.
struct Canaries {
    name: String,
    email: String,
    phone: String,
    said: String,
    reason: String,
    note: String,
    late: String,
}

impl Canaries {
    fn new() -> Self {
        let id = Uuid::new_v4();
        let word = |what: &str| format!("{what}{}", id.simple());
        Self {
            name: word("zephyrine"),
            email: format!("zq.{}@example.com", id.simple()),
            phone: format!("+1512{:07}", 2_000_000 + id.as_u128() % 1_000_000),
            said: word("tirespoke"),
            reason: word("overreason"),
            note: word("marmolada"),
            late: word("latecomer"),
        }
    }

    fn words(&self) -> [&str; 7] {
        let Self { name, email, phone, said, reason, note, late } = self;
        [name, email, phone, said, reason, note, late]
    }

    /// Files below these folders, written since `mark`, that hold one, in whatever case.
    fn found_in(&self, mark: &Path, folders: &[&Path]) -> String {
        let mut find = Command::new("find");
        find.args(folders).args(["-type", "f", "-newer", arg(mark), "!", "-name", "*index", "-exec", "grep", "-laiF"]);
        for word in self.words() {
            find.args(["-e", word]);
        }
        let output = find.args(["{}", "+"]).output().unwrap();
        // Files come and go while servers run.
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Writes everything that Redis has into a file, uncompressed.
fn dump_redis(to: &Path) {
    let url = std::env::var("LEADSCORE_TEST_REDIS").unwrap();
    for arguments in [&["CONFIG", "SET", "rdbcompression", "no"][..], &["--rdb", arg(to)]] {
        let done = Command::new("redis-cli").args(["-u", &url]).args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", describe(&done));
    }
}

async fn post(client: &Client, path: &str, body: &Value) -> Value {
    let (status, answer) = client.post(path, body).await.unwrap();
    assert!((200..300).contains(&status), "{path}: {status} {answer}");
    answer
}

/// A lead of which every kind of thing is kept, and its id.
#[expect(clippy::disallowed_methods, reason = "the server goes by the time of the day")]
async fn known(client: &Client, canaries: &Canaries) -> String {
    let consent = json!({"purpose": "profiling", "state": "granted", "basis": "consent", "evidence": canaries.note});
    let identities = json!([
        {"kind": "email", "value": canaries.email}, {"kind": "phone", "value": canaries.phone}
    ]);
    let lead = json!({"name": canaries.name, "identities": identities, "consents": [consent]});
    let id = post(client, "/api/v1/leads", &lead).await["lead_id"].as_str().unwrap().to_owned();
    let call = |id: &str, said: &str, at: jiff::Timestamp| {
        json!({
            "source": "canaries", "source_event_id": id, "lead": {"identities": identities}, "occurred_at": at.to_string(),
            "type": "voice_call",
            "data": {"direction": "inbound", "answered": true, "duration_ms": 60_000, "turns": [{"speaker": "lead", "text": said, "start_ms": 100}]}
        })
    };
    let now = jiff::Timestamp::now();
    let long_ago = now - jiff::SignedDuration::from_hours(24 * 1_000);
    post(client, "/api/v1/events?wait=score", &call("1", &canaries.said, now)).await;
    let late = post(client, "/api/v1/events", &call("2", &canaries.late, long_ago)).await;
    assert_eq!(late["dead_lettered"], 1, "{late}");
    post(client, &format!("/api/v1/leads/{id}/contest"), &json!({"reason": canaries.reason})).await;
    for path in ["", "/score", "/explanation", "/events", "/export"] {
        let (status, answer) = client.get(&format!("/api/v1/leads/{id}{path}")).await;
        assert_eq!(status, 200, "{path}: {answer}");
    }
    let refused = client.post("/api/v1/leads", &json!({"name": canaries.name, "identities": "none"})).await.unwrap();
    assert_eq!(refused.0, 422);
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_is_called_and_says_is_in_no_file_of_any_server() {
    let servers = std::env::var("LEADSCORE_TEST_FOLDER").expect("the folder of the servers; `make test` names it");
    let folder = Folder::on_servers().await.with("LEADSCORE_LOG__FILTER", "debug");
    let mark = folder.write("mark", "");
    let made = folder.json(&["init"]);
    let log = folder.path("server.log");
    let mut serve = folder.command(&["serve", "--listen", "127.0.0.1:0", "--json"]);
    serve.stderr(File::create(&log).unwrap());
    let server = Server::start(serve);
    let client = server.client(made["api_key"].as_str().unwrap());
    let canaries = Canaries::new();
    let lead = known(&client, &canaries).await;
    server.ready().await;

    let redis = folder.path("redis.rdb");
    let folders = [folder.path("."), servers.into()];
    let [own, servers] = [&*folders[0], &*folders[1]];
    let find = || {
        dump_redis(&redis);
        canaries.found_in(&mark, &[own, servers])
    };
    // Whoever finds nothing must be able to find something, and look where it would be.
    let written = folder.write("found", canaries.said.to_uppercase());
    assert_eq!(find().lines().count(), 1);
    std::fs::remove_file(written).unwrap();
    let holds = |path: &Path, word: &str| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(word.len()).any(|window| window == word.as_bytes())
    };
    assert!(holds(&log, "POST") || holds(&log, "request"), "the log was written");
    assert!(holds(&redis, &lead) || holds(&redis, folder.setting("LEADSCORE_STORE__REDIS_PREFIX").unwrap()));
    assert_eq!(find(), "");

    let (status, receipt) = client.delete(&format!("/api/v1/leads/{lead}")).await.unwrap();
    assert_eq!(status, 200, "{receipt}");
    assert_eq!(find(), "");
    assert!(server.terminate().success());
    assert_eq!(find(), "");
}

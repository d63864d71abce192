//! Somebody does not want to be scored any more: what everybody is told who reads, follows or is sent scores.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{Json, Router, http::StatusCode, routing::post};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};
use uuid::Uuid;

use crate::support::{Client, Folder, Server, arg, eventually};

/// By when nobody is told any more.
const EVERYWHERE: Duration = Duration::from_secs(60);

/// Another system, that is told of scores.
struct Receiver {
    port: u16,
    told: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&told);
        let take = async move |Json(message): Json<Value>| {
            let lead = message["data"]["lead_id"].as_str().unwrap_or_default().to_owned();
            keep.lock().unwrap_or_else(PoisonError::into_inner).push(lead);
            StatusCode::NO_CONTENT
        };
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, Router::new().route("/", post(take))).await.unwrap() });
        Self { port, told, _serving: serving }
    }

    /// How often it was told of a lead.
    fn about(&self, lead: &str) -> usize {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|told| *told == lead).count()
    }
}

/// A brokerage with a receiver of webhooks.
struct Brokerage {
    servers: Vec<Server>,
    client: Client,
    receiver: Receiver,
    _folder: Folder,
}

impl Brokerage {
    /// With a process for each of these roles; the first one answers.
    async fn start(folder: Folder, roles: &[&str]) -> Self {
        let receiver = Receiver::start().await;
        let port = receiver.port;
        let config = format!("[webhooks]\nallow_http = true\nports = [{port}]\nprivate_networks = [\"127.0.0.0/8\"]\n");
        let config = folder.write("config.toml", config);
        let folder = folder.with("LEADSCORE_CONFIG", arg(&config));
        let key = folder.json(&["init"])["api_key"].as_str().unwrap().to_owned();
        let [first, others @ ..] = roles else { panic!("somebody has to answer") };
        let mut servers = vec![folder.serve_roles(first)];
        let client = servers[0].client(&key);
        let webhook = json!({
            "url": format!("http://127.0.0.1:{port}/"), "threshold": 1, "direction": "both",
            "event_types": ["score.threshold_crossed", "score.grade_changed"]
        });
        sent(&client, "/api/v1/webhooks", &webhook).await;
        // After it, so that all of them know the endpoint from their first score on.
        servers.extend(others.iter().map(|roles| folder.serve_roles(roles)));
        Self { servers, client, receiver, _folder: folder }
    }

    /// A new lead with a score.
    async fn lead(&self) -> String {
        let name = Uuid::new_v4().to_string();
        let consent = json!({"purpose": "profiling", "state": "granted", "basis": "consent", "evidence": "form"});
        let lead = json!({"identities": [{"kind": "crm", "value": name}], "consents": [consent]});
        let id = sent(&self.client, "/api/v1/leads", &lead).await["lead_id"].as_str().unwrap().to_owned();
        eventually("a lead is scored", async || self.score(&id).await == 200).await;
        id
    }

    async fn score(&self, lead: &str) -> u16 {
        self.client.get(&format!("/api/v1/leads/{lead}/score")).await.0
    }

    /// What would make anybody's score and grade another one.
    async fn excite(&self, lead: &str) {
        let event = |body: Value| {
            let mut event = json!({
                "source": "e2e", "source_event_id": Uuid::new_v4(), "lead": {"lead_id": lead},
                "occurred_at": "2026-03-01T09:00:00Z"
            });
            event.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            event
        };
        let said = json!([{"speaker": "lead", "text": "We want to buy this house now, we have the cash. Can we see it today?", "start_ms": 0}]);
        let call = json!({"direction": "inbound", "answered": true, "duration_ms": 600_000, "turns": said});
        let mut events = vec![event(json!({"type": "voice_call", "data": call}))];
        events.extend((0..5).map(|_| event(json!({"type": "email", "data": {"action": "clicked"}}))));
        sent(&self.client, "/api/v1/events", &json!(events)).await;
    }

    async fn is_queued(&self, lead: &str) -> bool {
        let (status, queue) = self.client.get("/api/v1/queue?limit=200").await;
        assert_eq!(status, 200, "{queue}");
        queue["leads"].as_array().unwrap().iter().any(|one| one["lead_id"] == lead)
    }
}

async fn sent(client: &Client, path: &str, body: &Value) -> Value {
    let (status, answer) = client.post(path, body).await.unwrap();
    assert!((200..300).contains(&status), "{path}: {status} {answer}");
    answer
}

/// News of scores as they come.
struct News {
    response: reqwest::Response,
    text: String,
}

impl News {
    async fn of(client: &Client, leads: [&str; 2]) -> Self {
        let [one, other] = leads;
        let response = client.open(&format!("/api/v1/scores/stream?lead_id={one}&lead_id={other}")).await;
        assert_eq!(response.status(), 200);
        Self { response, text: String::new() }
    }

    async fn next(&mut self) -> Value {
        loop {
            while let Some((line, rest)) = self.text.split_once('\n') {
                let data = line.strip_prefix("data:").map(|data| serde_json::from_str(data).unwrap());
                self.text = rest.to_owned();
                if let Some(data) = data {
                    return data;
                }
            }
            let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// Reads until a lead is told of by a message of this type; whose scores came before.
    async fn until(&mut self, kind: &str, lead: &str) -> HashSet<String> {
        let mut scored = HashSet::new();
        loop {
            let message = self.next().await;
            if message["type"] == kind && message["lead_id"] == lead {
                return scored;
            }
            scored.extend(message["score"].as_u64().and(message["lead_id"].as_str()).map(str::to_owned));
        }
    }
}

/// How scoring ends, and how it begins again, as calls for a lead.
struct Way {
    ends: fn(&str) -> (String, Value),
    begins: fn(&str, &Value) -> (String, Value),
}

const WITHDRAWAL: Way = Way {
    ends: |lead| (format!("/api/v1/leads/{lead}/consents"), consent("withdrawn")),
    begins: |lead, _| (format!("/api/v1/leads/{lead}/consents"), consent("granted")),
};
const RESTRICTION: Way = Way {
    ends: |lead| ("/api/v1/privacy-requests".to_owned(), json!({"kind": "restriction", "lead_id": lead})),
    begins: |_, request| {
        let id = request["id"].as_str().unwrap();
        (format!("/api/v1/privacy-requests/{id}/lift"), json!({"reason": "the data were right"}))
    },
};

fn consent(state: &str) -> Value {
    json!({"purpose": "profiling", "state": state, "basis": "consent", "evidence": "by letter"})
}

/// Nobody is told of the lead after a moment, whatever happens to it, until scoring is allowed again.
async fn ends_everywhere(brokerage: &Brokerage, way: &Way) {
    let Brokerage { servers, client, receiver, .. } = brokerage;
    let (lead, other) = (brokerage.lead().await, brokerage.lead().await);
    let mut news = News::of(client, [&lead, &other]).await;
    assert_eq!(news.next().await["scores"].as_array().unwrap().len(), 2);
    eventually("the receiver knows the lead", async || receiver.about(&lead) > 0).await;
    assert!(brokerage.is_queued(&lead).await);

    let begun = Instant::now();
    let (path, body) = (way.ends)(&lead);
    let answer = sent(client, &path, &body).await;
    news.until("removed", &lead).await;
    eventually("there is no score", async || brokerage.score(&lead).await == 403).await;
    eventually("it waits for nobody", async || !brokerage.is_queued(&lead).await).await;
    assert!(begun.elapsed() < EVERYWHERE, "{:?}", begun.elapsed());

    servers[0].ready().await;
    let told = receiver.about(&lead);
    brokerage.excite(&lead).await;
    servers[0].ready().await;
    brokerage.excite(&other).await;
    let scored = news.until("score", &other).await;
    assert!(!scored.contains(&lead), "a follower was told");
    let after = brokerage.lead().await;
    eventually("a later message is out", async || receiver.about(&after) > 0).await;
    assert_eq!(receiver.about(&lead), told, "the receiver was told");
    assert_eq!(brokerage.score(&lead).await, 403);
    assert!(!brokerage.is_queued(&lead).await);

    let (path, body) = (way.begins)(&lead, &answer);
    sent(client, &path, &body).await;
    news.until("score", &lead).await;
    eventually("the score is there again", async || brokerage.score(&lead).await == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_withdraws_or_restricts_is_told_of_to_nobody_by_one_process() {
    let brokerage = Brokerage::start(Folder::new(), &["api,scorer,trainer"]).await;
    ends_everywhere(&brokerage, &WITHDRAWAL).await;
    ends_everywhere(&brokerage, &RESTRICTION).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_withdraws_or_restricts_is_told_of_to_nobody_by_several() {
    let brokerage = Brokerage::start(Folder::on_servers().await, &["api", "scorer,trainer", "scorer"]).await;
    ends_everywhere(&brokerage, &WITHDRAWAL).await;
    ends_everywhere(&brokerage, &RESTRICTION).await;
}

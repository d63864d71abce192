//! Snapshots, news, versions, resumption, slow readers, the end.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _, future::join_all};
use leadscore_domain::{LeadId, Obstacle};
use leadscore_store::Change;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::client::{Server, at, position, quick, until, within};
use crate::{
    socket::Options,
    testing::{NOBODY, score},
};

fn codes(snapshot: &Value) -> Vec<(&str, &str)> {
    let errors = snapshot["errors"].as_array().unwrap();
    errors.iter().map(|error| (error["lead_id"].as_str().unwrap(), error["code"].as_str().unwrap())).collect()
}

async fn scored(server: &Server, names: &[&str]) -> Vec<LeadId> {
    let mut leads = Vec::new();
    for name in names {
        leads.push(server.app.lead(name).await);
    }
    server.app.derive(|id| Some(score(id))).await;
    leads
}

#[tokio::test]
async fn a_snapshot_says_where_each_lead_stands_and_news_follow() {
    let server = Server::start(Options::default()).await;
    let scored_lead = scored(&server, &["ann"]).await[0];
    let pending = server.app.lead("pending").await;
    let silent = server.app.lead_with(&json!({"identities": [{"kind": "crm", "value": "silent"}]})).await;
    server.app.derive(|id| (id == scored_lead).then(|| score(id))).await;
    let mut client = server.client(&server.app.token).await;
    let nobody: LeadId = NOBODY.parse().unwrap();
    let snapshot = client.watch(&[scored_lead, silent, nobody, scored_lead, pending]).await;
    assert_eq!((&snapshot["type"], &snapshot["complete"]), (&json!("snapshot"), &json!(true)), "{snapshot}");
    assert_eq!(snapshot["scores"].as_array().unwrap().len(), 1);
    assert_eq!(snapshot["scores"][0]["lead_id"], json!(scored_lead));
    assert_eq!(snapshot["scores"][0]["score"], 87);
    let mut found = codes(&snapshot);
    found.sort_unstable();
    let (silent_id, pending_id) = (silent.to_string(), pending.to_string());
    let mut expected = [
        (NOBODY, "lead-not-found"),
        (silent_id.as_str(), "profiling-consent-missing"),
        (pending_id.as_str(), "score-pending"),
    ];
    expected.sort_unstable();
    assert_eq!(found, expected);

    // What nobody subscribed to, what is older, and what is news.
    server.publish(nobody, 10);
    server.publish(scored_lead, 0);
    server.publish(scored_lead, 10);
    let news = client.hear().await;
    assert_eq!((&news["type"], &news["lead_id"], &news["score"]), (&json!("score"), &json!(scored_lead), &json!(10)));
    assert_eq!(position(&news), 10);
    server.publish(pending, 10);
    assert_eq!(client.hear().await["lead_id"], json!(pending));
    server.app.state.cache.publish(vec![Change::Withheld {
        lead_id: scored_lead,
        log_position: 11,
        obstacle: Obstacle::NoConsent,
    }]);
    let removed = client.hear().await;
    assert_eq!((&removed["type"], &removed["code"]), (&json!("removed"), &json!("profiling-consent-missing")));
    server.publish(scored_lead, 12);
    assert_eq!(position(&client.hear().await), 12, "who allows it again is told of again");
}

#[tokio::test]
async fn who_comes_back_is_told_what_changed() {
    let server = Server::start(Options::default()).await;
    let leads = scored(&server, &["ann", "bob"]).await;
    let mut client = server.client(&server.app.token).await;
    let snapshot = client.watch(&leads).await;
    let versions: serde_json::Map<String, Value> = snapshot["scores"]
        .as_array()
        .unwrap()
        .iter()
        .map(|score| (score["lead_id"].as_str().unwrap().to_owned(), score["version"].clone()))
        .collect();
    assert_eq!(versions.len(), 2);
    drop(client);
    server.publish(leads[0], 20);
    let mut client = server.client(&server.app.token).await;
    client.say(&json!({"type": "subscribe", "id": "again", "topic": {"leads": leads}, "from": versions})).await;
    let snapshot = client.hear().await;
    assert_eq!(snapshot["scores"].as_array().unwrap().len(), 1, "{snapshot}");
    assert_eq!(position(&snapshot["scores"][0]), 20);
    server.publish(leads[1], 21);
    assert_eq!(client.hear().await["lead_id"], json!(leads[1]));
}

#[tokio::test]
async fn what_was_missed_is_looked_for() {
    let server = Server::start(Options::default()).await;
    let leads = scored(&server, &["ann", "bob"]).await;
    let mut client = server.client(&server.app.token).await;
    client.watch(&leads).await;
    // Committed, and its publication lost.
    server.app.lead_with(&json!({"identities": [{"kind": "crm", "value": "ann"}], "attributes": {"budget": 7}})).await;
    server.app.derive(|id| Some(leadscore_domain::Score { score: 91, ..score(id) })).await;
    server.app.state.cache.reset();
    let mut news = client.hear().await;
    while news["lead_id"] != json!(leads[0]) {
        news = client.hear().await;
    }
    assert_eq!((&news["type"], &news["score"]), (&json!("score"), &json!(91)), "{news}");
}

#[tokio::test]
async fn a_lead_that_is_merged_or_erased_is_gone() {
    let server = Server::start(Options::default()).await;
    let leads = scored(&server, &["one", "two", "three"]).await;
    let mut client = server.client(&server.app.token).await;
    client.watch(&leads).await;
    server.app.merge(leads[0], leads[1]).await;
    server.app.state.cache.publish(vec![Change::gone(leads[1])]);
    let removed = client.hear_of("removed").await;
    assert_eq!((&removed["lead_id"], &removed["code"]), (&json!(leads[1]), &json!("lead-not-found")), "{removed}");
    assert_eq!(removed["merged_into"], json!(leads[0]));
    server.app.state.store.erase_lead(leads[2]).await.unwrap().unwrap();
    server.app.state.cache.publish(vec![Change::gone(leads[2])]);
    let removed = client.hear_of("removed").await;
    assert_eq!((&removed["lead_id"], removed.get("merged_into")), (&json!(leads[2]), None), "{removed}");
    let again = client.subscribe("again", &json!({"leads": [leads[1], leads[2]]})).await;
    assert_eq!(codes(&again).len(), 2);
}

/// Checks that a message is not older than what was told of its lead before, and remembers it.
fn see(last: &mut [i64; 2], leads: &[LeadId], message: &Value) {
    let told = &mut last[usize::from(message["lead_id"] == json!(leads[1]))];
    let is_news = message["type"] == "score";
    assert!(position(message) >= *told + i64::from(is_news), "{message} after {told}");
    *told = position(message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_never_go_back_however_many_write_and_subscribe() {
    const SNAPSHOTS: usize = 20;
    let server = Server::start(quick()).await;
    let leads = scored(&server, &["ann", "bob"]).await;
    let writer = async {
        for position in (2..400).rev().chain(2..800) {
            server.publish(leads[0], position);
            server.publish(leads[1], position);
            tokio::task::yield_now().await;
        }
    };
    let reader = async |n: usize| {
        let mut client = server.client(&server.app.token).await;
        let (mut last, mut asked, mut snapshots) = ([0, 0], 0, 0);
        while snapshots < SNAPSHOTS || last != [799, 799] {
            if asked < SNAPSHOTS {
                asked += 1;
                server.app.clock.advance_micros(1_000_000);
                let (id, topic) = (format!("{n}-{asked}"), json!({"leads": leads}));
                client.say(&json!({"type": "subscribe", "id": id, "topic": topic})).await;
            }
            let message = client.hear().await;
            match message["type"].as_str().unwrap() {
                "score" => see(&mut last, &leads, &message),
                "snapshot" => {
                    snapshots += 1;
                    message["scores"].as_array().unwrap().iter().for_each(|score| see(&mut last, &leads, score));
                }
                other => panic!("{other}: {message}"),
            }
        }
    };
    within(async { tokio::join!(writer, join_all((0..4).map(reader))) }).await;
}

#[tokio::test]
async fn heartbeats_show_that_the_connection_lives_and_who_does_not_answer_them_is_dead() {
    let options = Options { heartbeat_every: Duration::from_millis(5), ..Options::default() };
    let server = Server::start(options).await;
    let mut client = server.client(&server.app.token).await;
    let (mut texts, mut pings) = (0, 0);
    while texts < 3 || pings < 3 {
        match within(client.socket.next()).await.unwrap().unwrap() {
            Message::Text(text) => {
                assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!({"type": "heartbeat"}));
                texts += 1;
            }
            Message::Ping(_) => pings += 1,
            other @ (Message::Binary(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {
                panic!("{other:?}")
            }
        }
        // Answers to pings, and what time they cost.
        server.app.clock.advance_micros(1_000_000);
        client.socket.flush().await.unwrap();
    }
    // One that reads nothing answers nothing.
    let _silent = client;
    until(|| server.app.state.sockets.hub().sizes().0 == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_readers_are_cut_off_and_the_others_told_of_everything() {
    const END: i64 = 1_000_000;
    let options = Options { stall_max: Duration::from_millis(500), ..Options::default() };
    let server = Server::start(options).await;
    let leads: Vec<LeadId> = join_all((0..20).map(async |i| server.app.lead(&format!("lead {i}")).await)).await;
    server.app.derive(|id| Some(score(id))).await;
    let (mut healthy, mut stalled) = (Vec::new(), Vec::new());
    for i in 0..50 {
        let mut client = if i % 10 == 0 { server.narrow_client().await } else { server.stranger().await };
        client.log_in(&server.app.token).await;
        client.watch(&leads).await;
        if i % 10 == 0 { stalled.push(client) } else { healthy.push(client) }
    }
    assert_eq!(server.app.state.sockets.hub().sizes(), (50, 20));
    let readers = healthy.iter_mut().map(async |client| {
        let mut last = 0;
        while last < END {
            let news = client.hear().await;
            if news["lead_id"] == json!(leads[0]) {
                assert!(position(&news) > last, "{news} after {last}");
                last = position(&news);
            }
        }
    });
    let writer = async {
        let mut position = 2;
        while server.app.state.sockets.hub().sizes().0 > 45 {
            for lead in &leads {
                server.publish(*lead, position);
                tokio::task::yield_now().await;
            }
            position += 1;
        }
        server.publish(leads[0], END);
    };
    within(async { tokio::join!(join_all(readers), writer) }).await;
    assert_eq!(server.app.state.sockets.hub().sizes(), (45, 20));
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_waits_until_all_have_heard() {
    let mut server = Server::start(Options::default()).await;
    let lead = scored(&server, &["ann"]).await[0];
    let mut client = server.client(&server.app.token).await;
    client.watch(&[lead]).await;
    let mut stranger = server.stranger().await;
    let tracker = server.app.tracker.clone();
    tracker.close();
    assert!(!tracker.is_empty());
    let stop = std::mem::replace(&mut server.app.stop, tokio_util::sync::CancellationToken::new().drop_guard());
    drop(stop);
    for client in [&mut client, &mut stranger] {
        assert_eq!(client.closed().await, (1001, "shutting-down".to_owned()));
    }
    drop((client, stranger));
    within(tracker.wait()).await;
    assert_eq!(server.app.state.sockets.hub().sizes(), (0, 0));
}

#[tokio::test]
async fn one_message_serves_everybody() {
    let server = Server::start(Options::default()).await;
    let lead = scored(&server, &["ann"]).await[0];
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = server.client(&server.app.token).await;
        client.watch(&[lead]).await;
        clients.push(client);
    }
    server.app.state.cache.publish(vec![Change::Score(Arc::new(at(lead, 42)))]);
    for client in &mut clients {
        assert_eq!(position(&client.hear().await), 42);
        client.say(&json!({"type": "unsubscribe", "id": "leads"})).await;
        assert_eq!(client.hear().await["type"], "unsubscribed");
    }
    assert_eq!(server.app.state.sockets.hub().sizes(), (10, 0));
}

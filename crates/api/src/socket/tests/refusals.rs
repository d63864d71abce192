//! What is refused, and how the connection goes on or ends.

use std::time::Duration;

use futures_util::SinkExt as _;
use leadscore_store::{Role, Scope};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::client::{Client, Server, within};
use crate::{
    socket::Options,
    testing::{NOBODY, TestApp},
};

async fn default_server() -> Server {
    Server::start(Options::default()).await
}

#[tokio::test]
async fn what_does_not_open_a_socket_is_a_problem() {
    let app = TestApp::new().await;
    let reply = app.get("/ws/v1/scores").await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (426, "upgrade-required"));
    assert_eq!(reply.header("upgrade"), "websocket");
    for token in ["token", "ticket", "access_token"] {
        let reply = app.get(&format!("/ws/v1/scores?{token}=lsk_1")).await;
        assert_eq!(reply.code(), "unknown-query-parameter", "{token}");
    }
    let server = default_server().await;
    let refused = server.open(None, "?token=lsk_1").await.err().unwrap();
    assert_eq!(refused.status(), 400);
    for origin in ["https://evil.example.com", "null"] {
        let refused = server.open(Some(origin), "").await.err().unwrap();
        assert_eq!(refused.status(), 403, "{origin}");
        let problem: Value = serde_json::from_slice(refused.body().as_ref().unwrap()).unwrap();
        assert_eq!(problem["code"], "origin-not-allowed");
    }
    assert!(server.open(Some(&format!("http://{}", server.address)), "").await.is_ok());
}

#[tokio::test]
async fn a_client_that_does_not_say_who_it_is_is_sent_away() {
    let options = Options { authenticate_within: Duration::from_millis(5), ..Options::default() };
    let server = Server::start(options).await;
    assert_eq!(server.stranger().await.closed().await, (4401, "silent".to_owned()));
}

#[tokio::test]
async fn a_wrong_first_message_ends_the_connection() {
    let server = default_server().await;
    for (message, code) in [
        (json!({"type": "authenticate", "token": "lsk_unknown"}), "unauthenticated"),
        (json!({"type": "authenticate", "ticket": "lst_unknown"}), "unauthenticated"),
        (json!({"type": "authenticate"}), "invalid-field"),
        (json!({"type": "authenticate", "token": server.app.token, "ticket": "x"}), "invalid-field"),
        (json!({"type": "authenticate", "token": server.app.token, "colour": 1}), "invalid-field"),
        (json!({"type": "subscribe", "id": "a", "topic": {"leads": [NOBODY]}}), "unauthenticated"),
        (json!({"type": "hello"}), "invalid-field"),
        (json!("authenticate"), "invalid-field"),
    ] {
        let mut client = server.stranger().await;
        client.say(&message).await;
        let error = client.hear().await;
        assert_eq!((&error["type"], &error["problem"]["code"]), (&json!("error"), &json!(code)), "{message}");
        assert_eq!(client.closed().await, (4401, "unauthenticated".to_owned()), "{message}");
    }
}

#[tokio::test]
async fn frames_that_are_no_short_texts_end_the_connection() {
    let server = default_server().await;
    let cases = [
        (Message::binary(vec![1, 2, 3]), (1003, "no-text")),
        (Message::text(" ".repeat(128 * 1024 + 1)), (1009, "too-large")),
    ];
    for (message, (code, reason)) in cases {
        for mut client in [server.stranger().await, server.client(&server.app.token).await] {
            // The server may close before everything is sent.
            within(client.socket.send(message.clone())).await.ok();
            assert_eq!(client.closed().await, (code, reason.to_owned()));
        }
    }
}

#[tokio::test]
async fn a_client_that_sends_too_much_is_sent_away() {
    let server = default_server().await;
    let mut client = server.client(&server.app.token).await;
    for _ in 0..59 {
        client.say(&json!({"type": "unsubscribe", "id": "none"})).await;
        assert_eq!(client.hear().await["type"], "error");
    }
    client.say(&json!({})).await;
    assert_eq!(client.closed().await, (4429, "too-fast".to_owned()));
}

async fn refusal(client: &mut Client, message: &Value) -> (Value, Value) {
    client.say(message).await;
    let error = client.hear().await;
    assert_eq!(error["type"], "error", "{error}");
    (error["problem"]["code"].clone(), error["problem"]["field"].clone())
}

#[tokio::test]
async fn a_wrong_message_is_answered_and_the_connection_goes_on() {
    let server = Server::start(Options { leads_max: 3, ..Options::default() }).await;
    let mut client = server.client(&server.app.token).await;
    let leads: Vec<String> = (0..4).map(|i| format!("{}{i}", &NOBODY[..35])).collect();
    for (message, code, field) in [
        (json!({"type": "hello"}), "invalid-field", None),
        (json!({"type": "subscribe", "id": "a"}), "invalid-field", Some("topic")),
        (json!({"type": "subscribe", "id": "a", "topic": {"teams": ["x"]}}), "invalid-field", None),
        (json!({"type": "subscribe", "id": "a", "topic": {"leads": ["x"]}}), "invalid-field", None),
        (json!({"type": "subscribe", "id": "a", "topic": {"agent_queue": "you"}}), "invalid-field", None),
        (
            json!({"type": "subscribe", "id": "a", "topic": {"agent_queue": "me"}}),
            "invalid-field",
            Some("topic.agent_queue"),
        ),
        (json!({"type": "subscribe", "id": "a", "topic": {"agent_queue": NOBODY}}), "user-not-found", None),
        (json!({"type": "subscribe", "id": "", "topic": {"leads": [NOBODY]}}), "invalid-field", Some("id")),
        (json!({"type": "subscribe", "id": "x".repeat(65), "topic": {"leads": [NOBODY]}}), "invalid-field", Some("id")),
        (json!({"type": "subscribe", "id": "a", "topic": {"leads": leads}}), "invalid-field", Some("topic.leads")),
        (
            json!({"type": "subscribe", "id": "a", "topic": {"leads": [NOBODY]}, "from": {NOBODY: "7"}}),
            "invalid-field",
            None,
        ),
        (json!({"type": "unsubscribe", "id": "a"}), "invalid-field", Some("id")),
        (json!({"type": "authenticate", "token": "lsk_unknown"}), "unauthenticated", None),
    ] {
        let (told, named) = refusal(&mut client, &message).await;
        assert_eq!(told, code, "{message}");
        if let Some(field) = field {
            assert_eq!(named, field, "{message}");
        }
    }
    client.send(Message::text("{")).await;
    assert_eq!(client.hear().await["problem"]["code"], "malformed-json");
    let lead = server.app.lead("ann").await;
    assert_eq!(client.watch(&[lead]).await["type"], "snapshot");
    let again = json!({"type": "subscribe", "id": "leads", "topic": {"leads": [lead]}});
    assert_eq!(refusal(&mut client, &again).await, (json!("invalid-field"), json!("id")));
}

#[tokio::test]
async fn subscriptions_of_a_connection_are_bounded() {
    let server = default_server().await;
    let lead = server.app.lead("ann").await;
    let mut client = server.client(&server.app.token).await;
    for i in 0..64 {
        // The clock stands still: who comes back later may send more.
        server.app.clock.advance_micros(1_000_000);
        assert_eq!(client.subscribe(&i.to_string(), &json!({"leads": [lead]})).await["type"], "snapshot", "{i}");
    }
    assert_eq!(client.subscribe("more", &json!({"leads": [lead]})).await["problem"]["field"], "id");
    client.say(&json!({"type": "unsubscribe", "id": "5"})).await;
    assert_eq!(client.hear().await, json!({"type": "unsubscribed", "id": "5"}));
    assert_eq!(client.subscribe("more", &json!({"leads": [lead]})).await["type"], "snapshot");
}

#[tokio::test]
async fn connections_are_bounded_for_one_and_for_all() {
    let options = Options { connections_max: 3, connections_of_one_max: 1, ..Options::default() };
    let server = Server::start(options).await;
    let _first = server.client(&server.app.token).await;
    let mut second = server.stranger().await;
    second.say(&json!({"type": "authenticate", "token": server.app.token})).await;
    assert_eq!(second.closed().await, (4429, "too-many-connections".to_owned()));
    drop(second);
    let other = server.app.key(Scope::ScoresRead).await;
    let others = within(async {
        let (mut held, mut refused) = (Vec::new(), None);
        while refused.is_none() {
            match server.open(None, "").await {
                Ok(client) => held.push(client),
                Err(response) => refused = Some(response),
            }
        }
        let refused = refused.unwrap();
        assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"5".parse().unwrap()));
        held
    })
    .await;
    drop(others);
    // Their places are free again.
    within(async {
        while server.open(None, "").await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    within(async {
        loop {
            if let Ok(mut client) = server.open(None, "").await {
                client.say(&json!({"type": "authenticate", "token": other})).await;
                assert_eq!(client.hear().await["type"], "authenticated");
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_ticket_opens_one_connection_which_ends_with_its_token() {
    let mut server = Server::start(super::client::quick()).await;
    let agent = server.app.user("agent@example.com", Role::Agent, None).await;
    server.app.token = server.app.log_in(&agent).await;
    let made = server.app.post_text("/api/v1/tickets", "").await;
    assert_eq!((made.status.as_u16(), &made.json()["expires_in_s"]), (201, &json!(30)));
    let ticket = made.json()["ticket"].clone();
    let mut client = server.stranger().await;
    client.say(&json!({"type": "authenticate", "ticket": ticket})).await;
    assert_eq!(client.hear().await["type"], "authenticated");
    let mut thief = server.stranger().await;
    thief.say(&json!({"type": "authenticate", "ticket": ticket})).await;
    assert_eq!(thief.hear().await["problem"]["code"], "unauthenticated");
    server.app.state.store.remove_user(agent.id).await.unwrap().unwrap();
    server.app.clock.advance_micros(10_000_000);
    assert_eq!(client.closed().await, (4401, "unauthenticated".to_owned()));
}

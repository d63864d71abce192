//! Subscriptions over a real listener, with a real client.

use futures_util::{SinkExt as _, StreamExt as _};
use leadscore_domain::LeadId;
use leadscore_store::{Assignment, Role, Scope, UserChange};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Message,
        client::IntoClientRequest as _,
        error::Error,
        http::{HeaderValue, StatusCode},
    },
};

use super::{super::PATH, score_all};
use crate::{
    socket::{
        Options,
        tests::client::{Server, quick, within},
    },
    testing::NOBODY,
};

/// A client of the protocol.
struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// Opens a socket as a page of `origin` would; the status where it is refused.
async fn open(server: &Server, origin: Option<&str>, protocol: &str, query: &str) -> Result<Client, StatusCode> {
    let mut request = format!("ws://{}{PATH}{query}", server.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_str(protocol).unwrap());
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", HeaderValue::from_str(origin).unwrap());
    }
    match connect_async(request).await {
        Ok((socket, _)) => Ok(Client(socket)),
        Err(Error::Http(response)) => Err(response.status()),
        Err(other) => panic!("{other}"),
    }
}

async fn connect(server: &Server, token: &str) -> Client {
    let mut client = open(server, None, "graphql-transport-ws", "").await.unwrap();
    client.say(&json!({"type": "connection_init", "payload": {"token": token}})).await;
    assert_eq!(client.hear().await, json!({"type": "connection_ack"}));
    client
}

impl Client {
    async fn say(&mut self, message: &Value) {
        within(self.0.send(Message::text(message.to_string()))).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        loop {
            match within(self.0.next()).await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The code with which the server closes.
    async fn closed(&mut self) -> u16 {
        loop {
            match within(self.0.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Subscribes, and hears the first answer.
    async fn subscribe(&mut self, id: &str, arguments: &str) -> Value {
        let query = format!(
            "subscription {{ scores({arguments}) {{ snapshot complete scores {{ leadId version score breakdown {{ marketFit }} }} errors {{ leadId code }} }} }}"
        );
        self.say(&json!({"type": "subscribe", "id": id, "payload": {"query": query}})).await;
        self.hear().await
    }

    /// The next news of a subscription.
    async fn news(&mut self, id: &str) -> Value {
        let message = self.hear().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("next"), &json!(id)), "{message}");
        message["payload"]["data"]["scores"].clone()
    }
}

/// A server whose agent has the first of two leads, which are scored.
async fn brokerage() -> (Server, [LeadId; 2], leadscore_store::Principal) {
    let server = Server::start(quick()).await;
    let leads = [server.app.lead("own").await, server.app.lead("hidden").await];
    score_all(&server.app, 1).await;
    let agent = server.app.user("agent@example.com", Role::Agent, None).await;
    server.app.state.store.assign_lead(leads[0], Assignment::Agent(agent.id)).await.unwrap();
    (server, leads, agent)
}

#[tokio::test]
async fn a_snapshot_comes_first_and_then_each_new_score() {
    let (server, [own, hidden], agent) = brokerage().await;
    let token = server.app.log_in(&agent).await;
    let mut client = connect(&server, &token).await;
    let first = client.subscribe("a", &format!(r#"leads: ["{own}", "{hidden}", "{NOBODY}"]"#)).await;
    let snapshot = &first["payload"]["data"]["scores"];
    assert_eq!((&snapshot["snapshot"], &snapshot["complete"]), (&json!(true), &json!(true)), "{first}");
    assert_eq!((&snapshot["scores"][0]["leadId"], &snapshot["scores"][0]["score"]), (&json!(own), &json!(90)));
    let hidden_and_unknown =
        json!([{"leadId": hidden, "code": "lead-not-found"}, {"leadId": NOBODY, "code": "lead-not-found"}]);
    assert_eq!(snapshot["errors"], hidden_and_unknown);
    server.publish(own, 50);
    server.publish(hidden, 50);
    let news = client.news("a").await;
    assert_eq!((&news["snapshot"], &news["scores"][0]["score"]), (&json!(false), &json!(50)), "{news}");
    // What the client has is not sent again.
    let version = news["scores"][0]["version"].as_str().unwrap().to_owned();
    let again =
        client.subscribe("b", &format!(r#"agent: "me", from: [{{leadId: "{own}", version: "{version}"}}]"#)).await;
    assert_eq!(again["payload"]["data"]["scores"]["scores"], json!([]), "{again}");
    client.say(&json!({"type": "complete", "id": "a"})).await;
    client.say(&json!({"type": "ping", "payload": {"n": 1}})).await;
    assert_eq!(client.hear().await, json!({"type": "pong", "payload": {"n": 1}}));
    server.publish(own, 60);
    assert_eq!(client.news("b").await["scores"][0]["score"], 60, "the other subscription goes on");
    // Whose lead it is not any more is not told of it.
    server.app.state.store.assign_lead(own, Assignment::Nobody).await.unwrap();
    assert_eq!(client.news("b").await["errors"], json!([{"leadId": own, "code": "lead-not-found"}]));
}

#[tokio::test]
async fn who_may_not_see_scores_is_told_so_and_what_is_no_subscription_is_refused() {
    let (server, [own, _], _) = brokerage().await;
    for scope in Scope::ALL {
        let mut client = connect(&server, &server.app.key(scope).await).await;
        let first = client.subscribe("a", &format!(r#"leads: ["{own}"]"#)).await;
        let may = [Scope::ScoresRead, Scope::Admin].contains(&scope);
        assert_eq!(first["type"] == "next", may, "{scope:?}: {first}");
        let code = &first["payload"][0]["extensions"]["code"];
        assert!(may || code == "forbidden", "{scope:?}: {first}");
    }
    let mut client = connect(&server, &server.app.token).await;
    for (query, code) in [
        ("{ me { id } }", "invalid-query"),
        (
            "subscription { a: scores(agent: \"me\") { snapshot } b: scores(agent: \"me\") { snapshot } }",
            "invalid-query",
        ),
        ("subscription { scores { snapshot } }", "invalid-field"),
        ("subscription { scores(agent: \"me\") { snapshot } }", "invalid-field"),
        ("subscription { scores(leads: [\"ann\"]) { snapshot } }", "invalid-lead-id"),
        ("subscription { colour }", "invalid-query"),
        ("subscription {", "invalid-query"),
    ] {
        client.say(&json!({"type": "subscribe", "id": "x", "payload": {"query": query}})).await;
        let refused = client.hear().await;
        assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("x")), "{refused}");
        assert_eq!(refused["payload"][0]["extensions"]["code"], code, "{query}: {refused}");
        // The end of what had begun, if it had.
        client.say(&json!({"type": "ping"})).await;
        assert_eq!(client.hear().await, json!({"type": "pong"}));
    }
}

#[tokio::test]
async fn a_socket_is_opened_by_pages_of_the_host_and_speaks_one_protocol() {
    let (server, ..) = brokerage().await;
    let refused = async |origin, protocol, query| {
        open(&server, origin, protocol, query).await.err().map(|status| status.as_u16())
    };
    assert_eq!(refused(Some("https://evil.example.com"), "graphql-transport-ws", "").await, Some(403));
    assert_eq!(refused(None, "graphql-ws", "").await, Some(426));
    assert_eq!(refused(None, "graphql-transport-ws", "?token=lsk_0f1e").await, Some(400));
    assert_eq!(refused(Some(&format!("http://{}", server.address)), "graphql-transport-ws", "").await, None);
}

#[tokio::test]
async fn a_client_says_who_it_is_first_and_the_protocol_is_kept() {
    let (server, [own, _], _) = brokerage().await;
    for (message, code) in [
        (json!({"type": "connection_init"}), 4401),
        (json!({"type": "connection_init", "payload": {"token": "lsk_guessed"}}), 4401),
        (json!({"type": "subscribe", "id": "a", "payload": {"query": "subscription { scores { snapshot } }"}}), 4401),
        (json!({"type": "shout"}), 4400),
        (json!("x".repeat(20_000)), 1009),
    ] {
        let mut client = open(&server, None, "graphql-transport-ws", "").await.unwrap();
        client.say(&message).await;
        assert_eq!(client.closed().await, code, "{message}");
    }
    let token = server.app.token.clone();
    let watch = json!({"type": "subscribe", "id": "a", "payload": {"query": format!("subscription {{ scores(leads: [\"{own}\"]) {{ snapshot }} }}")}});
    let mut client = connect(&server, &token).await;
    client.say(&watch).await;
    client.news("a").await;
    client.say(&watch).await;
    assert_eq!(client.closed().await, 4409);
    let mut client = connect(&server, &token).await;
    client.say(&json!({"type": "connection_init", "payload": {"token": token}})).await;
    assert_eq!(client.closed().await, 4429);
}

#[tokio::test]
async fn a_connection_ends_with_its_token_and_with_the_server() {
    let (server, [own, _], agent) = brokerage().await;
    let mut client = connect(&server, &server.app.log_in(&agent).await).await;
    client.subscribe("a", &format!(r#"leads: ["{own}"]"#)).await;
    let password = UserChange { password: Some("another one".to_owned()), ..UserChange::default() };
    server.app.state.store.change_user(agent.id, password).await.unwrap().unwrap();
    // So long a token is believed.
    server.app.clock.advance_micros(2_000_000);
    assert_eq!(client.closed().await, 4401);
    let mut client = connect(&server, &server.app.token).await;
    client.subscribe("a", &format!(r#"leads: ["{own}"]"#)).await;
    drop(server.app.stop);
    assert_eq!(client.closed().await, 1001);
    drop(client);
    server.app.tracker.close();
    within(server.app.tracker.wait()).await;
}

#[tokio::test]
async fn seats_are_bounded_those_of_subscriptions_too() {
    let server = Server::start(Options { connections_of_one_max: 2, ..quick() }).await;
    let lead = server.app.lead("ann").await;
    let mut client = connect(&server, &server.app.token).await;
    let watch = format!(r#"leads: ["{lead}"]"#);
    assert_eq!(client.subscribe("a", &watch).await["type"], "next");
    let refused = client.subscribe("b", &watch).await;
    assert_eq!(refused["payload"][0]["extensions"]["code"], "too-many-connections", "{refused}");
    let mut other = open(&server, None, "graphql-transport-ws", "").await.unwrap();
    other.say(&json!({"type": "connection_init", "payload": {"token": server.app.token}})).await;
    assert_eq!(other.closed().await, 4429);
}

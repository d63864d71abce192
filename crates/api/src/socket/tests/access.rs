//! Who is told of what: every cell of {topic × role or scope × own, another's, none}, and what changes meanwhile.

use leadscore_domain::LeadId;
use leadscore_store::{Assignment, Principal, Role, Scope, UserChange};
use serde_json::{Value, json};

use super::client::{Server, position, quick};
use crate::{
    auth::permissions::TOPICS,
    testing::{NOBODY, score},
};

const TRUST_US: i64 = 10_000_000;

/// A brokerage: an agent and a manager of a team, an administrator, an agent of another team, and a lead of each.
struct Brokerage {
    server: Server,
    people: Vec<Principal>,
    leads: Vec<LeadId>,
}

impl Brokerage {
    async fn open() -> Self {
        let server = Server::start(quick()).await;
        let app = &server.app;
        let (north, south) = (app.team("North").await, app.team("South").await);
        let mut people = Vec::new();
        for (role, team) in [(Role::Agent, north), (Role::Manager, north), (Role::Admin, north), (Role::Agent, south)] {
            people.push(app.user(&format!("{role}-{team}@example.com"), role, Some(team)).await);
        }
        let mut leads = Vec::new();
        for (i, person) in people.iter().enumerate() {
            let lead = app.lead(&format!("lead {i}")).await;
            app.state.store.assign_lead(lead, Assignment::Agent(person.id)).await.unwrap();
            leads.push(lead);
        }
        app.derive(|id| Some(score(id))).await;
        Self { server, people, leads }
    }

    async fn session(&self, who: usize) -> String {
        self.server.app.log_in(&self.people[who]).await
    }
}

fn error_of(snapshot: &Value) -> Value {
    let mut error = snapshot["errors"][0].clone();
    error["lead_id"] = Value::Null;
    error
}

#[tokio::test]
async fn each_role_is_told_of_the_leads_that_it_sees_and_the_rest_is_not_there() {
    let brokerage = Brokerage::open().await;
    let mut cells = 0;
    for (who, sees) in [
        (0, [true, false, false, false]),
        (1, [true, true, true, false]),
        (2, [true; 4]),
        (3, [false, false, false, true]),
    ] {
        for (topic, ..) in TOPICS {
            let mut client = brokerage.server.client(&brokerage.session(who).await).await;
            let nobody = match topic {
                "leads" => client.subscribe("none", &json!({"leads": [NOBODY]})).await,
                "agent_queue" => client.subscribe("none", &json!({"agent_queue": NOBODY})).await,
                other => panic!("{other} is not tested"),
            };
            for (whose, seen) in sees.into_iter().enumerate() {
                let (lead, id) = (brokerage.leads[whose], whose.to_string());
                let answer = match topic {
                    "leads" => client.subscribe(&id, &json!({"leads": [lead]})).await,
                    _ => client.subscribe(&id, &json!({"agent_queue": brokerage.people[whose].id})).await,
                };
                let told = answer["scores"].as_array().is_some_and(|scores| !scores.is_empty());
                assert_eq!(told, seen, "{who} {topic} {whose}: {answer}");
                if !seen {
                    assert_eq!(error_of(&answer), error_of(&nobody));
                    assert_eq!(answer["problem"], nobody["problem"]);
                }
                cells += 1;
            }
            // Nor of what comes later.
            for (whose, lead) in brokerage.leads.iter().enumerate() {
                brokerage.server.publish(*lead, 100 + cells);
                if sees[whose] {
                    assert_eq!(client.hear().await["lead_id"], json!(lead), "{who} {topic} {whose}");
                }
            }
            client.say(&json!({"type": "unsubscribe", "id": "nothing"})).await;
            assert_eq!(client.hear().await["type"], "error", "{who} {topic}");
        }
    }
    assert_eq!(cells, 32);
}

#[tokio::test]
async fn each_scope_may_subscribe_as_the_table_says() {
    let brokerage = Brokerage::open().await;
    for scope in Scope::ALL {
        let key = brokerage.server.app.key(scope).await;
        let mut client = brokerage.server.client(&key).await;
        for (topic, _, takes) in TOPICS {
            let answer = match topic {
                "leads" => client.subscribe(topic, &json!({"leads": [brokerage.leads[3]]})).await,
                _ => client.subscribe(topic, &json!({"agent_queue": brokerage.people[3].id})).await,
            };
            let may = scope == Scope::Admin || scope == takes;
            assert_eq!(answer["type"] == "snapshot", may, "{scope:?} {topic}: {answer}");
            assert_eq!(answer["problem"]["code"] == "forbidden", !may, "{scope:?} {topic}: {answer}");
        }
    }
}

#[tokio::test]
async fn who_asks_for_which_lead_is_recorded() {
    let brokerage = Brokerage::open().await;
    let mut client = brokerage.server.client(&brokerage.session(0).await).await;
    let (own, hidden) = (brokerage.leads[0], brokerage.leads[3]);
    client.subscribe("leads", &json!({"leads": [own, hidden]})).await;
    client.subscribe("agent_queue", &json!({"agent_queue": "me"})).await;
    let page = brokerage.server.app.get("/api/v1/audit?operation=subscribe_scores").await.json();
    let of = |lead: LeadId, status: u16| {
        let acts = page["entries"].as_array().unwrap().iter().filter(|act| act["object"]["id"] == lead.to_string());
        acts.filter(|act| act["status"] == status && act["actor"]["id"] == brokerage.people[0].id.to_string()).count()
    };
    assert!(of(own, 200) >= 1 && of(hidden, 404) == 1 && of(hidden, 200) == 0, "{page:#}");
}

#[tokio::test]
async fn a_lead_that_goes_to_somebody_else_is_removed() {
    let brokerage = Brokerage::open().await;
    let (store, lead) = (&brokerage.server.app.state.store, brokerage.leads[0]);
    let mut client = brokerage.server.client(&brokerage.session(0).await).await;
    client.watch(&[lead]).await;
    store.assign_lead(lead, Assignment::Agent(brokerage.people[3].id)).await.unwrap();
    let removed = client.hear().await;
    assert_eq!((&removed["type"], &removed["lead_id"]), (&json!("removed"), &json!(lead)));
    assert_eq!(removed["code"], "lead-not-found");
    brokerage.server.publish(lead, 50);
    let again = client.subscribe("again", &json!({"leads": [lead]})).await;
    assert_eq!(again["errors"][0]["code"], "lead-not-found");
}

#[tokio::test]
async fn a_queue_follows_what_is_assigned() {
    let brokerage = Brokerage::open().await;
    let store = &brokerage.server.app.state.store;
    let mut client = brokerage.server.client(&brokerage.session(0).await).await;
    let snapshot = client.subscribe("queue", &json!({"agent_queue": "me"})).await;
    assert_eq!(snapshot["scores"][0]["lead_id"], json!(brokerage.leads[0]));
    // Another one comes, and is told of as the store has it.
    store.assign_lead(brokerage.leads[3], Assignment::Agent(brokerage.people[0].id)).await.unwrap();
    let come = client.hear().await;
    assert_eq!((&come["type"], &come["lead_id"]), (&json!("score"), &json!(brokerage.leads[3])), "{come}");
    brokerage.server.publish(brokerage.leads[3], 60);
    assert_eq!(position(&client.hear().await), 60);
    store.assign_lead(brokerage.leads[0], Assignment::Nobody).await.unwrap();
    let gone = client.hear().await;
    assert_eq!((&gone["type"], &gone["lead_id"]), (&json!("removed"), &json!(brokerage.leads[0])), "{gone}");
}

#[tokio::test]
async fn whoever_has_another_role_sees_what_it_sees() {
    let brokerage = Brokerage::open().await;
    let app = &brokerage.server.app;
    let mut client = brokerage.server.client(&brokerage.session(1).await).await;
    let watched = [brokerage.leads[0], brokerage.leads[1]];
    assert_eq!(client.watch(&watched).await["scores"].as_array().unwrap().len(), 2);
    let change = UserChange { role: Some(Role::Agent), ..UserChange::default() };
    app.state.store.change_user(brokerage.people[1].id, change).await.unwrap().unwrap();
    app.clock.advance_micros(TRUST_US);
    let removed = client.hear().await;
    assert_eq!((&removed["type"], &removed["lead_id"]), (&json!("removed"), &json!(watched[0])));
    brokerage.server.publish(watched[1], 70);
    assert_eq!(position(&client.hear().await), 70);
}

#[tokio::test]
async fn a_connection_ends_with_its_token_and_goes_on_with_a_newer_one() {
    let brokerage = Brokerage::open().await;
    let app = &brokerage.server.app;
    let (first, second) = (brokerage.session(0).await, brokerage.session(0).await);
    let mut client = brokerage.server.client(&first).await;
    client.watch(&[brokerage.leads[0]]).await;
    client.say(&json!({"type": "authenticate", "token": second})).await;
    assert_eq!(client.hear().await["type"], "authenticated");
    let mut stranger = brokerage.server.client(&second).await;
    stranger.say(&json!({"type": "authenticate", "token": brokerage.session(3).await})).await;
    assert_eq!(stranger.closed().await, (4401, "unauthenticated".to_owned()));
    brokerage.server.publish(brokerage.leads[0], 80);
    assert_eq!(position(&client.hear().await), 80);
    let password = UserChange { password: Some("another one".to_owned()), ..UserChange::default() };
    app.state.store.change_user(brokerage.people[0].id, password).await.unwrap().unwrap();
    app.clock.advance_micros(TRUST_US);
    assert_eq!(client.closed().await, (4401, "unauthenticated".to_owned()));

    let key = app.key(Scope::ScoresRead).await;
    let mut program = brokerage.server.client(&key).await;
    program.watch(&[brokerage.leads[0]]).await;
    for key in app.state.store.api_keys().await.unwrap() {
        app.state.store.revoke_api_key(key.id).await.unwrap();
    }
    app.clock.advance_micros(TRUST_US);
    assert_eq!(program.closed().await, (4401, "unauthenticated".to_owned()));
}

#[tokio::test]
async fn while_nobody_can_say_who_sees_what_nothing_is_told() {
    let brokerage = Brokerage::open().await;
    let mut client = brokerage.server.client(&brokerage.session(0).await).await;
    client.watch(&[brokerage.leads[0]]).await;
    brokerage.server.app.state.store.close().await;
    for log_position in 2.. {
        // Who asks more often is sent away; and the token counts as known for a while.
        brokerage.server.app.clock.advance_micros(1_000_000);
        brokerage.server.publish(brokerage.leads[0], log_position);
        let mut told = false;
        for _ in 0..2 {
            client.say(&json!({"type": "unsubscribe", "id": "nothing"})).await;
            loop {
                let message = client.hear().await;
                if message["type"] == "error" {
                    break;
                }
                told = true;
            }
        }
        if !told {
            break;
        }
    }
    let answer = client.subscribe("more", &json!({"leads": [brokerage.leads[0]]})).await;
    assert_eq!(answer["problem"]["code"], "unavailable");
}

#[test]
fn a_topic_without_a_row_is_nobodys_but_an_administrators() {
    assert_eq!(crate::auth::permissions::topic("voice"), (Role::Admin, Scope::Admin));
}

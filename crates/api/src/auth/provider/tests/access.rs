//! What somebody may do and see with a provider's token: the same as with one of our own.

use std::sync::Arc;

use axum::http::StatusCode;
use leadscore_domain::{Clock, time::SECOND_US};
use leadscore_store::{Assignment, Rate, RateLimiter, Role, UserChange};
use serde_json::{Value, json};

use super::{
    super::{ProviderOptions, RoleMap},
    ANN, Forge, Issuer, Key, app, ask, options, refused, taken,
};
use crate::{
    Edge, Limits, RequestRates,
    socket::tests::client::{Server, quick},
    testing::{PASSWORD, TestApp},
};

const TRUST_US: i64 = 2 * SECOND_US;
const EVE: &str = "eve@example.com";

async fn issuer() -> (Issuer, Key) {
    let key = Key::ed25519("1");
    (Issuer::new(&[key.jwk()]).await, key)
}

async fn forbidden(app: &TestApp, name: &str, token: &str, code: &str) {
    let reply = ask(app, token).await;
    assert_eq!((reply.code().as_str(), reply.status), (code, StatusCode::FORBIDDEN), "{name}");
}

fn roles(claim: &[&str]) -> RoleMap {
    let roles = [("crm-agent", Role::Agent), ("Lead Managers", Role::Manager), ("crm-admin", Role::Admin)];
    RoleMap {
        claim: claim.iter().map(|name| (*name).to_owned()).collect(),
        roles: roles.map(|(name, role)| (name.to_owned(), role)).to_vec(),
    }
}

#[tokio::test]
async fn the_user_is_looked_up_at_every_request() {
    let (issuer, key) = issuer().await;
    let app = app(options(&issuer)).await;
    let token = Forge::new(&app, &issuer, &key, "EdDSA").token();
    let me = ask(&app, &token).await.json();
    assert_eq!((&me["role"], &me["email"], &me["api_key"]), (&json!("agent"), &json!(ANN), &Value::Null));
    assert_eq!(me["session_expires_at"], Value::Null, "the session is the provider's");
    let ann = app.state.store.user_by_address(ANN).await.unwrap().unwrap();
    let team = app.team("North").await;
    let change = UserChange { role: Some(Role::Manager), team_id: Some(Some(team)), ..UserChange::default() };
    app.state.store.change_user(ann.id, change).await.unwrap().unwrap();
    app.clock.advance_micros(TRUST_US);
    let me = ask(&app, &token).await.json();
    assert_eq!((&me["role"], &me["team_id"]), (&json!("manager"), &json!(team)));
    app.state.store.remove_user(ann.id).await.unwrap().unwrap();
    app.clock.advance_micros(TRUST_US);
    forbidden(&app, "who was removed", &token, "unknown-user").await;
}

#[tokio::test]
async fn who_is_no_user_here_is_nobody() {
    let (issuer, key) = issuer().await;
    let app = app(options(&issuer)).await;
    let good = Forge::new(&app, &issuer, &key, "EdDSA");
    let reply = ask(&app, &good.claim("email", json!(EVE))).await;
    assert_eq!((reply.code().as_str(), reply.status), ("unknown-user", StatusCode::FORBIDDEN));
    assert!(!String::from_utf8(reply.body).unwrap().contains("eve"), "the answer quotes nothing");
    assert_eq!(app.state.store.users(None).await.unwrap().len(), 1, "nobody was made");
    taken(&app, "Ann", &good.token()).await;
}

#[tokio::test]
async fn who_is_made_at_first_sight_is_recorded_and_stays_removed() {
    let (issuer, key) = issuer().await;
    let app = app(ProviderOptions { create_users: true, ..options(&issuer) }).await;
    let good = Forge::new(&app, &issuer, &key, "EdDSA");
    let token = good.claim("email", json!("Eve@Example.com"));
    let (one, other) = tokio::join!(ask(&app, &token), ask(&app, &token));
    assert_eq!(one.json()["id"], other.json()["id"], "two first requests make one user");
    let eve = app.state.store.user_by_address(EVE).await.unwrap().unwrap();
    assert_eq!((&one.json()["role"], &one.json()["id"]), (&json!("agent"), &json!(eve.id)));
    let page = app.get("/api/v1/audit?operation=create_user").await.json();
    let acts = page["entries"].as_array().unwrap();
    assert_eq!(acts.len(), 1, "{page:#}");
    assert_eq!((&acts[0]["object"]["id"], &acts[0]["actor"]["id"]), (&json!(eve.id), &json!(eve.id)));
    let login = app.post("/api/v1/login", &json!({"email": EVE, "password": PASSWORD})).await;
    assert_eq!(login.code(), "wrong-password", "nobody knows the password");

    for (name, value) in [("no address", json!("eve@")), ("another form", json!("e v e@example.com"))] {
        assert_ne!(ask(&app, &good.claim("email", value)).await.status, StatusCode::OK, "{name}");
    }
    app.state.store.remove_user(eve.id).await.unwrap().unwrap();
    app.clock.advance_micros(TRUST_US);
    forbidden(&app, "who was removed", &token, "unknown-user").await;
    assert_eq!(app.state.store.users(None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_provider_may_say_what_somebody_may_do() {
    let (issuer, key) = issuer().await;
    let map = ProviderOptions { roles: Some(roles(&["realm_access", "roles"])), ..options(&issuer) };
    let app = app(map).await;
    let good = Forge::new(&app, &issuer, &key, "EdDSA");
    let token = |roles: Value| good.claim("realm_access", json!({ "roles": roles }));
    for (given, role) in [
        (json!("crm-agent"), "agent"),
        (json!(["offline_access", "Lead Managers"]), "manager"),
        (json!(["crm-admin", "crm-agent"]), "admin"),
        (json!(["crm-agent"]), "agent"),
    ] {
        assert_eq!(ask(&app, &token(given.clone())).await.json()["role"], role, "{given}");
    }
    for given in
        [json!([]), json!(["admin"]), json!("crm-agent crm-admin"), json!(["CRM-ADMIN"]), json!([7, "crm-admin"])]
    {
        forbidden(&app, &given.to_string(), &token(given.clone()), "forbidden").await;
    }
    for (name, token) in [
        ("no claim", good.token()),
        ("no list", token(json!({"crm-admin": true}))),
        ("another form", good.claim("realm_access", json!(["crm-admin"]))),
        ("another place", good.claim("realm_access.roles", json!(["crm-admin"]))),
    ] {
        forbidden(&app, name, &token, "forbidden").await;
    }
    let ann = app.state.store.users(None).await.unwrap().remove(0);
    assert_eq!(ann.role, Role::Agent, "what is kept here stays");
}

/// Names of claims with dots and slashes are names, and custom claims bring addresses as `email` does.
#[tokio::test]
async fn claims_are_named_to_the_letter() {
    let (issuer, key) = issuer().await;
    let auth0 = ProviderOptions {
        user_claim: "https://leads.example.com/email".to_owned(),
        verified_claim: Some("https://leads.example.com/email_verified".to_owned()),
        roles: Some(roles(&["https://leads.example.com/roles"])),
        ..options(&issuer)
    };
    let app = app(auth0).await;
    let mut forge = Forge::new(&app, &issuer, &key, "EdDSA").with("claims", "email", json!(EVE));
    for (name, value) in [("email", json!(ANN)), ("email_verified", json!(true)), ("roles", json!(["Lead Managers"]))] {
        forge = forge.with("claims", &format!("https://leads.example.com/{name}"), value);
    }
    let me = ask(&app, &forge.token()).await.json();
    assert_eq!((&me["email"], &me["role"]), (&json!(ANN), &json!("manager")));
    refused(&app, "not verified", &forge.without("claims", "https://leads.example.com/email_verified")).await;

    let entra = ProviderOptions { user_claim: "upn".to_owned(), verified_claim: None, ..options(&issuer) };
    let app = super::app(entra).await;
    let good = Forge::new(&app, &issuer, &key, "EdDSA").with("claims", "email_verified", json!(false));
    taken(&app, "a claim that needs no other", &good.claim("upn", json!(ANN))).await;
    refused(&app, "without it", &good.token()).await;
}

#[tokio::test]
async fn leads_rates_and_the_audit_log_are_those_of_the_user() {
    let (issuer, key) = issuer().await;
    let mut app = app(options(&issuer)).await;
    let (own, hidden) = (app.lead("own").await, app.lead("hidden").await);
    let ann = app.state.store.user_by_address(ANN).await.unwrap().unwrap();
    app.state.store.assign_lead(own, Assignment::Agent(ann.id)).await.unwrap();
    let provider = Forge::new(&app, &issuer, &key, "EdDSA").token();
    let machine = std::mem::replace(&mut app.token, provider);
    assert_eq!(app.get(&format!("/api/v1/leads/{own}")).await.status, StatusCode::OK);
    assert_eq!(app.get(&format!("/api/v1/leads/{hidden}")).await.code(), "lead-not-found");
    assert_eq!(app.get("/api/v1/users").await.code(), "forbidden");
    assert_eq!(app.post_text("/api/v1/logout", "").await.code(), "no-session");
    let query = json!({ "query": format!("{{ me {{ email }} own: lead(id: \"{own}\") {{ id }} }}") });
    let answer = app.post("/graphql", &query).await.json();
    assert_eq!(answer["data"], json!({"me": {"email": ANN}, "own": {"id": own}}), "{answer}");

    let provider = std::mem::replace(&mut app.token, machine);
    let page = app.get("/api/v1/audit?operation=show_lead").await.json();
    for (lead, status) in [(own, 200), (hidden, 404)] {
        let acts = page["entries"].as_array().unwrap();
        let act = acts.iter().find(|act| act["object"]["id"] == json!(lead) && act["status"] == status);
        let actor = &act.unwrap_or_else(|| panic!("{page:#}"))["actor"];
        assert_eq!((&actor["id"], &actor["kind"], &actor["role"]), (&json!(ann.id), &json!("user"), &json!("agent")));
    }

    let session = app.log_in(&ann).await;
    let clock: Arc<dyn Clock> = Arc::new(app.clock.clone());
    let people = Some(RateLimiter::new(Rate { per_s: 1.0, burst: 2 }, clock, None));
    let app = app.behind(Edge { rates: RequestRates { people, ..RequestRates::default() }, ..Edge::default() });
    assert_eq!(ask(&app, &provider).await.status, StatusCode::OK);
    assert_eq!(ask(&app, &session).await.status, StatusCode::OK);
    assert_eq!(ask(&app, &provider).await.code(), "too-many-requests", "a person is one, by whatever token");
}

#[tokio::test]
async fn who_is_nobody_here_is_counted_under_their_address() {
    let (issuer, key) = issuer().await;
    let app = app(options(&issuer)).await;
    let stranger = Forge::new(&app, &issuer, &key, "EdDSA").claim("email", json!(EVE));
    let clock: Arc<dyn Clock> = Arc::new(app.clock.clone());
    let addresses = Some(RateLimiter::new(Rate { per_s: 1.0, burst: 2 }, clock, None));
    let app = app.behind(Edge { rates: RequestRates { addresses, ..RequestRates::default() }, ..Edge::default() });
    for code in ["unknown-user", "unknown-user", "too-many-requests"] {
        assert_eq!(ask(&app, &stranger).await.code(), code);
    }
}

#[tokio::test]
async fn live_connections_end_with_the_token() {
    let (issuer, key) = issuer().await;
    let app = TestApp::with_sockets(Limits::default(), quick()).await.trusting(vec![options(&issuer)]);
    app.user(ANN, Role::Agent, None).await;
    let lead = app.lead("own").await;
    let ann = app.state.store.user_by_address(ANN).await.unwrap().unwrap();
    app.state.store.assign_lead(lead, Assignment::Agent(ann.id)).await.unwrap();
    app.derive(|id| Some(crate::testing::score(id))).await;
    let forge = Forge::new(&app, &issuer, &key, "EdDSA");
    let mut server = Server::of(app).await;
    let mut client = server.client(&forge.token()).await;
    assert_eq!(client.watch(&[lead]).await["scores"][0]["lead_id"], json!(lead));
    server.app.token = forge.token();
    let ticket = server.app.post("/api/v1/tickets", &json!({})).await.json()["ticket"].clone();
    let mut other = server.stranger().await;
    other.say(&json!({"type": "authenticate", "ticket": ticket})).await;
    assert_eq!(other.hear().await["type"], "authenticated");
    // The token's ten minutes, and what clocks may differ.
    server.app.clock.advance_micros(630 * SECOND_US);
    assert_eq!(client.closed().await, (4401, "unauthenticated".to_owned()));
    assert_eq!(other.closed().await, (4401, "unauthenticated".to_owned()));

    let next = Forge::new(&server.app, &issuer, &key, "EdDSA").token();
    let mut client = server.client(&next).await;
    server.app.state.store.remove_user(ann.id).await.unwrap().unwrap();
    server.app.clock.advance_micros(TRUST_US);
    assert_eq!(client.closed().await, (4401, "unauthenticated".to_owned()), "it ends with the user, too");
}

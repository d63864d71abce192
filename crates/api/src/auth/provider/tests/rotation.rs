//! Keys that change, providers that are away, and how often they are asked.

use axum::http::StatusCode;
use leadscore_domain::time::{HOUR_US, SECOND_US};
use leadscore_store::Role;
use serde_json::json;

use super::{
    super::{
        ProviderOptions,
        keys::{GAP_US, KEEP_US},
    },
    Forge, Issuer, Key, app, ask, options, refused, taken,
};
use crate::testing::TestApp;

const MINUTE_US: i64 = 60 * SECOND_US;

async fn away(app: &TestApp, name: &str, token: &str) {
    let reply = ask(app, token).await;
    assert_eq!((reply.code().as_str(), reply.header("retry-after")), ("unavailable", "30"), "{name}");
}

/// A provider that signs with each new key from the moment that it publishes it, which is the worst that one can do.
#[tokio::test]
async fn no_valid_token_is_refused_across_rotations() {
    let mut keys = vec![Key::ed25519("0")];
    let issuer = Issuer::new(&[keys[0].jwk()]).await;
    let app = app(options(&issuer)).await;
    let mut tokens: Vec<(usize, String)> = Vec::new();
    for step in 0..120 {
        if step % 15 == 14 {
            keys.push(Key::p256(&step.to_string()));
            let kept = keys.len().saturating_sub(2);
            issuer.publish_keys(&keys[kept..].iter().collect::<Vec<_>>());
        }
        let algorithm = if keys.len() == 1 { "EdDSA" } else { "ES256" };
        tokens.push((step, Forge::new(&app, &issuer, keys.last().unwrap(), algorithm).token()));
        tokens.retain(|(given, _)| step - given < 10);
        for (given, token) in &tokens {
            taken(&app, &format!("step {step}: given at {given}"), token).await;
        }
        app.clock.advance_micros(MINUTE_US);
    }
    assert_eq!(keys.len(), 9, "there were rotations");
    // Once at the start, once for each new key, and where what is known was ten minutes old.
    assert!((9..=21).contains(&issuer.asked()), "{}", issuer.asked());
}

#[tokio::test]
async fn a_key_that_is_withdrawn_ends_when_what_is_known_is_old() {
    let (lost, good) = (Key::ed25519("lost"), Key::ed25519("good"));
    let issuer = Issuer::new(&[lost.jwk(), good.jwk()]).await;
    let app = app(options(&issuer)).await;
    taken(&app, "before", &Forge::new(&app, &issuer, &lost, "EdDSA").token()).await;
    issuer.publish_keys(&[&good]);
    app.clock.advance_micros(10 * MINUTE_US - SECOND_US);
    taken(&app, "nobody knows yet", &Forge::new(&app, &issuer, &lost, "EdDSA").token()).await;
    app.clock.advance_micros(2 * SECOND_US);
    refused(&app, "after", &Forge::new(&app, &issuer, &lost, "EdDSA").token()).await;
    taken(&app, "the other one", &Forge::new(&app, &issuer, &good, "EdDSA").token()).await;
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn a_provider_may_be_away_at_the_start() {
    let key = Key::ed25519("1");
    let mut issuer = Issuer::away().await;
    let app = app(options(&issuer)).await;
    let own = app.session(Role::Manager).await["token"].as_str().unwrap().to_owned();
    assert_eq!(ask(&app, &own).await.status, StatusCode::OK, "tokens of our own do not need it");
    away(&app, "nobody can say", &Forge::new(&app, &issuer, &key, "EdDSA").token()).await;
    refused(&app, "what is refused in any case", &Forge::new(&app, &issuer, &key, "EdDSA").claim("aud", json!("x")))
        .await;
    issuer.publish_keys(&[&key]);
    issuer.come_back().await;
    away(&app, "it is not asked all the time", &Forge::new(&app, &issuer, &key, "EdDSA").token()).await;
    assert_eq!(issuer.asked(), 0);
    app.clock.advance_micros(GAP_US);
    taken(&app, "it is back", &Forge::new(&app, &issuer, &key, "EdDSA").token()).await;
}

#[tokio::test]
async fn while_a_provider_is_away_its_keys_stay_good_for_a_day() {
    let (key, new) = (Key::ed25519("1"), Key::ed25519("2"));
    let mut issuer = Issuer::new(&[key.jwk()]).await;
    let app = app(options(&issuer)).await;
    taken(&app, "while it is there", &Forge::new(&app, &issuer, &key, "EdDSA").token()).await;
    issuer.go_away().await;
    for hour in 1..24 {
        app.clock.advance_micros(HOUR_US);
        taken(&app, &format!("hour {hour}"), &Forge::new(&app, &issuer, &key, "EdDSA").token()).await;
        refused(&app, "a key that nobody has seen", &Forge::new(&app, &issuer, &new, "EdDSA").token()).await;
    }
    app.clock.advance_micros(KEEP_US - 23 * HOUR_US);
    away(&app, "a day", &Forge::new(&app, &issuer, &key, "EdDSA").token()).await;
    issuer.publish_keys(&[&new]);
    issuer.come_back().await;
    app.clock.advance_micros(GAP_US);
    taken(&app, "it is back", &Forge::new(&app, &issuer, &new, "EdDSA").token()).await;
    refused(&app, "what it has no longer", &Forge::new(&app, &issuer, &key, "EdDSA").token()).await;
}

#[tokio::test]
async fn nobody_makes_us_ask_a_provider_often() {
    let key = Key::ed25519("1");
    let issuer = Issuer::new(&[key.jwk()]).await;
    let app = app(options(&issuer)).await;
    for step in 0..300 {
        let good = Forge::new(&app, &issuer, &key, "EdDSA");
        let unknown = good.header("kid", json!(format!("unknown {step}")));
        // What is wrong beside its key does not ask for one.
        let foreign = good.with("claims", "aud", json!("crm")).header("kid", json!(format!("foreign {step}")));
        for token in [unknown, foreign] {
            refused(&app, "an unknown key", &token).await;
        }
        app.clock.advance_micros(SECOND_US);
    }
    taken(&app, "the good one", &Forge::new(&app, &issuer, &key, "EdDSA").token()).await;
    assert_eq!(issuer.asked(), 10, "300 seconds, each 30");
}

#[tokio::test]
async fn many_wait_for_one_answer_and_tokens_of_our_own_for_none() {
    let key = Key::ed25519("1");
    let issuer = Issuer::new(&[key.jwk()]).await;
    issuer.hold(true);
    let app = app(options(&issuer)).await;
    let own = app.session(Role::Manager).await["token"].as_str().unwrap().to_owned();
    let token = Forge::new(&app, &issuer, &key, "EdDSA").token();
    let waiting = futures_util::future::join_all((0..50).map(|_| ask(&app, &token)));
    let meanwhile = async {
        issuer.is_asked().await;
        assert_eq!(ask(&app, &own).await.status, StatusCode::OK);
        assert_eq!(app.get("/healthz").await.status, StatusCode::OK);
        issuer.hold(false);
    };
    let (replies, ()) = tokio::join!(waiting, meanwhile);
    assert!(replies.iter().all(|reply| reply.status == StatusCode::OK));
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn what_a_provider_answers_is_read_as_a_strangers() {
    let key = Key::ed25519("1");
    let good = json!({"keys": [key.jwk()]}).to_string();
    let other = Issuer::new(&[key.jwk()]).await;
    let elsewhere = format!("{}/jwks.json", other.base());
    let twice = format!("{{\"keys\":[],{}", &good[1..]);
    let long = format!("{good}{}", " ".repeat(256 * 1_024));
    let many = json!({"keys": vec![key.jwk(); 65]}).to_string();
    for (name, status, headers, body) in [
        ("a redirect", 302, vec![("location", elsewhere.as_str())], good.as_str()),
        ("a redirect on its own host", 307, vec![("location", "/other.json")], &good),
        ("an error", 500, vec![], &good),
        ("nothing new", 304, vec![], ""),
        ("no content", 204, vec![], ""),
        ("too long", 200, vec![], &long),
        ("keys twice", 200, vec![], &twice),
        ("too many keys", 200, vec![], &many),
        ("no JSON", 200, vec![], "<html>"),
        ("a list", 200, vec![], "[]"),
        ("no keys", 200, vec![], "{}"),
        ("keys that are no list", 200, vec![], "{\"keys\":{}}"),
        ("nothing", 200, vec![], ""),
    ] {
        let issuer = Issuer::new(&[]).await;
        issuer.answer(StatusCode::from_u16(status).unwrap(), &headers, body);
        let app = app(options(&issuer)).await;
        away(&app, name, &Forge::new(&app, &issuer, &key, "EdDSA").token()).await;
        assert_eq!(issuer.asked(), 1, "{name}");
        issuer.publish_keys(&[&key]);
        app.clock.advance_micros(GAP_US);
        taken(&app, name, &Forge::new(&app, &issuer, &key, "EdDSA").token()).await;
    }
    assert_eq!(other.asked(), 0, "redirects are not followed");
}

/// A provider with a certificate of its own authority, which is the same one.
#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_not_asked_for_keys() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, cert.pem()).unwrap();
    let key = Key::ed25519("1");
    let body = json!({"keys": [key.jwk()]}).to_string();
    let (port, _serving) = super::issuer::secure(cert.der().clone(), signing_key.serialize_der(), body).await;
    let issuer = Issuer::away().await;
    let of = |host: &str, ca_file| ProviderOptions {
        jwks_url: format!("https://{host}:{port}/jwks.json").parse().unwrap(),
        ca_file,
        ..options(&issuer)
    };
    for (host, ca_file) in [("localhost", None), ("127.0.0.1", Some(ca_file.clone()))] {
        let app = app(of(host, ca_file)).await;
        away(&app, host, &Forge::new(&app, &issuer, &key, "EdDSA").token()).await;
    }
    let app = app(of("localhost", Some(ca_file))).await;
    taken(&app, "trusted by name", &Forge::new(&app, &issuer, &key, "EdDSA").token()).await;
    let missing = Some(folder.path().join("none.pem"));
    let clock: std::sync::Arc<dyn leadscore_domain::Clock> = std::sync::Arc::new(app.clock.clone());
    let stop = tokio_util::sync::CancellationToken::new();
    let started = super::super::Providers::start(vec![of("localhost", missing)], &clock, &app.tracker, &stop);
    assert_eq!(started.err().map(|error| error.option), Some("ca_file"));
}

//! Tokens that must be refused, one by one, through the whole server; and those that must not.
//!
//! Every vector is a good token with one thing wrong, signed by the server's own key wherever the signature is not what
//! is wrong: nothing but the check in question can refuse it.

use axum::{body::Body, http::Request};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use leadscore_domain::time::{HOUR_US, SECOND_US};
use leadscore_store::{Role, Rotation, SigningKey, Store, StoreOptions};
use ring::hmac;
use serde_json::{Value, json};

use super::{TOKEN_MAX_BYTES, signing::sign};
use crate::testing::{NOBODY, TestApp};

const ME: &str = "/api/v1/me";
/// The order of Ed25519's group, least significant byte first (RFC 8032, section 5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// A good token, and the key to sign others like it.
struct Forge {
    key: SigningKey,
    token: String,
    header: Value,
    claims: Value,
}

impl Forge {
    async fn new(app: &TestApp) -> Self {
        let token = app.session(Role::Agent).await["token"].as_str().unwrap().to_owned();
        let part = |place| {
            let text: &str = token.split('.').nth(place).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
        };
        let (header, claims) = (part(0), part(1));
        let key = app.state.store.signing_keys().await.unwrap().remove(0);
        Self { key, header, claims, token }
    }

    fn parts(&self) -> [&str; 3] {
        let parts: Vec<&str> = self.token.split('.').collect();
        parts.try_into().unwrap()
    }

    fn header(&self, name: &str, value: Value) -> String {
        let mut header = self.header.clone();
        header[name] = value;
        sign(&self.key, &header, &self.claims)
    }

    fn claim(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims[name] = value;
        sign(&self.key, &self.header, &claims)
    }

    fn without(&self, part: &str, name: &str) -> String {
        let (mut header, mut claims) = (self.header.clone(), self.claims.clone());
        let members = if part == "header" { &mut header } else { &mut claims };
        members.as_object_mut().unwrap().remove(name).unwrap();
        sign(&self.key, &header, &claims)
    }

    /// Signs two texts, whatever they are.
    fn raw(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        self.signed(&format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims)))
    }

    fn signed(&self, text: &str) -> String {
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(self.key.sign(text.as_bytes())))
    }

    /// The good token with another signature.
    fn with_signature(&self, change: impl FnOnce(&mut Vec<u8>)) -> String {
        let [header, claims, signature] = self.parts();
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        change(&mut bytes);
        format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    fn algorithms(&self) -> Vec<(String, String)> {
        let mut vectors = Vec::new();
        for name in ["none", "None", "nOnE", "NONE", "HS256", "RS256", "PS256", "ES256", "eddsa", "Ed448", ""] {
            vectors.push((format!("alg {name}"), self.header("alg", json!(name))));
            let [header, claims, _] =
                self.header("alg", json!(name)).split('.').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
            vectors.push((format!("alg {name} unsigned"), format!("{header}.{claims}.")));
        }
        vectors.push(("alg missing".to_owned(), self.without("header", "alg")));
        vectors.push(("alg a number".to_owned(), self.header("alg", json!(8))));
        let mut header = self.header.clone();
        header["alg"] = json!("HS256");
        let text = URL_SAFE_NO_PAD.encode(header.to_string());
        let text = format!("{text}.{}", URL_SAFE_NO_PAD.encode(self.claims.to_string()));
        for secret in
            [self.key.public_key().to_vec(), URL_SAFE_NO_PAD.encode(self.key.public_key()).into_bytes(), vec![]]
        {
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), text.as_bytes());
            let token = format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag));
            vectors.push((format!("HS256 under the public key, {} bytes", secret.len()), token));
        }
        vectors
    }

    fn headers(&self) -> Vec<(String, String)> {
        let mut vectors = Vec::new();
        for (name, kid) in [
            ("unknown", json!("00000000000000000000000000000000")),
            ("traversal", json!("../../../../dev/null")),
            ("SQL", json!("x' OR '1'='1")),
            ("of 65 bytes", json!("k".repeat(65))),
            ("empty", json!("")),
            ("a number", json!(1)),
            ("null", Value::Null),
            ("with a zero byte", json!("a\u{0}b")),
            ("an address", json!("https://evil.example.com/key")),
        ] {
            vectors.push((format!("kid {name}"), self.header("kid", kid)));
        }
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(self.key.public_key())});
        for (name, value) in [
            ("jwk", jwk),
            ("jku", json!("https://evil.example.com/jwks.json")),
            ("x5u", json!("https://evil.example.com/cert.pem")),
            ("x5c", json!(["MIIB"])),
            ("x5t", json!("MIIB")),
            ("crit", json!(["exp"])),
            ("crit", json!([])),
            ("b64", json!(false)),
            ("zip", json!("DEF")),
            ("cty", json!("JWT")),
            ("enc", json!("A256GCM")),
        ] {
            vectors.push((format!("header {name}"), self.header(name, value)));
        }
        for typ in [json!("JWT"), json!("AT+JWT"), json!("rt+jwt"), json!(""), json!(7), Value::Null] {
            vectors.push((format!("typ {typ}"), self.header("typ", typ)));
        }
        for name in ["kid", "typ"] {
            vectors.push((format!("{name} missing"), self.without("header", name)));
        }
        vectors
    }

    fn claims(&self) -> Vec<(String, String)> {
        let now = self.claims["iat"].as_i64().unwrap();
        let mut vectors = Vec::new();
        for name in ["iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp"] {
            vectors.push((format!("{name} missing"), self.without("claims", name)));
            for value in [Value::Null, json!({}), json!(true), json!("")] {
                vectors.push((format!("{name} {value}"), self.claim(name, value)));
            }
        }
        for name in ["iat", "nbf", "exp"] {
            for value in [json!(-1), json!(now as f64 + 60.5), json!(now.to_string()), json!(u64::MAX), json!(1e300)] {
                vectors.push((format!("{name} {value}"), self.claim(name, value)));
            }
        }
        for (name, value) in [
            ("iss", json!("leadscore2")),
            ("iss", json!("Leadscore")),
            ("iss", json!(["leadscore"])),
            ("aud", json!("other")),
            ("aud", json!([])),
            ("aud", json!(["other"])),
            ("aud", json!(["leadscore", 7])),
            ("aud", json!(vec!["leadscore"; 33])),
            ("sub", json!(NOBODY)),
            ("sub", json!("ann@example.com")),
            ("sid", json!(NOBODY)),
            ("sid", json!("' OR 1=1 --")),
            ("iat", json!(now + 31)),
            ("nbf", json!(now + 31)),
            ("exp", json!(now)),
            ("exp", json!(now - 600)),
            ("exp", json!(now + 3_601)),
            ("exp", json!(now + 86_400 * 3_650)),
        ] {
            vectors.push((format!("{name} {value}"), self.claim(name, value)));
        }
        vectors
    }

    fn texts(&self) -> Vec<(String, String)> {
        let (header, claims) = (self.header.to_string(), self.claims.to_string());
        let twice = |text: &str, member: &str| format!("{{{member},{}", &text[1..]);
        let padded = "x".repeat(TOKEN_MAX_BYTES);
        [
            ("sub twice", self.raw(&header, twice(&claims, "\"sub\":\"x\""))),
            ("exp twice", self.raw(&header, twice(&claims, "\"exp\":1"))),
            ("twice below", self.raw(&header, twice(&claims, "\"x\":[{\"y\":1,\"y\":1}]"))),
            ("twice by an escape", self.raw(&header, twice(&claims, "\"s\\u0075b\":\"x\""))),
            ("alg twice", self.raw(twice(&header, "\"alg\":\"none\""), &claims)),
            ("header no JSON", self.raw("EdDSA", &claims)),
            ("header a list", self.raw("[]", &claims)),
            ("claims no JSON", self.raw(&header, "sub")),
            ("claims a list", self.raw(&header, format!("[{claims}]"))),
            ("claims a text", self.raw(&header, "\"sub\"")),
            ("claims null", self.raw(&header, "null")),
            ("claims with a tail", self.raw(&header, format!("{claims}{{}}"))),
            ("claims with a byte order mark", self.raw(&header, format!("\u{feff}{claims}"))),
            ("claims that are no text", self.raw(&header, [0xff, 0xfe])),
            ("claims that nest deeply", self.raw(&header, "[".repeat(1_000))),
            ("too long", self.claim("jti", json!(padded))),
            ("a claim too long", self.claim("jti", json!("x".repeat(257)))),
        ]
        .map(|(name, token)| (name.to_owned(), token))
        .to_vec()
    }

    fn shapes(&self) -> Vec<(String, String)> {
        let [header, claims, signature] = self.parts();
        let spare = |text: &str| format!("{}{}", &text[..text.len() - 1], if text.ends_with('A') { 'B' } else { 'Z' });
        [
            ("one dot", format!("{header}.{claims}")),
            ("dots alone", "..".to_owned()),
            ("no header", self.signed(&format!(".{claims}"))),
            ("no claims", self.signed(&format!("{header}."))),
            ("no signature", format!("{header}.{claims}.")),
            ("four parts", format!("{}.{signature}", self.token)),
            ("five parts", format!("{header}..{claims}.{signature}.{signature}")),
            ("a dot behind", format!("{}.", self.token)),
            ("padding", self.signed(&format!("{header}=.{claims}"))),
            ("padding of the signature", format!("{}==", self.token)),
            ("bad characters", self.signed(&format!("{header}.{claims}!"))),
            ("the other alphabet", self.signed(&format!("{header}+/.{claims}"))),
            ("a quoted token", format!("\"{}\"", self.token)),
            ("a space in it", self.signed(&format!("{header} .{claims}"))),
            ("spare bits", format!("{header}.{claims}.{}", spare(signature))),
            ("a signature cut short", self.with_signature(|bytes| bytes.truncate(63))),
            ("a signature too long", self.with_signature(|bytes| bytes.push(0))),
            ("a flipped bit in R", self.with_signature(|bytes| bytes[0] ^= 1)),
            ("a flipped bit in S", self.with_signature(|bytes| bytes[40] ^= 1)),
            ("zeros as a signature", self.with_signature(|bytes| bytes.fill(0))),
            ("S of the group's second turn", self.with_signature(|bytes| add_order(bytes))),
            ("the claims of another", format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode("{}"))),
        ]
        .map(|(name, token)| (name.to_owned(), token))
        .to_vec()
    }
}

/// Adds the order of the group to S: the same signature by arithmetic, and another text.
fn add_order(signature: &mut [u8]) {
    let mut carry = 0;
    for (byte, more) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
}

async fn refused(app: &TestApp, name: &str, token: &str) {
    let request = Request::get(ME).header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
    let reply = app.send(request).await;
    assert_eq!(reply.code(), "unauthenticated", "{name}: {token}");
    assert_eq!(reply.status, 401, "{name}");
    assert!(reply.header("www-authenticate").starts_with("Bearer realm=\"leadscore\""), "{name}");
}

async fn taken(app: &TestApp, name: &str, token: &str) {
    let request = Request::get(ME).header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
    assert_eq!(app.send(request).await.status, 200, "{name}");
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_it_is_refused() {
    let app = TestApp::new().await;
    let forge = Forge::new(&app).await;
    taken(&app, "the good one", &forge.token).await;
    let vectors = [forge.algorithms(), forge.headers(), forge.claims(), forge.texts(), forge.shapes()].concat();
    for (name, token) in &vectors {
        refused(&app, name, token).await;
    }
    assert!(vectors.len() >= 150, "{}", vectors.len());
    taken(&app, "the good one, still", &forge.token).await;
}

#[tokio::test]
async fn what_is_right_is_taken() {
    let app = TestApp::new().await;
    let forge = Forge::new(&app).await;
    let now = forge.claims["iat"].as_i64().unwrap();
    for (name, token) in [
        ("signed anew", sign(&forge.key, &forge.header, &forge.claims)),
        ("several audiences", forge.claim("aud", json!(["other", "leadscore"]))),
        ("a clock that is ahead", forge.claim("iat", json!(now + 29))),
        ("a beginning that is near", forge.claim("nbf", json!(now + 29))),
        ("the longest life", forge.claim("exp", json!(now + 3_600))),
        ("claims that are not known", forge.claim("scope", json!({"a": [1.5, null, true, {"b": -1}]}))),
    ] {
        taken(&app, name, &token).await;
    }
    let [header, claims, _] = forge.parts();
    app.clock.advance_micros(620 * SECOND_US);
    taken(&app, "a clock that is behind", &forge.token).await;
    app.clock.advance_micros(20 * SECOND_US);
    refused(&app, "over", &forge.token).await;
    assert_eq!(forge.header, json!({"alg": "EdDSA", "kid": forge.key.kid(), "typ": "at+jwt"}));
    assert!(!header.is_empty() && !claims.is_empty());
}

#[tokio::test]
async fn what_is_no_access_token_of_this_server_is_refused() {
    let app = TestApp::new().await;
    let session = app.session(Role::Agent).await;
    refused(&app, "a refresh token", session["refresh_token"].as_str().unwrap()).await;
    refused(&app, "an API key with dots", &format!("{}..", app.token)).await;

    // Another server has the same user, session and names, and a key of its own, also under the same name.
    let (here, there) = (Forge::new(&app).await, TestApp::new().await);
    let strange = Forge::new(&there).await;
    refused(&app, "another server's", &strange.token).await;
    refused(&app, "another server's key", &sign(&strange.key, &strange.header, &here.claims)).await;
    refused(&app, "another server's key under our name", &sign(&strange.key, &here.header, &here.claims)).await;
    taken(&app, "ours", &here.token).await;

    app.state.store.rotate_signing_key(Rotation::Compromised).await.unwrap();
    app.clock.advance_micros(5 * SECOND_US);
    refused(&app, "a compromised key", &here.token).await;
    taken(&app, "a new one", &Forge::new(&app).await.token).await;
}

#[tokio::test]
async fn a_key_that_retired_long_ago_verifies_no_more() {
    let app = TestApp::new().await;
    let forge = Forge::new(&app).await;
    app.state.store.rotate_signing_key(Rotation::Asked).await.unwrap();
    app.clock.advance_micros(2 * HOUR_US);
    let mut claims = forge.claims.clone();
    for name in ["iat", "nbf", "exp"] {
        claims[name] = json!(claims[name].as_i64().unwrap() + 7_200);
    }
    refused(&app, "a retired key", &sign(&forge.key, &forge.header, &claims)).await;
    let key = app.state.store.signing_keys().await.unwrap().remove(0);
    let mut header = forge.header.clone();
    header["kid"] = json!(key.kid());
    taken(&app, "the one that signs", &sign(&key, &header, &claims)).await;
}

/// Two processes share a store; one rotates. Both give and take tokens all the time, and a third party that fetches the
/// keys every five minutes verifies them.
#[tokio::test]
async fn no_valid_token_is_refused_across_a_rotation() {
    const STEP_US: i64 = 60 * SECOND_US;
    let mut app = TestApp::new().await;
    let mut other = app.beside();
    let mut session = app.session(Role::Agent).await;
    let mut fetched = Vec::new();
    let (mut tokens, mut kids): (Vec<(i64, String)>, Vec<String>) = (Vec::new(), Vec::new());
    for step in 0..120 {
        if step == 10 {
            app.state.store.rotate_signing_key(Rotation::Asked).await.unwrap();
        }
        std::mem::swap(&mut app.router, &mut other);
        if step % 5 == 0 {
            fetched = app.get("/.well-known/jwks.json").await.json()["keys"].as_array().unwrap().clone();
        }
        let body = json!({"refresh_token": session["refresh_token"]});
        session = app.post("/api/v1/token/refresh", &body).await.json();
        let token = session["token"].as_str().unwrap().to_owned();
        let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        let kid = serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned();
        assert!(fetched.iter().any(|key| key["kid"] == kid.as_str()), "step {step}: it is not published");
        if !kids.contains(&kid) {
            kids.push(kid);
        }
        tokens.push((step, token));
        tokens.retain(|(given, _)| step - given < 10);
        for _ in 0..2 {
            std::mem::swap(&mut app.router, &mut other);
            for (given, token) in &tokens {
                taken(&app, &format!("step {step}: given at {given}"), token).await;
            }
        }
        app.clock.advance_micros(STEP_US);
    }
    assert_eq!(kids.len(), 2, "the rotation took place");
    assert_eq!(app.get("/.well-known/jwks.json").await.json()["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn keys_are_rotated_by_age() {
    let app = TestApp::new().await;
    app.session(Role::Agent).await;
    let keys = async || app.get("/.well-known/jwks.json").await.json()["keys"].as_array().unwrap().len();
    assert_eq!(keys().await, 1);
    app.clock.advance_micros(app.state.access.signing_key_us);
    assert_eq!(keys().await, 2);
    assert_eq!(keys().await, 2);
}

/// A folder is opened again: the keys are the database's, not the process's.
#[tokio::test]
async fn a_token_outlives_the_process() {
    let app = TestApp::new().await;
    let forge = Forge::new(&app).await;
    let folder = app.folder().to_owned();
    app.state.store.close().await;
    let store = Store::open(StoreOptions::new(folder, std::sync::Arc::clone(&app.state.clock))).await.unwrap();
    let mut again = TestApp::new().await;
    again.state.store = store;
    again.router = again.beside();
    taken(&again, "the same token", &forge.token).await;
}

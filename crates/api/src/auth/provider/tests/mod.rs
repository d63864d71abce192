//! Tokens of identity providers, through the whole server: each test has issuers of its own that listen, with keys that
//! are made when it runs.

mod access;
mod issuer;
mod key;
mod rotation;
mod vectors;

use axum::{body::Body, http::Request};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use leadscore_domain::{Clock as _, time::SECOND_US};
use leadscore_store::Role;
use serde_json::{Value, json};

use self::{issuer::Issuer, key::Key};
use super::{Algorithm, ProviderOptions, TokenType};
use crate::testing::{Reply, TestApp};

const ME: &str = "/api/v1/me";
const AUDIENCE: &str = "https://leads.example.com";
const ANN: &str = "ann@example.com";

/// A provider as an operator would name it who says no more than they must.
fn options(issuer: &Issuer) -> ProviderOptions {
    ProviderOptions {
        issuer: issuer.name(),
        audience: AUDIENCE.to_owned(),
        jwks_url: format!("{}/jwks.json", issuer.base()).parse().unwrap(),
        algorithms: Algorithm::DEFAULT.to_vec(),
        token_types: vec![TokenType::AccessToken, TokenType::Jwt],
        scope: None,
        user_claim: "email".to_owned(),
        verified_claim: Some("email_verified".to_owned()),
        domains: Vec::new(),
        create_users: false,
        roles: None,
        ca_file: None,
    }
}

/// The API with one provider, and Ann, who is an agent.
async fn app(options: ProviderOptions) -> TestApp {
    let app = TestApp::new().await.trusting(vec![options]);
    app.user(ANN, Role::Agent, None).await;
    app
}

/// A good token, and what it takes to make others like it.
#[derive(Clone)]
struct Forge {
    key: Key,
    header: Value,
    claims: Value,
}

impl Forge {
    /// Of Ann's, now, for ten minutes.
    fn new(app: &TestApp, issuer: &Issuer, key: &Key, algorithm: &str) -> Self {
        let now = app.clock.now().as_micros() / SECOND_US;
        let header = json!({"alg": algorithm, "kid": key.kid, "typ": "at+jwt"});
        let claims = json!({
            "iss": issuer.name(),
            "aud": AUDIENCE,
            "sub": "f:8d0c1e:ann",
            "azp": "crm",
            "jti": "1",
            "iat": now,
            "exp": now + 600,
            "scope": "openid leads",
            "email": ANN,
            "email_verified": true,
        });
        Self { key: key.clone(), header, claims }
    }

    fn token(&self) -> String {
        self.raw(self.header.to_string(), self.claims.to_string())
    }

    /// Two texts, signed by the algorithm of the header.
    fn raw(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        self.signed(&format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims)))
    }

    fn signed(&self, text: &str) -> String {
        let algorithm = self.header["alg"].as_str().unwrap_or_default();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(self.key.sign(algorithm, text.as_bytes())))
    }

    fn with(&self, part: &str, name: &str, value: Value) -> Self {
        let mut other = self.clone();
        let members = if part == "header" { &mut other.header } else { &mut other.claims };
        members[name] = value;
        other
    }

    fn header(&self, name: &str, value: Value) -> String {
        self.with("header", name, value).token()
    }

    fn claim(&self, name: &str, value: Value) -> String {
        self.with("claims", name, value).token()
    }

    fn without(&self, part: &str, name: &str) -> String {
        let mut other = self.clone();
        let members = if part == "header" { &mut other.header } else { &mut other.claims };
        members.as_object_mut().unwrap().remove(name).unwrap();
        other.token()
    }
}

async fn ask(app: &TestApp, token: &str) -> Reply {
    let request = Request::get(ME).header("authorization", format!("Bearer {token}"));
    app.send(request.body(Body::empty()).unwrap()).await
}

async fn refused(app: &TestApp, name: &str, token: &str) {
    let reply = ask(app, token).await;
    assert_eq!(reply.code(), "unauthenticated", "{name}: {token}");
    assert_eq!(reply.status, 401, "{name}");
    assert!(reply.header("www-authenticate").starts_with("Bearer realm=\"leadscore\""), "{name}");
}

async fn taken(app: &TestApp, name: &str, token: &str) {
    let reply = ask(app, token).await;
    assert_eq!(reply.status, 200, "{name}: {reply:?}");
    assert_eq!(reply.json()["email"], ANN, "{name}");
}

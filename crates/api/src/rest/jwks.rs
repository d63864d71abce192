//! `GET /.well-known/jwks.json`: the keys that verify our access tokens.

use std::sync::Arc;

use axum::{Json as Answer, extract::State, http::header, response::IntoResponse};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use leadscore_store::SigningKey;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    auth::jwt,
    problem::{Code, Problem},
    rest::unavailable,
    state::Api,
};

/// What this endpoint can answer beside success.
pub const PROBLEMS: &[Code] = &[Code::Unavailable];

/// A third of the time that a new key is published before it signs.
const CACHED: &str = "public, max-age=300";

/// A JWK set (RFC 7517).
#[derive(Debug, Serialize, ToSchema)]
pub struct JwkSet {
    /// The keys; one names itself in a token's `kid`.
    keys: Vec<Jwk>,
}

/// A public key of Ed25519 (RFC 8037).
#[derive(Debug, Serialize, ToSchema)]
pub struct Jwk {
    /// `OKP`.
    kty: &'static str,
    /// `Ed25519`.
    crv: &'static str,
    /// `sig`.
    #[serde(rename = "use")]
    purpose: &'static str,
    /// `EdDSA`.
    alg: &'static str,
    /// Its name.
    kid: String,
    /// The key, in base64url.
    x: String,
}

impl From<SigningKey> for Jwk {
    fn from(key: SigningKey) -> Self {
        let (kid, x) = (key.kid().to_owned(), URL_SAFE_NO_PAD.encode(key.public_key()));
        Self { kty: "OKP", crv: "Ed25519", purpose: "sig", alg: "EdDSA", kid, x }
    }
}

/// Show the public keys
///
/// A JWK set (RFC 7517). A new key stands here for a quarter of an hour before it signs, an old one until the last
/// token that it signed is over.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "access",
    responses((
        status = 200,
        description = "The keys",
        body = JwkSet,
        example = json!({"keys": [{
            "kty": "OKP",
            "crv": "Ed25519",
            "use": "sig",
            "alg": "EdDSA",
            "kid": "019ca8f3c4007d3aa3b4c5d6e7f80912",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
        }]})
    ))
)]
pub async fn jwks(State(api): State<Arc<Api>>) -> Result<impl IntoResponse, Problem> {
    let keys = jwt::published(&api).await.map_err(unavailable)?;
    let keys = keys.into_iter().map(Jwk::from).collect();
    Ok(([(header::CACHE_CONTROL, CACHED)], Answer(JwkSet { keys })))
}

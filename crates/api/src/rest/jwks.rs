//! `GET /.well-known/jwks.json`: the keys that verify our access tokens.

use std::sync::Arc;

use axum::{Json as Answer, extract::State, http::header, response::IntoResponse};
use serde_json::Value;

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

/// Show the public keys
///
/// A JWK set (RFC 7517). A new key stands here for a quarter of an hour before it signs, an old one until the last token
/// that it signed is over.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "access",
    responses((
        status = 200,
        description = "The keys",
        body = Object,
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
    let document: Value = jwt::document(&api).await.map_err(unavailable)?;
    Ok(([(header::CACHE_CONTROL, CACHED)], Answer(document)))
}

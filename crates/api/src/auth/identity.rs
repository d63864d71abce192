//! Who a token stands for: an API key's record, the user of a session, or one for whom an identity provider vouches.
//!
//! Invariant: the role is the store's of this moment, never the token's, but where the operator leaves it to a provider.

use std::{convert::Infallible, sync::Arc};

use axum::{extract::FromRequestParts, http::request::Parts};
use leadscore_domain::Timestamp;
use leadscore_store::Principal;
use uuid::Uuid;

use crate::{
    auth::{jwt, provider},
    problem::{Code, Problem},
    rest::unavailable,
    state::Api,
};

/// Who asks, and in which session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user or API key.
    pub principal: Arc<Principal>,
    /// The session and when it ends; `None` for an API key, and for a token of an identity provider.
    pub session: Option<(Uuid, Timestamp)>,
}

impl FromRequestParts<Arc<Api>> for Identity {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Infallible> {
        let identity = parts.extensions.get::<Self>();
        Ok(identity.expect("every operation that asks who sends is behind `bearer::require`").clone())
    }
}

/// Who holds a token: with dots in it, it is an access token, of a provider's or our own; else an API key.
///
/// # Errors
/// [`Code::Unauthenticated`]; [`Code::Unavailable`]; of a provider's, what [`provider::identify`] says.
pub async fn identify(api: &Api, token: &str) -> Result<Identity, Problem> {
    let known = if token.contains('.') {
        if let Some((provider, parts)) = api.providers.claimed(token) {
            return provider::identify(api, provider, &parts).await;
        }
        match jwt::verify(api, token).await.map_err(unavailable)? {
            None => None,
            Some(jwt::Bearer { user, session }) => {
                let found = api.store.session(session, user).await.map_err(unavailable)?;
                found.map(|(principal, ends)| Identity {
                    principal: Arc::new(principal),
                    session: Some((session, ends)),
                })
            }
        }
    } else {
        let found = api.store.token(token).await.map_err(unavailable)?;
        found.map(|principal| Identity { principal: Arc::new(principal), session: None })
    };
    known.ok_or_else(not_valid)
}

/// What is said of every token that is not taken, whatever is wrong with it.
pub fn not_valid() -> Problem {
    Problem::new(Code::Unauthenticated, "The token is not known, or no longer valid.").challenge("invalid_token")
}

//! `Authorization: Bearer` (RFC 6750): an API key, or an access token.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use leadscore_domain::{LeadId, Timestamp, time::SECOND_US};
use leadscore_store::{Authority, Principal, Scope, Sight};
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use crate::{
    audit::Watched,
    auth::{
        identity::{Identity, identify},
        permissions::{Access, Permissions},
        sight,
    },
    client::ClientAddress,
    middleware::check_query,
    problem::{Code, Problem},
    rate,
    state::Api,
};

/// Most tokens that are remembered as valid.
const REMEMBERED_MAX: u64 = 10_000;
/// How long a token is taken as valid without asking the store: an ended token works at most so much longer.
const TRUST_US: i64 = 2 * SECOND_US;

/// Tokens that the store has confirmed lately: by hash, with the instant and whose they are.
pub struct Confirmed(Cache<[u8; 32], (Timestamp, Identity)>);

impl Default for Confirmed {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED_MAX))
    }
}

/// Lets a request through that carries a valid token, of somebody who may do what it asks for and sees the lead that
/// its address names. Handlers find the [`Identity`] among the request's extensions.
///
/// Refuses query parameters where the operation takes none, too: a layer of its own would cost the score's path as
/// much as the look-up does.
///
/// # Errors
/// [`Code::Forbidden`]; [`Code::UnknownQueryParameter`]; [`Code::LeadNotFound`] for a lead that the sender does not see.
/// Without a valid token, and where there were too many requests, the answer says so.
pub async fn require(
    State((api, permissions)): State<(Arc<Api>, Arc<Permissions>)>,
    address: MatchedPath,
    client: ClientAddress,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let access = permissions.find(request.method(), address.as_str());
    if !access.is_some_and(|access| access.takes_query) {
        check_query(&request)?;
    }
    let confirmed = match bearer(&api, request.headers()) {
        Ok(token) => confirm(&api, token).await,
        Err(problem) => Err(problem),
    };
    let identity = match confirmed {
        Ok(identity) => identity,
        // Also whoever has a good token of a provider and is nobody here.
        Err(problem) if matches!(problem.code(), Code::Unauthenticated | Code::UnknownUser | Code::Forbidden) => {
            return Ok(rate::without_token(&api, client, problem).await);
        }
        Err(problem) => return Err(problem),
    };
    let principal = &identity.principal;
    let spent = match rate::admit(&api, principal).await {
        Ok(spent) => spent,
        Err(spent) => return Ok(spent.into_response()),
    };
    let Some(access) = access else { return Err(Problem::new(Code::Forbidden, "Nobody may do this.")) };
    let watched = Watched::begin(&api, &access, principal, &request)?;
    let mut response = match check(&api, &access, principal, access.lead(request.uri().path())).await {
        Ok(()) => {
            request.extensions_mut().insert(identity);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    if let Some(spent) = spent {
        spent.show(response.headers_mut());
    }
    Ok(match watched {
        Some(watched) => watched.end(response).await,
        None => response,
    })
}

/// Checks that somebody may do what a request asks for, and sees the lead that it is about.
async fn check(api: &Api, access: &Access, principal: &Principal, lead: Option<LeadId>) -> Result<(), Problem> {
    if !principal.may(access.least, access.scope) {
        return Err(forbidden(principal, access));
    }
    match lead {
        Some(lead) if principal.sight() != Sight::All => sight::check(api, principal, lead).await,
        Some(_) | None => Ok(()),
    }
}

/// What is said to somebody who may not do something.
pub fn forbidden(principal: &Principal, Access { least, scope, .. }: &Access) -> Problem {
    let detail = match &principal.authority {
        Authority::Person { role, .. } => format!("You have the role {role}; this takes {least} or above."),
        Authority::Machine { scopes } => {
            format!("The key has the scopes {scopes}; this takes {}.", scope.map_or("any", Scope::as_str))
        }
    };
    Problem::new(Code::Forbidden, detail).challenge("insufficient_scope")
}

/// Who sends a request.
pub struct Sender(pub Arc<Principal>);

impl FromRequestParts<Arc<Api>> for Sender {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Infallible> {
        let Ok(identity) = Identity::from_request_parts(parts, api).await;
        Ok(Self(identity.principal))
    }
}

/// Who sends a request, as a word that tells nothing of them.
pub struct Caller(pub String);

impl Caller {
    /// The word for somebody.
    #[must_use]
    pub fn of(principal: &Principal) -> Self {
        let hash = Sha256::new().chain_update("caller").chain_update(principal.id.as_bytes()).finalize();
        Self(hash[..16].iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Infallible> {
        let Sender(principal) = Sender::from_request_parts(parts, api).await?;
        Ok(Self::of(&principal))
    }
}

/// Whose token it is.
///
/// # Errors
/// [`Code::Unauthenticated`] where it is nobody's; [`Code::UnknownUser`] and [`Code::Forbidden`] where it is a provider's,
/// of nobody who may do anything here; where the store fails.
pub async fn confirm(api: &Api, token: &str) -> Result<Identity, Problem> {
    let now = api.clock.now();
    let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    if let Some((at, identity)) = api.confirmed.0.get(&hash)
        && (0..TRUST_US).contains(&now.since(at))
    {
        return Ok(identity);
    }
    let identity = identify(api, token).await?;
    api.confirmed.0.insert(hash, (now, identity.clone()));
    Ok(identity)
}

/// The token of a request.
///
/// # Errors
/// [`Code::Unauthenticated`] where there is none.
pub fn bearer<'h>(api: &Api, headers: &'h HeaderMap) -> Result<&'h str, Problem> {
    let refuse = |detail| Problem::new(Code::Unauthenticated, detail);
    let value = headers.get(header::AUTHORIZATION).ok_or_else(|| refuse("The request carries no token."))?;
    value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty() && token.len() <= api.providers.token_max_bytes())
        .ok_or_else(|| refuse("The Authorization header is not `Bearer <token>`."))
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use leadscore_domain::time::HOUR_US;
    use leadscore_store::Scope;

    use super::TRUST_US;
    use crate::testing::{NOBODY, TestApp};

    /// What takes no token, because it gives one.
    const OPEN: [&str; 2] = ["/api/v1/login", "/api/v1/token/refresh"];

    #[tokio::test]
    async fn every_guarded_operation_asks_for_a_token() {
        let mut app = TestApp::new().await;
        app.token = "lsk_unknown".to_owned();
        let mut guarded = 0;
        for (path, item) in app.document()["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let (method, path) = (method.to_uppercase(), path.replace("{lead_id}", NOBODY));
                let request = app.request(method.parse().unwrap(), &path).body(Body::empty()).unwrap();
                let refused = app.send(request).await;
                let asks = refused.status == 401;
                assert_eq!(asks, operation["security"] != serde_json::json!([]), "{method} {path}");
                assert_eq!(asks, path.starts_with("/api/v1/") && !OPEN.contains(&&*path), "{method} {path}");
                guarded += u8::from(asks);
            }
        }
        assert_eq!(guarded, 74);
    }

    #[tokio::test]
    async fn whatever_is_no_valid_token_is_refused() {
        let app = TestApp::new().await;
        let path = format!("/api/v1/leads/{NOBODY}");
        let expired_at = app.state.clock.now().plus_micros(HOUR_US);
        let (expired, _) =
            app.state.store.create_api_key("short", Scope::Admin.into(), Some(expired_at)).await.unwrap();
        app.clock.advance_micros(2 * HOUR_US);
        let long = format!("Bearer {}", "x".repeat(10_000));
        for header in
            ["", "Bearer", "Bearer ", "Basic YTpi", &app.token, &format!("Bearer {expired}"), "Bearer \u{e9}", &long]
        {
            let request = Request::get(&path).header("authorization", header).body(Body::empty()).unwrap();
            let reply = app.send(request).await;
            assert_eq!(reply.code(), "unauthenticated", "{header}");
            let challenge = reply.header("www-authenticate");
            assert!(challenge.starts_with("Bearer realm=\"leadscore\""), "{challenge}");
            assert_eq!(challenge.contains("error=\"invalid_token\""), header.contains("lsk_") && header.contains(' '));
        }
        let bare = app.send(Request::get(&path).body(Body::empty()).unwrap()).await;
        assert_eq!(bare.code(), "unauthenticated");
        let request = Request::get(&path).header("authorization", format!("bearer  {}", app.token));
        assert_eq!(app.send(request.body(Body::empty()).unwrap()).await.code(), "lead-not-found");
    }

    #[tokio::test]
    async fn a_revoked_token_ends_within_seconds() {
        let mut app = TestApp::new().await;
        app.token = app.key(Scope::LeadsRead).await;
        let path = format!("/api/v1/leads/{NOBODY}");
        assert_eq!(app.get(&path).await.code(), "lead-not-found");
        for key in app.state.store.api_keys().await.unwrap() {
            app.state.store.revoke_api_key(key.id).await.unwrap();
        }
        app.clock.advance_micros(TRUST_US);
        assert_eq!(app.get(&path).await.code(), "unauthenticated");
    }
}

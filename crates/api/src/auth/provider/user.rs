//! From a believed token to a user of ours.
//!
//! Invariants: the user is looked up at every request, so that who is removed, or gets another role or team here, is so
//! at once; a provider that says what somebody may do is asked by every token, and where it says nothing they may do
//! nothing. Deliberately absent: keeping what the provider says of a user.

use std::sync::Arc;

use axum::http::StatusCode;
use leadscore_store::{
    Admitted, Authority, Principal, Role, StoreError,
    audit::{Act, Object},
};
use serde_json::{Map, Value};

use super::{
    Provider,
    options::{ProviderOptions, RoleMap},
    token::{Doubt, Parts, names},
};
use crate::{
    audit,
    auth::{
        identity::{Identity, not_valid},
        jwt::{Refusal, TEXT_MAX_BYTES},
    },
    problem::{Code, Problem},
    rest::unavailable,
    state::Api,
};

/// Seconds after which it is worth asking again while a provider is away.
const RETRY_AFTER_S: u64 = 30;

/// Who holds a provider's token.
///
/// # Errors
/// [`Code::Unauthenticated`] for a token that is not believed; [`Code::UnknownUser`] for whoever is no user here;
/// [`Code::Forbidden`] where the provider has to say what they may do and does not; [`Code::Unavailable`] where the
/// provider's keys, or the store, are not to be had.
pub(in crate::auth) async fn identify(api: &Api, provider: &Provider, parts: &Parts<'_>) -> Result<Identity, Problem> {
    let options = &provider.options;
    let claims = match provider.believe(parts, api.clock.now()).await {
        Ok(claims) => claims,
        Err(Doubt::Refused(refusal)) => return Err(refused(options, refusal)),
        Err(Doubt::Away) => {
            return Err(Problem::new(Code::Unavailable, "The identity provider's keys cannot be had at present.")
                .retry_after_s(RETRY_AFTER_S));
        }
    };
    let email = address(options, claims).map_err(|refusal| refused(options, refusal))?;
    let given = options.roles.as_ref().map(|map| map.role(claims));
    if given == Some(None) {
        return Err(Problem::new(Code::Forbidden, "The identity provider gives you no role here.")
            .remedy("Have the provider's administrator give you a role or group that this server knows."));
    }
    let given = given.flatten();
    let Some(mut user) = find(api, options, email, given).await? else {
        return Err(Problem::new(Code::UnknownUser, "Nobody here has the e-mail address that the provider names."));
    };
    if let (Some(given), Authority::Person { role, .. }) = (given, &mut user.authority) {
        *role = given;
    }
    Ok(Identity { principal: Arc::new(user), session: None })
}

fn refused(options: &ProviderOptions, refusal: Refusal) -> Problem {
    tracing::debug!(reason = %refusal, issuer = options.issuer, "a provider's token was refused");
    not_valid()
}

/// The address for which the provider vouches.
fn address<'c>(options: &ProviderOptions, claims: &'c Map<String, Value>) -> Result<&'c str, Refusal> {
    if options.verified_claim.as_ref().is_some_and(|claim| claims.get(claim) != Some(&Value::Bool(true))) {
        return Err(Refusal::Claim("the address is not verified"));
    }
    let refusal = Refusal::Claim("the user's address");
    let email = text_of(claims, &options.user_claim).ok_or(refusal)?;
    let (name, domain) = email.rsplit_once('@').ok_or(refusal)?;
    let speaks = options.domains.is_empty() || options.domains.iter().any(|own| own.eq_ignore_ascii_case(domain));
    if name.is_empty() || !speaks { Err(refusal) } else { Ok(email) }
}

fn text_of<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claims.get(name)?.as_str().filter(|text| (1..=TEXT_MAX_BYTES).contains(&text.len()))
}

impl RoleMap {
    /// The highest role that a token gives.
    fn role(&self, claims: &Map<String, Value>) -> Option<Role> {
        let (first, rest) = self.claim.split_first()?;
        let value = rest.iter().try_fold(claims.get(first)?, |value, name| value.as_object()?.get(name))?;
        let given = names(value)?;
        self.roles.iter().filter(|(name, _)| given.contains(&name.as_str())).map(|(_, role)| *role).max()
    }
}

async fn find(
    api: &Api,
    options: &ProviderOptions,
    email: &str,
    role: Option<Role>,
) -> Result<Option<Principal>, Problem> {
    if let Some(user) = api.store.user_by_address(email).await.map_err(unavailable)? {
        return Ok(Some(user));
    }
    if !options.create_users {
        return Ok(None);
    }
    // Nobody is made who is not recorded.
    api.audit.check().map_err(unavailable)?;
    match api.store.admit_user(email, role.unwrap_or(Role::Agent)).await {
        Ok(Admitted::Made(user)) => {
            record(api, options, &user).await?;
            Ok(Some(user))
        }
        Ok(Admitted::Known(user)) => Ok(Some(user)),
        // What is no address is nobody's.
        Ok(Admitted::Removed) | Err(StoreError::Invalid(_)) => Ok(None),
        Err(error) => Err(unavailable(error)),
    }
}

async fn record(api: &Api, options: &ProviderOptions, user: &Principal) -> Result<(), Problem> {
    api.audit.record_done(Act {
        at: api.clock.now(),
        actor: audit::actor(user),
        operation: "create_user".into(),
        object: Some(Object::User(user.id)),
        status: StatusCode::CREATED.as_u16(),
        reason: Some(format!("first token of {}", options.issuer)),
        address: None,
        request_id: None,
    });
    api.audit.flush().await.map_err(unavailable)
}

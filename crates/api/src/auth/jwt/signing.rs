//! Our own access tokens: signing them, verifying them, and the public keys for others who want to.
//!
//! Invariant: the keys are the store's, read again every few seconds; the one that signs is decided by the clock alone,
//! so that all processes change at the same time.

use std::sync::{Arc, Mutex, PoisonError};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use leadscore_domain::{Timestamp, time::SECOND_US};
use leadscore_store::{Rotation, SIGNED_MAX_US, Session, SigningKey, StoreError};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Refusal,
    claims::{Rules, seconds, text},
    compact,
};
use crate::state::Api;

/// What our tokens call themselves (RFC 9068, section 2.1).
const TYPE: &str = "at+jwt";
/// The name of the only client that log-ins come from (RFC 9068 asks for one).
const CLIENT: &str = "leadscore";
/// How long the keys are remembered: a compromised one works at most so much longer.
const REMEMBERED_US: i64 = 5 * SECOND_US;
/// How long they are remembered when a token names another one: nobody makes us read them more often.
const REMEMBERED_UNKNOWN_US: i64 = SECOND_US;

/// The keys as they were read last.
#[derive(Default)]
pub struct SigningKeys {
    known: Mutex<Option<(Timestamp, Arc<[SigningKey]>)>>,
    /// Held while they are read, so that requests at the same time read them once.
    reading: tokio::sync::Mutex<()>,
}

/// Whom an access token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer {
    /// The user.
    pub user: Uuid,
    /// The session.
    pub session: Uuid,
}

impl SigningKeys {
    fn known(&self, api: &Api, for_us: i64) -> Option<Arc<[SigningKey]>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, keys) = known.as_ref()?;
        (0..for_us).contains(&api.clock.now().since(*at)).then(|| Arc::clone(keys))
    }

    /// The keys as they were at most `for_us` ago; makes the first one, and one in place of one that is too old.
    async fn read(&self, api: &Api, for_us: i64) -> Result<Arc<[SigningKey]>, StoreError> {
        if let Some(keys) = self.known(api, for_us) {
            return Ok(keys);
        }
        let _reading = self.reading.lock().await;
        if let Some(keys) = self.known(api, for_us) {
            return Ok(keys);
        }
        let (now, age_max_us) = (api.clock.now(), api.access.signing_key_us);
        let mut keys = api.store.signing_keys().await?;
        if keys.first().is_none_or(|newest| now.since(newest.created_at) >= age_max_us) {
            api.store.rotate_signing_key(Rotation::Aged(age_max_us)).await?;
            keys = api.store.signing_keys().await?;
        }
        let keys: Arc<[SigningKey]> = keys.into();
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&keys)));
        Ok(keys)
    }
}

/// An access token for a session, and when it ends.
///
/// # Errors
/// Where the store fails.
pub async fn issue(api: &Api, session: &Session) -> Result<(String, Timestamp), StoreError> {
    let now = api.clock.now();
    let keys = api.signing.read(api, REMEMBERED_US).await?;
    // Where the clock went back behind the first key, that one signs.
    let key = keys.iter().find(|key| key.signs_from <= now).or(keys.last());
    let key = key.ok_or_else(|| StoreError::Corrupt("there is no signing key".to_owned()))?;
    let issued = seconds(now);
    let ends = seconds(now.plus_micros(api.access.access_token_us).min(session.expires_at)).max(issued + 1);
    let header = json!({"alg": "EdDSA", "kid": key.kid(), "typ": TYPE});
    let claims = json!({
        "iss": api.access.issuer,
        "aud": api.access.audience,
        "client_id": CLIENT,
        "sub": session.user,
        "sid": session.id,
        "jti": api.ids.next(),
        "iat": issued,
        "nbf": issued,
        "exp": ends,
    });
    let expires_at = Timestamp::from_micros(ends * SECOND_US).unwrap_or(session.expires_at);
    Ok((sign(key, &header, &claims), expires_at))
}

/// The compact form of a token.
pub(super) fn sign(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// Whom a token of ours is for; `None` for one that is not believed. Whether the session still is, the store knows.
///
/// # Errors
/// Where the store fails.
pub async fn verify(api: &Api, token: &str) -> Result<Option<Bearer>, StoreError> {
    let refused = match compact::parse(token) {
        Err(refusal) => refusal,
        Ok(parts) => {
            let mut keys = api.signing.read(api, REMEMBERED_US).await?;
            if !keys.iter().any(|key| key.kid() == parts.header.kid) {
                keys = api.signing.read(api, REMEMBERED_UNKNOWN_US).await?;
            }
            match believe(api, &parts, &keys) {
                Ok(bearer) => return Ok(Some(bearer)),
                Err(refusal) => refusal,
            }
        }
    };
    tracing::debug!(reason = %refused, "an access token was refused");
    Ok(None)
}

fn believe(api: &Api, parts: &compact::Parts<'_>, keys: &[SigningKey]) -> Result<Bearer, Refusal> {
    let (now, header, claims) = (api.clock.now(), &parts.header, &parts.claims);
    if header.typ != TYPE {
        return Err(Refusal::Header("typ"));
    }
    let key = keys.iter().find(|key| key.kid() == header.kid && key.verifies(now)).ok_or(Refusal::Key)?;
    header.algorithm.verify(key.public_key(), parts.signed, &parts.signature)?;
    let (issuer, audience) = (api.access.issuer.as_str(), api.access.audience.as_str());
    Rules { issuer, audience, life_max_s: SIGNED_MAX_US / SECOND_US }.check(claims, now)?;
    text(claims, "jti")?;
    let id = |name| -> Result<Uuid, Refusal> { text(claims, name)?.parse().map_err(|_| Refusal::Claim(name)) };
    Ok(Bearer { user: id("sub")?, session: id("sid")? })
}

/// The keys that sign, verify, or will sign soon.
///
/// # Errors
/// Where the store fails.
pub async fn published(api: &Api) -> Result<Vec<SigningKey>, StoreError> {
    let now = api.clock.now();
    let keys = api.signing.read(api, REMEMBERED_US).await?;
    Ok(keys.iter().filter(|key| key.verifies(now)).cloned().collect())
}

//! What a provider's token says, checked before and beside its signature.
//!
//! Which of a provider's tokens is an access token (RFC 9068, section 4; RFC 8725, section 3.11): it names our audience,
//! which is the API's and no client's; it has none of the claims that ID tokens and log-out tokens have; and where its
//! type is one that ID tokens have too, it says what it was granted, which they do not.
//!
//! Invariant: everything that is checked without the key is checked before a key is looked for, so that only tokens
//! that would be taken otherwise make us ask the provider.

use leadscore_domain::Timestamp;
use serde_json::{Map, Value};

use super::{
    Provider, TOKEN_MAX_BYTES,
    algorithm::Algorithm,
    jwks::KID_MAX_BYTES,
    keys::NoKey,
    options::{ProviderOptions, TokenType},
};
use crate::auth::jwt::{Refusal, Rules, compact_object, decode, text};

/// Longest life of a token, in seconds.
const LIFE_MAX_S: i64 = 48 * 3_600;
/// Claims of ID tokens (OpenID Connect Core, sections 2 and 3.3.2.11; FAPI) and of log-out tokens.
const FOREIGN: [&str; 5] = ["nonce", "at_hash", "c_hash", "s_hash", "events"];
/// Claims by which Keycloak and Cognito say what a token is, and the one that is an access token.
const MARKS: [(&str, &str); 2] = [("typ", "Bearer"), ("token_use", "access")];
/// Most names of granted scopes and of roles that are looked at.
const NAMES_MAX: usize = 512;

/// A token in its parts, not believed yet.
pub(in crate::auth) struct Parts<'t> {
    header: Header,
    claims: Map<String, Value>,
    signed: &'t str,
    signature: Vec<u8>,
}

struct Header {
    algorithm: Algorithm,
    kid: String,
    typ: Option<String>,
}

/// Why somebody's token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It is not believed.
    Refused(Refusal),
    /// Nobody can say at present.
    Away,
}

impl From<Refusal> for Doubt {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<'t> Parts<'t> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`Refusal::Shape`]; [`Refusal::Header`].
    pub(super) fn of(token: &'t str) -> Result<Self, Refusal> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err(Refusal::Shape);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Shape)?;
        let (header, claims) = signed.split_once('.').ok_or(Refusal::Shape)?;
        let header = Header::of(&compact_object(header)?)?;
        Ok(Self { header, claims: compact_object(claims)?, signed, signature: decode(signature)? })
    }

    /// Who it says has issued it.
    pub(super) fn issuer(&self) -> Option<&str> {
        text(&self.claims, "iss").ok()
    }
}

impl Header {
    fn of(members: &Map<String, Value>) -> Result<Self, Refusal> {
        for name in members.keys() {
            match name.as_str() {
                // Fingerprints of certificates say nothing about the key, and are not looked at: Entra ID sends them.
                "alg" | "kid" | "typ" | "x5t" | "x5t#S256" => {}
                // Also `crit`, and `jku`, `jwk`, `x5u`, `x5c`, with which a token would bring its own key.
                _ => return Err(Refusal::Header("a member that is not known")),
            }
        }
        let text = |name: &'static str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(Refusal::Header(name)),
        };
        let algorithm = text("alg")?.and_then(|name| name.parse().ok()).ok_or(Refusal::Header("alg"))?;
        let kid = text("kid")?.filter(|kid| (1..=KID_MAX_BYTES).contains(&kid.len())).ok_or(Refusal::Header("kid"))?;
        Ok(Self { algorithm, kid: kid.to_owned(), typ: text("typ")?.map(str::to_owned) })
    }
}

impl Provider {
    /// The claims of a token that is this provider's, for us, now.
    pub(super) async fn believe<'p>(
        &self,
        parts: &'p Parts<'_>,
        now: Timestamp,
    ) -> Result<&'p Map<String, Value>, Doubt> {
        let Parts { header, claims, signed, signature } = parts;
        check(&self.options, header, claims, now)?;
        let verified = self
            .keys
            .with(&header.kid, header.algorithm, |key| header.algorithm.verify(key, signed, signature))
            .await
            .map_err(|error| match error {
                NoKey::Unknown => Doubt::Refused(Refusal::Key),
                NoKey::Away => Doubt::Away,
            })?;
        verified?;
        Ok(claims)
    }
}

/// Everything but the signature.
fn check(
    options: &ProviderOptions,
    header: &Header,
    claims: &Map<String, Value>,
    now: Timestamp,
) -> Result<(), Refusal> {
    if !options.algorithms.contains(&header.algorithm) {
        return Err(Refusal::Header("alg"));
    }
    let token_type = TokenType::of(header.typ.as_deref());
    let token_type = token_type.filter(|typ| options.token_types.contains(typ)).ok_or(Refusal::Header("typ"))?;
    let rules = Rules { issuer: &options.issuer, audience: &options.audience, life_max_s: LIFE_MAX_S };
    rules.check_without_beginning(claims, now)?;
    text(claims, "sub")?;
    if let Some(name) = FOREIGN.into_iter().find(|name| claims.contains_key(*name)) {
        return Err(Refusal::Claim(name));
    }
    let is_other = |(name, access): &(&str, &str)| claims.get(*name).is_some_and(|mark| mark != access);
    if let Some((name, _)) = MARKS.into_iter().find(is_other) {
        return Err(Refusal::Claim(name));
    }
    check_scope(options, token_type, claims)
}

fn check_scope(options: &ProviderOptions, token_type: TokenType, claims: &Map<String, Value>) -> Result<(), Refusal> {
    // One by RFC 8693, the other by Okta and Entra ID.
    let claim = ["scope", "scp"].into_iter().find_map(|name| claims.get(name));
    let granted = claim.map(|claim| granted(claim).ok_or(Refusal::Claim("scope"))).transpose()?;
    let is_bare = granted.as_ref().is_none_or(Vec::is_empty);
    match token_type {
        TokenType::Jwt | TokenType::None if is_bare => return Err(Refusal::Claim("scope")),
        TokenType::Jwt | TokenType::None | TokenType::AccessToken => {}
    }
    let lacks = |asked: &String| !granted.is_some_and(|granted| granted.contains(&asked.as_str()));
    if options.scope.as_ref().is_some_and(lacks) { Err(Refusal::Claim("scope")) } else { Ok(()) }
}

/// What was granted: words with spaces between them, or a list.
fn granted(claim: &Value) -> Option<Vec<&str>> {
    match claim {
        Value::String(words) => Some(words.split_ascii_whitespace().take(NAMES_MAX).collect()),
        Value::Array(_) => names(claim),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// A text, or a list of texts.
pub(super) fn names(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(one) => Some(vec![one]),
        Value::Array(several) if several.len() <= NAMES_MAX => several.iter().map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

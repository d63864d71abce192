//! What an operator says of a provider.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

use axum::http::Uri;
use leadscore_store::Role;

use super::algorithm::Algorithm;

/// Longest address of keys.
const URL_MAX_BYTES: usize = 2_048;

/// A provider whose tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderOptions {
    /// The claim `iss`, to the letter.
    pub issuer: String,
    /// What the claim `aud` has to contain: our own name at the provider.
    pub audience: String,
    /// Where its keys are.
    pub jwks_url: JwksUrl,
    /// By which algorithms it may sign.
    pub algorithms: Vec<Algorithm>,
    /// What its access tokens call themselves.
    pub token_types: Vec<TokenType>,
    /// What a token has to have been granted, if anything.
    pub scope: Option<String>,
    /// The claim with the user's e-mail address.
    pub user_claim: String,
    /// The claim that has to be true for the address to count.
    pub verified_claim: Option<String>,
    /// The domains for whose addresses it speaks; none for all.
    pub domains: Vec<String>,
    /// Whether who is not known here is made a user.
    pub create_users: bool,
    /// How it says what somebody may do; `None` where that is ours to say.
    pub roles: Option<RoleMap>,
    /// Certificates of authorities beside the public ones, as PEM.
    pub ca_file: Option<PathBuf>,
}

/// How a token says what somebody may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleMap {
    /// The names of the members that lead to a text or a list of texts.
    pub claim: Vec<String>,
    /// Texts, and the role that each gives; the highest counts.
    pub roles: Vec<(String, Role)>,
}

/// The type in a token's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenType {
    /// `at+jwt`, with or without `application/` (RFC 9068).
    AccessToken,
    /// `JWT`: ID tokens have that too.
    Jwt,
    /// None.
    None,
}

impl TokenType {
    /// The type that a header names.
    pub(super) fn of(typ: Option<&str>) -> Option<Self> {
        match typ {
            None => Some(Self::None),
            Some(typ) if typ.eq_ignore_ascii_case("JWT") => Some(Self::Jwt),
            Some(typ) => {
                // Types are media types, whose case does not count (RFC 7515, section 4.1.9).
                let typ = typ.to_ascii_lowercase();
                (typ.strip_prefix("application/").unwrap_or(&typ) == "at+jwt").then_some(Self::AccessToken)
            }
        }
    }
}

impl FromStr for TokenType {
    type Err = ();

    /// `at+jwt`, `JWT`, or nothing for a token without a type.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "at+jwt" => Ok(Self::AccessToken),
            "JWT" => Ok(Self::Jwt),
            "" => Ok(Self::None),
            _ => Err(()),
        }
    }
}

/// The address of a JWK set: https, or http to this very machine, for development.
#[derive(Clone, PartialEq, Eq)]
pub struct JwksUrl(Uri);

impl fmt::Debug for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl JwksUrl {
    /// The name of the host, or its address, without brackets.
    pub(super) fn host(&self) -> &str {
        let host = self.0.host().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(if self.is_tls() { 443 } else { 80 })
    }

    pub(super) fn is_tls(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// What the `Host` header says.
    pub(super) fn authority(&self) -> &str {
        self.0.authority().map_or("", |authority| authority.as_str())
    }

    /// Path and query.
    pub(super) fn target(&self) -> &str {
        self.0.path_and_query().map_or("/", |target| target.as_str())
    }
}

impl FromStr for JwksUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if text.len() > URL_MAX_BYTES {
            return Err("must have at most 2048 bytes");
        }
        let uri: Uri = text.parse().map_err(|_| "must be an address such as https://id.example.com/jwks.json")?;
        let url = Self(uri);
        if url.host().is_empty() || url.authority().contains('@') || text.contains('#') {
            return Err("must be an address with a host, without a user name and without what follows #");
        }
        let is_here = || url.host() == "localhost" || url.host().parse().is_ok_and(|host: IpAddr| host.is_loopback());
        match url.0.scheme_str() {
            Some("https") => Ok(url),
            Some("http") if is_here() => Ok(url),
            Some(_) | None => Err("must begin with https://; http:// only to this machine, for development"),
        }
    }
}

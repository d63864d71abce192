//! Proofs of origin that several vendors share: secrets, HMAC, windows, shared-secret schemes.
//!
//! Owns: comparing in constant time, one header exactly once, the replay window, several secrets at once. Invariant:
//! what is checked are the raw bytes. Deliberately absent: what a vendor signs, which stands in its own file.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderMap;
use leadscore_domain::{Timestamp, time::SECOND_US};
use ring::hmac;
use serde::{Deserialize, Deserializer, de};
use subtle::ConstantTimeEq as _;

use crate::seam::{Refusal, Request};

/// Most secrets of one connector.
pub const SECRETS_MAX: usize = 8;
/// Most signatures that are tried in one header.
pub const SIGNATURES_MAX: usize = 16;
/// The window where the vendor names none, in seconds.
pub const WINDOW_S: i64 = 300;

/// The secrets that count now: during a rotation the old and the new one.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// From 1 to [`SECRETS_MAX`] secrets, none of them empty.
    #[must_use]
    pub fn new(secrets: Vec<String>) -> Option<Self> {
        let fine = (1..=SECRETS_MAX).contains(&secrets.len()) && secrets.iter().all(|s| !s.is_empty());
        fine.then_some(Self(secrets))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether `tag` is the HMAC of `message` by any of the secrets.
    pub(crate) fn signed(&self, algorithm: hmac::Algorithm, message: &[u8], tag: &[u8]) -> bool {
        self.iter().fold(false, |found, secret| found | signed_by(algorithm, secret.as_bytes(), message, tag))
    }

    /// Whether `given` is one of the secrets.
    pub(crate) fn holds(&self, given: &[u8]) -> bool {
        self.iter().fold(false, |found, secret| found | bool::from(secret.as_bytes().ct_eq(given)))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} secrets]", self.0.len())
    }
}

impl<'de> Deserialize<'de> for Secrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?)
            .ok_or_else(|| de::Error::custom("give from 1 to 8 secrets, none of them empty"))
    }
}

/// Whether `tag` is the HMAC of `message` by `key`, in constant time.
pub(crate) fn signed_by(algorithm: hmac::Algorithm, key: &[u8], message: &[u8], tag: &[u8]) -> bool {
    hmac::verify(&hmac::Key::new(algorithm, key), message, tag).is_ok()
}

/// The header `name`, which must stand there exactly once.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| Refusal::Missing(name.to_owned()))?;
    if values.next().is_some() {
        return Err(Refusal::Doubled(name.to_owned()));
    }
    value.to_str().map(str::trim).map_err(|_| Refusal::Unreadable(name.to_owned()))
}

/// Base64 as it must be: padded, canonical.
pub(crate) fn from_base64(name: &str, text: &str) -> Result<Vec<u8>, Refusal> {
    STANDARD.decode(text).map_err(|_| Refusal::Unreadable(name.to_owned()))
}

/// Pairs of hexadecimal digits.
pub(crate) fn from_hex(name: &str, text: &str) -> Result<Vec<u8>, Refusal> {
    let unreadable = || Refusal::Unreadable(name.to_owned());
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    if !text.len().is_multiple_of(2) {
        return Err(unreadable());
    }
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(unreadable)
}

/// Refuses a time, in units of `unit_us` microseconds, further than `window_s` seconds from the arrival.
pub(crate) fn within(
    name: &str,
    time: &str,
    unit_us: i64,
    window_s: i64,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    let unreadable = || Refusal::Unreadable(name.to_owned());
    // `parse` alone would take a sign.
    if time.is_empty() || !time.bytes().all(|b| b.is_ascii_digit()) {
        return Err(unreadable());
    }
    let count: i64 = time.parse().map_err(|_| unreadable())?;
    let at = count.checked_mul(unit_us).and_then(Timestamp::from_micros).ok_or_else(unreadable)?;
    if now.since(at).abs() > window_s.saturating_mul(SECOND_US) { Err(Refusal::Stale) } else { Ok(at) }
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Hexadecimal digits.
    #[default]
    Hex,
    /// Base64 with padding.
    Base64,
}

/// The hash of an HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hash {
    /// SHA-1, for old senders.
    Sha1,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Hash {
    pub(crate) const fn algorithm(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// A proof that the user chooses, for vendors that leave it to them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "scheme", rename_all = "snake_case", deny_unknown_fields)]
pub enum Proof {
    /// `Authorization: Bearer …`.
    Bearer {
        /// The tokens that count.
        secrets: Secrets,
    },
    /// `Authorization: Basic …`.
    Basic {
        /// The name of the user.
        user: String,
        /// The passwords that count.
        secrets: Secrets,
    },
    /// A header of any name holds the secret.
    Header {
        /// Its name.
        name: String,
        /// The values that count.
        secrets: Secrets,
    },
    /// A parameter of the address holds the secret: for senders that can do nothing else.
    Query {
        /// Its name.
        name: String,
        /// The values that count.
        secrets: Secrets,
    },
    /// HMAC of the body, or of `time.body` where a header with the time is named.
    Hmac {
        /// The header with the signature.
        header: String,
        /// What stands before the signature in it, such as `sha256=`.
        #[serde(default)]
        prefix: String,
        /// The hash.
        #[serde(default)]
        hash: Hash,
        /// How the signature is written.
        #[serde(default)]
        encoding: Encoding,
        /// The header with the time in seconds. Without one there is no replay window.
        #[serde(default)]
        timestamp_header: Option<String>,
        /// The keys that count.
        secrets: Secrets,
    },
}

impl Proof {
    /// Checks a request.
    ///
    /// # Errors
    /// Says which part of the proof is missing or wrong.
    pub fn verify(&self, request: &Request<'_>) -> Result<(), Refusal> {
        match self {
            Self::Bearer { secrets } => {
                let given = header(request.headers, "authorization")?;
                let token = scheme(given, "bearer").ok_or_else(|| Refusal::Unreadable("authorization".into()))?;
                expect(secrets.holds(token.as_bytes()))
            }
            Self::Basic { user, secrets } => verify_basic(user, secrets, request),
            Self::Header { name, secrets } => expect(secrets.holds(header(request.headers, name)?.as_bytes())),
            Self::Query { name, secrets } => {
                let mut given = request.url.query_pairs().filter(|(key, _)| key == name.as_str());
                let (_, value) = given.next().ok_or_else(|| Refusal::Missing(name.clone()))?;
                if given.next().is_some() {
                    return Err(Refusal::Doubled(name.clone()));
                }
                expect(secrets.holds(value.as_bytes()))
            }
            Self::Hmac { header: name, prefix, hash, encoding, timestamp_header, secrets } => {
                let given = header(request.headers, name)?;
                let given = given.strip_prefix(prefix.as_str()).ok_or_else(|| Refusal::Unreadable(name.clone()))?;
                let tag = match encoding {
                    Encoding::Hex => from_hex(name, given)?,
                    Encoding::Base64 => from_base64(name, given)?,
                };
                let mut message = Vec::new();
                if let Some(name) = timestamp_header {
                    let time = header(request.headers, name)?;
                    within(name, time, SECOND_US, WINDOW_S, request.received_at)?;
                    message.extend_from_slice(time.as_bytes());
                    message.push(b'.');
                }
                message.extend_from_slice(request.body);
                expect(secrets.signed(hash.algorithm(), &message, &tag))
            }
        }
    }
}

fn verify_basic(user: &str, secrets: &Secrets, request: &Request<'_>) -> Result<(), Refusal> {
    let unreadable = || Refusal::Unreadable("authorization".into());
    let given = header(request.headers, "authorization")?;
    let pair = from_base64("authorization", scheme(given, "basic").ok_or_else(unreadable)?)?;
    let colon = pair.iter().position(|b| *b == b':').ok_or_else(unreadable)?;
    let same_user = bool::from(pair[..colon].ct_eq(user.as_bytes()));
    expect(secrets.holds(&pair[colon + 1..]) & same_user)
}

/// What follows the scheme of `Authorization`, whose name may stand in any case.
fn scheme<'a>(given: &'a str, name: &str) -> Option<&'a str> {
    let (scheme, rest) = given.split_once(' ')?;
    scheme.eq_ignore_ascii_case(name).then(|| rest.trim_start())
}

/// `Ok` where the proof fits.
pub(crate) const fn expect(fits: bool) -> Result<(), Refusal> {
    if fits { Ok(()) } else { Err(Refusal::Wrong) }
}

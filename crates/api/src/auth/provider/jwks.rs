//! The keys that a provider publishes: a JWK set (RFC 7517), read as something that a stranger wrote.
//!
//! Invariants: a key is taken only where everything that it says of itself fits signatures; what cannot be used is left
//! out and does not spoil the others; no member occurs twice. Deliberately absent: certificates (`x5c`, `x5u`), which
//! say nothing that the connection's TLS has not said.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::algorithm::{Algorithm, Public};
use crate::auth::jwt::strict_object;

/// Most keys of a set.
const KEYS_MAX: usize = 64;
/// Longest name of a key.
pub(super) const KID_MAX_BYTES: usize = 256;
/// Shortest and longest modulus of an RSA key (RFC 7518, section 3.3; what `ring` takes).
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;
/// Smallest public exponent (FIPS 186-5, section 5.4).
const EXPONENT_MIN: u64 = 65_537;
/// Longest public exponent that `ring` takes.
const EXPONENT_BITS_MAX: usize = 33;

/// Why a text is no JWK set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum JwksError {
    /// It has another form.
    #[error("it is no JWK set")]
    Shape,
    /// It has too many keys.
    #[error("it has more than {KEYS_MAX} keys")]
    TooMany,
}

/// Keys that verify tokens.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// Keys that were left out.
    pub(super) unusable: usize,
}

#[derive(Debug, PartialEq, Eq)]
struct Key {
    kid: String,
    /// The only algorithm that it is for, where it says so.
    algorithm: Option<Algorithm>,
    public: Public,
}

impl KeySet {
    /// Reads a set.
    ///
    /// # Errors
    /// Where it is none.
    pub(super) fn parse(text: &[u8]) -> Result<Self, JwksError> {
        let mut set = strict_object(text).map_err(|_| JwksError::Shape)?;
        let Some(Value::Array(listed)) = set.remove("keys") else { return Err(JwksError::Shape) };
        if listed.len() > KEYS_MAX {
            return Err(JwksError::TooMany);
        }
        let mut keys: Vec<Key> = Vec::with_capacity(listed.len());
        let mut unusable = 0;
        for key in &listed {
            match key.as_object().and_then(Key::of) {
                // Of two keys that one token could mean, none is meant.
                Some(key) if keys.iter().any(|known| known.is_like(&key)) => {
                    keys.retain(|known| !known.is_like(&key));
                    unusable += 2;
                }
                Some(key) => keys.push(key),
                None => unusable += 1,
            }
        }
        Ok(Self { keys, unusable })
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key of this name for this algorithm.
    pub(super) fn find(&self, kid: &str, algorithm: Algorithm) -> Option<&Public> {
        let fits = |key: &&Key| {
            key.kid == kid && key.algorithm.is_none_or(|only| only == algorithm) && algorithm.fits(&key.public)
        };
        self.keys.iter().find(fits).map(|key| &key.public)
    }
}

impl Key {
    /// The key that a JWK describes; `None` for one that is not for signatures, not public, weak or damaged.
    fn of(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let kid = text("kid").filter(|kid| (1..=KID_MAX_BYTES).contains(&kid.len()))?;
        if jwk.get("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        if let Some(operations) = jwk.get("key_ops")
            && !operations.as_array().is_some_and(|all| all.iter().any(|operation| operation == "verify"))
        {
            return None;
        }
        // Whoever publishes a private key has none any more.
        if ["d", "p", "q", "k"].iter().any(|private| jwk.contains_key(*private)) {
            return None;
        }
        let algorithm = match jwk.get("alg") {
            None => None,
            Some(name) => Some(name.as_str()?.parse().ok()?),
        };
        let public = match (text("kty")?, text("crv")) {
            ("RSA", None) => rsa(number(jwk, "n")?, number(jwk, "e")?)?,
            ("EC", Some("P-256")) => Public::P256(point(jwk, 32)?),
            ("EC", Some("P-384")) => Public::P384(point(jwk, 48)?),
            ("OKP", Some("Ed25519")) => Public::Ed25519(coordinate(jwk, "x", 32)?),
            _ => return None,
        };
        let fits = algorithm.is_none_or(|only: Algorithm| only.fits(&public));
        fits.then(|| Self { kid: kid.to_owned(), algorithm, public })
    }

    /// Whether a token that means this key could mean that one.
    fn is_like(&self, other: &Self) -> bool {
        let by_algorithm = match (self.algorithm, other.algorithm) {
            (Some(one), Some(another)) => one == another,
            (Some(_) | None, None) | (None, Some(_)) => true,
        };
        self.kid == other.kid
            && by_algorithm
            && std::mem::discriminant(&self.public) == std::mem::discriminant(&other.public)
    }
}

/// Bytes of base64url without padding, in their only spelling.
fn bytes(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok()
}

/// A coordinate in its full length (RFC 7518, section 6.2.1.2).
fn coordinate(jwk: &Map<String, Value>, name: &str, size: usize) -> Option<Vec<u8>> {
    bytes(jwk, name).filter(|bytes| bytes.len() == size)
}

fn point(jwk: &Map<String, Value>, size: usize) -> Option<Vec<u8>> {
    Some([vec![4], coordinate(jwk, "x", size)?, coordinate(jwk, "y", size)?].concat())
}

/// A positive number in as few bytes as it takes (RFC 7518, section 2).
fn number(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    bytes(jwk, name).filter(|bytes| bytes.first().is_some_and(|first| *first != 0))
}

fn rsa(n: Vec<u8>, e: Vec<u8>) -> Option<Public> {
    let bits = |number: &[u8]| number.len() * 8 - number[0].leading_zeros() as usize;
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    if !MODULUS_BITS.contains(&bits(&n)) || bits(&e) > EXPONENT_BITS_MAX || !is_odd(&n) || !is_odd(&e) {
        return None;
    }
    let exponent = e.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    (exponent >= EXPONENT_MIN).then_some(Public::Rsa { n, e })
}

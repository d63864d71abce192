//! The compact form of a signed token (RFC 7515, section 7.1), read without believing it.
//!
//! Invariant: one text has one meaning: base64url without padding or spare bits, JSON objects without a member twice.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{Refusal, TOKEN_MAX_BYTES, key::Algorithm};

/// Longest name of a key.
const KID_MAX_BYTES: usize = 64;

/// A token in its parts.
pub struct Parts<'t> {
    pub header: Header,
    pub claims: Map<String, Value>,
    /// What the signature is over.
    pub signed: &'t str,
    pub signature: Vec<u8>,
}

/// Everything that a header may say.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    pub algorithm: Algorithm,
    pub kid: String,
    pub typ: String,
}

/// Takes a token apart.
///
/// # Errors
/// [`Refusal::Shape`]; [`Refusal::Header`].
pub fn parse(token: &str) -> Result<Parts<'_>, Refusal> {
    if token.len() > TOKEN_MAX_BYTES {
        return Err(Refusal::Shape);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Shape)?;
    let (header, claims) = signed.split_once('.').ok_or(Refusal::Shape)?;
    let header = Header::of(compact_object(header)?)?;
    Ok(Parts { header, claims: compact_object(claims)?, signed, signature: decode(signature)? })
}

impl Header {
    fn of(members: Map<String, Value>) -> Result<Self, Refusal> {
        let (mut algorithm, mut kid, mut typ) = (None, None, None);
        for (name, value) in members {
            let Value::String(text) = value else { return Err(Refusal::Header("a member that is no text")) };
            match name.as_str() {
                "alg" => algorithm = Some(text.parse().map_err(|()| Refusal::Header("alg"))?),
                "kid" => kid = Some(text).filter(|kid| is_kid(kid)),
                "typ" => typ = Some(text),
                // Also `crit`, and `jku`, `jwk`, `x5u`, `x5c`, with which a token would bring its own key.
                _ => return Err(Refusal::Header("a member that is not known")),
            }
        }
        Ok(Self {
            algorithm: algorithm.ok_or(Refusal::Header("alg"))?,
            kid: kid.ok_or(Refusal::Header("kid"))?,
            typ: typ.ok_or(Refusal::Header("typ"))?,
        })
    }
}

/// Whether this can be the name of a key.
fn is_kid(text: &str) -> bool {
    (1..=KID_MAX_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Bytes of base64url without padding, in their only spelling.
///
/// # Errors
/// [`Refusal::Shape`], also for none.
pub fn decode(text: &str) -> Result<Vec<u8>, Refusal> {
    if text.is_empty() {
        return Err(Refusal::Shape);
    }
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal::Shape)
}

/// A JSON object in base64url.
///
/// # Errors
/// [`Refusal::Shape`].
pub fn compact_object(text: &str) -> Result<Map<String, Value>, Refusal> {
    strict_object(&decode(text)?)
}

/// A JSON object without a member twice, at any depth.
///
/// # Errors
/// [`Refusal::Shape`].
pub fn strict_object(text: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(text) {
        Ok(Strict(Value::Object(members))) => Ok(members),
        Ok(Strict(_)) | Err(_) => Err(Refusal::Shape),
    }
}

/// A JSON value without a member twice, at any depth.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom("a member twice"));
            }
        }
        Ok(Value::Object(map))
    }
}

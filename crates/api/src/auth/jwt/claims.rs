//! What a token says (RFC 7519, section 4.1; RFC 9068, section 2.2), checked against what it has to say.
//!
//! Invariant: a claim of another type than it has to be is as good as none. Times are whole seconds.

use leadscore_domain::{Timestamp, time::SECOND_US};
use serde_json::{Map, Value};

use super::Refusal;

/// What the clocks of two machines may differ.
pub const LEEWAY_S: i64 = 30;
/// Longest text of a claim that is looked at.
pub const TEXT_MAX_BYTES: usize = 256;
/// Most audiences of a token.
const AUDIENCES_MAX: usize = 32;

/// What a token has to say.
pub struct Rules<'r> {
    pub issuer: &'r str,
    pub audience: &'r str,
    pub life_max_s: i64,
}

impl Rules<'_> {
    /// Checks issuer, audience and times.
    ///
    /// # Errors
    /// [`Refusal::Claim`], which names the claim.
    pub fn check(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<(), Refusal> {
        instant(claims, "nbf")?;
        self.check_without_beginning(claims, now)
    }

    /// The same of a token that need not say when it begins (RFC 9068, section 2.2).
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_without_beginning(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<(), Refusal> {
        if text(claims, "iss")? != self.issuer {
            return Err(Refusal::Claim("iss"));
        }
        if !audiences(claims)?.contains(&self.audience) {
            return Err(Refusal::Claim("aud"));
        }
        let now_s = seconds(now);
        let (issued, ends) = (instant(claims, "iat")?, instant(claims, "exp")?);
        let begins = if claims.contains_key("nbf") { instant(claims, "nbf")? } else { issued };
        match () {
            () if issued > now_s + LEEWAY_S => Err(Refusal::Claim("iat")),
            () if begins > now_s + LEEWAY_S => Err(Refusal::Claim("nbf")),
            () if ends <= now_s - LEEWAY_S || ends <= issued || ends - issued > self.life_max_s => {
                Err(Refusal::Claim("exp"))
            }
            () => Ok(()),
        }
    }
}

/// Whole seconds since 1970, rounded down.
pub fn seconds(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(SECOND_US)
}

/// A claim that has to be a text.
pub fn text<'c>(claims: &'c Map<String, Value>, name: &'static str) -> Result<&'c str, Refusal> {
    let text = claims.get(name).and_then(Value::as_str);
    text.filter(|text| (1..=TEXT_MAX_BYTES).contains(&text.len())).ok_or(Refusal::Claim(name))
}

fn instant(claims: &Map<String, Value>, name: &'static str) -> Result<i64, Refusal> {
    let instant = claims.get(name).and_then(Value::as_i64);
    instant.filter(|at| (0..=seconds(Timestamp::MAX)).contains(at)).ok_or(Refusal::Claim(name))
}

fn audiences(claims: &Map<String, Value>) -> Result<Vec<&str>, Refusal> {
    let refused = Refusal::Claim("aud");
    match claims.get("aud") {
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(several)) if several.len() <= AUDIENCES_MAX => {
            several.iter().map(|one| one.as_str().ok_or(refused)).collect()
        }
        Some(_) | None => Err(refused),
    }
}

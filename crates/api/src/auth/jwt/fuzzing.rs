//! Reading access tokens, from any text.

use leadscore_domain::Timestamp;
use serde_json::Value;

use super::{
    claims::{Rules, text},
    compact,
};

/// A public key that no input signs with: that of RFC 8032's first test.
const PUBLIC: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72,
    0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

/// Takes a token apart, checks its claims, and its signature.
///
/// # Panics
/// Where claims pass whose times do not, or where the signature is believed.
pub fn token(token: &str, now: Timestamp) {
    let Ok(parts) = compact::parse(token) else { return };
    assert!(parts.header.algorithm.verify(&PUBLIC, parts.signed, &parts.signature).is_err(), "a forged signature");
    let rules = Rules { issuer: "leadscore", audience: "leadscore", life_max_s: 3_600 };
    if rules.check(&parts.claims, now).is_ok() {
        let ends = parts.claims.get("exp").and_then(Value::as_i64);
        assert!(ends.is_some_and(|ends| ends > super::claims::seconds(now) - super::claims::LEEWAY_S), "an old token");
        assert_eq!(text(&parts.claims, "iss"), Ok("leadscore"));
    }
}

//! Reading what providers write, from any text.

use super::{algorithm::Algorithm, jwks::KeySet, token::Parts};

/// Takes a token apart, and reads a JWK set.
///
/// # Panics
/// Where a key is found that does not fit the algorithm that it was looked for with.
pub fn provider(text: &str) {
    if let Ok(parts) = Parts::of(text) {
        parts.issuer();
    }
    let Ok(keys) = KeySet::parse(text.as_bytes()) else { return };
    for algorithm in Algorithm::ALL {
        if let Some(key) = keys.find("1", algorithm) {
            assert!(algorithm.fits(key), "a key of another kind");
            assert!(algorithm.verify(key, text, text.as_bytes()).is_err(), "a forged signature");
        }
    }
}

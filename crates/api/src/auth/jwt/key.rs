//! Algorithms of signatures, and public keys that fit each (RFC 7518, RFC 8037).
//!
//! Invariant: an algorithm verifies with a key of its own kind only. HMAC and `none` do not exist here.

use std::str::FromStr;

use ring::signature::{ED25519, UnparsedPublicKey};

use super::Refusal;

/// An algorithm that a header may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519; Ed448 is not taken.
    EdDsa,
}

impl FromStr for Algorithm {
    type Err = ();

    /// The name as the header has it, letter by letter.
    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "EdDSA" => Ok(Self::EdDsa),
            _ => Err(()),
        }
    }
}

impl Algorithm {
    /// Checks a signature over `message`.
    ///
    /// # Errors
    /// [`Refusal::Signature`].
    pub fn verify(self, key: &[u8], message: &str, signature: &[u8]) -> Result<(), Refusal> {
        match self {
            Self::EdDsa => UnparsedPublicKey::new(&ED25519, key).verify(message.as_bytes(), signature),
        }
        .map_err(|_| Refusal::Signature)
    }
}

//! Access tokens: JSON Web Tokens (RFC 7519) in the profile of RFC 9068, signed by Ed25519 (RFC 8037).
//!
//! Invariants: the key decides the algorithm, never the token; a header has `alg`, `kid` and `typ` and nothing else, so
//! that no token brings or fetches a key; whatever is doubtful is refused (RFC 8725), and every refusal looks the same
//! from outside. A token says who and which session; what they may do is looked up. Time is the injected clock's.
//! Deliberately absent: encrypted tokens, symmetric keys, `none`.

mod claims;
mod compact;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod key;
mod signing;
#[cfg(test)]
mod vectors;

pub use self::signing::{Bearer, SigningKeys, issue, published, verify};
/// What tokens of providers are read by, too.
pub(super) use self::{
    claims::{Rules, TEXT_MAX_BYTES, text},
    compact::{compact_object, decode, strict_object},
};

/// Longest token that is looked at.
pub const TOKEN_MAX_BYTES: usize = 4_096;

/// Why a token is not believed. For logs: the sender learns only that it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not three parts of base64url with JSON objects in the first two.
    #[error("it is no compact JWS")]
    Shape,
    /// The header is not one of ours.
    #[error("its header is refused for `{0}`")]
    Header(&'static str),
    /// A claim is missing or not what it has to be.
    #[error("its claim `{0}` is refused")]
    Claim(&'static str),
    /// No key of this name verifies at present, or one of another algorithm.
    #[error("its key is unknown")]
    Key,
    /// The signature is not the key's.
    #[error("its signature is wrong")]
    Signature,
}

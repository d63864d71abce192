//! Algorithms of providers' signatures (RFC 7518, RFC 8037), and the keys that fit each.
//!
//! Invariant: an algorithm verifies with a key of its own kind only. Symmetric ones and `none` do not exist here.

use std::str::FromStr;

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::auth::jwt::Refusal;

/// An algorithm by which a provider may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519; Ed448 is not taken.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// RSA, PKCS #1 v1.5, SHA-256.
    Rs256,
    /// RSA, PKCS #1 v1.5, SHA-384.
    Rs384,
    /// RSA, PKCS #1 v1.5, SHA-512.
    Rs512,
    /// RSA-PSS, SHA-256.
    Ps256,
    /// RSA-PSS, SHA-384.
    Ps384,
    /// RSA-PSS, SHA-512.
    Ps512,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Public {
    Ed25519(Vec<u8>),
    /// The point, uncompressed.
    P256(Vec<u8>),
    /// The point, uncompressed.
    P384(Vec<u8>),
    /// Modulus and exponent, big-endian without leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

/// How a signature is checked.
enum Check {
    Point(&'static dyn VerificationAlgorithm),
    Rsa(&'static RsaParameters),
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::EdDsa,
        Self::Es256,
        Self::Es384,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
    ];
    /// Those that are taken where nothing is configured.
    pub const DEFAULT: [Self; 4] = [Self::EdDsa, Self::Es256, Self::Rs256, Self::Ps256];

    /// Its registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
        }
    }

    fn check(self) -> Check {
        match self {
            Self::EdDsa => Check::Point(&ED25519),
            Self::Es256 => Check::Point(&ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Check::Point(&ECDSA_P384_SHA384_FIXED),
            Self::Rs256 => Check::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Check::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Check::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Check::Rsa(&RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Check::Rsa(&RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Check::Rsa(&RSA_PSS_2048_8192_SHA512),
        }
    }

    /// Whether it verifies with such a key.
    pub(super) const fn fits(self, key: &Public) -> bool {
        match self {
            Self::EdDsa => matches!(key, Public::Ed25519(_)),
            Self::Es256 => matches!(key, Public::P256(_)),
            Self::Es384 => matches!(key, Public::P384(_)),
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => {
                matches!(key, Public::Rsa { .. })
            }
        }
    }

    /// Checks a signature over `message`.
    ///
    /// # Errors
    /// [`Refusal::Key`] for a key of another kind; [`Refusal::Signature`], also where the key is no point of its curve.
    pub(super) fn verify(self, key: &Public, message: &str, signature: &[u8]) -> Result<(), Refusal> {
        if !self.fits(key) {
            return Err(Refusal::Key);
        }
        let verified = match (self.check(), key) {
            (Check::Rsa(parameters), Public::Rsa { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message.as_bytes(), signature)
            }
            (Check::Point(algorithm), Public::Ed25519(bytes) | Public::P256(bytes) | Public::P384(bytes)) => {
                UnparsedPublicKey::new(algorithm, bytes).verify(message.as_bytes(), signature)
            }
            (Check::Rsa(_), Public::Ed25519(_) | Public::P256(_) | Public::P384(_))
            | (Check::Point(_), Public::Rsa { .. }) => return Err(Refusal::Key),
        };
        verified.map_err(|_| Refusal::Signature)
    }
}

impl FromStr for Algorithm {
    type Err = ();

    /// The name as headers and keys have it, letter by letter.
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name).ok_or(())
    }
}

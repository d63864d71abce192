//! Keys that a provider could have, and some that it should not.

use std::sync::{Arc, OnceLock};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use num_bigint::BigUint;
use ring::{
    digest,
    rand::{SecureRandom as _, SystemRandom},
    rsa::{KeyPairComponents, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
        Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
        RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    },
};
use serde_json::{Value, json};

/// The DER that stands before a SHA-256 in a signature by PKCS #1 (RFC 8017, section 9.2).
const SHA_256: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];
const EXPONENT: u32 = 65_537;

/// A private key with its name.
#[derive(Clone)]
pub struct Key {
    pub kid: String,
    private: Arc<Private>,
}

enum Private {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair, &'static str),
    Rsa(Rsa),
}

struct Rsa {
    n: BigUint,
    d: BigUint,
    e: BigUint,
    bytes: usize,
    /// `None` for one that is too short for `ring`.
    pair: Option<RsaKeyPair>,
}

impl Key {
    fn of(kid: &str, private: Private) -> Self {
        Self { kid: kid.to_owned(), private: Arc::new(private) }
    }

    pub fn ed25519(kid: &str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::of(kid, Private::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap()))
    }

    pub fn p256(kid: &str) -> Self {
        Self::ecdsa(kid, &ECDSA_P256_SHA256_FIXED_SIGNING, "P-256")
    }

    pub fn p384(kid: &str) -> Self {
        Self::ecdsa(kid, &ECDSA_P384_SHA384_FIXED_SIGNING, "P-384")
    }

    fn ecdsa(kid: &str, algorithm: &'static EcdsaSigningAlgorithm, curve: &'static str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::of(kid, Private::Ecdsa(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap(), curve))
    }

    /// Of 2048 bits; the same one for all tests of the process.
    pub fn rsa(kid: &str) -> Self {
        static MADE: OnceLock<Arc<Private>> = OnceLock::new();
        let private = MADE.get_or_init(|| Arc::new(Private::Rsa(Rsa::new(2_048, EXPONENT))));
        Self { kid: kid.to_owned(), private: Arc::clone(private) }
    }

    /// Of 1024 bits.
    pub fn weak_rsa(kid: &str) -> Self {
        Self::of(kid, Private::Rsa(Rsa::new(1_024, EXPONENT)))
    }

    /// The private half under another name.
    pub fn named(&self, kid: &str) -> Self {
        Self { kid: kid.to_owned(), private: Arc::clone(&self.private) }
    }

    /// The public half.
    pub fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &*self.private {
            Private::Ed25519(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref())}),
            Private::Ecdsa(pair, curve) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "x": text(x), "y": text(y)})
            }
            Private::Rsa(rsa) => {
                json!({"kty": "RSA", "n": text(&rsa.n.to_bytes_be()), "e": text(&rsa.e.to_bytes_be())})
            }
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// The public half with members of other values; those that are null are left out.
    pub fn jwk_with(&self, members: Value) -> Value {
        let mut jwk = self.jwk();
        for (name, value) in members.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        jwk
    }

    /// Signs by an algorithm of the key's; by the first that it has where it has not that one.
    pub fn sign(&self, algorithm: &str, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &*self.private {
            Private::Ed25519(pair) => pair.sign(text).as_ref().to_vec(),
            Private::Ecdsa(pair, _) => pair.sign(&random, text).unwrap().as_ref().to_vec(),
            Private::Rsa(rsa) => match &rsa.pair {
                None => rsa.sign_by_hand(text),
                Some(pair) => {
                    let encoding: &'static dyn RsaEncoding = match algorithm {
                        "RS384" => &RSA_PKCS1_SHA384,
                        "RS512" => &RSA_PKCS1_SHA512,
                        "PS256" => &RSA_PSS_SHA256,
                        "PS384" => &RSA_PSS_SHA384,
                        "PS512" => &RSA_PSS_SHA512,
                        _ => &RSA_PKCS1_SHA256,
                    };
                    let mut signature = vec![0; pair.public().modulus_len()];
                    pair.sign(encoding, &random, text, &mut signature).unwrap();
                    signature
                }
            },
        }
    }

    /// What a signature of PKCS #1 says before it is encrypted: the signature itself under an exponent of 1.
    pub fn bare(&self, text: &[u8]) -> Vec<u8> {
        match &*self.private {
            Private::Rsa(rsa) => rsa.padded(text),
            Private::Ed25519(_) | Private::Ecdsa(..) => panic!("only RSA has that"),
        }
    }
}

impl Rsa {
    fn new(bits: usize, e: u32) -> Self {
        let (p, q) = loop {
            let (p, q) = (prime(bits / 2), prime(bits / 2));
            if p != q {
                break if p > q { (p, q) } else { (q, p) };
            }
        };
        let (one, e) = (BigUint::from(1_u8), BigUint::from(e));
        let (n, bytes) = (&p * &q, bits / 8);
        let phi = (&p - &one) * (&q - &one);
        let d = e.modinv(&phi).unwrap();
        let number = |number: BigUint| number.to_bytes_be();
        let components = KeyPairComponents {
            public_key: PublicKeyComponents { n: number(n.clone()), e: number(e.clone()) },
            d: number(d.clone()),
            dP: number(&d % (&p - &one)),
            dQ: number(&d % (&q - &one)),
            qInv: number(q.modinv(&p).unwrap()),
            p: number(p),
            q: number(q),
        };
        let pair = (bits >= 2_048).then(|| RsaKeyPair::from_components(&components).unwrap());
        Self { n, d, e, bytes, pair }
    }

    fn padded(&self, text: &[u8]) -> Vec<u8> {
        let hash = digest::digest(&digest::SHA256, text);
        let ones = self.bytes - 3 - SHA_256.len() - hash.as_ref().len();
        [&[0, 1], vec![0xff; ones].as_slice(), &[0], &SHA_256, hash.as_ref()].concat()
    }

    fn sign_by_hand(&self, text: &[u8]) -> Vec<u8> {
        let signature = BigUint::from_bytes_be(&self.padded(text)).modpow(&self.d, &self.n).to_bytes_be();
        [vec![0; self.bytes - signature.len()], signature].concat()
    }
}

/// A prime with its two highest bits set, which is not 1 modulo [`EXPONENT`].
fn prime(bits: usize) -> BigUint {
    let small: Vec<u32> = (3..2_000_u32).filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0)).collect();
    let mut bytes = vec![0; bits / 8];
    loop {
        SystemRandom::new().fill(&mut bytes).unwrap();
        bytes[0] |= 0xc0;
        *bytes.last_mut().unwrap() |= 1;
        let candidate = BigUint::from_bytes_be(&bytes);
        let is_divided = small.iter().any(|small| &candidate % *small == BigUint::from(0_u8));
        let fits = (&candidate - 1_u8) % EXPONENT != BigUint::from(0_u8);
        if !is_divided && fits && is_probably_prime(&candidate) {
            return candidate;
        }
    }
}

/// Miller and Rabin's test.
fn is_probably_prime(candidate: &BigUint) -> bool {
    let last = candidate - 1_u8;
    let twos = last.trailing_zeros().unwrap();
    let odd = &last >> twos;
    [2_u8, 3, 5, 7, 11, 13, 17, 19].into_iter().all(|base| {
        let mut power = BigUint::from(base).modpow(&odd, candidate);
        if power == BigUint::from(1_u8) || power == last {
            return true;
        }
        (1..twos).any(|_| {
            power = &power * &power % candidate;
            power == last
        })
    })
}

//! Sealing and opening.

use chacha20poly1305::{
    Tag, XChaCha20Poly1305, XNonce,
    aead::{AeadInOut, KeyInit},
};

use super::random;

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// A key that seals; forgotten from memory when dropped.
pub(crate) struct DataKey(XChaCha20Poly1305);

impl DataKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }

    /// `plain` sealed and bound to `binding`: nonce, ciphertext, tag.
    pub(crate) fn seal(&self, binding: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        random::fill(&mut nonce);
        let mut sealed = Vec::with_capacity(NONCE_BYTES + plain.len() + TAG_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = self
            .0
            .encrypt_inout_detached(&XNonce::from(nonce), binding, (&mut sealed[NONCE_BYTES..]).into())
            .expect("XChaCha20-Poly1305 takes messages up to 256 GB");
        sealed.extend_from_slice(&tag);
        sealed
    }

    /// What [`Self::seal`] sealed; `None` where the key or the binding is another, or the bytes were altered.
    pub(crate) fn open(&self, binding: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let (cipher, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
        let mut plain = cipher.to_vec();
        self.0
            .decrypt_inout_detached(&XNonce::from(*nonce), binding, plain.as_mut_slice().into(), &Tag::from(*tag))
            .ok()?;
        Some(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn altered_bytes_other_bindings_and_other_keys_do_not_open() {
        let key = DataKey::new(&[7; 32]);
        let sealed = key.seal(b"lead", b"+15125550123");
        assert_eq!(key.open(b"lead", &sealed).as_deref(), Some(b"+15125550123".as_slice()));
        assert_eq!(key.open(b"other", &sealed), None);
        assert_eq!(DataKey::new(&[8; 32]).open(b"lead", &sealed), None);
        for i in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[i] ^= 1;
            assert_eq!(key.open(b"lead", &altered), None, "byte {i}");
            assert_eq!(key.open(b"lead", &sealed[..i]), None, "cut at {i}");
        }
    }

    #[test]
    fn the_same_value_is_sealed_differently_each_time() {
        let key = DataKey::new(&[7; 32]);
        assert_ne!(key.seal(b"", b"x"), key.seal(b"", b"x"));
    }
}

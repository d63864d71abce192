//! How blocks hang together: a Merkle tree over the entries of each, a hash over each block and the one before it, a
//! signature over the hash.
//!
//! Leaves and nodes are hashed as in RFC 9162 (section 2.1.1), with SHA-256, so that one entry can be shown with its
//! path without showing the others. Whoever lacks the key can neither alter a block nor add one.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use leadscore_domain::Timestamp;
use sha2::{Digest as _, Sha256};

/// What SHA-256 gives.
pub(super) type Hash = [u8; 32];

/// What stands before the first block.
pub(super) const NOTHING: Hash = [0; 32];

/// What is hashed before a leaf, a node and a block, so that none passes for another.
const LEAF: [u8; 1] = [0];
const NODE: [u8; 1] = [1];
const BLOCK: &[u8] = b"leadscore audit block 1";

/// The hash of an entry.
pub(super) fn leaf(entry: &[u8]) -> Hash {
    Sha256::new().chain_update(LEAF).chain_update(entry).finalize().into()
}

/// The root of the tree over these leaves.
pub(super) fn root(mut level: Vec<Hash>) -> Hash {
    if level.is_empty() {
        return Sha256::digest([]).into();
    }
    // A node without a neighbour rises as it is: that is the tree of the RFC, built from below.
    while level.len() > 1 {
        let above = |pair: &[Hash]| -> Hash {
            match pair {
                [left, right] => {
                    Sha256::new().chain_update(NODE).chain_update(left).chain_update(right).finalize().into()
                }
                alone => alone[0],
            }
        };
        level = level.chunks(2).map(above).collect();
    }
    level[0]
}

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) sequence: i64,
    pub(super) since: Timestamp,
    pub(super) at: Timestamp,
    pub(super) first_entry: i64,
    pub(super) entry_count: i64,
    pub(super) has_checkpoint: bool,
    pub(super) previous_hash: Vec<u8>,
    pub(super) root: Vec<u8>,
    pub(super) hash: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) entries: Vec<u8>,
}

impl Block {
    /// The hash that the block has to have.
    pub(super) fn digest(&self) -> Hash {
        let mut hash = Sha256::new().chain_update(BLOCK);
        for number in [
            self.sequence,
            self.since.as_micros(),
            self.at.as_micros(),
            self.first_entry,
            self.entry_count,
            i64::from(self.has_checkpoint),
        ] {
            hash.update(number.to_be_bytes());
        }
        hash.update(&self.previous_hash);
        hash.update(&self.root);
        hash.update(Sha256::digest(&self.entries));
        hash.finalize().into()
    }

    /// Puts hash and signature under a block that is complete otherwise.
    pub(super) fn seal(&mut self, key: &SigningKey) {
        let hash = self.digest();
        self.hash = hash.to_vec();
        self.signature = key.sign(&hash).to_bytes().to_vec();
    }
}

/// Whether `message` was signed with the key that belongs to `key`.
pub(super) fn is_signed(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::hex;

    /// The inputs and roots of the test of RFC 6962's reference implementation, whose trees RFC 9162 kept.
    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        for (count, expected) in roots.iter().enumerate() {
            assert_eq!(hex(&root(inputs[..count].iter().map(|input| leaf(input)).collect())), *expected, "{count}");
        }
    }
}

//! A [`SentimentModel`] as bytes.
//!
//! Form, little-endian: `LSSENT`, version 1, classes present as bits (1, 2, 4), bits of the table's size, 3 scales
//! (f64), weights of the numbers by number and class (f32), 3 intercepts (f32), the table by bucket and class (i8), and
//! the first 8 bytes of the SHA-256 of all before. Invariant: whatever the bytes, reading them never panics, and what
//! is read scores any text.

use sha2::{Digest, Sha256};

use super::{CLASSES, DENSE, SentimentModel};

const MAGIC: &[u8; 6] = b"LSSENT";
const VERSION: u8 = 1;
const HEAD_BYTES: usize = MAGIC.len() + 3 + CLASSES * 8 + (DENSE + 1) * CLASSES * 4;
const CHECK_BYTES: usize = 8;
const BITS_MAX: u8 = 22;

/// Why bytes are not a model of sentiment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SentimentError {
    /// Something else.
    #[error("is no model of sentiment")]
    Foreign,
    /// Of another version.
    #[error("is a model of sentiment of version {0}; this program reads version {VERSION}")]
    Version(u8),
    /// Cut off or changed.
    #[error("is damaged: {0}")]
    Damaged(&'static str),
}

impl SentimentModel {
    /// The model as bytes: equal models give equal bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.table.len() * CLASSES + CHECK_BYTES);
        bytes.extend(MAGIC);
        bytes.push(VERSION);
        bytes.push((0..CLASSES).map(|class| u8::from(self.present[class]) << class).sum());
        bytes.push(self.table.len().trailing_zeros() as u8);
        bytes.extend(self.scales.iter().flat_map(|scale| scale.to_le_bytes()));
        let weights = self.dense.iter().chain([&self.bias]).flatten();
        bytes.extend(weights.flat_map(|weight| weight.to_le_bytes()));
        bytes.extend(self.table.iter().flatten().map(|weight| *weight as u8));
        let check = Sha256::digest(&bytes);
        bytes.extend(&check[..CHECK_BYTES]);
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// Where the bytes are something else, of another version or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SentimentError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(SentimentError::Foreign)?;
        let &[version, classes, bits, ..] = rest else { return Err(SentimentError::Damaged("it breaks off")) };
        if version != VERSION {
            return Err(SentimentError::Version(version));
        }
        let present = std::array::from_fn(|class| classes & (1 << class) != 0);
        if classes >= 1 << CLASSES || classes.count_ones() < 2 || bits > BITS_MAX {
            return Err(SentimentError::Damaged("its head is impossible"));
        }
        let buckets = 1_usize << bits;
        if bytes.len() != HEAD_BYTES + buckets * CLASSES + CHECK_BYTES {
            return Err(SentimentError::Damaged("its length is wrong"));
        }
        let (body, check) = bytes.split_at(bytes.len() - CHECK_BYTES);
        if Sha256::digest(body)[..CHECK_BYTES] != *check {
            return Err(SentimentError::Damaged("its check sum is wrong"));
        }
        let (head, table) = body.split_at(HEAD_BYTES);
        let numbers = &head[MAGIC.len() + 3..];
        let (scales, weights) = numbers.split_at(CLASSES * 8);
        let mut scales = scales.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap_or_default()));
        let mut weights = weights.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap_or_default()));
        let model = Self {
            present,
            scales: std::array::from_fn(|_| scales.next().unwrap_or_default()),
            dense: std::array::from_fn(|_| std::array::from_fn(|_| weights.next().unwrap_or_default())),
            bias: std::array::from_fn(|_| weights.next().unwrap_or_default()),
            table: table.chunks_exact(CLASSES).map(|weights| std::array::from_fn(|i| weights[i] as i8)).collect(),
        };
        let finite = model.scales.iter().all(|scale| scale.is_finite() && *scale >= 0.0)
            && model.dense.iter().chain([&model.bias]).flatten().all(|weight| weight.is_finite());
        if finite { Ok(model) } else { Err(SentimentError::Damaged("a weight is no number")) }
    }
}

//! Whether the log is as it was written: every block, every entry, every checkpoint.
//!
//! Invariant: whoever lacks the key cannot alter, move, add or remove anything up to the last checkpoint without being
//! found. What it proves and what not, docs/AUDIT.md says.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use ed25519_dalek::VerifyingKey;
use leadscore_domain::Timestamp;
use serde::Serialize;

use super::{
    chain::{Block, Hash, NOTHING, is_signed, leaf, root},
    checkpoint::{self, Point},
    entry::unpack,
    rows,
};
use crate::{Store, StoreError, error::io_at, keyring::hex};

/// How often the files are read again where a checkpoint is missing: a server may be about to write it.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// What verification says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as it was written.
    Sound(Verified),
    /// Something is not; the first that was found.
    Bad(Fault),
}

/// What was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Blocks of the log.
    pub blocks: i64,
    /// Entries in them.
    pub entries: i64,
    /// Lines of the files of checkpoints.
    pub checkpoints: usize,
    /// The last block that a checkpoint is of; what is after it could be cut off unseen.
    pub last_checkpoint: i64,
    /// With which everything is signed, in hexadecimal digits.
    pub public_key: String,
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What.
    pub problem: String,
}

/// A place in the log or beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Place {
    /// A block, with the entries that it holds, or held.
    Block {
        /// Its number.
        sequence: i64,
        /// Number of its first entry.
        first_entry: i64,
    },
    /// A line of a file of checkpoints.
    Checkpoint {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Block { sequence, first_entry } => {
                write!(f, "block {sequence} (entries from {first_entry} on) {}", self.problem)
            }
            Place::Checkpoint { file, line } => {
                write!(f, "checkpoint in line {line} of {} {}", file.display(), self.problem)
            }
        }
    }
}

/// A file of checkpoints.
pub(super) type CheckpointBytes = (PathBuf, Vec<u8>);

/// The chain as far as it was followed.
pub(super) struct Chain {
    key: VerifyingKey,
    sequence: i64,
    entries: i64,
    hash: Hash,
    at: Timestamp,
    /// Blocks that are to have a checkpoint, with the numbers of their first entries.
    points: BTreeMap<i64, (i64, Point)>,
}

impl Chain {
    pub(super) const fn new(key: VerifyingKey) -> Self {
        Self { key, sequence: 0, entries: 0, hash: NOTHING, at: Timestamp::MIN, points: BTreeMap::new() }
    }

    /// A fault of the block that comes next.
    fn fault(&self, problem: impl Into<String>) -> Fault {
        let place = Place::Block { sequence: self.sequence + 1, first_entry: self.entries + 1 };
        Fault { place, problem: problem.into() }
    }

    /// Follows the chain by one block.
    pub(super) fn follow(&mut self, block: &Block) -> Result<(), Fault> {
        if block.sequence != self.sequence + 1 {
            return Err(self.fault(format!("is missing: block {} stands in its place", block.sequence)));
        }
        let digest = block.digest();
        if block.hash != digest {
            return Err(self.fault("was altered: its hash is another"));
        }
        if !is_signed(&self.key, &digest, &block.signature) {
            return Err(self.fault("was altered, or not signed with the key"));
        }
        if block.previous_hash != self.hash || block.first_entry != self.entries + 1 || block.at < self.at {
            return Err(self.fault("does not follow the block before it"));
        }
        let entries = unpack(&block.entries).map_err(|_| self.fault("holds entries that cannot be read"))?;
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf(entry)).collect();
        if i64::try_from(leaves.len()) != Ok(block.entry_count) || block.root != root(leaves) {
            return Err(self.fault("holds other entries than its root says"));
        }
        self.sequence = block.sequence;
        self.entries += block.entry_count;
        self.hash = digest;
        self.at = block.at;
        if block.has_checkpoint {
            let point = Point { sequence: self.sequence, hash: digest, entries: self.entries, at: self.at };
            self.points.insert(self.sequence, (block.first_entry, point));
        }
        Ok(())
    }

    /// Compares with the files; blocks up to `owed` are to have their checkpoints in them.
    pub(super) fn compare(&self, files: &[CheckpointBytes], owed: i64) -> Result<Verified, Fault> {
        let mut missing = self.points.clone();
        let (mut checkpoints, mut last_checkpoint) = (0, 0);
        for (file, bytes) in files {
            let fault = |line, problem: String| {
                let place = Place::Checkpoint { file: file.clone(), line };
                Fault { place, problem }
            };
            let points = checkpoint::read(bytes, &self.key).map_err(|bad| fault(bad.line, bad.problem.to_owned()))?;
            for (point, line) in points.iter().zip(1..) {
                if point.sequence > self.sequence {
                    let problem = format!("is of block {}, and the log ends at {}", point.sequence, self.sequence);
                    return Err(fault(line, problem));
                }
                if self.points.get(&point.sequence).map(|(_, known)| known) != Some(point) {
                    return Err(fault(line, format!("is of another block {} than the log's", point.sequence)));
                }
                missing.remove(&point.sequence);
                last_checkpoint = last_checkpoint.max(point.sequence);
            }
            checkpoints += points.len();
        }
        if let Some((&sequence, &(first_entry, _))) = missing.range(..=owed).next() {
            let place = Place::Block { sequence, first_entry };
            let problem = "was given a checkpoint, which is in none of the files".to_owned();
            return Err(Fault { place, problem });
        }
        let public_key = hex(self.key.as_bytes());
        Ok(Verified { blocks: self.sequence, entries: self.entries, checkpoints, last_checkpoint, public_key })
    }
}

impl Store {
    /// Verifies the whole log against these files of checkpoints; `progress` is told how many blocks of how many are
    /// done. A server may go on writing meanwhile.
    ///
    /// # Errors
    /// Where the database or a file cannot be read; a file that is not there is an empty one.
    pub async fn verify_audit(
        &self,
        files: &[PathBuf],
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Verdict, StoreError> {
        let mut chain = Chain::new(self.keyring().audit_signatures().verifying_key());
        let head = self.audit_head().await?;
        let mut attempts = 0;
        loop {
            let read = files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
            // Checkpoints are written after their blocks: of those that were read there is every block by now.
            let done = match self.follow_audit(&mut chain, head, progress).await? {
                Ok(()) => chain.compare(&read, head),
                Err(fault) => return Ok(Verdict::Bad(fault)),
            };
            attempts += 1;
            match done {
                Ok(verified) => return Ok(Verdict::Sound(verified)),
                Err(fault) if attempts == ATTEMPTS => return Ok(Verdict::Bad(fault)),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Follows the chain to its end.
    async fn follow_audit(
        &self,
        chain: &mut Chain,
        head: i64,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Result<(), Fault>, StoreError> {
        loop {
            let rows = self.audit_blocks_after(chain.sequence).await?;
            if rows.is_empty() {
                return Ok(Ok(()));
            }
            for row in &rows {
                let followed = match rows::block(row) {
                    Ok(block) => chain.follow(&block),
                    Err(StoreError::Corrupt(_)) => Err(chain.fault("cannot be read")),
                    Err(error) => return Err(error),
                };
                if let Err(fault) = followed {
                    return Ok(Err(fault));
                }
            }
            progress(chain.sequence.unsigned_abs(), head.max(chain.sequence).unsigned_abs());
        }
    }
}

fn read(file: &Path) -> Result<CheckpointBytes, StoreError> {
    match std::fs::read(file) {
        Ok(bytes) => Ok((file.to_owned(), bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((file.to_owned(), Vec::new())),
        Err(error) => Err(io_at(file)(error)),
    }
}

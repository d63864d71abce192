//! Checkpoints: a file beside the database that says where the audit log stood, so that it cannot be cut short unseen.
//!
//! Invariants: a line is appended and never changed; it names the line before it by its hash, and is signed. The block
//! that it is of says in the database that there is a line, so that the file cannot be cut short unseen either. Several
//! processes may share a file: each appends under its lock.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use leadscore_domain::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::chain::{Hash, NOTHING, is_signed};
use crate::{StoreError, error::io_at, keyring::hex};

/// What is hashed before a line's contents are signed.
const CONTEXT: &[u8] = b"leadscore audit checkpoint 1";
/// Longest line, with room to spare: one has some 450 bytes.
const LINE_MAX_BYTES: u64 = 4_096;

/// The block that a line is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) sequence: i64,
    pub(super) hash: Hash,
    /// Entries up to its end.
    pub(super) entries: i64,
    pub(super) at: Timestamp,
}

/// A line as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// Its place in the file, from 1.
    number: i64,
    sequence: i64,
    hash: String,
    entries: i64,
    at: Timestamp,
    /// SHA-256 of the line before, without its end.
    previous: String,
    /// The public key.
    key: String,
    signature: String,
}

impl Line {
    fn new(point: &Point, number: i64, previous: &Hash, key: &SigningKey) -> Self {
        let mut line = Self {
            number,
            sequence: point.sequence,
            hash: hex(&point.hash),
            entries: point.entries,
            at: point.at,
            previous: hex(previous),
            key: hex(key.verifying_key().as_bytes()),
            signature: String::new(),
        };
        line.signature = hex(&key.sign(&line.contents()).to_bytes());
        line
    }

    /// What is signed.
    fn contents(&self) -> Vec<u8> {
        let Self { number, sequence, hash, entries, at, previous, key, signature: _ } = self;
        let numbers = [*number, *sequence, *entries, at.as_micros()].map(i64::to_be_bytes);
        [CONTEXT, numbers.as_flattened(), hash.as_bytes(), previous.as_bytes(), key.as_bytes()].concat()
    }

    fn text(&self) -> String {
        serde_json::to_string(self).expect("a line is plain data with string keys")
    }

    fn point(&self) -> Option<Point> {
        let hash = bytes(&self.hash)?.try_into().ok()?;
        Some(Point { sequence: self.sequence, hash, entries: self.entries, at: self.at })
    }
}

/// The bytes of hexadecimal digits.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    // One way to write each: a capital letter is another line.
    if !digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.as_bytes().chunks(2).map(pair).collect()
}

/// What is wrong with a file of checkpoints, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadLine {
    /// From 1.
    pub(super) line: u64,
    pub(super) problem: &'static str,
}

/// The blocks that a file's lines are of, if every line is as it was written.
pub(super) fn read(file: &[u8], key: &VerifyingKey) -> Result<Vec<Point>, BadLine> {
    let mut points = Vec::new();
    let mut previous = NOTHING;
    for (text, number) in file.split_inclusive(|byte| *byte == b'\n').zip(1_u32..) {
        let bad = |problem| BadLine { line: u64::from(number), problem };
        let text = text.strip_suffix(b"\n").ok_or_else(|| bad("is cut off"))?;
        let line: Line = serde_json::from_slice(text).map_err(|_| bad("is no checkpoint"))?;
        if line.text().as_bytes() != text {
            return Err(bad("was altered"));
        }
        if line.number != i64::from(number) || line.previous != hex(&previous) {
            return Err(bad("does not follow the line before it"));
        }
        if line.key != hex(key.as_bytes()) {
            return Err(bad("was signed with another key"));
        }
        if !bytes(&line.signature).is_some_and(|signature| is_signed(key, &line.contents(), &signature)) {
            return Err(bad("was altered, or not signed with the key"));
        }
        points.push(line.point().ok_or_else(|| bad("was altered"))?);
        previous = Sha256::digest(text).into();
    }
    Ok(points)
}

/// A file of checkpoints that is written to.
pub(super) struct CheckpointFile {
    path: PathBuf,
    key: SigningKey,
}

impl CheckpointFile {
    pub(super) const fn new(path: PathBuf, key: SigningKey) -> Self {
        Self { path, key }
    }

    /// The block of the last line; `None` for a file that is not there, or empty.
    pub(super) fn last(&self) -> Result<Option<i64>, StoreError> {
        match File::open(&self.path) {
            Ok(mut file) => Ok(last_line(&mut file).map_err(io_at(&self.path))?.0.map(|line| line.sequence)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_at(&self.path)(error)),
        }
    }

    /// Appends a line for each of these blocks; they are on the disk afterwards.
    pub(super) fn append(&self, points: &[Point]) -> Result<(), StoreError> {
        self.write(points).map_err(io_at(&self.path))
    }

    fn write(&self, points: &[Point]) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        // Freed where the file is closed.
        file.lock()?;
        let (last, end) = last_line(&mut file)?;
        // What a crash cut off was never taken for written.
        file.set_len(end)?;
        let (mut number, mut previous) = match last {
            Some(line) => (line.number, Sha256::digest(line.text()).into()),
            None => (0, NOTHING),
        };
        let mut text = String::new();
        for point in points {
            number += 1;
            let line = Line::new(point, number, &previous, &self.key).text();
            previous = Sha256::digest(&line).into();
            text.push_str(&line);
            text.push('\n');
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        sync_folder(&self.path)
    }
}

/// The last whole line of a file, and where it ends.
fn last_line(file: &mut File) -> io::Result<(Option<Line>, u64)> {
    let length = file.seek(SeekFrom::End(0))?;
    let start = length.saturating_sub(2 * LINE_MAX_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(2 * LINE_MAX_BYTES).read_to_end(&mut tail)?;
    let none = || io::Error::new(io::ErrorKind::InvalidData, "its last line is no checkpoint");
    let Some(end) = tail.iter().rposition(|byte| *byte == b'\n') else {
        return if start == 0 { Ok((None, 0)) } else { Err(none()) };
    };
    let begin = tail[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
    let line = serde_json::from_slice(&tail[begin..end]).map_err(|_| none())?;
    Ok((Some(line), start + end as u64 + 1))
}

/// Makes a new file's name last.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

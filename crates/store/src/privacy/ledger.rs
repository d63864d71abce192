//! The erasure ledger: a file beside the database that says which leads were erased, so that a database that is restored
//! from an older copy forgets them again before anybody reads it.
//!
//! Invariants: a line is on the disk before its erasure is done; it holds ids and times and nothing else. Several
//! processes may share a file: each appends under its lock. Deliberately absent: proof against tampering, which the
//! audit log gives.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use leadscore_domain::{LeadId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{StoreError, error::io_at};

/// An erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    /// The request that it was done for.
    pub(crate) request: Uuid,
    /// The lead, and those that were one with it.
    pub(crate) leads: Vec<LeadId>,
    /// When the person asked.
    pub(crate) received_at: Timestamp,
    /// When it was begun.
    pub(crate) at: Timestamp,
}

/// The file.
#[derive(Debug, Clone)]
pub(crate) struct Ledger(PathBuf);

impl Ledger {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Every line; none where there is no file. What a crash cut off was never begun.
    pub(crate) fn read(&self) -> Result<Vec<Line>, StoreError> {
        let text = match std::fs::read(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_at(&self.0)(error)),
        };
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines = text[..whole].split_inclusive(|byte| *byte == b'\n');
        let damaged = |_| StoreError::Corrupt(format!("the erasure ledger {}", self.0.display()));
        lines.map(|line| serde_json::from_slice(line).map_err(damaged)).collect()
    }

    /// Appends a line, unless each of its leads is named for its request already; it is on the disk afterwards.
    pub(crate) fn append(&self, line: &Line) -> Result<(), StoreError> {
        let known = self.read()?;
        let of_request = || known.iter().filter(|one| one.request == line.request);
        if of_request().count() > 0 && line.leads.iter().all(|lead| of_request().any(|one| one.leads.contains(lead))) {
            return Ok(());
        }
        self.write(line).map_err(io_at(&self.0))
    }

    fn write(&self, line: &Line) -> io::Result<()> {
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.0)?;
        // Freed where the file is closed.
        file.lock()?;
        let end = end_of_lines(&mut file)?;
        file.set_len(end)?;
        let mut text = serde_json::to_vec(line).expect("a line is plain data with string keys");
        text.push(b'\n');
        file.write_all(&text)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()
    }
}

/// Where the last whole line ends.
fn end_of_lines(file: &mut File) -> io::Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end as u64 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u128) -> Line {
        let at = Timestamp::default();
        Line { request: Uuid::from_u128(number), leads: vec![LeadId(Uuid::from_u128(7))], received_at: at, at }
    }

    #[test]
    fn a_lead_is_named_once_for_each_request_and_one_that_joins_the_family_late_is_named_too() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(folder.path().join("erasures.jsonl"));
        let first = line(1);
        ledger.append(&first).unwrap();
        ledger.append(&first).unwrap();
        let late = Line { leads: vec![first.leads[0], LeadId(Uuid::from_u128(8))], ..line(1) };
        ledger.append(&late).unwrap();
        ledger.append(&late).unwrap();
        ledger.append(&line(2)).unwrap();
        assert_eq!(ledger.read().unwrap(), [first, late, line(2)]);
    }

    #[test]
    fn what_a_crash_cut_off_is_passed_over_and_what_is_damaged_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept/erasures.jsonl");
        let ledger = Ledger::new(path.clone());
        assert_eq!(ledger.read().unwrap(), []);
        ledger.append(&line(1)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], &whole[..20]].concat()).unwrap();
        assert_eq!(ledger.read().unwrap(), [line(1)]);
        ledger.append(&line(2)).unwrap();
        assert_eq!(ledger.read().unwrap(), [line(1), line(2)]);
        std::fs::write(&path, b"{}\n").unwrap();
        assert!(matches!(ledger.read(), Err(StoreError::Corrupt(_))));
    }
}

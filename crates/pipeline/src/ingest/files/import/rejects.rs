//! The rejects file: which row was refused, where it stands, why, and how it began.
//!
//! Invariant: after a broken import goes on, it holds each refused row once. Rows may hold personal data: only the
//! user who imports can read the file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use super::row::Reject;
use crate::ingest::files::ImportError;

/// Bytes of a refused row that are kept.
pub(super) const SHOWN_BYTES: usize = 500;
const HEADER: [&str; 5] = ["row", "line", "field", "reason", "record"];

/// Writes the rejects file; it comes into being with the first reject.
pub(super) struct Rejects {
    path: PathBuf,
    writer: Option<csv::Writer<BufWriter<File>>>,
}

/// A refused row.
pub(super) struct RejectedRow {
    pub number: u64,
    pub line: u64,
    pub reject: Reject,
    pub shown: String,
}

impl Rejects {
    /// Where the rejects of `path` go, unless the caller says otherwise.
    pub fn default_path(path: &Path) -> PathBuf {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".rejects.csv");
        path.with_file_name(name)
    }

    /// Opens the file of an import that goes on after row `done`: what was written of later rows is dropped.
    pub fn open(path: PathBuf, done: u64) -> Result<Self, ImportError> {
        let mut rejects = Self { path, writer: None };
        let kept = rejects.kept(done).map_err(|e| rejects.failed(e))?;
        let Some(kept) = kept else { return Ok(rejects) };
        if kept.is_empty() {
            fs::remove_file(&rejects.path).map_err(|e| rejects.failed(e))?;
            return Ok(rejects);
        }
        // Written beside and renamed: a kill leaves the old file or the new one.
        let mut beside = rejects.path.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let write = || -> io::Result<csv::Writer<BufWriter<File>>> {
            let mut writer = create(&beside)?;
            kept.iter().try_for_each(|record| writer.write_record(record))?;
            writer.flush()?;
            fs::rename(&beside, &rejects.path)?;
            Ok(writer)
        };
        rejects.writer = Some(write().map_err(|e| rejects.failed(e))?);
        Ok(rejects)
    }

    /// Records of rows up to `done` of an earlier run; `None` where there is no file.
    fn kept(&self, done: u64) -> io::Result<Option<Vec<csv::StringRecord>>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
        if reader.headers()?.iter().ne(HEADER) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is there and no rejects file; name another"));
        }
        // A last record that a kill cut short belongs to a row that is read again.
        let records = reader.records().map_while(Result::ok);
        let of_done = |record: &csv::StringRecord| {
            record.len() == HEADER.len()
                && record.get(0).and_then(|row| row.parse::<u64>().ok()).is_some_and(|row| row <= done)
        };
        Ok(Some(records.filter(of_done).collect()))
    }

    /// Writes rows down.
    pub fn write(&mut self, rows: &[RejectedRow]) -> Result<(), ImportError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.try_write(rows).map_err(|e| self.failed(e))
    }

    fn try_write(&mut self, rows: &[RejectedRow]) -> io::Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            empty @ None => empty.insert(create(&self.path)?),
        };
        for row in rows {
            let (number, line) = (row.number.to_string(), row.line.to_string());
            writer.write_record([&number, &line, &row.reject.field, &row.reject.reason, &row.shown])?;
        }
        writer.flush()
    }

    /// The file, if there is one.
    pub fn path(&self) -> Option<PathBuf> {
        self.path.exists().then(|| self.path.clone())
    }

    fn failed(&self, source: io::Error) -> ImportError {
        ImportError::Rejects { path: self.path.clone(), source }
    }
}

fn create(path: &Path) -> io::Result<csv::Writer<BufWriter<File>>> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = BufWriter::new(options.open(path)?);
    writeln!(file, "{}", HEADER.join(","))?;
    Ok(csv::Writer::from_writer(file))
}

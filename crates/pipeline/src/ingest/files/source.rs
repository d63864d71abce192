//! Opening a file: what is in it by its first bytes, unpacking, the count of bytes read, and the fingerprint.
//!
//! Owns: every access to the file system for reading.
//! Invariant: the form is told by content, never by the file's name.
//! Deliberately absent: records and columns.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::ImportError;

/// Bytes read from the disk at once.
const BUFFER_BYTES: usize = 1 << 17;
/// Most bytes of a Parquet file that comes within a gzip: it is laid down unpacked.
const SPOOLED_MAX_BYTES: u64 = 16 << 30;

/// An opened file.
pub(super) struct Source {
    pub content: Content,
    /// Bytes of the file on disk.
    pub size_bytes: u64,
    /// Bytes read so far from disk.
    pub read_bytes: Arc<AtomicU64>,
}

/// What the bytes are, after unpacking.
pub(super) enum Content {
    /// Lines of text; a byte-order mark has been taken off.
    Text(Box<dyn Read + Send>),
    /// A Parquet file.
    Parquet(File),
}

struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Opens `path` and looks at its first bytes.
pub(super) fn open(path: &Path) -> Result<Source, ImportError> {
    let unreadable = |e: io::Error| ImportError::Unreadable { path: path.to_owned(), problem: plain(&e) };
    let (file, size_bytes) = open_file(path)?;
    let read_bytes = Arc::new(AtomicU64::new(0));
    let mut counted = Counted { inner: file, count: Arc::clone(&read_bytes) };
    let head = peek(&mut counted, 8).map_err(unreadable)?;
    let content = if head.starts_with(&[0x1f, 0x8b]) {
        unpack(path, head, counted)?
    } else {
        refuse_other_forms(path, &head)?;
        if head.starts_with(b"PAR1") {
            counted.inner.seek(SeekFrom::Start(0)).map_err(unreadable)?;
            Content::Parquet(counted.inner)
        } else {
            text(path, head, counted)?
        }
    };
    Ok(Source { content, size_bytes, read_bytes })
}

fn unpack(path: &Path, head: Vec<u8>, rest: Counted<File>) -> Result<Content, ImportError> {
    let mut unpacked = MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, io::Cursor::new(head).chain(rest)));
    // A gzip that breaks off at once shows when the records are read, like one that breaks off later.
    let mut inner = Vec::new();
    let start = peek_into(&mut unpacked, 8, &mut inner);
    if inner.starts_with(b"PAR1") {
        start
            .and_then(|()| spool(inner, unpacked, SPOOLED_MAX_BYTES))
            .map(Content::Parquet)
            .map_err(|e| ImportError::BrokenOff { path: path.to_owned(), row: 0, problem: plain(&e) })
    } else {
        refuse_other_forms(path, &inner)?;
        match start {
            Ok(()) => text(path, inner, unpacked),
            Err(e) => text(path, inner, Failing(Some(e))),
        }
    }
}

/// A Parquet file is read from its end: an unpacked copy is laid down where the system keeps temporary files.
fn spool(head: Vec<u8>, rest: impl Read, max_bytes: u64) -> io::Result<File> {
    let mut copy = tempfile::tempfile()?;
    let copied = io::copy(&mut io::Cursor::new(head).chain(rest).take(max_bytes + 1), &mut copy)?;
    if copied > max_bytes {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large within a gzip: unpack it first"));
    }
    copy.seek(SeekFrom::Start(0))?;
    Ok(copy)
}

/// Fails once, then ends.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

fn text(path: &Path, head: Vec<u8>, rest: impl Read + Send + 'static) -> Result<Content, ImportError> {
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Err(ImportError::Form {
            path: path.to_owned(),
            problem: "is UTF-16".to_owned(),
            remedy: "save it as UTF-8 (iconv -f UTF-16 -t UTF-8)".to_owned(),
        });
    }
    let skip = if head.starts_with(&[0xef, 0xbb, 0xbf]) { 3 } else { 0 };
    Ok(Content::Text(Box::new(io::Cursor::new(head[skip..].to_vec()).chain(rest))))
}

fn refuse_other_forms(path: &Path, head: &[u8]) -> Result<(), ImportError> {
    const FORMS: &[(&[u8], &str, &str)] = &[
        (b"PK\x03\x04", "is a ZIP archive or an Excel workbook", "unpack it, or save the sheet as CSV"),
        (&[0xd0, 0xcf, 0x11, 0xe0], "is an old Excel workbook", "save the sheet as CSV"),
        (b"BZh", "is packed with bzip2", "unpack it or pack it with gzip"),
        (&[0xfd, b'7', b'z', b'X', b'Z'], "is packed with xz", "unpack it or pack it with gzip"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "is packed with zstd", "unpack it or pack it with gzip"),
        (b"SQLite f", "is a SQLite database", "export the table as CSV"),
        (b"%PDF", "is a PDF document", "export the table as CSV"),
        (&[0x1f, 0x8b], "is packed with gzip twice", "unpack it once"),
    ];
    match FORMS.iter().find(|(magic, _, _)| head.starts_with(magic)) {
        Some((_, problem, remedy)) => Err(ImportError::Form {
            path: path.to_owned(),
            problem: (*problem).to_owned(),
            remedy: (*remedy).to_owned(),
        }),
        None => Ok(()),
    }
}

fn open_file(path: &Path) -> Result<(File, u64), ImportError> {
    let unreadable = |problem: String| ImportError::Unreadable { path: path.to_owned(), problem };
    let metadata = std::fs::metadata(path).map_err(|e| unreadable(plain(&e)))?;
    if metadata.is_dir() {
        return Err(unreadable("is a folder, not a file".to_owned()));
    }
    if !metadata.is_file() {
        return Err(unreadable("is not a regular file".to_owned()));
    }
    let file = File::open(path).map_err(|e| unreadable(plain(&e)))?;
    Ok((file, metadata.len()))
}

fn plain(error: &io::Error) -> String {
    let known = [
        (io::ErrorKind::NotFound, "no such file"),
        (io::ErrorKind::PermissionDenied, "may not be read by this user"),
        (io::ErrorKind::UnexpectedEof, "unexpected end of file"),
    ];
    let found = known.iter().find(|(kind, _)| *kind == error.kind());
    found.map_or_else(|| error.to_string(), |(_, words)| (*words).to_owned())
}

fn peek(reader: &mut impl Read, bytes: u64) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    peek_into(reader, bytes, &mut head)?;
    Ok(head)
}

fn peek_into(reader: &mut impl Read, bytes: u64, head: &mut Vec<u8>) -> io::Result<()> {
    reader.take(bytes).read_to_end(head).map(|_| ())
}

/// SHA-256 over the file's bytes, in hexadecimal: the same file has the same fingerprint, wherever it lies.
pub(super) fn fingerprint(path: &Path) -> Result<String, ImportError> {
    let unreadable = |e: io::Error| ImportError::Unreadable { path: path.to_owned(), problem: plain(&e) };
    let (mut file, _) = open_file(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let n = file.read(&mut buffer).map_err(unreadable)?;
        if n == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&buffer[..n]);
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_laid_down_unpacked_is_bounded() {
        let spooled = |rest: u64| spool(b"PAR1".to_vec(), io::repeat(0).take(rest), 10);
        assert_eq!(spooled(6).unwrap().metadata().unwrap().len(), 10);
        assert_eq!(spooled(7).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(spooled(u64::MAX).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}

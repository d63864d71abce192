//! Cutting a stream of bytes into records with bounded memory: lines, or records of a delimited file whose quoted
//! fields may hold line breaks.
//!
//! Owns: line numbers, the bound on a record, and finding the way again after a broken one.
//! Invariant: every byte belongs to one record, good or bad; at most [`RECORD_MAX_BYTES`] of one are held.
//! Deliberately absent: encodings and fields.

use std::{
    io::{self, Read},
    ops::Range,
};

use memchr::{memchr, memchr2};

/// Longest record, in bytes. A longer one is rejected and the next begins after its line.
pub(super) const RECORD_MAX_BYTES: usize = 1 << 20;
/// Bytes asked for at once.
const CHUNK_BYTES: usize = 1 << 17;
/// Bytes of a record that is too long that are kept to show it.
const SHOWN_BYTES: usize = 200;

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Raw<'a> {
    /// Line on which it begins, from 1.
    pub line: u64,
    /// Its bytes without the line's end; of a broken one the beginning.
    pub bytes: &'a [u8],
    /// What is wrong with it.
    pub problem: Option<&'static str>,
}

/// Cuts records.
pub(super) struct Records<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
    line: u64,
    quoting: Option<u8>,
    terminator: u8,
}

/// Where the search for a record's end stands, relative to `start`.
#[derive(Default)]
struct Scan {
    at: usize,
    quoted: bool,
    /// End of the record's first line, where it has several.
    first_line: Option<usize>,
    lines: u64,
}

impl<R: Read> Records<R> {
    /// Records of `reader`: delimited by `quoting` where there is one, else plain lines.
    ///
    /// # Errors
    /// Where the first bytes cannot be read.
    pub fn new(reader: R, quoting: Option<u8>) -> io::Result<Self> {
        let mut records =
            Self { reader, buffer: Vec::new(), start: 0, ended: false, line: 1, quoting, terminator: b'\n' };
        records.fill()?;
        // Files of old Macintosh programs end their lines with a carriage return alone.
        if memchr(b'\n', &records.buffer).is_none() && memchr(b'\r', &records.buffer).is_some() {
            records.terminator = b'\r';
        }
        Ok(records)
    }

    /// The next record that is not blank; `None` at the end.
    ///
    /// # Errors
    /// Where the reader fails; a record that was not read to its end is then lost, all before it were returned.
    pub fn next(&mut self) -> io::Result<Option<Raw<'_>>> {
        loop {
            let line = self.line;
            let Some((range, problem)) = self.cut()? else { return Ok(None) };
            if problem.is_some() || !self.buffer[range.clone()].trim_ascii().is_empty() {
                return Ok(Some(Raw { line, bytes: &self.buffer[range], problem }));
            }
        }
    }

    fn cut(&mut self) -> io::Result<Option<(Range<usize>, Option<&'static str>)>> {
        let mut scan = Scan::default();
        loop {
            if let Some(end) = self.scan(&mut scan) {
                let range = self.take(end, scan.lines + 1);
                let problem = (range.len() > RECORD_MAX_BYTES).then_some("is longer than 1 MiB");
                return Ok(Some((range, problem)));
            }
            if self.buffer.len() - self.start > RECORD_MAX_BYTES {
                return self.give_up(&scan).map(Some);
            }
            if !self.fill()? {
                // Once more: a quote at the very end is told from a doubled one only now.
                self.scan(&mut scan);
                return Ok(self.last(&scan));
            }
        }
    }

    /// Searches on for the end of the record; `None` where more bytes are needed.
    fn scan(&self, scan: &mut Scan) -> Option<usize> {
        let bytes = &self.buffer[self.start..];
        loop {
            let rest = &bytes[scan.at..];
            let found = match self.quoting {
                Some(_) => memchr2(self.terminator, b'"', rest),
                None => memchr(self.terminator, rest),
            };
            let Some(i) = found.map(|i| scan.at + i) else {
                scan.at = bytes.len();
                return None;
            };
            if bytes[i] == self.terminator {
                if !scan.quoted {
                    return Some(i);
                }
                scan.first_line.get_or_insert(i);
                scan.lines += 1;
                scan.at = i + 1;
            } else if scan.quoted {
                match bytes.get(i + 1) {
                    Some(b'"') => scan.at = i + 2,
                    // Whether the quote is doubled shows with the next byte.
                    None if !self.ended => {
                        scan.at = i;
                        return None;
                    }
                    Some(_) | None => {
                        scan.quoted = false;
                        scan.at = i + 1;
                    }
                }
            } else {
                scan.quoted = i == 0 || Some(bytes[i - 1]) == self.quoting;
                scan.at = i + 1;
            }
        }
    }

    /// Hands out `start..start + end` and steps behind the terminator.
    fn take(&mut self, end: usize, lines: u64) -> Range<usize> {
        let from = self.start;
        let mut to = from + end;
        self.start = (to + 1).min(self.buffer.len());
        self.line += lines;
        if self.terminator == b'\n' && to > from && self.buffer[to - 1] == b'\r' {
            to -= 1;
        }
        from..to
    }

    /// The bound was reached without an end: reject the first line and begin again behind it.
    fn give_up(&mut self, scan: &Scan) -> io::Result<(Range<usize>, Option<&'static str>)> {
        if let Some(end) = scan.first_line {
            let range = self.take(end, 1);
            return Ok((range, Some("opens a quote that is not closed")));
        }
        let shown: Vec<u8> = self.buffer[self.start..self.start + SHOWN_BYTES].to_vec();
        self.skip_line()?;
        // The shown beginning stands before the next record, where room was just made.
        self.buffer.splice(..self.start, shown.iter().copied());
        self.start = shown.len();
        self.line += 1;
        Ok((0..shown.len(), Some("is longer than 1 MiB")))
    }

    /// Drops everything up to the next terminator.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            if let Some(i) = memchr(self.terminator, &self.buffer[self.start..]) {
                self.start += i + 1;
                return Ok(());
            }
            self.start = self.buffer.len();
            if !self.fill()? {
                return Ok(());
            }
        }
    }

    /// The end of the input: what is left is a record without a terminator.
    fn last(&mut self, scan: &Scan) -> Option<(Range<usize>, Option<&'static str>)> {
        if self.start == self.buffer.len() {
            return None;
        }
        if !scan.quoted {
            let range = self.take(self.buffer.len() - self.start, scan.lines + 1);
            return Some((range, None));
        }
        let end = scan.first_line.unwrap_or(self.buffer.len() - self.start);
        Some((self.take(end, 1), Some("opens a quote that is not closed")))
    }

    /// Reads on; `false` at the end of the input.
    fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let filled = self.buffer.len();
        self.buffer.resize(filled + CHUNK_BYTES, 0);
        loop {
            match self.reader.read(&mut self.buffer[filled..]) {
                Ok(n) => {
                    self.buffer.truncate(filled + n);
                    self.ended = n == 0;
                    return Ok(n > 0);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.buffer.truncate(filled);
                    return Err(e);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], quoting: Option<u8>) -> Vec<(u64, String, bool)> {
        let mut records = Records::new(bytes, quoting).unwrap();
        let mut found = Vec::new();
        while let Some(raw) = records.next().unwrap() {
            found.push((raw.line, String::from_utf8_lossy(raw.bytes).into_owned(), raw.problem.is_some()));
        }
        found
    }

    fn good(line: u64, text: &str) -> (u64, String, bool) {
        (line, text.to_owned(), false)
    }

    fn bad(line: u64, text: &str) -> (u64, String, bool) {
        (line, text.to_owned(), true)
    }

    #[test]
    fn records_end_with_any_kind_of_line_end() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["a,b", "c,d", "", "e,f"].join(end);
            assert_eq!(all(text.as_bytes(), Some(b',')), [good(1, "a,b"), good(2, "c,d"), good(4, "e,f")], "{end:?}");
        }
    }

    #[test]
    fn quoted_fields_may_hold_line_breaks() {
        assert_eq!(
            all(b"a,\"b\nc\"\nd,\"e\"\"\n\"\nf", Some(b',')),
            [good(1, "a,\"b\nc\""), good(3, "d,\"e\"\"\n\""), good(5, "f")]
        );
        assert_eq!(all(b"5\" pipe,x\ny", Some(b',')), [good(1, "5\" pipe,x"), good(2, "y")]);
        assert_eq!(all(b"\"a\nb\"", None), [good(1, "\"a"), good(2, "b\"")], "lines know no quotes");
    }

    #[test]
    fn an_open_quote_costs_one_line() {
        assert_eq!(all(b"a\n\"b,c\nd\ne\n", Some(b',')), [good(1, "a"), bad(2, "\"b,c"), good(3, "d"), good(4, "e")]);
        assert_eq!(all(b"a\n\"b", Some(b',')), [good(1, "a"), bad(2, "\"b")]);
        let mut long = b"a,\"open\n".to_vec();
        for _ in 0..RECORD_MAX_BYTES {
            long.extend_from_slice(b"b,c\n");
        }
        let found = all(&long, Some(b','));
        assert_eq!(found[0], bad(1, "a,\"open"));
        assert_eq!(found.len(), RECORD_MAX_BYTES + 1);
        assert_eq!(found.last().unwrap(), &good(RECORD_MAX_BYTES as u64 + 1, "b,c"));
    }

    /// Yields `x` without end, then a short line.
    struct Endless(u64);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = (buffer.len() as u64).min(self.0) as usize;
            self.0 -= n as u64;
            if n > 0 {
                buffer[..n].fill(b'x');
                return Ok(n);
            }
            Ok(0)
        }
    }

    #[test]
    fn a_line_of_a_gigabyte_is_not_held() {
        for quoting in [None, Some(b',')] {
            let input = (&b"first\n"[..]).chain(Endless(1 << 30)).chain(&b"\nlast\n"[..]);
            let mut records = Records::new(input, quoting).unwrap();
            assert_eq!(records.next().unwrap().unwrap().bytes, b"first");
            let long = records.next().unwrap().unwrap();
            assert_eq!((long.line, long.bytes.len(), long.problem.is_some()), (2, SHOWN_BYTES, true));
            let last = records.next().unwrap().unwrap();
            assert_eq!((last.line, last.bytes), (3, &b"last"[..]));
            assert!(records.next().unwrap().is_none());
            assert!(records.buffer.capacity() < 4 * RECORD_MAX_BYTES, "{}", records.buffer.capacity());
        }
    }

    proptest::proptest! {
        #[test]
        fn every_line_of_any_bytes_comes_out(bytes in proptest::collection::vec(proptest::sample::select(
            b"ab,\"\n\r".to_vec()), 0..200)) {
            for quoting in [None, Some(b',')] {
                let mut records = Records::new(&bytes[..], quoting).unwrap();
                let mut line = 0;
                while let Some(raw) = records.next().unwrap() {
                    proptest::prop_assert!(raw.line > line);
                    line = raw.line;
                }
            }
        }
    }
}

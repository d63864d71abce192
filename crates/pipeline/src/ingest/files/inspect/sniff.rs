//! What form a file has: delimiter, encoding, header.

use std::{collections::HashSet, io::Read, path::Path};

use crate::ingest::files::{
    ImportError,
    cells::Cells,
    mapping::{Encoding, FileFormat, Format},
    records::Records,
    source::{self, Content},
    values,
};

/// Bytes that are looked at.
const HEAD_BYTES: u64 = 1 << 18;
/// Records that are looked at.
const HEAD_RECORDS: usize = 100;

/// The form of a file, as far as its beginning shows it.
pub(super) fn format_of(path: &Path) -> Result<Format, ImportError> {
    let reader = match source::open(path)?.content {
        Content::Parquet(_) => return Ok(Format { form: FileFormat::Parquet, ..Format::default() }),
        Content::Text(reader) => reader,
    };
    let mut head = Vec::new();
    if let Err(e) = reader.take(HEAD_BYTES).read_to_end(&mut head)
        && head.is_empty()
    {
        return Err(ImportError::BrokenOff { path: path.to_owned(), row: 0, problem: e.to_string() });
    }
    if head.trim_ascii().is_empty() {
        return Err(ImportError::Empty { path: path.to_owned(), hint: "" });
    }
    if head.contains(&0) {
        let remedy = "is it a table? Export it as CSV".to_owned();
        return Err(ImportError::Form { path: path.to_owned(), problem: "is not text".to_owned(), remedy });
    }
    let encoding = encoding_of(&head);
    if head.trim_ascii_start().starts_with(b"{") {
        return Ok(Format { form: FileFormat::Jsonl, encoding: Encoding::Utf8, ..Format::default() });
    }
    let text = match encoding {
        Encoding::Utf8 => String::from_utf8_lossy(&head),
        Encoding::Windows1252 => encoding_rs::WINDOWS_1252.decode_without_bom_handling(&head).0,
    };
    let delimiter = delimiter_of(text.as_bytes());
    let header = records(text.as_bytes(), Some(delimiter)).first().is_none_or(|first| is_header(first, delimiter));
    Ok(Format { delimiter: char::from(delimiter), encoding, header, ..Format::default() })
}

/// UTF-8, unless more lines are broken UTF-8 than hold letters that are good UTF-8.
fn encoding_of(head: &[u8]) -> Encoding {
    let lines = head.split(|b| *b == b'\n').filter(|line| !line.is_ascii());
    let (good, bad): (Vec<_>, Vec<_>) = lines.partition(|line| std::str::from_utf8(line).is_ok());
    // The last line may be cut within a letter.
    if bad.len() > good.len() + 1 || (good.is_empty() && bad.len() == 1 && head.len() < HEAD_BYTES as usize) {
        Encoding::Windows1252
    } else {
        Encoding::Utf8
    }
}

fn records(head: &[u8], quoting: Option<u8>) -> Vec<String> {
    let Ok(mut records) = Records::new(head, quoting) else { return Vec::new() };
    let mut found = Vec::new();
    while let Ok(Some(raw)) = records.next() {
        if raw.problem.is_none() {
            found.push(String::from_utf8_lossy(raw.bytes).into_owned());
        }
        if found.len() == HEAD_RECORDS {
            return found;
        }
    }
    // The head may end within a record.
    if found.len() > 1 && head.len() as u64 >= HEAD_BYTES {
        found.pop();
    }
    found
}

/// The character that parts most records into as many fields as the first.
fn delimiter_of(head: &[u8]) -> u8 {
    let score = |delimiter: u8| {
        let records = records(head, Some(delimiter));
        let widths: Vec<usize> = records.iter().map(|record| Cells::split(record, delimiter).len()).collect();
        let Some(&first) = widths.first() else { return 0.0 };
        let same = widths.iter().filter(|width| **width == first).count();
        if first < 2 { 0.0 } else { (same as f64 / widths.len() as f64) * (first as f64).ln_1p() }
    };
    let mut best = (b',', 0.0);
    for delimiter in [b',', b';', b'\t', b'|'] {
        let found = score(delimiter);
        if found > best.1 + 1e-9 {
            best = (delimiter, found);
        }
    }
    best.0
}

/// A header has names: different ones, and less than half of them numbers.
fn is_header(first: &str, delimiter: u8) -> bool {
    let cells = Cells::split(first, delimiter);
    let names: Vec<&str> = cells.iter().flatten().map(str::trim).filter(|name| !name.is_empty()).collect();
    let numbers = names.iter().filter(|name| values::number(name, '.').is_ok()).count();
    let different = names.iter().collect::<HashSet<_>>().len() == names.len();
    different && numbers * 2 < names.len().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_found() {
        for (text, delimiter) in [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2,5\n1,0;3,2\n", b';'),
            ("a\tb, c\n1\t2\n", b'\t'),
            ("a|b\n1|2\n", b'|'),
            ("\"a;x\",b\n\"1;2\",3\n", b','),
            ("only\n1\n", b','),
        ] {
            assert_eq!(delimiter_of(text.as_bytes()), delimiter, "{text}");
        }
    }

    #[test]
    fn headers_are_told_from_rows() {
        assert!(is_header("id,name,2018-03-31", b','));
        assert!(!is_header("So good.\t1", b'\t'));
        assert!(!is_header("1,2,3", b','));
    }

    #[test]
    fn encodings_are_told() {
        assert_eq!(encoding_of("Zürich\nGenève".as_bytes()), Encoding::Utf8);
        assert_eq!(encoding_of(b"Z\xfcrich\nGen\xe8ve\nK\xf6ln"), Encoding::Windows1252);
        assert_eq!(encoding_of(b"Z\xfcrich"), Encoding::Windows1252);
        assert_eq!(encoding_of("Zürich\nGenève\nK\u{f6}ln\n".as_bytes()), Encoding::Utf8);
    }
}

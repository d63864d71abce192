//! One row's fields, decoded and unquoted, in one allocation.

use encoding_rs::WINDOWS_1252;

use super::mapping::Encoding;

/// The fields of a row by position; a field may be absent, which is not the same as empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cells {
    text: String,
    /// End of each field within `text`; `None` where the field is absent (it then has no text).
    ends: Vec<(u32, bool)>,
}

impl Cells {
    /// Number of fields.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The field at `index`; `None` where it is absent.
    pub fn get(&self, index: usize) -> Option<&str> {
        let (end, present) = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1].0 };
        present.then(|| &self.text[start as usize..end as usize])
    }

    /// Adds a field.
    pub fn push(&mut self, field: &str) {
        self.text.push_str(field);
        self.close();
    }

    /// Adds an absent field.
    pub fn push_absent(&mut self) {
        self.ends.push((self.text.len() as u32, false));
    }

    fn close(&mut self) {
        self.ends.push((self.text.len() as u32, true));
    }

    /// Every field.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|i| self.get(i))
    }

    /// Splits a record of a delimited file. A quote opens a quoted field only at the field's start; a doubled quote
    /// within stands for one; what follows the closing quote belongs to the field.
    pub fn split(record: &str, delimiter: u8) -> Self {
        let mut cells = Self { text: String::with_capacity(record.len()), ends: Vec::with_capacity(32) };
        let bytes = record.as_bytes();
        let mut at = 0;
        loop {
            if bytes.get(at) == Some(&b'"') {
                at = cells.push_quoted(record, at + 1);
            }
            let end = memchr::memchr(delimiter, &bytes[at..]).map_or(bytes.len(), |i| at + i);
            cells.text.push_str(&record[at..end]);
            cells.close();
            if end == bytes.len() {
                return cells;
            }
            at = end + 1;
        }
    }

    /// Copies a quoted text from behind its opening quote; returns where it ended, behind the closing quote.
    fn push_quoted(&mut self, record: &str, mut at: usize) -> usize {
        let bytes = record.as_bytes();
        while let Some(i) = memchr::memchr(b'"', &bytes[at..]) {
            self.text.push_str(&record[at..at + i]);
            at += i + 1;
            if bytes.get(at) != Some(&b'"') {
                return at;
            }
            self.text.push('"');
            at += 1;
        }
        self.text.push_str(&record[at..]);
        bytes.len()
    }
}

/// Decodes a record.
///
/// # Errors
/// Where the bytes are not text of this encoding.
pub(super) fn decode(record: &[u8], encoding: Encoding) -> Result<std::borrow::Cow<'_, str>, &'static str> {
    match encoding {
        Encoding::Utf8 => std::str::from_utf8(record).map(Into::into).map_err(|_| "is not UTF-8"),
        Encoding::Windows1252 => {
            if record.is_ascii() {
                return Ok(String::from_utf8_lossy(record));
            }
            // Two or more bytes that form UTF-8 letters are hardly ever meant as Windows-1252 (`Ã©`).
            if std::str::from_utf8(record).is_ok() {
                return Err("is UTF-8 within a Windows-1252 file");
            }
            let (text, _) = WINDOWS_1252.decode_without_bom_handling(record);
            if text.chars().any(|c| ('\u{80}'..='\u{9f}').contains(&c)) {
                return Err("holds bytes that Windows-1252 does not have");
            }
            Ok(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(record: &str) -> Vec<String> {
        Cells::split(record, b',').iter().map(|c| c.unwrap().to_owned()).collect()
    }

    #[test]
    fn fields_are_split_as_in_rfc_4180() {
        assert_eq!(split("a,b,,d"), ["a", "b", "", "d"]);
        assert_eq!(split(r#""a,1","say ""hi""",c"#), ["a,1", r#"say "hi""#, "c"]);
        assert_eq!(split("\"two\nlines\",x"), ["two\nlines", "x"]);
        assert_eq!(split(r#"5" pipe,b"#), [r#"5" pipe"#, "b"]);
        assert_eq!(split(r#""a"b,c"#), ["ab", "c"]);
        assert_eq!(split(r#"a,"open"#), ["a", "open"]);
        assert_eq!(split(""), [""]);
    }

    #[test]
    fn encodings_are_not_mixed_in_silence() {
        assert_eq!(decode("Zürich".as_bytes(), Encoding::Utf8).unwrap(), "Zürich");
        assert_eq!(decode(b"Z\xfcrich", Encoding::Windows1252).unwrap(), "Zürich");
        assert_eq!(decode(b"\x80 5", Encoding::Windows1252).unwrap(), "€ 5");
        assert!(decode(b"Z\xfcrich", Encoding::Utf8).is_err());
        assert!(decode("Zürich".as_bytes(), Encoding::Windows1252).is_err());
        assert!(decode(b"\x81", Encoding::Windows1252).is_err());
    }
}

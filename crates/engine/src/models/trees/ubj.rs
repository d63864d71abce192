//! Universal Binary JSON as XGBoost writes it, read as JSON.
//!
//! Owns: the containers, numbers and texts of draft 12 that the format's writer uses. Invariant: broken input is
//! `None`, and what is set aside in memory is bounded by the input's length. Deliberately absent: writing.

use serde_json::{Map, Value};

/// Deepest nesting; XGBoost's own files have about 8.
const MAX_NESTING: usize = 64;

/// The document in `bytes`; `None` where they hold none, or more than one.
pub(super) fn read(bytes: &[u8]) -> Option<Value> {
    let mut reader = Reader { rest: bytes };
    let marker = reader.byte()?;
    let value = reader.value(marker, 0)?;
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// A number of the type `marker`.
    fn number(&mut self, marker: u8) -> Option<Value> {
        Some(match marker {
            b'i' => i8::from_be_bytes(self.array()?).into(),
            b'U' => self.byte()?.into(),
            b'I' => i16::from_be_bytes(self.array()?).into(),
            b'l' => i32::from_be_bytes(self.array()?).into(),
            b'L' => i64::from_be_bytes(self.array()?).into(),
            b'd' => serde_json::Number::from_f64(f64::from(f32::from_be_bytes(self.array()?)))?.into(),
            b'D' => serde_json::Number::from_f64(f64::from_be_bytes(self.array()?))?.into(),
            _ => return None,
        })
    }

    /// A length, after its marker; never more than there are bytes left.
    fn length(&mut self) -> Option<usize> {
        let marker = self.byte()?;
        let length = usize::try_from(self.number(marker)?.as_i64()?).ok()?;
        (length <= self.rest.len()).then_some(length)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.length()?;
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }

    fn value(&mut self, marker: u8, depth: usize) -> Option<Value> {
        match marker {
            b'{' if depth < MAX_NESTING => self.object(depth),
            b'[' if depth < MAX_NESTING => self.list(depth),
            b'S' => Some(self.text()?.into()),
            b'Z' => Some(Value::Null),
            b'T' => Some(true.into()),
            b'F' => Some(false.into()),
            _ => self.number(marker),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        let mut object = Map::new();
        while *self.rest.first()? != b'}' {
            let name = self.text()?;
            let marker = self.byte()?;
            object.insert(name, self.value(marker, depth + 1)?);
        }
        self.byte()?;
        Some(object.into())
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        let kind = (*self.rest.first()? == b'$').then(|| self.take(2).map(|taken| taken[1]));
        let kind = match kind {
            Some(kind) => Some(kind?),
            None => None,
        };
        let mut list = Vec::new();
        if *self.rest.first()? == b'#' {
            self.byte()?;
            for _ in 0..self.length()? {
                list.push(match kind {
                    Some(kind) => self.number(kind)?,
                    None => self.byte().and_then(|marker| self.value(marker, depth + 1))?,
                });
            }
            return Some(list.into());
        }
        if kind.is_some() {
            return None;
        }
        while *self.rest.first()? != b']' {
            let marker = self.byte()?;
            list.push(self.value(marker, depth + 1)?);
        }
        self.byte()?;
        Some(list.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// {"a": [1.5, -2], "b": "é", "c": [7, 8] typed, "d": {}, "e": [true]}
    const SAMPLE: &[u8] = b"{L\0\0\0\0\0\0\0\x01a[#i\x02d\x3f\xc0\0\0i\xfeL\0\0\0\0\0\0\0\x01bSi\x02\xc3\xa9\
        i\x01c[$I#l\0\0\0\x02\0\x07\0\x08i\x01d{}i\x01e[T]}";

    #[test]
    fn documents_are_read() {
        assert_eq!(read(SAMPLE).unwrap(), json!({"a": [1.5, -2], "b": "é", "c": [7, 8], "d": {}, "e": [true]}));
    }

    #[test]
    fn endless_nesting_and_impossible_lengths_are_refused() {
        assert_eq!(read(&[b'['; 10_000]), None);
        assert_eq!(read(b"[$i#L\x7f\xff\xff\xff\xff\xff\xff\xff"), None);
        assert_eq!(read(b"SL\xff\xff\xff\xff\xff\xff\xff\xff"), None);
        assert_eq!(read(b"{}{}"), None);
    }

    proptest! {
        #[test]
        fn broken_bytes_never_panic(cut in 0usize..80, at in 0usize..80, with in any::<u8>()) {
            let mut bytes = SAMPLE[..cut.min(SAMPLE.len())].to_vec();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = with;
            }
            let _ = read(&bytes);
        }
    }
}

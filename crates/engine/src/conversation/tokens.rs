//! A text as words and marks.
//!
//! Owns: what a word is: letters, digits and apostrophes, these left out, in lower case; an emoji is a word of its
//! own. Invariant: one pass, no allocation. Deliberately absent: what words mean.

use crate::features::TextHash;

/// Bytes of a word that are kept for its parts; what is longer goes on in its hash alone.
pub(super) const WORD_BYTES: usize = 30;

/// A word in normal form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a> {
    /// Of the whole word.
    pub(super) hash: u64,
    /// Its beginning.
    pub(super) bytes: &'a [u8],
    /// Whether it is of several letters, all of them capitals.
    pub(super) shouted: bool,
}

/// Who takes the words and marks of a text.
pub(super) trait Reader {
    fn word(&mut self, word: Word<'_>);
    /// An ASCII character that is neither letter, digit, apostrophe nor blank; others are blanks.
    fn mark(&mut self, mark: u8);
}

/// A word in the making.
struct Buffer {
    hash: TextHash,
    bytes: [u8; WORD_BYTES],
    length: usize,
    capitals: usize,
    letters: usize,
}

impl Buffer {
    const fn new(hash: TextHash) -> Self {
        Self { hash, bytes: [0; WORD_BYTES], length: 0, capitals: 0, letters: 0 }
    }

    fn push(&mut self, byte: u8) {
        self.hash.push(byte);
        if self.length < WORD_BYTES {
            self.bytes[self.length] = byte;
            self.length += 1;
        }
    }

    fn push_char(&mut self, symbol: char) {
        let mut bytes = [0; 4];
        symbol.encode_utf8(&mut bytes).bytes().for_each(|byte| self.push(byte));
    }

    fn end(&mut self, reader: &mut impl Reader) {
        if self.length > 0 {
            let word = Word {
                hash: self.hash.finish(),
                bytes: &self.bytes[..self.length],
                shouted: self.letters > 1 && self.capitals == self.letters,
            };
            reader.word(word);
            *self = Self::new(TextHash::default());
        }
    }
}

/// Hands the words and marks of `text` to `reader`, in order.
pub(super) fn read(text: &str, reader: &mut impl Reader) {
    let mut word = Buffer::new(TextHash::default());
    for symbol in text.chars() {
        match symbol {
            'a'..='z' => {
                word.letters += 1;
                word.push(symbol as u8);
            }
            'A'..='Z' => {
                word.letters += 1;
                word.capitals += 1;
                word.push(symbol.to_ascii_lowercase() as u8);
            }
            '0'..='9' => word.push(symbol as u8),
            '\'' | '\u{2018}' | '\u{2019}' => {}
            '\0'..='\x7f' => {
                word.end(reader);
                if symbol.is_ascii_punctuation() {
                    reader.mark(symbol as u8);
                }
            }
            // General punctuation, symbols, presentation forms of emoji.
            '\u{80}'..='\u{bf}' | '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}' | '\u{fe00}'..='\u{fe0f}' => {
                word.end(reader);
            }
            '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}' => {
                word.end(reader);
                word.push_char(symbol);
                word.end(reader);
            }
            _ => symbol.to_lowercase().for_each(|lower| word.push_char(lower)),
        }
    }
    word.end(reader);
}

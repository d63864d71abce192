//! Words, pairs of words and parts of words as places in a table.
//!
//! Owns: the hashing. Invariant: fitting and reading see the same places; a text's words count `1 / √(their number)`
//! each, and so do its parts. Deliberately absent: the words themselves.

use super::{
    super::{lexicon::Sink, tokens::Word},
    CLASSES,
};
use crate::features::{TextHash, mix};

/// Lengths of the parts of words, in letters and the word's two ends.
const PARTS: [usize; 3] = [3, 4, 5];
/// Stands at both ends of a word.
const END: u8 = b'^';
/// Changes the hash of a word that a negator reaches.
const NEGATED: u64 = 0x5bd1_e995_0c3b_7a21;
/// Separates marks from words, and parts from both.
const MARK: u64 = 0x27d4_eb2f_1656_67c5;
/// Before the first word.
const START: u64 = 0x1656_67b1_9e37_79f9;

/// Kind of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word, a mark or a pair.
    Word,
    /// A part of a word.
    Part,
}

/// Walks through words and marks.
#[derive(Debug)]
struct Walk {
    before: u64,
}

impl Walk {
    const fn new() -> Self {
        Self { before: START }
    }

    /// The hashes of a word or mark and of its pair with what stands before.
    fn step(&mut self, hash: u64) -> [u64; 2] {
        let pair = mix(self.before.rotate_left(17) ^ hash);
        self.before = hash;
        [hash, pair]
    }

    fn word(&mut self, word: Word<'_>, negated: bool) -> [u64; 2] {
        self.step(if negated { mix(word.hash ^ NEGATED) } else { word.hash })
    }

    fn mark(&mut self, mark: u8) -> [u64; 2] {
        self.step(mix(u64::from(mark) ^ MARK))
    }
}

/// The hashes of a word's parts.
fn parts(word: Word<'_>, mut take: impl FnMut(u64)) {
    let length = word.bytes.len();
    let at = |place: usize| if place == 0 || place > length { END } else { word.bytes[place - 1] };
    for start in 0..length {
        let mut hash = TextHash::default();
        for place in start..(start + PARTS[PARTS.len() - 1]).min(length + 2) {
            hash.push(at(place));
            if PARTS.contains(&(place + 1 - start)) {
                take(hash.finish() ^ MARK);
            }
        }
    }
}

/// The place of a hash in a table of a power of two.
const fn place(hash: u64, buckets: usize) -> usize {
    (hash >> 20) as usize & (buckets - 1)
}

/// Adds up the table at a text's places.
pub(super) struct Sums<'a> {
    table: &'a [[i8; CLASSES]],
    walk: Walk,
    words: [i64; CLASSES],
    parts: [i64; CLASSES],
    word_count: u32,
    part_count: u32,
}

impl<'a> Sums<'a> {
    pub(super) const fn new(table: &'a [[i8; CLASSES]]) -> Self {
        Self { table, walk: Walk::new(), words: [0; CLASSES], parts: [0; CLASSES], word_count: 0, part_count: 0 }
    }

    fn add(table: &[[i8; CLASSES]], sums: &mut [i64; CLASSES], hash: u64) {
        for (sum, weight) in sums.iter_mut().zip(table[place(hash, table.len())]) {
            *sum += i64::from(i16::from(weight) * i16::from(weight).abs());
        }
    }

    fn add_words(&mut self, hashes: [u64; 2]) {
        for hash in hashes {
            Self::add(self.table, &mut self.words, hash);
            self.word_count += 1;
        }
    }

    /// The sums of the words and of the parts, each over the root of their number.
    pub(super) fn finish(self) -> ([f64; CLASSES], [f64; CLASSES]) {
        let (words, parts) = (factor(self.word_count), factor(self.part_count));
        (self.words.map(|sum| sum as f64 * words), self.parts.map(|sum| sum as f64 * parts))
    }
}

impl Sink for Sums<'_> {
    fn word(&mut self, word: Word<'_>, negated: bool) {
        let hashes = self.walk.word(word, negated);
        self.add_words(hashes);
        let (table, sums, count) = (self.table, &mut self.parts, &mut self.part_count);
        parts(word, |hash| {
            Self::add(table, sums, hash);
            *count += 1;
        });
    }

    fn mark(&mut self, mark: u8) {
        let hashes = self.walk.mark(mark);
        self.add_words(hashes);
    }
}

/// What each of `count` counts.
fn factor(count: u32) -> f64 {
    1.0 / f64::from(count.max(1)).sqrt()
}

/// Collects a text's places.
pub(super) struct Places {
    buckets: usize,
    walk: Walk,
    found: Vec<(u32, Kind)>,
}

impl Places {
    pub(super) const fn new(buckets: usize) -> Self {
        Self { buckets, walk: Walk::new(), found: Vec::new() }
    }

    fn add(&mut self, hashes: [u64; 2]) {
        self.found.extend(hashes.map(|hash| (place(hash, self.buckets) as u32, Kind::Word)));
    }

    /// Each place with what it counts; `parts_weight` is that of parts beside words.
    pub(super) fn finish(self, parts_weight: f64) -> impl Iterator<Item = (u32, f32)> {
        let words = self.found.iter().filter(|(_, kind)| *kind == Kind::Word).count() as u32;
        let parts = self.found.len() as u32 - words;
        let (word, part) = (factor(words) as f32, (parts_weight * factor(parts)) as f32);
        self.found.into_iter().map(move |(place, kind)| (place, if kind == Kind::Word { word } else { part }))
    }
}

impl Sink for Places {
    fn word(&mut self, word: Word<'_>, negated: bool) {
        let hashes = self.walk.word(word, negated);
        self.add(hashes);
        let (buckets, found) = (self.buckets, &mut self.found);
        parts(word, |hash| found.push((place(hash, buckets) as u32, Kind::Part)));
    }

    fn mark(&mut self, mark: u8) {
        let hashes = self.walk.mark(mark);
        self.add(hashes);
    }
}

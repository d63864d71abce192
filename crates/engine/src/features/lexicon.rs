//! How a lead's turns are judged where the platform sends no sentiment, and how phrases mark a topic.
//!
//! Owns: the compilation of the word lists and the scan. Rules, in the manner of VADER (Hutto and Gilbert 2014), with
//! lists of our own: a negator among the [`NEGATION_REACH`] words before turns a word round and weakens it, an
//! intensifier strengthens the next word, a sentence's end or a "but" ends their reach; the sum `s` of weights becomes
//! `s / sqrt(s² + 15)`. A phrase after a negator does not count. English only: other languages give no judgement,
//! which is missing, not neutral. Invariant: integers and one exact square root, so the same everywhere.

use std::sync::LazyLock;

use super::{
    registers::{TextHash, hash_text},
    signal::Signal,
    words::{ASKERS, BOOSTERS, NEGATORS, PHRASES, TURN, WEIGHTS},
};

/// How many words a negator reaches.
const NEGATION_REACH: usize = 3;
/// A negated word's weight, in percent (VADER's −0.74).
const NEGATED_PERCENT: i32 = -74;
/// What an intensifier adds to a weight, in percent.
const BOOST_PERCENT: i32 = 30;
/// Most words of a phrase in the lists.
const PHRASE_WORDS: usize = 4;
/// Slots of the hash table: a power of two, several times the number of words.
const SLOTS: usize = 2_048;

/// What a word does; the word of number 0 is any that no list knows.
#[derive(Debug, Clone, Copy, Default)]
struct Word {
    weight: i32,
    negates: bool,
    boosts: bool,
    asks: bool,
    turns: bool,
    /// Phrases that end in this word: a range of [`Lexicon::phrases`].
    phrases: (u16, u16),
}

#[derive(Debug, Clone, Copy)]
struct Phrase {
    words: [u16; PHRASE_WORDS],
    length: usize,
    /// Place in [`PHRASES`].
    topic: usize,
}

struct Lexicon {
    words: Vec<Word>,
    phrases: Vec<Phrase>,
    /// Hash and number of each word, open addressing.
    slots: Vec<(u64, u16)>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::build);

impl Lexicon {
    fn build() -> Self {
        let mut lexicon = Self { words: vec![Word::default()], phrases: Vec::new(), slots: vec![(0, 0); SLOTS] };
        for (weight, words) in WEIGHTS {
            lexicon.each(words, |word| word.weight = *weight);
        }
        lexicon.each(NEGATORS, |word| word.negates = true);
        lexicon.each(BOOSTERS, |word| word.boosts = true);
        lexicon.each(ASKERS, |word| word.asks = true);
        lexicon.each(TURN, |word| word.turns = true);
        let mut phrases = Vec::new();
        for (topic, (_, texts)) in PHRASES.iter().enumerate() {
            for text in *texts {
                let mut phrase = Phrase { words: [0; PHRASE_WORDS], length: 0, topic };
                for word in text.split(' ') {
                    phrase.words[phrase.length] = lexicon.number(word);
                    phrase.length += 1;
                }
                phrases.push(phrase);
            }
        }
        phrases.sort_by_key(|phrase| phrase.words[phrase.length - 1]);
        for (place, phrase) in (0u16..).zip(&phrases) {
            let word = &mut lexicon.words[usize::from(phrase.words[phrase.length - 1])];
            if word.phrases.1 == 0 {
                word.phrases.0 = place;
            }
            word.phrases.1 = place + 1;
        }
        lexicon.phrases = phrases;
        lexicon
    }

    fn each(&mut self, words: &str, change: impl Fn(&mut Word)) {
        for word in words.split_ascii_whitespace() {
            let number = self.number(word);
            change(&mut self.words[usize::from(number)]);
        }
    }

    /// The number of a word; a new one gets the next.
    fn number(&mut self, text: &str) -> u16 {
        let hash = hash_text(text);
        let known = self.look_up(hash);
        if known != 0 {
            return known;
        }
        let mut slot = hash as usize % SLOTS;
        while self.slots[slot].1 != 0 {
            slot = (slot + 1) % SLOTS;
        }
        let number = self.words.len() as u16;
        self.words.push(Word::default());
        self.slots[slot] = (hash, number);
        number
    }

    fn look_up(&self, hash: u64) -> u16 {
        let mut slot = hash as usize % SLOTS;
        while self.slots[slot].1 != 0 {
            if self.slots[slot].0 == hash {
                return self.slots[slot].1;
            }
            slot = (slot + 1) % SLOTS;
        }
        0
    }
}

/// What a text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Reading {
    /// Sentiment, −1000 to 1000; `None` where no word of the lists occurs.
    pub(super) mood_milli: Option<i16>,
    /// Question marks; where there are none, 1 if the first word asks.
    pub(super) questions: u32,
    /// Words.
    pub(super) words: u32,
    /// Bit per topic of [`topic_signal`].
    pub(super) topics: u32,
}

/// The signal of a topic's bit.
pub(super) fn topic_signal(bit: usize) -> Option<Signal> {
    PHRASES.get(bit).map(|topic| topic.0)
}

/// Reads one turn or message.
pub(super) fn read(text: &str) -> Reading {
    let mut scan = Scan::new(&LEXICON);
    let mut word = TextHash::default();
    // Of the typographic apostrophe (E2 80 99) all three bytes are passed over like the plain one.
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => word.push(byte.to_ascii_lowercase()),
            b'\'' | 0x80.. => {}
            _ => {
                scan.word(&mut word);
                scan.mark(byte);
            }
        }
    }
    scan.word(&mut word);
    scan.finish()
}

/// A scan's progress through a text.
struct Scan<'a> {
    lexicon: &'a Lexicon,
    reading: Reading,
    /// Numbers of the latest words; the latest is last.
    recent: [u16; PHRASE_WORDS],
    /// Words since the sentence began.
    place: usize,
    /// Place after the latest negator, 0 without one.
    negated_from: usize,
    boosted: bool,
    weight: i32,
    weighed: bool,
    asks_first: bool,
}

impl<'a> Scan<'a> {
    fn new(lexicon: &'a Lexicon) -> Self {
        Self {
            lexicon,
            reading: Reading::default(),
            recent: [0; PHRASE_WORDS],
            place: 0,
            negated_from: 0,
            boosted: false,
            weight: 0,
            weighed: false,
            asks_first: false,
        }
    }

    /// Takes the word that has ended, if there is one.
    fn word(&mut self, hash: &mut TextHash) {
        if hash.is_empty() {
            return;
        }
        let number = self.lexicon.look_up(std::mem::take(hash).finish());
        let word = self.lexicon.words[usize::from(number)];
        self.asks_first |= self.reading.words == 0 && word.asks;
        self.reading.words += 1;
        self.place += 1;
        self.recent.rotate_left(1);
        self.recent[PHRASE_WORDS - 1] = number;
        if word.turns {
            self.end_reach();
        }
        self.weigh(word);
        self.match_phrases(word);
        if word.negates {
            self.negated_from = self.place;
        }
        self.boosted = word.boosts;
    }

    fn negated_before(&self, place: usize) -> bool {
        self.negated_from > 0 && self.negated_from < place && place - self.negated_from <= NEGATION_REACH
    }

    fn weigh(&mut self, word: Word) {
        if word.weight == 0 {
            return;
        }
        let mut percent = if self.boosted { 100 + BOOST_PERCENT } else { 100 };
        if self.negated_before(self.place) {
            percent = percent * NEGATED_PERCENT / 100;
        }
        self.weight = self.weight.saturating_add(word.weight * percent / 100);
        self.weighed = true;
    }

    fn match_phrases(&mut self, word: Word) {
        for place in word.phrases.0..word.phrases.1 {
            let phrase = self.lexicon.phrases[usize::from(place)];
            let first = PHRASE_WORDS - phrase.length;
            let begins = (self.place + 1).saturating_sub(phrase.length);
            if self.recent[first..] == phrase.words[..phrase.length] && !self.negated_before(begins) {
                self.reading.topics |= 1 << phrase.topic;
            }
        }
    }

    fn mark(&mut self, byte: u8) {
        match byte {
            b'?' => {
                self.reading.questions += 1;
                self.end_sentence();
            }
            b'.' | b'!' | b';' => self.end_sentence(),
            _ => {}
        }
    }

    fn end_reach(&mut self) {
        self.negated_from = 0;
        self.boosted = false;
    }

    fn end_sentence(&mut self) {
        self.end_reach();
        self.place = 0;
        self.recent = [0; PHRASE_WORDS];
    }

    fn finish(mut self) -> Reading {
        if self.reading.questions == 0 && self.asks_first {
            self.reading.questions = 1;
        }
        if self.weighed {
            let sum = f64::from(self.weight) / 100.0;
            let mood = sum / (sum * sum + 15.0).sqrt();
            self.reading.mood_milli = Some((mood * 1_000.0).round() as i16);
        }
        self.reading
    }
}

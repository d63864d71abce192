//! What single words and phrases say: valence with its negators and intensifiers, questions, topics.
//!
//! Owns: the compilation of the word lists and the scan, which also hands every word on to a [`Sink`]. Rules, in the
//! manner of VADER (Hutto and Gilbert 2014): a negator among the [`NEGATION_REACH`] words before turns a word round and
//! weakens it, an intensifier strengthens the next word, a sentence's end or a "but" ends their reach; a sum `s` of
//! weights becomes `s / sqrt(s² + 15)`. A phrase after a negator does not count ("not too expensive"). Invariant:
//! integers and exact roots. Deliberately absent: a judgement; that is the model's, of which this is one part.

use std::sync::LazyLock;

use super::{
    tokens::{Reader, Word},
    words::{ASKERS, BOOSTERS, COMMON, LIMITED, LIMITERS, NEGATORS, PHRASES, TURN, WEIGHTS},
};
use crate::features::{Signal, hash_text};

/// Mean ratings of words, in hundredths on the scale of [`WEIGHTS`]: `word rating` a line.
const VALENCE: &str = include_str!("../../assets/valence.txt");
/// How many words a negator reaches.
const NEGATION_REACH: usize = 3;
/// A negated word's weight, in percent (VADER's −0.74).
const NEGATED_PERCENT: i32 = -74;
/// What an intensifier adds to a weight, in percent.
const BOOST_PERCENT: i32 = 30;
/// Most words of a phrase in the lists.
const PHRASE_WORDS: usize = 4;
/// How many words a phrase of [`LIMITED`] waits for a word of [`LIMITERS`].
const LIMIT_REACH: usize = 4;
/// Slots of the hash table: a power of two, at least twice the number of words.
const SLOTS: usize = 1 << 15;
/// Numbers that a text gives the model beside its words.
pub(super) const DENSE: usize = 12;
/// Of how many marks and words of a kind the model is told.
const MARKS_MAX: u32 = 4;
/// Length of a text that is neither short nor long, in words.
const MIDDLE_WORDS: f32 = 16.0;
/// Of the words of a text, one in this many must be known for it to be English.
const KNOWN_ONE_IN: u32 = 2;

/// What a word does; the word of number 0 is any that no list knows.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    weight: i32,
    negates: bool,
    boosts: bool,
    asks: bool,
    turns: bool,
    limits: bool,
    /// Phrases that end in this word: a range of [`Lexicon::phrases`].
    phrases: (u16, u16),
}

#[derive(Debug, Clone, Copy)]
struct Phrase {
    words: [u16; PHRASE_WORDS],
    length: usize,
    /// Place in [`PHRASES`].
    topic: usize,
    /// Whether a limiting word behind takes it back.
    limited: bool,
}

struct Lexicon {
    words: Vec<Entry>,
    phrases: Vec<Phrase>,
    /// Bits of the topics that another one implies, with the bit of that.
    implied: [(u32, u32); 1],
    /// Hash and number of each word, open addressing.
    slots: Vec<(u64, u16)>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::build);

impl Lexicon {
    fn build() -> Self {
        let bit = |signal| topics().position(|topic| topic == signal).map_or(0, |place| 1 << place);
        let mut lexicon = Self {
            words: vec![Entry::default()],
            phrases: Vec::new(),
            implied: [(bit(Signal::OptOut), bit(Signal::Disinterest))],
            slots: vec![(0, 0); SLOTS],
        };
        for line in VALENCE.lines() {
            if let Some((word, rating)) = line.split_once(' ') {
                lexicon.each(word, |entry| entry.weight = rating.parse().unwrap_or_default());
            }
        }
        // The lists written for talk about homes come after the general one and replace what it says.
        for (weight, words) in WEIGHTS {
            lexicon.each(words, |entry| entry.weight = *weight);
        }
        lexicon.each(NEGATORS, |entry| entry.negates = true);
        lexicon.each(BOOSTERS, |entry| entry.boosts = true);
        lexicon.each(ASKERS, |entry| entry.asks = true);
        lexicon.each(TURN, |entry| entry.turns = true);
        lexicon.each(LIMITERS, |entry| entry.limits = true);
        lexicon.each(COMMON, |_| {});
        for (topic, (_, texts)) in PHRASES.iter().enumerate() {
            texts.iter().for_each(|text| lexicon.add_phrase(topic, text));
        }
        lexicon.sort_phrases();
        lexicon
    }

    fn add_phrase(&mut self, topic: usize, text: &str) {
        let mut phrase = Phrase { words: [0; PHRASE_WORDS], length: 0, topic, limited: LIMITED.contains(&text) };
        for word in text.split(' ') {
            phrase.words[phrase.length] = self.number(word);
            phrase.length += 1;
        }
        self.phrases.push(phrase);
    }

    /// Brings phrases with the same last word together and tells that word where they are.
    fn sort_phrases(&mut self) {
        self.phrases.sort_by_key(|phrase| phrase.words[phrase.length - 1]);
        for (place, phrase) in (0u16..).zip(&self.phrases) {
            let entry = &mut self.words[usize::from(phrase.words[phrase.length - 1])];
            if entry.phrases.1 == 0 {
                entry.phrases.0 = place;
            }
            entry.phrases.1 = place + 1;
        }
    }

    fn each(&mut self, words: &str, change: impl Fn(&mut Entry)) {
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
        self.words.push(Entry::default());
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

/// Topics: one per entry of [`PHRASES`].
pub(super) const TOPICS: usize = PHRASES.len();

/// The signals of the topics, in the order of [`Findings::topics`]' bits.
pub(super) fn topics() -> impl Iterator<Item = Signal> {
    PHRASES.iter().map(|topic| topic.0)
}

/// What a text says by its words alone.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Findings {
    /// Question marks; where there are none, 1 if the first word asks.
    pub(super) questions: u32,
    /// Words.
    pub(super) words: u32,
    /// Words of any list.
    pub(super) known: u32,
    /// Bit per topic.
    pub(super) topics: u32,
    /// For the model; each about −2 to 2.
    pub(super) dense: [f32; DENSE],
}

impl Findings {
    /// Whether there are words, and enough of them are English to be judged.
    pub(super) const fn is_english(&self) -> bool {
        self.known > 0 && self.known * KNOWN_ONE_IN >= self.words
    }
}

/// Who takes the words of a text with what stands before them.
pub(super) trait Sink {
    fn word(&mut self, word: Word<'_>, negated: bool);
    fn mark(&mut self, mark: u8);
}

/// Weights of words, in hundredths.
#[derive(Debug, Clone, Copy, Default)]
struct Weights {
    sum: i32,
    positive: i32,
    negative: i32,
}

impl Weights {
    fn add(&mut self, weight: i32) {
        self.sum = self.sum.saturating_add(weight);
        self.positive = self.positive.saturating_add(weight.max(0));
        self.negative = self.negative.saturating_add(weight.saturating_neg().max(0));
    }

    /// −1 to 1.
    fn compound(self) -> f32 {
        let sum = f64::from(self.sum) / 100.0;
        (sum / (sum * sum + 15.0).sqrt()) as f32
    }
}

/// A scan's progress through a text.
pub(super) struct Scan<'a, S> {
    lexicon: &'static Lexicon,
    sink: &'a mut S,
    found: Findings,
    /// Numbers of the latest words; the latest is last.
    recent: [u16; PHRASE_WORDS],
    /// Words since the sentence began.
    place: usize,
    /// Place after the latest negator, 0 without one.
    negated_from: usize,
    boosted: bool,
    asks_first: bool,
    /// Topics that a limiting word may still take back, and how many words they wait for it.
    waiting: (u32, usize),
    all: Weights,
    sentence: Weights,
    last_sentence: Weights,
    after_turn: Option<Weights>,
    weighed: u32,
    exclamations: u32,
    negators: u32,
    boosters: u32,
    shouted: u32,
}

impl<'a, S: Sink> Scan<'a, S> {
    /// A scan that hands the words on to `sink`.
    pub(super) fn new(sink: &'a mut S) -> Self {
        Self {
            lexicon: &LEXICON,
            sink,
            found: Findings::default(),
            recent: [0; PHRASE_WORDS],
            place: 0,
            negated_from: 0,
            boosted: false,
            asks_first: false,
            waiting: (0, 0),
            all: Weights::default(),
            sentence: Weights::default(),
            last_sentence: Weights::default(),
            after_turn: None,
            weighed: 0,
            exclamations: 0,
            negators: 0,
            boosters: 0,
            shouted: 0,
        }
    }

    fn negated_before(&self, place: usize) -> bool {
        self.negated_from > 0 && self.negated_from < place && place - self.negated_from <= NEGATION_REACH
    }

    fn weigh(&mut self, entry: Entry) {
        if entry.weight == 0 {
            return;
        }
        let mut percent = if self.boosted { 100 + BOOST_PERCENT } else { 100 };
        if self.negated_before(self.place) {
            percent = percent * NEGATED_PERCENT / 100;
        }
        let weight = entry.weight * percent / 100;
        self.all.add(weight);
        self.sentence.add(weight);
        if let Some(after) = &mut self.after_turn {
            after.add(weight);
        }
        self.weighed += 1;
    }

    fn match_phrases(&mut self, entry: Entry) {
        for place in entry.phrases.0..entry.phrases.1 {
            let phrase = self.lexicon.phrases[usize::from(place)];
            let first = PHRASE_WORDS - phrase.length;
            let begins = (self.place + 1).saturating_sub(phrase.length);
            if self.recent[first..] == phrase.words[..phrase.length] && !self.negated_before(begins) {
                if phrase.limited {
                    self.waiting = (self.waiting.0 | 1 << phrase.topic, LIMIT_REACH);
                } else {
                    self.found.topics |= 1 << phrase.topic;
                }
            }
        }
    }

    /// One more word behind a phrase that a limiting word takes back.
    fn wait(&mut self, entry: Entry) {
        if self.waiting.0 == 0 {
            return;
        }
        if entry.limits {
            self.waiting.0 = 0;
        } else if self.waiting.1 == 0 {
            self.settle();
        } else {
            self.waiting.1 -= 1;
        }
    }

    fn settle(&mut self) {
        self.found.topics |= std::mem::take(&mut self.waiting.0);
    }

    fn end_reach(&mut self) {
        self.negated_from = 0;
        self.boosted = false;
    }

    fn end_sentence(&mut self) {
        self.settle();
        self.end_reach();
        if self.place > 0 {
            self.last_sentence = std::mem::take(&mut self.sentence);
        }
        self.place = 0;
        self.recent = [0; PHRASE_WORDS];
    }

    /// What was found.
    pub(super) fn finish(mut self) -> Findings {
        self.end_sentence();
        let marks = |count: u32| count.min(MARKS_MAX) as f32 / MARKS_MAX as f32;
        let words = self.found.words as f32;
        let mass = (self.all.positive + self.all.negative) as f32 / 100.0 + words - self.weighed as f32;
        let share = |part: f32| if mass > 0.0 { part / mass } else { 0.0 };
        self.found.dense = [
            2.0 * self.all.compound(),
            2.0 * share(self.all.positive as f32 / 100.0),
            2.0 * share(self.all.negative as f32 / 100.0),
            share(words - self.weighed as f32),
            marks(self.exclamations),
            marks(self.found.questions),
            words / (words + MIDDLE_WORDS),
            marks(self.negators),
            marks(self.boosters),
            2.0 * self.after_turn.map_or(0.0, Weights::compound),
            if words > 0.0 { self.shouted as f32 / words } else { 0.0 },
            self.last_sentence.compound(),
        ];
        for (topic, implied) in self.lexicon.implied {
            if self.found.topics & topic != 0 {
                self.found.topics |= implied;
            }
        }
        if self.found.questions == 0 && self.asks_first {
            self.found.questions = 1;
        }
        self.found
    }
}

impl<S: Sink> Reader for Scan<'_, S> {
    fn word(&mut self, word: Word<'_>) {
        let number = self.lexicon.look_up(word.hash);
        let entry = self.lexicon.words[usize::from(number)];
        self.asks_first |= self.found.words == 0 && entry.asks;
        self.found.words += 1;
        self.found.known += u32::from(number != 0);
        self.negators += u32::from(entry.negates);
        self.boosters += u32::from(entry.boosts);
        self.shouted += u32::from(word.shouted);
        self.place += 1;
        self.recent.rotate_left(1);
        self.recent[PHRASE_WORDS - 1] = number;
        if entry.turns {
            self.end_reach();
            self.after_turn = Some(Weights::default());
        }
        self.sink.word(word, self.negated_before(self.place));
        self.weigh(entry);
        self.wait(entry);
        self.match_phrases(entry);
        if entry.negates {
            self.negated_from = self.place;
        }
        self.boosted = entry.boosts;
    }

    fn mark(&mut self, mark: u8) {
        self.sink.mark(mark);
        match mark {
            b'?' => {
                self.found.questions += 1;
                self.end_sentence();
            }
            b'!' => {
                self.exclamations += 1;
                self.end_sentence();
            }
            b'.' | b';' => self.end_sentence(),
            _ => {}
        }
    }
}

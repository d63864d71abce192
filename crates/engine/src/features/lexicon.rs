//! Words by which a lead's turns are judged where the platform sends no sentiment, and phrases that mark a topic.
//!
//! Owns: the lists, their compilation and the scan. Rules, in the manner of VADER (Hutto and Gilbert 2014), with
//! lists of our own: a negator among the [`NEGATION_REACH`] words before turns a word round and weakens it, an
//! intensifier strengthens the next word, a sentence's end or a "but" ends their reach; the sum `s` of weights becomes
//! `s / sqrt(s² + 15)`. A phrase after a negator does not count. English only: other languages give no judgement,
//! which is missing, not neutral. Invariant: integers and one exact square root, so the same everywhere.

use std::sync::LazyLock;

use super::{registers::hash_text, signal::Signal};

/// How many words a negator reaches.
const NEGATION_REACH: usize = 3;
/// A negated word's weight, in percent (VADER's −0.74).
const NEGATED_PERCENT: i32 = -74;
/// What an intensifier adds to a weight, in percent.
const BOOST_PERCENT: i32 = 30;
/// Most words of a phrase.
const PHRASE_WORDS: usize = 4;
/// Longest word looked up, in bytes.
const WORD_BYTES: usize = 20;
/// Slots of the hash table: a power of two, several times the number of words.
const SLOTS: usize = 2_048;

/// Words by weight, in hundredths.
const WEIGHTS: &[(i32, &str)] = &[
    (
        300,
        "love loved loves loving amazing awesome excellent fantastic wonderful perfect perfectly outstanding incredible \
         superb thrilled ecstatic delighted delightful gorgeous stunning best brilliant",
    ),
    (
        200,
        "great good nice happy glad excited exciting beautiful lovely enjoy enjoyed enjoying pleased pleasant helpful \
         impressed impressive appreciate appreciated thank thanks thankful grateful interested interesting recommend \
         recommended satisfied eager keen friendly cool favorite favourite ideal sweet",
    ),
    (
        120,
        "like liked likes fine okay ok works comfortable comfy easy quick quickly ready sure definitely absolutely \
         yes yeah yep agree agreed welcome clean safe fair affordable reasonable promising nicely well clear hope \
         hopefully worth fun fresh spacious bright better",
    ),
    (
        -120,
        "unsure doubt doubtful concerned concern concerns worried worry nervous hesitant confusing confused difficult \
         hard slow late delay delayed delays cancel cancelled canceled small old noisy problem problems issue issues \
         expensive overpriced pricey costly unfortunately sorry busy tired lost wrong missing wait waited waiting \
         unclear stuck tight steep",
    ),
    (
        -200,
        "bad unhappy disappointed disappointing disappointment annoying annoyed frustrated frustrating poor poorly \
         dislike dirty broken useless rude unprofessional unacceptable angry upset mediocre bored boring fail failed \
         fails failure waste wasted complaint complain complained ignored ugly cheap weak crap sucks sucked",
    ),
    (
        -300,
        "hate hated hates terrible horrible awful worst disgusting scam fraud liar lied ridiculous nightmare furious \
         pathetic spam harassing harassment garbage dreadful disaster",
    ),
];
/// Words that turn the next ones round; apostrophes are left out.
const NEGATORS: &str = "not no never none nothing neither nor without hardly barely dont doesnt didnt cant cannot couldnt \
                        wont wouldnt isnt arent wasnt werent havent hasnt hadnt shouldnt aint";
/// Words that strengthen the next one.
const BOOSTERS: &str = "very really so extremely super totally incredibly truly too quite especially";
/// Words that begin a question where the transcript has no question marks.
const ASKERS: &str = "what when where which who why how can could would is are do does did will should may";
/// A word that ends the reach of negators and intensifiers.
const TURN: &str = "but";

/// Phrases, of at most four words, that mark a topic of a conversation.
const PHRASES: &[(Signal, &[&str])] = &[
    (
        Signal::ViewingAsked,
        &[
            "see it",
            "see the house",
            "see the home",
            "see the place",
            "see the property",
            "see the condo",
            "see this one",
            "see that one",
            "see them in person",
            "in person",
            "can we see",
            "could we see",
            "can i see",
            "could i see",
            "want to see",
            "like to see",
            "love to see",
            "take a look",
            "have a look",
            "come by",
            "walk through",
            "walkthrough",
            "viewing",
            "showing",
            "showings",
            "tour",
            "touring",
            "open house",
            "schedule a visit",
            "visit the",
            "look at it",
            "view it",
            "view the",
        ],
    ),
    (
        Signal::ObjectionPrice,
        &[
            "too expensive",
            "so expensive",
            "pretty expensive",
            "overpriced",
            "too much money",
            "too high",
            "too pricey",
            "pricey",
            "over budget",
            "over our budget",
            "over my budget",
            "above our budget",
            "above my budget",
            "out of budget",
            "out of our range",
            "out of my range",
            "out of our budget",
            "cant afford",
            "cannot afford",
            "more than we wanted",
            "more than i wanted",
            "price is steep",
            "a lot of money",
            "come down on price",
            "lower the price",
            "prices are crazy",
            "a bit steep",
        ],
    ),
    (
        Signal::ObjectionFinancing,
        &[
            "mortgage",
            "financing",
            "finance it",
            "interest rate",
            "interest rates",
            "down payment",
            "downpayment",
            "credit score",
            "my credit",
            "our credit",
            "the bank",
            "lender",
            "monthly payment",
            "monthly payments",
            "qualify for a",
            "closing costs",
            "not pre approved",
            "not preapproved",
            "loan",
        ],
    ),
    (
        Signal::ObjectionTiming,
        &[
            "not ready",
            "not yet",
            "not right now",
            "not in a hurry",
            "no rush",
            "no hurry",
            "next year",
            "few months",
            "couple of months",
            "six months",
            "in the spring",
            "in the fall",
            "in the summer",
            "after the holidays",
            "down the road",
            "just looking",
            "just browsing",
            "too soon",
            "too early",
            "maybe later",
            "some day",
            "someday",
            "wait and see",
            "lease is up",
            "lease ends",
            "think about it",
            "sell our house first",
            "sell my house first",
        ],
    ),
    (
        Signal::Commitment,
        &[
            "make an offer",
            "put in an offer",
            "submit an offer",
            "write an offer",
            "an offer",
            "ready to buy",
            "ready to move",
            "ready to sign",
            "ready to go",
            "sign the",
            "lets do it",
            "lets do this",
            "lets move forward",
            "move forward",
            "go ahead",
            "pre approved",
            "preapproved",
            "pre approval",
            "preapproval",
            "cash buyer",
            "pay cash",
            "paying cash",
            "as soon as possible",
            "asap",
            "right away",
            "this week",
            "this weekend",
            "tomorrow",
            "book it",
            "sounds good",
            "count me in",
            "we want it",
            "i want it",
            "well take it",
            "ill take it",
        ],
    ),
    (
        Signal::Disinterest,
        &[
            "not interested",
            "no longer interested",
            "no longer looking",
            "not looking",
            "stop calling",
            "stop texting",
            "stop emailing",
            "take me off",
            "remove me",
            "do not call",
            "dont call",
            "leave me alone",
            "wrong number",
            "changed my mind",
            "changed our minds",
            "already bought",
            "already found",
            "found another",
            "another agent",
            "working with someone",
            "have an agent",
            "went with someone",
            "unsubscribe",
        ],
    ),
];

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
        let mut slot = hash as usize % SLOTS;
        while self.slots[slot].1 != 0 {
            if self.slots[slot].0 == hash {
                return self.slots[slot].1;
            }
            slot = (slot + 1) % SLOTS;
        }
        let number = self.words.len() as u16;
        self.words.push(Word::default());
        self.slots[slot] = (hash, number);
        number
    }

    fn look_up(&self, word: &[u8]) -> u16 {
        let Ok(text) = std::str::from_utf8(word) else { return 0 };
        let hash = hash_text(text);
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
    pub(super) topics: u8,
}

/// The signal of a topic's bit.
pub(super) fn topic_signal(bit: usize) -> Option<Signal> {
    PHRASES.get(bit).map(|topic| topic.0)
}

/// Reads one turn or message.
pub(super) fn read(text: &str) -> Reading {
    let mut scan = Scan::new(&LEXICON);
    let mut word = [0u8; WORD_BYTES];
    let mut length = 0;
    // Of the typographic apostrophe (E2 80 99) all three bytes are passed over like the plain one.
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {
                if length < WORD_BYTES {
                    word[length] = byte.to_ascii_lowercase();
                }
                length += 1;
            }
            b'\'' | 0x80.. => {}
            _ => {
                scan.word(&word, &mut length);
                scan.mark(byte);
            }
        }
    }
    scan.word(&word, &mut length);
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

    fn word(&mut self, bytes: &[u8; WORD_BYTES], length: &mut usize) {
        if *length == 0 {
            return;
        }
        let number = if *length <= WORD_BYTES { self.lexicon.look_up(&bytes[..*length]) } else { 0 };
        *length = 0;
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

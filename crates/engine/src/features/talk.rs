//! What a conversation says: sentiment, shares of speech, questions, topics.
//!
//! Owns: which sentiment counts (the platform's of the call, else its of the lead's turns, else the lexicon's) and
//! how turns become numbers. Invariant: only the lead's words are judged. Deliberately absent: the words themselves;
//! none is kept.

use leadscore_domain::event::{Message, Speaker, Turn, VoiceCall};

use super::{
    lexicon::{self, Reading},
    signal::Signal,
};

/// Most text of one event that is read, in bytes.
const TEXT_BYTES_MAX: usize = 65_536;
/// Length of a spoken word where turns have no duration, in milliseconds (150 words a minute).
const WORD_MS: u64 = 400;
/// Bytes of a written word with its blank.
const WORD_BYTES: u64 = 6;
/// A conversation at or below this sentiment is a negative one.
pub(super) const NEGATIVE_MILLI: i16 = -250;

/// A conversation in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Talk {
    pub(super) lead_ms: u64,
    pub(super) agent_ms: u64,
    pub(super) questions: u32,
    /// Whether there is anything that the lead said.
    pub(super) lead_said: bool,
    /// −1000 to 1000.
    pub(super) mood_milli: Option<i16>,
    topics: u32,
}

impl Talk {
    /// The topics, as signals.
    pub(super) fn signals(&self) -> impl Iterator<Item = Signal> + use<> {
        let topics = self.topics;
        (0..32).filter(move |bit| topics & (1 << bit) != 0).filter_map(lexicon::topic_signal)
    }
}

/// Sum and number of judgements of one origin.
#[derive(Default)]
struct Mean {
    sum: i64,
    count: i64,
}

impl Mean {
    fn add(&mut self, milli: i16) {
        self.sum += i64::from(milli);
        self.count += 1;
    }

    fn get(&self) -> Option<i16> {
        (self.count > 0).then(|| (self.sum / self.count) as i16)
    }
}

/// A call in numbers.
pub(super) fn of_call(call: &VoiceCall) -> Talk {
    let mut talk = Talk::default();
    let (mut of_platform, mut of_lexicon) = (Mean::default(), Mean::default());
    let mut budget = TEXT_BYTES_MAX;
    for turn in &call.turns {
        match turn.speaker {
            Speaker::Agent => talk.agent_ms += spoken_ms(turn),
            Speaker::Lead => {
                let reading = read_within(&mut budget, &turn.text);
                talk.lead_said = true;
                talk.lead_ms += spoken_ms(turn);
                talk.questions += reading.questions;
                talk.topics |= reading.topics;
                if let Some(sentiment) = turn.sentiment {
                    of_platform.add(to_milli(sentiment));
                }
                if let Some(milli) = reading.mood_milli {
                    of_lexicon.add(milli);
                }
            }
        }
    }
    talk.mood_milli = call.sentiment.map(to_milli).or_else(|| of_platform.get()).or_else(|| of_lexicon.get());
    talk
}

/// A message of the lead in numbers. Its length says nothing of speech.
pub(super) fn of_message(message: &Message) -> Talk {
    let mut talk = Talk { mood_milli: message.sentiment.map(to_milli), ..Talk::default() };
    if let Some(text) = &message.text {
        let reading = read_within(&mut { TEXT_BYTES_MAX }, text);
        talk.lead_said = reading.words > 0;
        talk.questions = reading.questions;
        talk.topics = reading.topics;
        talk.mood_milli = talk.mood_milli.or(reading.mood_milli);
    }
    talk
}

fn read_within(budget: &mut usize, text: &str) -> Reading {
    let text = &text[..text.floor_char_boundary(*budget)];
    *budget -= text.len();
    lexicon::read(text)
}

fn spoken_ms(turn: &Turn) -> u64 {
    turn.duration_ms.map_or_else(|| turn.text.len() as u64 / WORD_BYTES * WORD_MS, u64::from)
}

fn to_milli(sentiment: f32) -> i16 {
    (sentiment * 1_000.0).round() as i16
}

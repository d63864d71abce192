//! A call or message in numbers.
//!
//! Owns: how turns become sentiment, shares of speech, pauses, interruptions, questions and topics. Invariant: of
//! sentiment and topics only the lead's words count; the platform's sentiment and ours are kept apart. Deliberately
//! absent: the words themselves; none is kept.

use leadscore_domain::event::{Message, Speaker, Turn, VoiceCall};

use super::{
    lexicon::{self, TOPICS},
    sentiment::{Judgement, SentimentModel},
};
use crate::features::Signal;

/// Most text of one event that is read, in bytes.
const TEXT_BYTES_MAX: usize = 65_536;
/// Length of a spoken word where turns have no duration, in milliseconds (150 words a minute).
const WORD_MS: u64 = 400;
/// Bytes of a written word with its blank.
const WORD_BYTES: u64 = 6;
/// A conversation at or below this sentiment is a negative one.
pub(crate) const NEGATIVE_MILLI: i16 = -250;
/// Who begins this much before the other has ended interrupts; less is the overlap of ordinary talk.
const INTERRUPTION_MS: u64 = 300;
/// A silence counts as at most this long.
const PAUSE_MS_MAX: u64 = 60_000;
/// Fewest judged turns of the lead that show a trend.
const TREND_TURNS: usize = 4;

/// One side of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Side {
    /// Turns.
    pub turns: u32,
    /// Words.
    pub words: u32,
    /// Length of its speech; turns without duration at 150 words a minute. Of messages 0.
    pub speech_ms: u64,
    /// Questions.
    pub questions: u32,
    /// Turns that follow one of the other side whose end is known.
    pub replies: u32,
    /// Silence before these turns.
    pub pause_ms: u64,
    /// Those of these turns that began while the other side still spoke.
    pub interruptions: u32,
}

/// A call or message in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallReading {
    /// The lead.
    pub lead: Side,
    /// The agent, person or machine.
    pub agent: Side,
    /// Sentiment of the lead's words by the model, −1000 to 1000: the mean over turns, each as far as it is not
    /// neutral. `None` where the lead said nothing in English.
    pub sentiment_milli: Option<i16>,
    /// Sentiment as the platform judged it: of the call, else the mean of the lead's turns.
    pub platform_milli: Option<i16>,
    /// Sentiment of the later half of the lead's turns minus that of the earlier half, −2000 to 2000; `None` with
    /// fewer than four judged turns.
    pub trend_milli: Option<i16>,
    /// The lead's turns that touch each topic.
    topics: [u16; TOPICS],
}

impl CallReading {
    /// The topics that the lead touched, each with the number of turns.
    pub fn topics(&self) -> impl Iterator<Item = (Signal, u16)> + use<> {
        lexicon::topics().zip(self.topics).filter(|(_, turns)| *turns > 0)
    }

    /// The platform's sentiment where it was sent, else the model's.
    #[must_use]
    pub fn mood_milli(&self) -> Option<i16> {
        self.platform_milli.or(self.sentiment_milli)
    }
}

/// Mean of judgements, each weighed by how far it is no neutral one. A single judgement is its own mean.
#[derive(Debug, Clone, Copy, Default)]
struct Mood {
    sum: i64,
    weight: i64,
    count: usize,
}

impl Mood {
    fn add(&mut self, judgement: (i64, i64)) {
        self.sum += judgement.0;
        self.weight += judgement.1;
        self.count += 1;
    }

    fn of(judgements: &[(i64, i64)]) -> Self {
        judgements.iter().fold(Self::default(), |mut mood, judgement| {
            mood.add(*judgement);
            mood
        })
    }

    fn milli(self) -> Option<i16> {
        (self.count > 0).then(|| (self.sum * 1_000 / self.weight.max(1_000)).clamp(-1_000, 1_000) as i16)
    }
}

/// Score and opinion of a text in thousandths.
fn in_milli(judgement: &Judgement) -> (i64, i64) {
    let milli = |value: f64| (value * 1_000.0).round() as i64;
    (milli(judgement.score()), milli(1.0 - judgement.probabilities[1]))
}

/// A reading in the making.
struct Reader<'a> {
    model: &'a SentimentModel,
    budget: usize,
    reading: CallReading,
    judged: Vec<(i64, i64)>,
    platform: (i64, i64),
}

impl<'a> Reader<'a> {
    fn new(model: &'a SentimentModel) -> Self {
        Self { model, budget: TEXT_BYTES_MAX, reading: CallReading::default(), judged: Vec::new(), platform: (0, 0) }
    }

    fn side(&mut self, speaker: Speaker) -> &mut Side {
        match speaker {
            Speaker::Lead => &mut self.reading.lead,
            Speaker::Agent => &mut self.reading.agent,
        }
    }

    /// Reads a text as far as the budget goes. Returns its sentiment if it is in English.
    fn text(&mut self, speaker: Speaker, text: &str) -> Option<f32> {
        let text = &text[..text.floor_char_boundary(self.budget)];
        self.budget -= text.len();
        let judgement = self.model.judge(text);
        let findings = judgement.findings;
        let side = self.side(speaker);
        side.turns += u32::from(findings.words > 0);
        side.words += findings.words;
        side.questions += findings.questions;
        let english = findings.is_english();
        if speaker == Speaker::Lead {
            for (bit, turns) in self.reading.topics.iter_mut().enumerate() {
                *turns += u16::from(findings.topics & (1 << bit) != 0);
            }
            if english {
                self.judged.push(in_milli(&judgement));
            }
        }
        english.then(|| judgement.score() as f32)
    }

    fn turn(&mut self, turn: &Turn) -> Option<f32> {
        let score = self.text(turn.speaker, &turn.text);
        self.side(turn.speaker).speech_ms += spoken_ms(turn);
        if let (Speaker::Lead, Some(sentiment)) = (turn.speaker, turn.sentiment) {
            self.platform.0 += i64::from(to_milli(sentiment));
            self.platform.1 += 1;
        }
        score
    }

    /// Pauses and interruptions, where the turns' times can be believed.
    fn timing(&mut self, turns: &[Turn]) {
        let ordered = turns.windows(2).all(|pair| pair[0].start_ms <= pair[1].start_ms);
        if !ordered || turns.last().is_none_or(|turn| turn.start_ms == 0) {
            return;
        }
        for pair in turns.windows(2) {
            let (before, turn) = (&pair[0], &pair[1]);
            let Some(duration_ms) = before.duration_ms.filter(|_| before.speaker != turn.speaker) else { continue };
            let ended_ms = u64::from(before.start_ms) + u64::from(duration_ms);
            let began_ms = u64::from(turn.start_ms);
            let side = self.side(turn.speaker);
            side.replies += 1;
            side.pause_ms += began_ms.saturating_sub(ended_ms).min(PAUSE_MS_MAX);
            side.interruptions += u32::from(began_ms + INTERRUPTION_MS <= ended_ms);
        }
    }

    fn finish(mut self, of_call: Option<f32>) -> CallReading {
        let half = self.judged.len() / 2;
        self.reading.sentiment_milli = Mood::of(&self.judged).milli();
        if self.judged.len() >= TREND_TURNS {
            let later = Mood::of(&self.judged[self.judged.len() - half..]).milli();
            let earlier = Mood::of(&self.judged[..half]).milli();
            self.reading.trend_milli = later.zip(earlier).map(|(later, earlier)| later - earlier);
        }
        let of_turns = (self.platform.1 > 0).then(|| (self.platform.0 / self.platform.1) as i16);
        self.reading.platform_milli = of_call.map(to_milli).or(of_turns);
        self.reading
    }
}

/// A call in numbers, with the sentiment of each turn by `model`, −1 to 1; `None` where it is not in English.
#[must_use]
pub fn read_call(call: &VoiceCall, model: &SentimentModel) -> (CallReading, Vec<Option<f32>>) {
    let mut reader = Reader::new(model);
    let scores = call.turns.iter().map(|turn| reader.turn(turn)).collect();
    reader.timing(&call.turns);
    (reader.finish(call.sentiment), scores)
}

/// A message of the lead in numbers. Its length says nothing of speech.
#[must_use]
pub fn read_message(message: &Message, model: &SentimentModel) -> CallReading {
    let mut reader = Reader::new(model);
    if let Some(text) = &message.text {
        reader.text(Speaker::Lead, text);
    }
    reader.finish(message.sentiment)
}

fn spoken_ms(turn: &Turn) -> u64 {
    turn.duration_ms.map_or_else(|| turn.text.len() as u64 / WORD_BYTES * WORD_MS, u64::from)
}

fn to_milli(sentiment: f32) -> i16 {
    (sentiment * 1_000.0).round() as i16
}

//! A call or message in numbers.
//!
//! Owns: how turns become sentiment, shares of speech, pauses, interruptions, questions and topics. Invariant: of
//! sentiment and topics only the lead's words count; the platform's sentiment and ours are kept apart. Deliberately
//! absent: the words themselves; none is kept.

use leadscore_domain::event::{Message, Speaker, Turn, VoiceCall};
use serde::{Deserialize, Serialize};

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

/// A turn in numbers: what is kept of it while its call goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct TurnReading {
    start_ms: u32,
    duration_ms: Option<u32>,
    by_lead: bool,
    /// Length of its speech; 0 where it was written.
    speech_ms: u64,
    words: u32,
    questions: u32,
    /// Bit per topic.
    topics: u32,
    /// Of the lead's words in English: score and opinion in thousandths.
    judged: Option<(i16, i16)>,
    /// Of the lead's words: sentiment as the platform judged it, in thousandths.
    platform_milli: Option<i16>,
}

impl TurnReading {
    /// Reads a turn alone.
    pub(crate) fn of(turn: &Turn, model: &SentimentModel) -> Self {
        Self::within(turn, model, &mut { TEXT_BYTES_MAX }).0
    }

    /// Reads a turn as far as the `budget` of bytes goes. Returns its sentiment, too, if it is in English.
    fn within(turn: &Turn, model: &SentimentModel, budget: &mut usize) -> (Self, Option<f32>) {
        let (mut reading, score) = Self::of_text(turn.speaker, &turn.text, model, budget);
        reading.start_ms = turn.start_ms;
        reading.duration_ms = turn.duration_ms;
        reading.speech_ms = spoken_ms(turn);
        reading.platform_milli = turn.sentiment.filter(|_| reading.by_lead).map(to_milli);
        (reading, score)
    }

    fn of_text(speaker: Speaker, text: &str, model: &SentimentModel, budget: &mut usize) -> (Self, Option<f32>) {
        let text = &text[..text.floor_char_boundary(*budget)];
        *budget -= text.len();
        let judgement = model.judge(text);
        let findings = judgement.findings;
        let (by_lead, is_english) = (speaker == Speaker::Lead, findings.is_english());
        let reading = Self {
            start_ms: 0,
            duration_ms: None,
            by_lead,
            speech_ms: 0,
            words: findings.words,
            questions: findings.questions,
            topics: if by_lead { findings.topics } else { 0 },
            judged: (by_lead && is_english).then(|| in_milli(&judgement)),
            platform_milli: None,
        };
        (reading, is_english.then(|| judgement.score() as f32))
    }

    /// From the start of the call.
    pub(crate) const fn start_ms(&self) -> u32 {
        self.start_ms
    }

    fn ended_ms(&self) -> Option<u64> {
        self.duration_ms.map(|duration_ms| u64::from(self.start_ms) + u64::from(duration_ms))
    }
}

impl CallReading {
    /// What the turns of a call say together; `of_call` is the platform's sentiment of the whole.
    pub(crate) fn of(turns: &[TurnReading], of_call: Option<f32>) -> Self {
        let mut reading = Self::default();
        let mut judged = Vec::new();
        let (mut platform, mut platforms) = (0_i64, 0_i64);
        for turn in turns {
            let side = reading.side(turn.by_lead);
            side.turns += u32::from(turn.words > 0);
            side.words = side.words.saturating_add(turn.words);
            side.questions = side.questions.saturating_add(turn.questions);
            side.speech_ms = side.speech_ms.saturating_add(turn.speech_ms);
            for (bit, turns) in reading.topics.iter_mut().enumerate() {
                *turns = turns.saturating_add(u16::from(turn.topics & (1 << bit) != 0));
            }
            judged.extend(turn.judged.map(|(score, opinion)| (i64::from(score), i64::from(opinion))));
            platform += turn.platform_milli.map_or(0, i64::from);
            platforms += i64::from(turn.platform_milli.is_some());
        }
        reading.time(turns);
        reading.sentiment_milli = Mood::of(&judged).milli();
        reading.trend_milli = trend(&judged);
        reading.platform_milli = of_call.map(to_milli).or((platforms > 0).then(|| (platform / platforms) as i16));
        reading
    }

    const fn side(&mut self, by_lead: bool) -> &mut Side {
        if by_lead { &mut self.lead } else { &mut self.agent }
    }

    /// Pauses and interruptions, where the turns' times can be believed.
    fn time(&mut self, turns: &[TurnReading]) {
        let ordered = turns.windows(2).all(|pair| pair[0].start_ms <= pair[1].start_ms);
        if !ordered || turns.last().is_none_or(|turn| turn.start_ms == 0) {
            return;
        }
        for pair in turns.windows(2) {
            let (before, turn) = (&pair[0], &pair[1]);
            let Some(ended_ms) = before.ended_ms().filter(|_| before.by_lead != turn.by_lead) else { continue };
            let began_ms = u64::from(turn.start_ms);
            let side = self.side(turn.by_lead);
            side.replies += 1;
            side.pause_ms += began_ms.saturating_sub(ended_ms).min(PAUSE_MS_MAX);
            side.interruptions += u32::from(began_ms + INTERRUPTION_MS <= ended_ms);
        }
    }
}

/// Sentiment of the later half of the judged turns minus that of the earlier half.
fn trend(judged: &[(i64, i64)]) -> Option<i16> {
    if judged.len() < TREND_TURNS {
        return None;
    }
    let half = judged.len() / 2;
    let (later, earlier) = (&judged[judged.len() - half..], &judged[..half]);
    Mood::of(later).milli().zip(Mood::of(earlier).milli()).map(|(later, earlier)| later - earlier)
}

/// Score and opinion of a text in thousandths.
fn in_milli(judgement: &Judgement) -> (i16, i16) {
    let milli = |value: f64| (value * 1_000.0).round() as i16;
    (milli(judgement.score()), milli(1.0 - judgement.probabilities[1]))
}

/// How long a call has lasted by its turns, in milliseconds.
pub(crate) fn lasted_ms(turns: &[TurnReading]) -> u32 {
    let length = |turn: &TurnReading| turn.duration_ms.map_or(turn.speech_ms, u64::from);
    let ends = turns.iter().map(|turn| length(turn).saturating_add(turn.start_ms.into()));
    u32::try_from(ends.max().unwrap_or_default()).unwrap_or(u32::MAX)
}

/// A call in numbers, with the sentiment of each turn by `model`, −1 to 1; `None` where it is not in English.
#[must_use]
pub fn read_call(call: &VoiceCall, model: &SentimentModel) -> (CallReading, Vec<Option<f32>>) {
    let mut budget = TEXT_BYTES_MAX;
    let (turns, scores): (Vec<TurnReading>, _) =
        call.turns.iter().map(|turn| TurnReading::within(turn, model, &mut budget)).unzip();
    (CallReading::of(&turns, call.sentiment), scores)
}

/// A message of the lead in numbers. Its length says nothing of speech.
#[must_use]
pub fn read_message(message: &Message, model: &SentimentModel) -> CallReading {
    let text = message.text.as_ref();
    let said = text.map(|text| TurnReading::of_text(Speaker::Lead, text, model, &mut { TEXT_BYTES_MAX }).0);
    CallReading::of(said.as_slice(), message.sentiment)
}

fn spoken_ms(turn: &Turn) -> u64 {
    turn.duration_ms.map_or_else(|| turn.text.len() as u64 / WORD_BYTES * WORD_MS, u64::from)
}

fn to_milli(sentiment: f32) -> i16 {
    (sentiment * 1_000.0).round() as i16
}

//! Generated conversations: topics by state, phrasings at random, with politeness, hesitation and things beside the point.
//!
//! Invariant: only the mood and the state up to now colour the words, and never surely: every topic can come up in
//! every state.

use leadscore_domain::event::{Speaker, Turn};

use crate::{
    chain::{Phase, State},
    person::Intent,
    visible::{Segment, phrases, recorder::Recorder, web},
};

/// What a lead talks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    Eager,
    Mild,
    Reluctant,
    Refusal,
    Money,
    Soon,
    Later,
    Financing,
    Price,
    OtherAgent,
    Viewing,
    Area,
    Selling,
    Beside,
}

const TOPICS: [(Topic, &[&str]); 14] = [
    (Topic::Eager, &phrases::EAGER),
    (Topic::Mild, &phrases::MILD),
    (Topic::Reluctant, &phrases::RELUCTANT),
    (Topic::Refusal, &phrases::REFUSAL),
    (Topic::Money, &phrases::MONEY),
    (Topic::Soon, &phrases::SOON),
    (Topic::Later, &phrases::LATER),
    (Topic::Financing, &phrases::FINANCING),
    (Topic::Price, &phrases::PRICE),
    (Topic::OtherAgent, &phrases::OTHER_AGENT),
    (Topic::Viewing, &phrases::VIEWING),
    (Topic::Area, &phrases::AREA),
    (Topic::Selling, &phrases::SELLING),
    (Topic::Beside, &phrases::BESIDE),
];

/// Weights of [`TOPICS`] by state, before the mood.
fn weights(state: State, intent: Intent, mood: f64) -> [f64; 14] {
    //            eager mild reluct refus money soon later finan price other view area sell beside
    let mut weights: [f64; 14] = match state.phase {
        Phase::Idle => [0.2, 1.0, 1.2, 0.5, 0.4, 0.1, 1.4, 0.3, 0.8, 0.3, 0.1, 0.6, 0.2, 1.0],
        Phase::Looking => [0.5, 1.4, 0.8, 0.2, 0.8, 0.4, 0.9, 0.6, 0.9, 0.4, 0.4, 1.0, 0.2, 1.0],
        Phase::Active => [1.1, 1.1, 0.4, 0.1, 1.0, 0.9, 0.3, 0.9, 0.7, 0.4, 0.9, 1.0, 0.2, 0.8],
        Phase::Deciding => [1.4, 0.8, 0.4, 0.1, 1.0, 1.2, 0.2, 1.2, 0.8, 0.5, 1.1, 0.7, 0.2, 0.7],
        Phase::Gone => [0.2, 0.7, 1.4, 1.3, 0.3, 0.2, 0.8, 0.2, 0.7, 1.3, 0.1, 0.3, 0.2, 0.9],
    };
    for (weight, slope) in
        weights.iter_mut().zip([1.2, 0.2, -1.2, -1.6, 0.0, 0.4, -0.2, 0.2, -0.7, -0.6, 0.6, 0.2, 0.0, 0.0])
    {
        *weight *= (slope * mood).exp();
    }
    if intent == Intent::Seller {
        weights[Topic::Selling as usize] += 2.5;
        weights[Topic::Viewing as usize] *= 0.2;
    }
    weights
}

/// The turns of an answered call.
pub(crate) fn call(recorder: &mut Recorder<'_>, segment: &Segment<'_>, mood: f64) -> Vec<Turn> {
    let weights = weights(segment.state, recorder.person.intent, mood);
    let length = match segment.state.phase {
        Phase::Idle => 1.6,
        Phase::Looking => 2.2,
        Phase::Active => 3.2,
        Phase::Deciding => 3.4,
        Phase::Gone => 1.2,
    };
    let rounds = recorder.draw.log_normal(length * (0.4 * mood).exp(), 0.45).round().clamp(1.0, 9.0) as u32;
    let judged = recorder.draw.chance(0.3);
    let mut talk = Talk { turns: Vec::with_capacity(2 * rounds as usize + 4), clock_ms: 600, judged, mood };
    talk.say(recorder, Speaker::Agent, &phrases::GREETINGS);
    talk.say(recorder, Speaker::Lead, &phrases::ANSWERS);
    let mut last = None;
    for _ in 0..rounds {
        talk.say(recorder, Speaker::Agent, &phrases::QUESTIONS);
        let mut topic = recorder.draw.weighted(&weights);
        if last == Some(topic) {
            topic = recorder.draw.weighted(&weights);
        }
        last = Some(topic);
        talk.say(recorder, Speaker::Lead, TOPICS[topic].1);
        if TOPICS[topic].0 == Topic::Refusal && recorder.draw.chance(0.6) {
            break;
        }
    }
    talk.say(recorder, Speaker::Agent, &phrases::CLOSINGS);
    if recorder.draw.chance(0.8) {
        talk.say(recorder, Speaker::Lead, &phrases::GOODBYES);
    }
    talk.turns
}

/// A lead's written message.
pub(crate) fn message(recorder: &mut Recorder<'_>, state: State) -> String {
    let mood = 0.3 * recorder.draw.normal();
    let topic = recorder.draw.weighted(&weights(state, recorder.person.intent, mood));
    phrase(recorder, TOPICS[topic].1)
}

/// An agent's written message.
pub(crate) fn reminder(recorder: &mut Recorder<'_>) -> String {
    phrase(recorder, &phrases::REMINDERS)
}

struct Talk {
    turns: Vec<Turn>,
    clock_ms: u32,
    judged: bool,
    mood: f64,
}

impl Talk {
    fn say(&mut self, recorder: &mut Recorder<'_>, speaker: Speaker, phrasings: &[&str]) {
        let mut text = phrase(recorder, phrasings);
        if speaker == Speaker::Lead {
            let draw = &mut recorder.draw;
            if draw.chance(0.22) {
                text = format!("{} {text}", draw.pick(&phrases::FILLERS));
            }
            if draw.chance(0.12) {
                text = format!("{text} {}", draw.pick(&phrases::TAILS));
            }
        }
        let words = text.split(' ').count() as f64;
        let duration_ms = (recorder.draw.log_normal(words * 360.0, 0.2) as u32).max(300);
        let judged = self.judged && speaker == Speaker::Lead && recorder.draw.chance(0.8);
        let sentiment = judged.then(|| {
            let value = (self.mood + 0.35 * recorder.draw.normal()).clamp(-1.0, 1.0);
            (value * 100.0).round() as f32 / 100.0
        });
        self.turns.push(Turn { speaker, text, start_ms: self.clock_ms, duration_ms: Some(duration_ms), sentiment });
        self.clock_ms += duration_ms + recorder.draw.exponential(500.0) as u32;
    }
}

/// One of the phrasings with its slots filled.
fn phrase(recorder: &mut Recorder<'_>, phrasings: &[&str]) -> String {
    let mut text = (*recorder.draw.pick(phrasings)).to_owned();
    for (slot, fill) in [
        ("{area}", fill_area as fn(&mut Recorder<'_>) -> String),
        ("{price}", fill_price),
        ("{when}", fill_when),
        ("{home}", fill_home),
        ("{agent}", fill_agent),
        ("{name}", fill_name),
    ] {
        if text.contains(slot) {
            let value = fill(recorder);
            text = text.replace(slot, &value);
        }
    }
    text
}

fn fill_area(recorder: &mut Recorder<'_>) -> String {
    let name = crate::market::AREAS[recorder.person.area].name;
    name.split(',').next().unwrap_or(name).to_owned()
}

fn fill_price(recorder: &mut Recorder<'_>) -> String {
    let price = web::asking(recorder, 0.12);
    if price < 20_000 {
        return format!("{price} a month");
    }
    let thousands = (price + 2_500) / 5_000 * 5;
    if recorder.draw.chance(0.5) { format!("{thousands} thousand") } else { format!("{thousands}k") }
}

fn fill_when(recorder: &mut Recorder<'_>) -> String {
    (*recorder.draw.pick(&phrases::WHENS)).to_owned()
}

fn fill_home(recorder: &mut Recorder<'_>) -> String {
    (*recorder.draw.pick(&phrases::HOMES)).to_owned()
}

fn fill_agent(recorder: &mut Recorder<'_>) -> String {
    let number = recorder.agent.id.trim_start_matches("agent-").parse::<usize>().unwrap_or(0);
    phrases::FIRST_NAMES[number % phrases::FIRST_NAMES.len()].to_owned()
}

fn fill_name(recorder: &mut Recorder<'_>) -> String {
    recorder.handles.name.split(' ').next().unwrap_or_default().to_owned()
}

//! Calls and messages: what the telephone platform saw of each contact.

use leadscore_domain::{
    EventBody, Timestamp,
    event::{AgentAction, AgentActionKind, Direction, Medium, Message, VoiceCall},
};

use crate::{
    chain::{Contact, Phase},
    draw::{minutes_us, sigmoid},
    person::Intent,
    visible::{
        Segment,
        recorder::{Recorder, Source},
        talk,
    },
};

/// Share of calls for which the platform judges the sentiment.
const JUDGED: f64 = 0.55;

/// What there has been of contact so far.
#[derive(Default)]
pub(crate) struct Conversations {
    pub attempts: u32,
    pub answered: u32,
}

impl Conversations {
    /// The contact at the start of the segment, and what goes with it.
    pub(crate) fn at_step(&mut self, recorder: &mut Recorder<'_>, segment: &Segment<'_>) {
        let at = segment.from;
        let by_phone = recorder.handles.has_phone() && recorder.draw.chance(0.93);
        match segment.contact {
            Contact::None => return,
            Contact::Unanswered => {
                self.attempts += 1;
                self.unanswered(recorder, at, by_phone);
                return;
            }
            Contact::Good | Contact::Bad => self.attempts += 1,
            Contact::Inbound => {}
        }
        self.answered += 1;
        if by_phone {
            conversation(recorder, segment)
        } else {
            exchange(recorder, segment)
        }
        if segment.contact != Contact::Bad {
            follow_up(recorder, segment);
        }
    }

    fn unanswered(&self, recorder: &mut Recorder<'_>, at: Timestamp, by_phone: bool) {
        if by_phone {
            let rings_ms = (recorder.draw.between(8.0, 38.0) * 1_000.0) as u32;
            let call = VoiceCall {
                direction: Direction::Outbound,
                answered: false,
                duration_ms: 0,
                ai_voice: recorder.draw.chance(0.15),
                turns: Vec::new(),
                sentiment: None,
                call_id: None,
            };
            let done = at.plus_micros(i64::from(rings_ms) * 1_000);
            recorder.send_done(Source::Voice, at, done, EventBody::VoiceCall(call));
        }
        if !by_phone || recorder.draw.chance(0.08) {
            let written = at.plus_micros(minutes_us(recorder.draw.between(0.7, 6.0)));
            let text = Some(talk::reminder(recorder));
            recorder.send(Source::Voice, written, message(Direction::Outbound, text));
        }
    }
}

fn message(direction: Direction, text: Option<String>) -> EventBody {
    EventBody::Message(Message { direction, medium: Medium::Sms, text, sentiment: None })
}

fn conversation(recorder: &mut Recorder<'_>, segment: &Segment<'_>) {
    let mood = mood(recorder, segment);
    let turns = talk::call(recorder, segment, mood);
    // Only part of the calls may be recorded, and not every recording is transcribed.
    let spoken_ms = turns.last().map_or(0, |turn| turn.start_ms + turn.duration_ms.unwrap_or(0));
    let duration_ms = (f64::from(spoken_ms) * recorder.draw.log_normal(1.3, 0.35)) as u32 + 4_000;
    let transcribed = recorder.draw.chance(0.62);
    let turns = if transcribed { turns } else { Vec::new() };
    let judged = recorder.draw.chance(JUDGED);
    let sentiment = (mood + 0.25 * recorder.draw.normal()).clamp(-1.0, 1.0);
    let inbound = segment.contact == Contact::Inbound;
    let call = VoiceCall {
        direction: if inbound { Direction::Inbound } else { Direction::Outbound },
        answered: true,
        duration_ms,
        ai_voice: !inbound && recorder.draw.chance(0.15),
        turns,
        sentiment: judged.then_some((sentiment * 100.0).round() as f32 / 100.0),
        call_id: None,
    };
    let done = segment.from.plus_micros(i64::from(duration_ms) * 1_000);
    recorder.send_done(Source::Voice, segment.from, done, EventBody::VoiceCall(call));
}

/// How the lead feels in this conversation, about −1 to 1: its state, how it goes, and the day.
fn mood(recorder: &mut Recorder<'_>, segment: &Segment<'_>) -> f64 {
    let of_phase = match segment.state.phase {
        Phase::Idle => -0.1,
        Phase::Looking => 0.05,
        Phase::Active => 0.25,
        Phase::Deciding => 0.4,
        Phase::Gone => -0.35,
    };
    let of_contact = match segment.contact {
        Contact::Good => 0.12,
        Contact::Inbound => 0.15,
        Contact::Bad => -0.22,
        Contact::None | Contact::Unanswered => 0.0,
    };
    (of_phase + of_contact + 0.3 * recorder.draw.normal()).clamp(-1.0, 1.0)
}

/// The same as a conversation, in writing.
fn exchange(recorder: &mut Recorder<'_>, segment: &Segment<'_>) {
    if segment.contact != Contact::Inbound {
        let text = Some(talk::reminder(recorder));
        recorder.send(Source::Voice, segment.from, message(Direction::Outbound, text));
    }
    let wait = minutes_us(recorder.draw.exponential(25.0) + 0.5);
    let answered = segment.from.plus_micros(wait).min(segment.to);
    let text = recorder.draw.chance(0.9).then(|| talk::message(recorder, segment.state));
    recorder.send(Source::Voice, answered, message(Direction::Inbound, text));
}

/// What a careful agent does after a conversation that helped.
fn follow_up(recorder: &mut Recorder<'_>, segment: &Segment<'_>) {
    let action = match (recorder.draw.index(4), recorder.person.intent) {
        (0, _) => AgentActionKind::NoteWritten,
        (1, _) => AgentActionKind::FollowUpPlanned,
        (2, Intent::Seller) => AgentActionKind::ValuationSent,
        (_, Intent::Seller) => AgentActionKind::NoteWritten,
        (2, _) => AgentActionKind::ShowingOffered,
        (_, _) => AgentActionKind::ListingsSent,
    };
    if recorder.draw.chance(sigmoid(3.0 * recorder.agent.care - 1.8)) {
        let at = segment.from.plus_micros(minutes_us(recorder.draw.exponential(90.0) + 3.0)).min(segment.to);
        let agent_id = Some(recorder.agent.id.clone());
        recorder.send(Source::Crm, at, EventBody::AgentAction(AgentAction { action, agent_id }));
    }
}

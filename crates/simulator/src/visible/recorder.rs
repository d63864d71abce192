//! The feeds: who sends an event, under which handle, when it arrives, and how often.

use leadscore_domain::{
    EventBody, EventEnvelope, Timestamp,
    event::LeadRef,
    time::{DAY_US, SECOND_US},
};

use crate::{
    ReceivedEvent, World,
    draw::{Draw, days_us, minutes_us},
    life::Life,
    person::{Agent, Person, busy, hour_of_week},
    visible::{Segment, handles::Handles},
};

/// Share of events that a source sends twice.
const DUPLICATED: f64 = 0.015;
/// Share of events that arrive days late.
const LATE: f64 = 0.01;
/// Share of events whose source's clock runs ahead.
const AHEAD: f64 = 0.004;

/// A system that sends events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Website,
    Voice,
    Mailer,
    Crm,
    Showings,
}

impl Source {
    const fn name(self) -> &'static str {
        match self {
            Self::Website => "website",
            Self::Voice => "voice",
            Self::Mailer => "mailer",
            Self::Crm => "crm",
            Self::Showings => "showings",
        }
    }
}

/// Collects one lead's events.
pub(crate) struct Recorder<'a> {
    pub person: &'a Person,
    pub agent: &'a Agent,
    pub draw: Draw,
    pub handles: Handles,
    events: Vec<ReceivedEvent>,
    sent: u32,
    /// Something was sent under a handle that is not joined to the CRM's lead.
    pub apart: bool,
    /// The conversion, or the world's stop: nothing ordinary happens from then on.
    stop: Timestamp,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(life: &'a Life, world: &'a World, mut draw: Draw) -> Self {
        let person = &life.person;
        Self {
            person,
            agent: &world.agents[person.agent],
            handles: Handles::new(person, &mut draw),
            draw,
            events: Vec::with_capacity(32),
            sent: 0,
            apart: false,
            stop: life.converted_at.unwrap_or(world.options.stop()),
        }
    }

    pub(crate) fn into_events(self) -> Vec<ReceivedEvent> {
        self.events
    }

    /// Sends an event under the handle that `source` knows. Returns when it arrives.
    pub(crate) fn send(&mut self, source: Source, at: Timestamp, body: EventBody) -> Timestamp {
        let lead = self.handles.of(source, at);
        self.send_as(source, lead, at, at, body)
    }

    /// Sends an event that is complete at `done`.
    pub(crate) fn send_done(&mut self, source: Source, at: Timestamp, done: Timestamp, body: EventBody) {
        let lead = self.handles.of(source, at);
        self.send_as(source, lead, at, done, body);
    }

    /// Sends an event under handles of the caller's choice.
    pub(crate) fn send_as(
        &mut self,
        source: Source,
        lead: LeadRef,
        at: Timestamp,
        done: Timestamp,
        body: EventBody,
    ) -> Timestamp {
        let received_at = done.plus_micros(self.delay_us(source));
        self.send_at(source, lead, at, received_at, body);
        received_at
    }

    /// Sends an event that arrives at `received_at`.
    pub(crate) fn send_at(
        &mut self,
        source: Source,
        lead: LeadRef,
        at: Timestamp,
        received_at: Timestamp,
        body: EventBody,
    ) {
        if at < self.stop {
            self.push(source, lead, at, received_at, body);
        }
    }

    /// Sends what ends the life, which nothing else follows.
    pub(crate) fn send_last(&mut self, at: Timestamp, received_at: Timestamp, body: EventBody) {
        let lead = if self.apart { self.handles.joining() } else { self.handles.of(Source::Crm, at) };
        self.push(Source::Crm, lead, at, received_at, body);
    }

    fn push(&mut self, source: Source, lead: LeadRef, at: Timestamp, received_at: Timestamp, body: EventBody) {
        self.sent += 1;
        self.apart |= self.handles.is_apart(&lead);
        let envelope = EventEnvelope {
            source: source.name().to_owned(),
            source_event_id: format!("{}-{}", self.person.number, self.sent),
            lead,
            occurred_at: at,
            body,
        };
        if self.draw.chance(DUPLICATED) {
            let again = received_at.plus_micros(minutes_us(self.draw.exponential(45.0)));
            self.events.push(ReceivedEvent { received_at: again, envelope: envelope.clone() });
        }
        self.events.push(ReceivedEvent { received_at, envelope });
    }

    fn delay_us(&mut self, source: Source) -> i64 {
        if self.draw.chance(LATE) {
            return days_us(self.draw.exponential(1.2).min(6.0));
        }
        if self.draw.chance(AHEAD) {
            return -((self.draw.between(1.0, 60.0) * SECOND_US as f64) as i64);
        }
        let minutes = match source {
            Source::Website => self.draw.exponential(0.4),
            Source::Voice => self.draw.exponential(1.5),
            Source::Mailer => self.draw.exponential(2.0),
            // The rest of the CRM's changes comes with the next batch.
            Source::Crm if self.draw.chance(0.8) => self.draw.exponential(4.0),
            Source::Crm | Source::Showings => self.draw.exponential(90.0),
        };
        minutes_us(minutes)
    }

    /// A moment within the segment, at an hour when the lead is up.
    pub(crate) fn moment(&mut self, segment: &Segment<'_>) -> Timestamp {
        let offset_us = self.person.offset_us(segment.from);
        let span = segment.to.since(segment.from);
        let mut at = segment.from;
        for _ in 0..6 {
            at = segment.from.plus_micros((self.draw.unit() * span as f64) as i64);
            if self.draw.chance(busy(hour_of_week(at, offset_us))) {
                break;
            }
        }
        at
    }

    /// How often something that happens `per_day` times a day happens in the segment.
    pub(crate) fn count(&mut self, segment: &Segment<'_>, per_day: f64) -> u32 {
        let mean = per_day * segment.days();
        // One draw where nothing happens, which is most of the time.
        if mean <= 0.0 { 0 } else { self.draw.poisson(mean, 12) }
    }

    /// A moment some days after `at`, in the lead's day-time; nothing from the conversion on is drawn with it.
    pub(crate) fn later(&mut self, at: Timestamp, mean_days: f64) -> Timestamp {
        let moment = at.plus_micros(days_us(self.draw.exponential(mean_days)));
        let offset_us = self.person.offset_us(moment);
        let midnight = (moment.as_micros() + offset_us).div_euclid(DAY_US) * DAY_US - offset_us;
        let minutes = self.draw.between(8.5 * 60.0, 19.0 * 60.0);
        Timestamp::from_micros(midnight).unwrap_or(moment).plus_micros(minutes_us(minutes)).max(at)
    }
}

//! What a brokerage's systems see of a lead's life: noisy consequences of the hidden state, with the faults of real feeds.
//!
//! Owns: the events and their arrival: delays, duplicates, late and out-of-order arrival, gaps, two identities.
//! Invariant: an event depends on the hidden state up to its own time and on chance, never on what comes after; and no
//! event changes the hidden state.

mod calls;
mod crm;
mod handles;
mod mail;
mod phrases;
mod recorder;
mod showings;
mod talk;
mod web;

use leadscore_domain::{Timestamp, event::OutcomeResult, time::DAY_US};

use self::recorder::Recorder;
use crate::{
    LeadHistory, World,
    chain::{Contact, State, Step},
    draw::{Draw, Part},
    life::Life,
};

/// One stretch of a life in which the hidden state stays the same.
pub(crate) struct Segment<'a> {
    pub step: &'a Step,
    pub state: State,
    /// What the contact at its start was.
    pub contact: Contact,
    pub from: Timestamp,
    /// The next step, the conversion or the world's stop.
    pub to: Timestamp,
}

impl Segment<'_> {
    pub(crate) fn days(&self) -> f64 {
        self.to.since(self.from) as f64 / DAY_US as f64
    }
}

/// Everything visible of `life`, ordered by arrival.
pub(crate) fn history(life: &Life, world: &World) -> LeadHistory {
    let stop = world.options.stop();
    let person = &life.person;
    let mut recorder = Recorder::new(life, world, Draw::of_lead(world.options.seed, person.number, Part::Visible));
    let mut mail = mail::Subscription::new(&mut recorder);
    let mut calls = calls::Conversations::default();
    let mut pipeline = crm::Pipeline::new(&mut recorder);
    let web = web::Visitor::new(&mut recorder);
    for (n, (&state, &contact)) in life.states.iter().zip(&life.contacts).enumerate() {
        let ends = life.converted_at.filter(|_| n + 1 == life.states.len()).unwrap_or(stop);
        let segment = Segment {
            step: &life.diary[n],
            state,
            contact,
            from: life.diary[n].at,
            to: life.diary[n + 1].at.min(ends),
        };
        web.visits(&mut recorder, &segment);
        if !segment.step.open {
            continue;
        }
        if segment.from == person.created_at {
            pipeline.created(&mut recorder, state.phase);
        }
        calls.at_step(&mut recorder, &segment);
        mail.segment(&mut recorder, &segment);
        showings::segment(&mut recorder, &mut pipeline, &segment);
        pipeline.segment(&mut recorder, &segment, &calls);
    }
    if let Some(at) = life.converted_at {
        pipeline.won(&mut recorder, at);
    }
    finish(life, recorder, pipeline.outcome())
}

fn finish(life: &Life, recorder: Recorder<'_>, outcome: Option<(Timestamp, OutcomeResult)>) -> LeadHistory {
    let mut events = recorder.into_events();
    events.sort_by_key(|event| event.received_at);
    LeadHistory { number: life.person.number, events, converted_at: life.converted_at, outcome }
}

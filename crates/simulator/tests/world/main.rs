//! The world at its boundary: is the truth true, is a lead a pure function, is what is visible fit to be imported.

mod figures;
mod files;
mod leads;
mod truth;

use leadscore_domain::{
    Timestamp,
    event::{EventBody, OutcomeResult, Stage},
    time::DAY_US,
};
use leadscore_simulator::{HORIZON_US, LeadHistory, SimulationOptions, World};

fn world(leads: u64, seed: u64) -> World {
    World::new(SimulationOptions { leads, seed, ..SimulationOptions::default() }).expect("the options are in range")
}

/// An instant at which a lead would be scored, the truth then, and what came of it.
#[derive(Debug, Clone, Copy)]
struct Instant {
    truth: f64,
    converted: bool,
}

/// Four places for an instant, some of them empty: the creation, and three more spread over the history, as training
/// takes them: while no end has been entered, no later than 60 days after an event, and a horizon before the end.
///
/// None of it looks ahead: where instants hang on what comes after them, no probability is calibrated at them.
fn slots(world: &World, lead: &LeadHistory) -> Vec<Option<Instant>> {
    let Some(first) = lead.events.first().map(|event| event.received_at) else { return Vec::new() };
    let until = world.options().end.plus_micros(-HORIZON_US);
    let mut chosen = vec![first];
    for n in 1..4_u64 {
        // Golden-ratio steps: spread evenly without a random number.
        let share = ((lead.number * 3 + n) as f64 * 0.618_033_988_749_895).fract();
        chosen.push(first.plus_micros((until.since(first) as f64 * share) as i64));
    }
    let converted = |at: Timestamp| lead.converted_at.is_some_and(|won| won > at && won.since(at) <= HORIZON_US);
    let truths = world.truths(lead.number, &chosen);
    chosen
        .into_iter()
        .zip(truths)
        .map(|(at, truth)| {
            Some(Instant { truth: truth?, converted: converted(at) }).filter(|_| at <= until && is_open(lead, at))
        })
        .collect()
}

fn is_open(lead: &LeadHistory, at: Timestamp) -> bool {
    let mut last = None;
    for event in lead.events.iter().take_while(|event| event.received_at <= at) {
        last = Some(event.received_at);
        let body = &event.envelope.body;
        let lost = matches!(body, EventBody::Outcome(outcome) if outcome.result != OutcomeResult::Won)
            || matches!(body, EventBody::StageChanged(change) if change.stage == Stage::Lost);
        if lost {
            return false;
        }
    }
    last.is_some_and(|last| at.since(last) <= 60 * DAY_US)
}

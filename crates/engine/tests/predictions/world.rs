//! A simulated brokerage as the engine sees it, with what is hidden beside it.

use std::collections::HashSet;

use leadscore_domain::{Event, EventId, LeadId, Timestamp};
use leadscore_engine::{
    examples::{ExampleOptions, Snapshot, snapshots},
    features::{LeadState, Market},
    predictions::LeadCalls,
};
use leadscore_simulator::{HiddenFacts, SimulationOptions, World, lead_name};
use rayon::prelude::*;

/// One lead, seen and hidden.
pub struct Known {
    /// All that was received by the end.
    pub state: LeadState,
    pub snapshots: Vec<Snapshot>,
    /// The true probability at each snapshot.
    pub truths: Vec<f64>,
    pub calls: Option<LeadCalls>,
    pub hidden: HiddenFacts,
}

/// A brokerage at its end.
pub struct Brokerage {
    pub end: Timestamp,
    pub leads: Vec<Known>,
}

/// How many leads: `LEADSCORE_LEADS`, or enough for a test.
pub fn size(ordinary: u64) -> u64 {
    std::env::var("LEADSCORE_LEADS").ok().and_then(|text| text.parse().ok()).unwrap_or(ordinary)
}

pub fn brokerage(leads: u64, seed: u64) -> Brokerage {
    let world = World::new(SimulationOptions { leads, seed, ..SimulationOptions::default() }).unwrap();
    let end = world.options().end;
    let market = Market::new(world.market());
    let known = (0..leads).into_par_iter().map(|number| known(&world, number, &market, end)).collect();
    Brokerage { end, leads: known }
}

fn known(world: &World, number: u64, market: &Market, end: Timestamp) -> Known {
    let lead_id: LeadId = LeadId(EventId::derive("lead", &lead_name(number)).0);
    let mut seen = HashSet::new();
    let mut events = Vec::new();
    for received in world.lead(number).unwrap().events {
        let id = EventId::derive(&received.envelope.source, &received.envelope.source_event_id);
        if seen.insert(id) {
            let (occurred_at, received_at) = (received.envelope.occurred_at, received.received_at);
            let (source, body) = (received.envelope.source, received.envelope.body);
            events.push(Event { id, lead_id, source, occurred_at, received_at, body });
        }
    }
    let mut state = LeadState::default();
    events.iter().filter(|event| event.received_at <= end).for_each(|event| state.apply(event));
    let snapshots = snapshots(number, &events, market, &ExampleOptions::new(end));
    let instants: Vec<Timestamp> = snapshots.iter().map(|snapshot| snapshot.instant).collect();
    let truths = world.truths(number, &instants).into_iter().map(|truth| truth.unwrap_or(f64::NAN)).collect();
    let calls = LeadCalls::of(number, &state);
    Known { state, snapshots, truths, calls, hidden: world.hidden(number).unwrap() }
}

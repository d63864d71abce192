//! What one lead costs: fold, features, prediction, score; on one processor, without storage or network.

use std::{hint::black_box, sync::Arc, time::Instant};

use leadscore_domain::{Event, EventId, LeadId, Region, Timestamp};
use leadscore_engine::{
    features::{self, FEATURES, LeadState, Market},
    score::{Model, Scorer, ScoringPolicy},
    scorecard::Scorecard,
};
use leadscore_simulator::{SimulationOptions, World};

use crate::report::{Report, median};

/// Leads of the small world that is measured.
const LEADS: u64 = 500;
/// Runs of which the median counts.
const RUNS: usize = 9;

/// Measures the pure part of a score.
pub fn measure(report: &mut Report) {
    let world =
        World::new(SimulationOptions { leads: LEADS, ..SimulationOptions::default() }).expect("options in range");
    let at = world.options().end;
    let histories: Vec<Vec<Event>> =
        (0..LEADS).filter_map(|number| world.lead(number)).map(|lead| events(lead, at)).collect();
    let count: usize = histories.iter().map(Vec::len).sum();
    let states: Vec<LeadState> = histories.iter().map(|events| fold(events)).collect();
    let market = Arc::new(Market::new(world.market()));
    let scorer = Scorer::new(
        Arc::new(Model::Scorecard(Scorecard)),
        "bench".to_owned(),
        Arc::clone(&market),
        ScoringPolicy::default(),
    );
    let id = LeadId(EventId::derive("bench", "lead").0);

    report.figure(
        "fold of one event",
        micros(count, || histories.iter().for_each(|events| drop(black_box(fold(events))))),
        "µs",
    );
    let mut row = [0.0; FEATURES.len()];
    let vectors = micros(states.len(), || {
        for state in &states {
            features::compute(state, at, &market, &mut row);
            black_box(&row);
        }
    });
    report.below("feature vector of one lead", vectors, "µs", 10.0);
    let scores = micros(states.len(), || {
        for state in &states {
            // A lead without consent has no score; that is an answer too.
            let _ = black_box(scorer.score(id, state, at, 1));
        }
    });
    report.figure("score of one lead by the scorecard", scores, "µs");
}

/// Median time of one of `count` pieces of work, in microseconds.
fn micros(count: usize, mut work: impl FnMut()) -> f64 {
    let runs = (0..RUNS).map(|_| {
        let started = Instant::now();
        work();
        started.elapsed().as_secs_f64() * 1e6 / count as f64
    });
    median(runs.collect())
}

pub fn fold(events: &[Event]) -> LeadState {
    let mut state = LeadState::default();
    events.iter().for_each(|event| state.apply(event));
    state
}

pub fn events(lead: leadscore_simulator::LeadHistory, until: Timestamp) -> Vec<Event> {
    let id = LeadId(EventId::derive("bench", &lead.number.to_string()).0);
    let arrived = lead.events.into_iter().filter(|event| event.received_at <= until);
    arrived
        .filter_map(|event| event.envelope.validate(event.received_at, Region::default()).ok())
        .map(|event| Event {
            id: event.id,
            lead_id: id,
            source: event.source,
            occurred_at: event.occurred_at,
            received_at: event.received_at,
            body: event.body,
        })
        .collect()
}

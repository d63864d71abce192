//! Leads of the simulated world as training examples, with the truth beside each.

use leadscore_domain::{Event, EventId, LeadId, Timestamp};
use leadscore_engine::{
    examples::{ExampleOptions, Snapshot, snapshots},
    features::Market,
};
use leadscore_simulator::{LeadHistory, World};
use rayon::prelude::*;
use uuid::Uuid;

/// Examples in the order of the leads.
pub struct Sample {
    /// The examples; the token of a lead is its number.
    pub snapshots: Vec<Snapshot>,
    /// The world's own probability at each.
    pub truth: Vec<f64>,
}

impl Sample {
    /// Draws the examples of the leads of `numbers`, as training does, with what is known at `known_until`.
    pub fn draw(world: &World, market: &Market, numbers: std::ops::Range<u64>, known_until: Timestamp) -> Self {
        let options = ExampleOptions::new(known_until);
        let of_lead = |number: u64| -> Vec<(Snapshot, f64)> {
            let Some(history) = world.lead(number) else { return Vec::new() };
            let drawn = snapshots(number, &events(&history, number), market, &options);
            let instants: Vec<Timestamp> = drawn.iter().map(|snapshot| snapshot.instant).collect();
            let truths = world.truths(number, &instants);
            // There is no truth at an instant between a deal and its receipt: nothing is left to predict.
            drawn.into_iter().zip(truths).filter_map(|(snapshot, truth)| Some((snapshot, truth?))).collect()
        };
        let pairs: Vec<Vec<(Snapshot, f64)>> = numbers.into_par_iter().map(of_lead).collect();
        let (snapshots, truth) = pairs.into_iter().flatten().unzip();
        Self { snapshots, truth }
    }
}

/// What the log would hold of one lead, its identities joined.
fn events(history: &LeadHistory, number: u64) -> Vec<Event> {
    let lead_id = LeadId(Uuid::from_u128(u128::from(number)));
    let mut events: Vec<Event> = Vec::with_capacity(history.events.len());
    for received in &history.events {
        let envelope = &received.envelope;
        let id = EventId::derive(&envelope.source, &envelope.source_event_id);
        // A source may send an event twice; the first arrival counts.
        if events.iter().all(|event| event.id != id) {
            events.push(Event {
                id,
                lead_id,
                source: envelope.source.clone(),
                occurred_at: envelope.occurred_at,
                received_at: received.received_at,
                body: envelope.body.clone(),
            });
        }
    }
    events
}

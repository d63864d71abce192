//! Training examples: a lead at an instant, with only what had been received by then.

use leadscore_domain::{AttributeValue, Event, Timestamp};

use crate::features::Market;

/// How examples are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExampleOptions {
    /// How far ahead the label looks, in microseconds.
    pub horizon_us: i64,
    /// Until when everything is known.
    pub known_until: Timestamp,
    /// Most examples of one lead.
    pub per_lead: usize,
    /// Seed of the instants.
    pub seed: u64,
}

/// A lead at an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Token of the lead; says nothing about the person.
    pub lead: u64,
    /// The instant.
    pub instant: Timestamp,
    /// Whether the lead converted within the horizon; `None` is censored.
    pub label: Option<bool>,
    /// The fixed features.
    pub features: Vec<f32>,
    /// Custom attributes at the instant, by name.
    pub attributes: Vec<(String, AttributeValue)>,
}

/// The examples of one lead.
#[must_use]
pub fn snapshots(_token: u64, _events: &[Event], _market: &Market, _options: &ExampleOptions) -> Vec<Snapshot> {
    todo!()
}

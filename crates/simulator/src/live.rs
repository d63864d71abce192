//! What happens after the end of the history, in the order of arrival: food for a running server.

use std::collections::VecDeque;

use leadscore_domain::{EventEnvelope, Timestamp};
use rayon::prelude::*;

use crate::{ReceivedEvent, World};

/// Events that arrive after the history's end, in the order of arrival.
#[derive(Debug)]
pub struct LiveEvents(VecDeque<ReceivedEvent>);

impl Iterator for LiveEvents {
    type Item = (Timestamp, EventEnvelope);

    /// When the next event arrives, and the event. Events that belong together keep their order.
    fn next(&mut self) -> Option<Self::Item> {
        self.0.pop_front().map(|event| (event.received_at, event.envelope))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len(), Some(self.0.len()))
    }
}

impl ExactSizeIterator for LiveEvents {}

impl World {
    /// The events that arrive in `(end, stop]`, of old leads and new ones; a twelfth or so of a year's in memory.
    ///
    /// Some happened before the end and come late, as in life.
    #[must_use]
    pub fn live(&self) -> LiveEvents {
        let mut events: Vec<(u64, ReceivedEvent)> = (0..self.total_leads())
            .into_par_iter()
            .flat_map_iter(|number| {
                let history = self.lead(number).map(|lead| lead.events).unwrap_or_default();
                history.into_iter().filter(|event| self.is_live(event)).map(move |event| (number, event))
            })
            .collect();
        events.sort_by_key(|(number, event)| (event.received_at, *number));
        LiveEvents(events.into_iter().map(|(_, event)| event).collect())
    }

    fn is_live(&self, event: &ReceivedEvent) -> bool {
        event.received_at > self.options.end && event.received_at <= self.options.stop()
    }
}

//! Which records make up a lead at a position.
//!
//! Invariant: a record counts once, whatever was merged into what in which order.

use std::collections::{HashMap, HashSet};

use leadscore_domain::{Event, EventBody, LeadId};

use super::LogRecord;

/// Of a lead's records those that make it up at position `until` of its partition: its own up to there, and all of the
/// leads that it had absorbed by then (an absorbed lead gets no events after its merge). `fresh` are events of its own that
/// are not among the records, and are not answered with.
#[must_use]
pub fn visible<'r>(records: &'r [LogRecord], lead: LeadId, until: i64, fresh: &[Event]) -> Vec<&'r Event> {
    let mut by_lead: HashMap<LeadId, Vec<&LogRecord>> = HashMap::new();
    for record in records {
        by_lead.entry(record.lead_id).or_default().push(record);
    }
    let mut seen = HashSet::from([lead]);
    let mut open = vec![(lead, until)];
    for event in fresh {
        if let EventBody::LeadMerged(merged) = &event.body
            && seen.insert(merged.absorbed)
        {
            open.push((merged.absorbed, i64::MAX));
        }
    }
    let mut events = Vec::with_capacity(records.len());
    while let Some((part, until)) = open.pop() {
        let records = by_lead.remove(&part).unwrap_or_default();
        for event in records.into_iter().filter(|r| r.position <= until).filter_map(|r| r.event.as_ref().ok()) {
            if let EventBody::LeadMerged(merged) = &event.body
                && seen.insert(merged.absorbed)
            {
                open.push((merged.absorbed, i64::MAX));
            }
            events.push(event);
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unreadable;
    use leadscore_domain::{
        EventId, Timestamp,
        event::{Email, EmailAction, LeadMerged},
    };

    fn lead(number: u128) -> LeadId {
        format!("{number:032x}").parse().unwrap()
    }

    fn record(of: LeadId, position: i64, body: EventBody) -> LogRecord {
        let id = EventId::derive("test", &format!("{of}-{position}"));
        let at = Timestamp::default();
        let event = Event { id, lead_id: of, source: "test".into(), occurred_at: at, received_at: at, body };
        LogRecord { partition: 0, position, event_id: id, lead_id: of, event: Ok(event) }
    }

    fn opened() -> EventBody {
        EventBody::Email(Email { action: EmailAction::Opened, message_id: None })
    }

    fn merged(absorbed: LeadId) -> EventBody {
        EventBody::LeadMerged(LeadMerged { absorbed })
    }

    #[test]
    fn only_merges_up_to_the_position_count_and_each_record_once() {
        let (a, b, c, d) = (lead(1), lead(2), lead(3), lead(4));
        let records = vec![
            record(a, 1, opened()),
            record(b, 90, opened()),
            record(c, 5, opened()),
            record(b, 91, merged(c)),
            record(a, 2, merged(b)),
            record(a, 3, opened()),
            record(d, 7, opened()),
            record(a, 4, merged(d)),
        ];
        let at = |until| visible(&records, a, until, &[]).len();
        assert_eq!(at(1), 1, "before the merge: its own");
        assert_eq!(at(2), 5, "b and through it c, and both merges");
        assert_eq!(at(3), 6);
        assert_eq!(at(4), 8);
    }

    #[test]
    fn unreadable_events_are_left_out() {
        let a = lead(1);
        let mut damaged = record(a, 1, opened());
        damaged.event = Err(Unreadable::Corrupt);
        assert_eq!(visible(&[damaged, record(a, 2, opened())], a, 9, &[]).len(), 1);
    }
}

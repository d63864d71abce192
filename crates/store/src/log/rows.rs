//! Rows of the log: what is stored of an event, sealed under its lead's key.

use leadscore_domain::{Event, EventBody, EventId, EventKind, LeadId, Timestamp};

use super::{LogRecord, Unreadable};
use crate::{StoreError, TraceParent, db::Inserts, keyring::DataKey};

/// An event as the log keeps it.
#[derive(Debug, Clone)]
pub(crate) struct EventRow {
    pub(crate) partition: u16,
    /// From 1; 0 where it is not known yet.
    pub(crate) position: i64,
    pub(crate) id: EventId,
    pub(crate) lead: LeadId,
    pub(crate) source: String,
    pub(crate) kind: EventKind,
    pub(crate) occurred_at: Timestamp,
    pub(crate) received_at: Timestamp,
    /// The event's data under the key of `lead`, bound to `id`.
    pub(crate) sealed: Vec<u8>,
    /// What stands beside it in the clear; nothing where it was not opened yet.
    pub(crate) figures: Figures,
    /// The trace that it came with; known until it is in the log only.
    pub(crate) trace: Option<TraceParent>,
}

/// What of an event is kept in the clear: coarse figures that say nothing about what was said.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// −1 to 1, in tenths.
    sentiment: Option<f64>,
    duration_s: Option<u32>,
}

impl Figures {
    pub(crate) fn of(body: &EventBody) -> Self {
        Self { sentiment: body.sentiment(), duration_s: body.engagement_duration_s() }
    }
}

impl EventRow {
    /// The event, opened with its lead's key; `None` for an erased lead's.
    pub(crate) fn read(&self, key: Option<&DataKey>) -> LogRecord {
        let event = match key {
            None => Err(Unreadable::Erased),
            Some(key) => self.open(key).ok_or(Unreadable::Corrupt),
        };
        let Self { partition, position, id, lead, .. } = *self;
        LogRecord { partition, position, event_id: id, lead_id: lead, event }
    }

    fn open(&self, key: &DataKey) -> Option<Event> {
        let data = key.open(self.id.0.as_bytes(), &self.sealed)?;
        let body = EventBody::data_from_json(self.kind, &data).ok()?;
        let Self { id, lead, occurred_at, received_at, .. } = *self;
        Some(Event { id, lead_id: lead, source: self.source.clone(), occurred_at, received_at, body })
    }
}

/// Adds rows to the log in the database; on a server their ids go apart.
pub(crate) async fn insert_rows(
    inserts: &mut Inserts<'_>,
    rows: &[&EventRow],
    conflict: &'static str,
) -> Result<(), StoreError> {
    let into = "INSERT INTO lead_interactions \
                (partition, position, id, lead_id, source, interaction_type, sentiment_score, engagement_duration, \
                occurred_at, received_at, context_data)";
    inserts
        .add(into, 11, conflict, rows, |bind, row| {
            bind.push(row.partition)
                .push(row.position)
                .push(row.id)
                .push(row.lead)
                .push(row.source.as_str())
                .push(row.kind.as_str())
                .push(row.figures.sentiment)
                .push(row.figures.duration_s)
                .push(row.occurred_at)
                .push(row.received_at)
                .push(row.sealed.as_slice());
        })
        .await
}

/// Remembers which events there are.
pub(crate) async fn insert_ids(
    inserts: &mut Inserts<'_>,
    rows: &[&EventRow],
    conflict: &'static str,
) -> Result<(), StoreError> {
    let into = "INSERT INTO event_ids (id, lead_id, received_at)";
    inserts
        .add(into, 3, conflict, rows, |bind, row| {
            bind.push(row.id).push(row.lead).push(row.received_at);
        })
        .await
}

//! Reading the log.

use std::collections::HashMap;

use leadscore_domain::{Event, EventBody, EventKind, LeadId, Timestamp};
use sqlx::Row as _;

use super::{LogRecord, Unreadable};
use crate::{
    Store, StoreError,
    db::{Row, select_in},
    keyring::Keyring,
    leads::{event_id, lead_id, timestamp},
};

/// Most records of one page.
const PAGE_MAX: usize = 10_000;

impl Store {
    /// Up to `limit` records (at most 10,000) of a partition after position `after`, in order and without gaps.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn read_log(&self, partition: u16, after: i64, limit: usize) -> Result<Vec<LogRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT e.partition, e.position, e.id, e.lead_id, e.source, e.kind, e.occurred_at, e.received_at, e.data, \
             l.data_key FROM events e JOIN leads l ON l.id = e.lead_id \
             WHERE e.partition = $1 AND e.position > $2 ORDER BY e.position LIMIT $3",
        )
        .bind(i64::from(partition))
        .bind(after)
        .bind(i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        rows.iter().map(|row| record(row, self.keyring())).collect()
    }

    /// The last position of a partition; 0 where it is empty.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn head(&self, partition: u16) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT head FROM log_heads WHERE partition = $1")
            .bind(i64::from(partition))
            .fetch_optional(&mut *self.reader().await?)
            .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(0))
    }

    /// All readable events of leads, each with those of the leads that it absorbed, in the order of their receipt.
    /// Leads without readable events are missing.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where an event is damaged; where the database fails.
    pub async fn events_of(&self, ids: &[LeadId]) -> Result<HashMap<LeadId, Vec<Event>>, StoreError> {
        let mut events = HashMap::new();
        for (lead, records) in self.records_of(ids).await? {
            let mut readable = Vec::with_capacity(records.len());
            for record in records {
                match record.event {
                    Ok(event) => readable.push(event),
                    Err(Unreadable::Erased) => {}
                    Err(Unreadable::Corrupt) => {
                        return Err(StoreError::Corrupt(format!("event {}", record.event_id)));
                    }
                }
            }
            if !readable.is_empty() {
                events.insert(lead, readable);
            }
        }
        Ok(events)
    }

    /// As [`Self::events_of`], with the place of each event, and with those that cannot be read. An event of an
    /// absorbed lead stands in that lead's partition.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn records_of(&self, ids: &[LeadId]) -> Result<HashMap<LeadId, Vec<LogRecord>>, StoreError> {
        let mut reader = self.reader().await?;
        let asked: Vec<_> = ids.iter().map(|id| *id.0.as_bytes()).collect();
        // Whose history a lead's events belong to: an absorbed one may have been asked for beside its survivor.
        let mut owners: HashMap<LeadId, Vec<LeadId>> = ids.iter().map(|id| (*id, vec![*id])).collect();
        let query = "SELECT id, merged_into FROM leads WHERE merged_into IN";
        for row in select_in(&mut reader, query, &asked, "").await? {
            owners.entry(lead_id(row.try_get(0)?)?).or_default().push(lead_id(row.try_get(1)?)?);
        }
        let keys: Vec<_> = owners.keys().map(|id| *id.0.as_bytes()).collect();
        let query = "SELECT e.partition, e.position, e.id, e.lead_id, e.source, e.kind, e.occurred_at, \
                     e.received_at, e.data, l.data_key FROM events e JOIN leads l ON l.id = e.lead_id \
                     WHERE e.lead_id IN";
        let rows = select_in(&mut reader, query, &keys, "").await?;
        drop(reader);
        let mut records: HashMap<LeadId, Vec<(Timestamp, LogRecord)>> = HashMap::with_capacity(ids.len());
        for row in &rows {
            let record = record(row, self.keyring())?;
            let received_at = timestamp(row.try_get(7)?)?;
            if let Some((last, others)) = owners.get(&record.lead_id).and_then(|owners| owners.split_last()) {
                for owner in others {
                    records.entry(*owner).or_default().push((received_at, record.clone()));
                }
                records.entry(*last).or_default().push((received_at, record));
            }
        }
        Ok(records.into_iter().map(|(lead, records)| (lead, in_order(records))).collect())
    }
}

fn in_order(mut records: Vec<(Timestamp, LogRecord)>) -> Vec<LogRecord> {
    records.sort_unstable_by_key(|(received_at, record)| (*received_at, record.partition, record.position));
    records.into_iter().map(|(_, record)| record).collect()
}

/// Columns: partition, position, id, lead_id, source, kind, occurred_at, received_at, data, data_key.
fn record(row: &Row, keyring: &Keyring) -> Result<LogRecord, StoreError> {
    let event_id = event_id(row.try_get(2)?)?;
    let lead_id = lead_id(row.try_get(3)?)?;
    let event = match row.try_get::<Option<&[u8]>, _>(9)? {
        None => Err(Unreadable::Erased),
        Some(wrapped) => {
            let data = keyring.unwrap(lead_id, wrapped).ok().and_then(|key| {
                let data = row.try_get::<&[u8], _>(8).ok()?;
                key.open(event_id.0.as_bytes(), data)
            });
            let kind: Option<EventKind> = row.try_get::<&str, _>(5)?.parse().ok();
            match kind.zip(data).map(|(kind, data)| EventBody::data_from_json(kind, &data)) {
                Some(Ok(body)) => Ok(Event {
                    id: event_id,
                    lead_id,
                    source: row.try_get(4)?,
                    occurred_at: timestamp(row.try_get(6)?)?,
                    received_at: timestamp(row.try_get(7)?)?,
                    body,
                }),
                Some(Err(_)) | None => Err(Unreadable::Corrupt),
            }
        }
    };
    Ok(LogRecord { partition: row.try_get(0)?, position: row.try_get(1)?, event_id, lead_id, event })
}

//! Reading the log.

use std::collections::HashMap;

use leadscore_domain::{Event, EventBody, EventId, EventKind, LeadId, Timestamp};

use super::{LogRecord, Unreadable};
use crate::{
    Store, StoreError,
    db::{Row, query, select_each, select_in},
    keyring::Keyring,
};

/// Most records of one page.
const PAGE_MAX: usize = 10_000;

impl Store {
    /// Events of a log outside of the database that it does not have yet, because `group` has still to read them; 0
    /// where the database is the log.
    ///
    /// # Errors
    /// Where the database fails, or Kafka cannot be asked.
    pub async fn reads_behind(&self, group: &str) -> Result<i64, StoreError> {
        if self.kafka().is_none() {
            return Ok(0);
        }
        let mut behind = 0;
        for (partition, head) in (0..).zip(self.heads().await?) {
            behind += head - self.position(group, partition).await?;
        }
        Ok(behind)
    }

    /// Up to `limit` records (at most 10,000) that the database has of a partition after position `after`, in order;
    /// where the database is the log, without gaps, otherwise those that were applied.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn read_log(&self, partition: u16, after: i64, limit: usize) -> Result<Vec<LogRecord>, StoreError> {
        self.read_logs(&[(partition, after, limit)]).await
    }

    /// The same of several partitions (partition, after, limit), in the order of partitions and positions.
    ///
    /// # Errors
    /// Where the database fails.
    pub(crate) async fn read_logs(&self, places: &[(u16, i64, usize)]) -> Result<Vec<LogRecord>, StoreError> {
        let select = "SELECT e.partition, e.position, e.id, e.lead_id, e.source, e.interaction_type, e.occurred_at, \
                      e.received_at, e.context_data, l.data_key FROM lead_interactions e \
                      JOIN leads l ON l.id = e.lead_id \
                      WHERE e.partition = ? AND e.position > ? ORDER BY e.position LIMIT ?";
        let mut reader = self.reader().await?;
        let rows = select_each(&mut reader, select, places, |bind, (partition, after, limit)| {
            bind.push(*partition).push(*after).push(i64::try_from((*limit).min(PAGE_MAX)).unwrap_or(i64::MAX));
        })
        .await?;
        drop(reader);
        let mut records =
            rows.iter().map(|row| record(row, self.keyring())).collect::<Result<Vec<LogRecord>, StoreError>>()?;
        records.sort_unstable_by_key(|record| (record.partition, record.position));
        Ok(records)
    }

    /// The last position of a partition; 0 where it is empty.
    ///
    /// # Errors
    /// As [`Self::heads`].
    pub async fn head(&self, partition: u16) -> Result<i64, StoreError> {
        Ok(self.heads().await?.get(usize::from(partition)).copied().unwrap_or(0))
    }

    /// The last position of each partition, wherever the log is.
    ///
    /// # Errors
    /// Where the database fails, or Kafka cannot be asked.
    pub async fn heads(&self) -> Result<Vec<i64>, StoreError> {
        if let Some(kafka) = self.kafka() {
            return kafka.heads().await;
        }
        let mut heads = vec![0; usize::from(self.partitions())];
        for row in query("SELECT partition, head FROM log_heads").fetch_all(&mut self.reader().await?).await? {
            if let Some(head) = heads.get_mut(usize::from(row.get::<u16>(0)?)) {
                *head = row.get(1)?;
            }
        }
        Ok(heads)
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
        // Whose history a lead's events belong to: an absorbed one may have been asked for beside its survivor.
        let mut owners: HashMap<LeadId, Vec<LeadId>> = ids.iter().map(|id| (*id, vec![*id])).collect();
        let sql = "SELECT id, merged_into FROM leads WHERE merged_into";
        for row in select_in(&mut reader, sql, ids, "").await? {
            owners.entry(row.get(0)?).or_default().push(row.get(1)?);
        }
        let keys: Vec<LeadId> = owners.keys().copied().collect();
        let sql = "SELECT e.partition, e.position, e.id, e.lead_id, e.source, e.interaction_type, e.occurred_at, \
                     e.received_at, e.context_data, l.data_key FROM lead_interactions e JOIN leads l ON l.id = e.lead_id \
                     WHERE e.lead_id";
        let rows = select_in(&mut reader, sql, &keys, "").await?;
        drop(reader);
        let mut records: HashMap<LeadId, Vec<(Timestamp, LogRecord)>> = HashMap::with_capacity(ids.len());
        for row in &rows {
            let record = record(row, self.keyring())?;
            let received_at = row.get(7)?;
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
pub(crate) fn record(row: &Row, keyring: &Keyring) -> Result<LogRecord, StoreError> {
    let event_id: EventId = row.get(2)?;
    let lead_id = row.get(3)?;
    let event = match row.get::<Option<&[u8]>>(9)? {
        None => Err(Unreadable::Erased),
        Some(wrapped) => {
            let data = keyring.unwrap(lead_id, wrapped).ok().and_then(|key| {
                let data = row.get::<&[u8]>(8).ok()?;
                key.open(event_id.0.as_bytes(), data)
            });
            let kind: Option<EventKind> = row.get::<&str>(5)?.parse().ok();
            match kind.zip(data).map(|(kind, data)| EventBody::data_from_json(kind, &data)) {
                Some(Ok(body)) => Ok(Event {
                    id: event_id,
                    lead_id,
                    source: row.get(4)?,
                    occurred_at: row.get(6)?,
                    received_at: row.get(7)?,
                    body,
                }),
                Some(Err(_)) | None => Err(Unreadable::Corrupt),
            }
        }
    };
    Ok(LogRecord { partition: row.get(0)?, position: row.get(1)?, event_id, lead_id, event })
}

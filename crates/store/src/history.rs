//! A lead's history, the latest first, page by page.
//!
//! Invariant: a lead's history is that of everybody whom it absorbed, too. Deliberately absent: positions of the log,
//! which are its readers' (`log/read.rs`).

use std::cmp::Reverse;

use leadscore_domain::{EventBody, EventId, EventKind, LeadId, Timestamp};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    db::{Pieces, Row, query, select_each},
    log::record,
};

/// Most events of one page.
const PAGE_MAX: usize = 10_000;

/// Selects events as [`record`] reads them, with what stands behind its columns.
macro_rules! select_events {
    ($further:literal) => {
        concat!(
            "SELECT e.partition, e.position, e.id, e.lead_id, e.source, e.interaction_type, e.occurred_at, \
             e.received_at, e.context_data, l.data_key",
            $further,
            " FROM lead_interactions e JOIN leads l ON l.id = e.lead_id"
        )
    };
}

/// The column behind those of an event, where events of several leads are read.
const PAGE_COLUMN: usize = 10;

/// A page of a lead's history; see [`Store::history`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HistoryPage {
    /// Whose.
    pub lead: LeadId,
    /// Of which kinds; the same twice for one, `None` for all.
    pub kinds: Option<[EventKind; 2]>,
    /// Before which instant, and event of that instant.
    pub before: Option<(Timestamp, EventId)>,
    /// How many at most.
    pub limit: usize,
}

/// An event as it is shown to people.
#[derive(Debug, Clone, PartialEq)]
pub struct PastEvent {
    /// Derived from source and source event id.
    pub id: EventId,
    /// Which system sent it.
    pub source: String,
    /// What kind it is.
    pub kind: EventKind,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was received.
    pub received_at: Timestamp,
    /// What happened; `None` where that is damaged.
    pub body: Option<EventBody>,
}

impl Store {
    /// Events of a lead, the latest first, up to `limit` (at most 10,000), of those that happened before `before`: an
    /// instant, and among the events of that instant an id. Only those of `kinds`, or of all kinds where that is empty.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn history(
        &self,
        lead: LeadId,
        kinds: &[EventKind],
        before: Option<(Timestamp, EventId)>,
        limit: usize,
    ) -> Result<Vec<PastEvent>, StoreError> {
        let mut sql = Pieces::new(select_events!(""));
        sql.add_with("WHERE e.lead_id IN (SELECT id FROM leads WHERE id = ? OR merged_into = ?)", lead);
        sql.add("AND l.data_key IS NOT NULL");
        if let Some((first, rest)) = kinds.split_first() {
            sql.add_with("AND e.interaction_type IN (?", first.as_str());
            for kind in rest {
                sql.add_with(", ?", kind.as_str());
            }
            sql.add(")");
        }
        if let Some((at, id)) = before {
            sql.add_with("AND (e.occurred_at, e.id) < (?", at).add_with(", ?)", id);
        }
        sql.add("ORDER BY e.occurred_at DESC, e.id DESC");
        sql.add_with("LIMIT ?", i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX));
        let rows = sql.query().fetch_all(&mut self.reader().await?).await?;
        rows.iter().map(|row| self.past(row)).collect()
    }

    /// As [`Self::history`], of many leads in one statement: a list for each of `pages`, in their order.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn histories(&self, pages: &[HistoryPage]) -> Result<Vec<Vec<PastEvent>>, StoreError> {
        let select = concat!(
            select_events!(", CAST(? AS BIGINT) AS page"),
            " WHERE e.lead_id IN (SELECT id FROM leads WHERE id = ? OR merged_into = ?) AND l.data_key IS NOT NULL \
             AND (CAST(? AS BIGINT) = 1 OR e.interaction_type IN (?, ?)) AND (e.occurred_at, e.id) < (?, ?) \
             ORDER BY e.occurred_at DESC, e.id DESC LIMIT ?"
        );
        let numbered: Vec<(usize, &HistoryPage)> = pages.iter().enumerate().collect();
        let rows = select_each(&mut self.reader().await?, select, &numbered, |bind, (number, page)| {
            let [one, other] = page.kinds.map_or(["", ""], |kinds| kinds.map(EventKind::as_str));
            let (at, id) = page.before.unwrap_or((Timestamp::MAX, EventId(Uuid::max())));
            bind.push(*number as i64).push(page.lead).push(page.lead);
            bind.push(i64::from(page.kinds.is_none())).push(one).push(other).push(at).push(id);
            bind.push(i64::try_from(page.limit.min(PAGE_MAX)).unwrap_or(i64::MAX));
        })
        .await?;
        let mut found: Vec<Vec<PastEvent>> = pages.iter().map(|_| Vec::new()).collect();
        for row in &rows {
            found[row.get::<i64>(PAGE_COLUMN)? as usize].push(self.past(row)?);
        }
        found.iter_mut().for_each(|page| page.sort_by_key(|event| Reverse((event.occurred_at, event.id))));
        Ok(found)
    }

    /// How many events the database has of a lead.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn event_count(&self, lead: LeadId) -> Result<u64, StoreError> {
        query(
            "SELECT COUNT(*) FROM lead_interactions \
             WHERE lead_id IN (SELECT id FROM leads WHERE id = $1 OR merged_into = $1)",
        )
        .bind(lead)
        .fetch_one(&mut self.reader().await?)
        .await?
        .get(0)
    }

    /// Columns as [`record`] reads them.
    fn past(&self, row: &Row) -> Result<PastEvent, StoreError> {
        let kind: &str = row.get(5)?;
        Ok(PastEvent {
            id: row.get(2)?,
            source: row.get(4)?,
            kind: kind.parse().map_err(|_| StoreError::Corrupt("the kind of an event".to_owned()))?,
            occurred_at: row.get(6)?,
            received_at: row.get(7)?,
            body: record(row, self.keyring())?.event.ok().map(|event| event.body),
        })
    }
}

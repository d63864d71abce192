//! Looking entries up, page by page: the newest first, or in order from the first on.
//!
//! Invariant: a page reads a bounded number of blocks, so it may hold fewer entries than were asked for, and even none,
//! and not be the last. Deliberately absent: an index of entries; it would cost more than the log.

use std::{fmt, str::FromStr};

use leadscore_domain::{LeadId, Timestamp};
use uuid::Uuid;

use super::{
    Act,
    body::{REASON, reason_binding},
    entry::{self, Entry, Reason},
    rows::CHUNK,
};
use crate::{
    Store, StoreError,
    db::{Conn, Row, query},
};

/// Most blocks that are read for one page.
const PAGE_BLOCKS_MAX: usize = 1_024;

/// Which entries to look for; of fields that are left out, any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// About this lead, or one that was merged with it.
    pub lead: Option<LeadId>,
    /// By this user or API key.
    pub actor: Option<Uuid>,
    /// Of this operation.
    pub operation: Option<String>,
    /// At this instant or later.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub until: Option<Timestamp>,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number in the log, from 1.
    pub number: i64,
    /// What was done; of several times the first.
    pub act: Act,
    /// How often, within a moment.
    pub count: u32,
}

/// Where a page ends: at an entry of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditCursor {
    sequence: i64,
    /// Its place in the block, from 0; entries before it, or after it, were not shown yet.
    place: i64,
}

impl fmt::Display for AuditCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.sequence, self.place)
    }
}

impl FromStr for AuditCursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (sequence, place) = text.split_once('.').ok_or(())?;
        let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0).ok_or(());
        Ok(Self { sequence: number(sequence)?, place: number(place)? })
    }
}

/// Some entries, and where to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// Those that were found.
    pub entries: Vec<AuditEntry>,
    /// Where the next page begins; `None` where there is no more to read.
    pub next: Option<AuditCursor>,
}

/// The ids that a filter's lead went by.
struct Wanted<'f> {
    filter: &'f AuditFilter,
    leads: Vec<LeadId>,
}

impl Store {
    /// Entries, the newest first, up to `limit`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where the log is damaged; where the database fails.
    pub async fn audit_newest(
        &self,
        filter: &AuditFilter,
        after: Option<AuditCursor>,
        limit: usize,
    ) -> Result<AuditPage, StoreError> {
        let cursor = after.unwrap_or(AuditCursor { sequence: i64::MAX, place: i64::MAX });
        self.audit_search(filter, cursor, limit, NEWEST).await
    }

    /// Entries in order, up to `limit`.
    ///
    /// # Errors
    /// As [`Self::audit_newest`].
    pub async fn audit_oldest(
        &self,
        filter: &AuditFilter,
        after: Option<AuditCursor>,
        limit: usize,
    ) -> Result<AuditPage, StoreError> {
        let cursor = after.unwrap_or(AuditCursor { sequence: 0, place: 0 });
        self.audit_search(filter, cursor, limit, OLDEST).await
    }

    async fn audit_search(
        &self,
        filter: &AuditFilter,
        mut cursor: AuditCursor,
        limit: usize,
        direction: Direction,
    ) -> Result<AuditPage, StoreError> {
        let mut reader = self.reader().await?;
        let wanted = Wanted { filter, leads: family(&mut reader, filter.lead).await? };
        let mut page = AuditPage::default();
        for _ in 0..PAGE_BLOCKS_MAX.div_ceil(CHUNK.unsigned_abs() as usize) {
            let rows = query(direction.sql)
                .bind(cursor.sequence)
                .bind(filter.from.unwrap_or(Timestamp::MIN))
                .bind(filter.until.unwrap_or(Timestamp::MAX))
                .bind(CHUNK)
                .fetch_all(&mut reader)
                .await?;
            for row in &rows {
                if let Some(full) =
                    self.take_audit_block(&mut reader, row, &wanted, cursor, limit, &direction, &mut page).await?
                {
                    page.next = Some(full);
                    return Ok(page);
                }
            }
            let Some(last) = rows.last().filter(|_| rows.len() as i64 == CHUNK) else { return Ok(page) };
            cursor = (direction.behind)(last.get(0)?);
        }
        page.next = Some(cursor);
        Ok(page)
    }

    /// Takes what is wanted of a block; where it goes on, if the page is full.
    #[expect(clippy::too_many_arguments, reason = "the parts of one loop's body")]
    async fn take_audit_block(
        &self,
        reader: &mut Conn,
        row: &Row,
        wanted: &Wanted<'_>,
        cursor: AuditCursor,
        limit: usize,
        direction: &Direction,
        page: &mut AuditPage,
    ) -> Result<Option<AuditCursor>, StoreError> {
        let (sequence, first_entry): (i64, i64) = (row.get(0)?, row.get(1)?);
        let entries = entry::unpack(row.get(2)?)?;
        let mut places: Vec<usize> = (0..entries.len()).collect();
        if direction.is_backward {
            places.reverse();
        }
        for place in places {
            let at = AuditCursor { sequence, place: i64::try_from(place).unwrap_or(i64::MAX) };
            if sequence == cursor.sequence && (direction.is_shown)(at.place, cursor.place) {
                continue;
            }
            let entry = entry::read(&entries[place])?;
            if wanted.has(&entry.act) {
                if page.entries.len() == limit {
                    return Ok(Some((direction.again)(at)));
                }
                page.entries.push(self.open_audit_entry(reader, first_entry + at.place, entry).await?);
            }
        }
        Ok(None)
    }

    /// An entry with its reason, where there still is a key to it.
    async fn open_audit_entry(&self, reader: &mut Conn, number: i64, entry: Entry) -> Result<AuditEntry, StoreError> {
        let Entry { mut act, reason, count } = entry;
        let opened = match (&reason, act.object.as_ref().and_then(super::Object::lead)) {
            (Some(Reason::OfLog(sealed)), _) => self.keyring().audit_reasons().open(REASON, sealed),
            (Some(Reason::OfLead(sealed)), Some(lead)) => {
                let sql = "SELECT data_key FROM leads WHERE id = $1 AND data_key IS NOT NULL";
                match query(sql).bind(lead).fetch_optional(reader).await? {
                    Some(row) => self.keyring().unwrap(lead, row.get(0)?)?.open(&reason_binding(lead), sealed),
                    None => None,
                }
            }
            (Some(Reason::OfLead(_) | Reason::Withheld) | None, _) => None,
        };
        act.reason = opened.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(AuditEntry { number, act, count })
    }
}

impl Wanted<'_> {
    fn has(&self, act: &Act) -> bool {
        let AuditFilter { lead, actor, operation, from, until } = self.filter;
        let about = act.object.as_ref().and_then(super::Object::lead);
        (lead.is_none() || about.is_some_and(|about| self.leads.contains(&about)))
            && (actor.is_none() || act.actor.id == *actor)
            && operation.as_deref().is_none_or(|operation| act.operation == operation)
            && from.is_none_or(|from| act.at >= from)
            && until.is_none_or(|until| act.at < until)
    }
}

/// A lead and those that were merged with it, erased or not.
async fn family(reader: &mut Conn, lead: Option<LeadId>) -> Result<Vec<LeadId>, StoreError> {
    let Some(lead) = lead else { return Ok(Vec::new()) };
    let rows = query(
        "WITH survivor AS (SELECT COALESCE(merged_into, id) AS id FROM leads WHERE id = $1) \
         SELECT l.id FROM leads l JOIN survivor s ON l.id = s.id OR l.merged_into = s.id",
    )
    .bind(lead)
    .fetch_all(reader)
    .await?;
    let mut leads = rows.iter().map(|row| row.get(0)).collect::<Result<Vec<LeadId>, _>>()?;
    // Somebody may have asked for a lead that never was.
    leads.push(lead);
    Ok(leads)
}

/// Which way a search goes.
struct Direction {
    sql: &'static str,
    is_backward: bool,
    /// Whether a place was shown, or is not to be, before the cursor was reached.
    is_shown: fn(i64, i64) -> bool,
    /// The cursor behind a whole block.
    behind: fn(i64) -> AuditCursor,
    /// The cursor with which an entry comes first.
    again: fn(AuditCursor) -> AuditCursor,
}

const NEWEST: Direction = Direction {
    sql: "SELECT sequence, first_entry, entries FROM audit_blocks \
          WHERE sequence <= $1 AND at >= $2 AND since < $3 ORDER BY sequence DESC LIMIT $4",
    is_backward: true,
    is_shown: |place, cursor| place >= cursor,
    behind: |sequence| AuditCursor { sequence, place: 0 },
    again: |at| AuditCursor { sequence: at.sequence, place: at.place + 1 },
};

const OLDEST: Direction = Direction {
    sql: "SELECT sequence, first_entry, entries FROM audit_blocks \
          WHERE sequence >= $1 AND at >= $2 AND since < $3 ORDER BY sequence LIMIT $4",
    is_backward: false,
    is_shown: |place, cursor| place < cursor,
    behind: |sequence| AuditCursor { sequence, place: i64::MAX },
    again: |at| at,
};

//! What is too old goes, by whole months in UTC: on PostgreSQL by dropping the months' tables, in the embedded database
//! by deleting in small pieces between other writes.
//!
//! Invariants: a lead's latest score stays however old it is, until another one takes its place; an event that a group
//! has not read yet stays. An event that went is a duplicate all the same when it comes again: ids of events are kept
//! for ever. What is found by a plain condition, and what says itself until when it is kept, goes in the same way on both.
//! Deliberately absent: what is kept for how long, which is configured.

use jiff::{Span, tz::TimeZone};
use leadscore_domain::{Invalid, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    Store, StoreError,
    db::{After, Conn, Lane, query},
};

/// Rows of the embedded database that are looked at, or deleted, at once.
const PIECE_ROWS: i64 = 2_000;

/// For how many whole months, beside the present one, is kept what grows for ever; 0 for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Scores.
    pub scores_months: u16,
    /// What they were calculated from.
    pub features_months: u16,
    /// Events. Where they are gone, no state can be folded from the log anew and no model be trained on them.
    pub interactions_months: u16,
    /// What could not be applied.
    pub dead_letters_months: u16,
    /// What people wrote about privacy requests that are over; the requests stay, with their receipts.
    pub privacy_texts_months: u16,
}

/// A table whose old rows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aging {
    Scores,
    Features,
    Interactions,
}

/// Rows that are found by a plain condition: of both statements $1 is the instant before which they are too old, of the
/// second one $2 is how many go at once.
struct Plain {
    table: &'static str,
    count: &'static str,
    remove: &'static str,
}

/// What could not be applied.
const DEAD_LETTERS: Plain = Plain {
    table: "dead_letters",
    count: "SELECT COUNT(*) FROM dead_letters WHERE recorded_at < $1",
    remove: "DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters WHERE recorded_at < $1 LIMIT $2)",
};
/// Notes, reasons and decisions of requests that are over.
const PRIVACY_TEXTS: Plain = Plain {
    table: "privacy_requests",
    count: "SELECT COUNT(*) FROM privacy_requests WHERE finished_at < $1 \
            AND (note IS NOT NULL OR extension_reason IS NOT NULL OR decision IS NOT NULL)",
    remove: "UPDATE privacy_requests SET note = NULL, extension_reason = NULL, decision = NULL WHERE id IN \
             (SELECT id FROM privacy_requests WHERE finished_at < $1 \
             AND (note IS NOT NULL OR extension_reason IS NOT NULL OR decision IS NOT NULL) LIMIT $2)",
};
/// What says itself until when it is kept: sessions with their refresh tokens, and exports.
const EXPIRED: [Plain; 2] = [
    Plain {
        table: "sessions",
        count: "SELECT COUNT(*) FROM sessions WHERE expires_at <= $1",
        remove: "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= $1 LIMIT $2)",
    },
    Plain {
        table: "privacy_exports",
        count: "SELECT COUNT(*) FROM privacy_exports e JOIN privacy_requests r ON r.id = e.request_id \
                WHERE r.export_expires_at <= $1",
        // Pieces of a request go together: none has many.
        remove: "DELETE FROM privacy_exports WHERE request_id IN (SELECT DISTINCT r.id FROM privacy_requests r \
                 JOIN privacy_exports e ON e.request_id = r.id WHERE r.export_expires_at <= $1 LIMIT $2)",
    },
];

/// What went of a table, or would go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expired {
    /// The table.
    pub table: &'static str,
    /// Rows from before this instant are too old.
    pub before: Timestamp,
    /// Rows that went.
    pub removed: u64,
    /// Rows that are too old and stay: latest scores, events that are still to be read.
    pub kept: u64,
}

impl Aging {
    /// Features before the scores that say which model read them.
    const ALL: [Self; 3] = [Self::Features, Self::Scores, Self::Interactions];

    pub(crate) const fn table(self) -> &'static str {
        match self {
            Self::Scores => "lead_scores",
            Self::Features => "lead_features",
            Self::Interactions => "lead_interactions",
        }
    }

    const fn months(self, retention: &Retention) -> u16 {
        match self {
            Self::Scores => retention.scores_months,
            Self::Features => retention.features_months,
            Self::Interactions => retention.interactions_months,
        }
    }
}

impl Store {
    /// Removes what is older than `retention` says, or only counts it; what of each table that is not kept for ever.
    ///
    /// # Errors
    /// [`StoreError::Busy`] where a table is in use for long; where the database fails. What went stays gone.
    pub async fn retain(&self, retention: &Retention, dry_run: bool) -> Result<Vec<Expired>, StoreError> {
        let mut expired = Vec::new();
        for aging in Aging::ALL {
            let months = aging.months(retention);
            if months == 0 {
                continue;
            }
            let before = month_before(self.now(), months)?;
            let (removed, kept) = if self.file().is_some() {
                self.delete_old(aging, before, dry_run).await?
            } else {
                self.drop_months(aging, before, dry_run).await?
            };
            expired.push(Expired { table: aging.table(), before, removed, kept });
        }
        for (plain, months) in
            [(DEAD_LETTERS, retention.dead_letters_months), (PRIVACY_TEXTS, retention.privacy_texts_months)]
        {
            if months > 0 {
                expired.push(self.remove_plain(plain, month_before(self.now(), months)?, dry_run).await?);
            }
        }
        for plain in EXPIRED {
            let one = self.remove_plain(plain, self.now(), dry_run).await?;
            expired.extend((one.removed > 0).then_some(one));
        }
        Ok(expired)
    }

    async fn remove_plain(&self, plain: Plain, before: Timestamp, dry_run: bool) -> Result<Expired, StoreError> {
        let Plain { table, count, remove } = plain;
        let removed = query(count).bind(before).fetch_one(&mut self.reader().await?).await?.get(0)?;
        let mut going = !dry_run && removed > 0;
        while going {
            let gone = self
                .write(Lane::Derive, 1, After::Sync, move |conn| {
                    Box::pin(async move { query(remove).bind(before).bind(PIECE_ROWS).execute(conn).await })
                })
                .await?;
            going = gone > 0;
        }
        Ok(Expired { table, before, removed, kept: 0 })
    }

    /// Rows of the embedded database that went, and old ones that stay.
    async fn delete_old(&self, aging: Aging, before: Timestamp, dry_run: bool) -> Result<(u64, u64), StoreError> {
        let sql = Pieces::of(aging);
        let (mut removed, mut kept, mut after) = (0, 0, Mark::start(aging));
        while let Some(upto) = sql.next(&mut self.reader().await?, after, before).await? {
            let (going, staying) = sql.count(&mut self.reader().await?, (after, upto), before).await?;
            removed += going;
            kept += staying;
            if going > 0 && !dry_run {
                self.write(Lane::Derive, usize::try_from(going).unwrap_or(usize::MAX), After::Sync, move |conn| {
                    Box::pin(async move { Pieces::of(aging).delete(conn, (after, upto), before).await })
                })
                .await?;
            }
            after = upto;
        }
        Ok((removed, kept))
    }
}

/// The first instant of the month that lies `months` before that of `now`.
fn month_before(now: Timestamp, months: u16) -> Result<Timestamp, Invalid> {
    let month = TimeZone::UTC.to_datetime(now.to_jiff()).date().first_of_month();
    let wrong = |_| Invalid::new("retention", "reaches back too far", "name fewer months");
    let first = month.checked_sub(Span::new().months(months)).map_err(wrong)?;
    Timestamp::from_jiff(first.to_zoned(TimeZone::UTC).map_err(wrong)?.timestamp())
}

/// How far a walk through a table of the embedded database is: its rows are passed in the order of a key.
#[derive(Debug, Clone, Copy)]
enum Mark {
    Number(i64),
    Id(Uuid),
}

impl Mark {
    const fn start(aging: Aging) -> Self {
        match aging {
            Aging::Scores | Aging::Interactions => Self::Number(i64::MIN),
            Aging::Features => Self::Id(Uuid::nil()),
        }
    }
}

/// The statements of a walk. Of each $1 and $2 are the marks between which rows lie, the first one excluded, and $3 is
/// the instant before which they are too old.
struct Pieces {
    aging: Aging,
    next: &'static str,
    count: &'static str,
    delete: &'static [&'static str],
}

impl Pieces {
    /// Scores are passed by their instants, which have an index; features by their ids, which begin with their
    /// instants; events, whose times of receipt have no index, by their rows, all of them.
    const fn of(aging: Aging) -> Self {
        let (next, count, delete): (_, _, &[&str]) = match aging {
            Aging::Scores => (
                "SELECT MAX(calculated_at) FROM (SELECT calculated_at FROM lead_scores \
                 WHERE calculated_at > $1 AND calculated_at < $3 ORDER BY calculated_at LIMIT $2)",
                "SELECT COUNT(*), COUNT(l.lead_id) FROM lead_scores s \
                 LEFT JOIN latest_scores l ON l.lead_id = s.lead_id AND l.score_id = s.id \
                 WHERE s.calculated_at > $1 AND s.calculated_at <= $2 AND s.calculated_at < $3",
                &["DELETE FROM lead_scores WHERE calculated_at > $1 AND calculated_at <= $2 AND calculated_at < $3 \
                   AND NOT EXISTS (SELECT 1 FROM latest_scores l \
                   WHERE l.lead_id = lead_scores.lead_id AND l.score_id = lead_scores.id)"],
            ),
            Aging::Features => (
                "SELECT MAX(id) FROM (SELECT id FROM lead_features WHERE id > $1 AND created_at < $3 ORDER BY id \
                 LIMIT $2)",
                "SELECT COUNT(*), 0 FROM lead_features WHERE id > $1 AND id <= $2 AND created_at < $3",
                &["DELETE FROM lead_features WHERE id > $1 AND id <= $2 AND created_at < $3"],
            ),
            Aging::Interactions => (
                "SELECT MAX(rowid) FROM (SELECT rowid FROM lead_interactions WHERE rowid > $1 ORDER BY rowid LIMIT $2)",
                "SELECT COUNT(*), COUNT(*) FILTER (WHERE e.position > COALESCE((SELECT MIN(g.position) \
                 FROM group_positions g WHERE g.partition = e.partition), 0)) \
                 FROM lead_interactions e WHERE e.rowid > $1 AND e.rowid <= $2 AND e.received_at < $3",
                &[
                    "INSERT INTO forgotten_events (id, lead_id, received_at) SELECT id, lead_id, received_at \
                     FROM lead_interactions e WHERE e.rowid > $1 AND e.rowid <= $2 AND e.received_at < $3 \
                     AND e.position <= (SELECT MIN(g.position) FROM group_positions g WHERE g.partition = e.partition)",
                    "DELETE FROM lead_interactions AS e WHERE e.rowid > $1 AND e.rowid <= $2 AND e.received_at < $3 \
                     AND e.position <= (SELECT MIN(g.position) FROM group_positions g WHERE g.partition = e.partition)",
                ],
            ),
        };
        Self { aging, next, count, delete }
    }

    /// The mark of the last row of the next piece; `None` at the end.
    async fn next(&self, conn: &mut Conn, after: Mark, before: Timestamp) -> Result<Option<Mark>, StoreError> {
        let asked = match after {
            Mark::Number(number) => query(self.next).bind(number),
            Mark::Id(id) => query(self.next).bind(id),
        };
        let row = asked.bind(PIECE_ROWS).bind(before).fetch_one(conn).await?;
        Ok(match self.aging {
            Aging::Scores | Aging::Interactions => row.get::<Option<i64>>(0)?.map(Mark::Number),
            Aging::Features => row.get::<Option<Uuid>>(0)?.map(Mark::Id),
        })
    }

    /// How many rows of a piece go, and how many old ones stay.
    async fn count(&self, conn: &mut Conn, piece: (Mark, Mark), before: Timestamp) -> Result<(u64, u64), StoreError> {
        let row = bound(self.count, piece, before).fetch_one(conn).await?;
        let (old, kept): (u64, u64) = (row.get(0)?, row.get(1)?);
        Ok((old - kept, kept))
    }

    async fn delete(&self, conn: &mut Conn, piece: (Mark, Mark), before: Timestamp) -> Result<(), StoreError> {
        for sql in self.delete {
            bound(sql, piece, before).execute(conn).await?;
        }
        Ok(())
    }
}

fn bound<'q>(sql: &'static str, piece: (Mark, Mark), before: Timestamp) -> crate::db::Query<'q> {
    let with = |asked: crate::db::Query<'q>, mark| match mark {
        Mark::Number(number) => asked.bind(number),
        Mark::Id(id) => asked.bind(id),
    };
    with(with(query(sql), piece.0), piece.1).bind(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_months_beside_the_present_one_are_kept() {
        let before = |now: &str, months| month_before(now.parse().unwrap(), months).unwrap().to_string();
        assert_eq!(before("2026-03-31T23:59:59Z", 1), "2026-02-01T00:00:00Z");
        assert_eq!(before("2026-03-01T00:00:00Z", 13), "2025-02-01T00:00:00Z");
        assert!(month_before("2026-03-01T00:00:00Z".parse().unwrap(), u16::MAX).is_err());
    }
}

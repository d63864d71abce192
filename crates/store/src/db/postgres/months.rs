//! The tables of the months: made before a row needs them, dropped when they are too old.

use std::{collections::HashSet, sync::Mutex};

use jiff::{Span, civil::Date, tz::TimeZone};
use leadscore_domain::Timestamp;

use super::super::{Conn, query, query::built, select_in, transaction};
use crate::{StoreError, retention::Aging};

/// The tables that are partitioned by month.
const TABLES: [&str; 3] = ["lead_interactions", "lead_scores", "lead_features"];
/// Key of the advisory lock under which tables are made and dropped: "lsmonths" in ASCII.
const LOCK: i64 = 0x6c73_6d6f_6e74_6873;

/// How long dropping waits for those who read or write a table, while others wait behind it.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '2s'";

/// The months whose tables are known to be there. Only of the present month and the one before this is remembered:
/// older ones may be dropped by any process.
#[derive(Debug, Default)]
pub(in super::super) struct Months(Mutex<HashSet<Date>>);

impl Months {
    /// Those of the months of `times` that are not known yet.
    pub(in super::super) fn unknown(&self, times: impl Iterator<Item = Timestamp>, now: Timestamp) -> Vec<Date> {
        let trusted = month(now).saturating_sub(Span::new().months(1));
        let known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut unknown: Vec<Date> = Vec::new();
        for time in times {
            let month = month(time);
            if (month < trusted || !known.contains(&month)) && !unknown.contains(&month) {
                unknown.push(month);
            }
        }
        unknown
    }

    /// Remembers that the tables of these months are there.
    pub(in super::super) fn learn(&self, months: Vec<Date>) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(months);
    }
}

/// Makes the tables of `months` where they are missing.
pub(in super::super) async fn make(conn: &mut Conn, months: &[Date]) -> Result<(), StoreError> {
    let names: Vec<String> = TABLES.iter().flat_map(|table| months.iter().map(|month| name(table, *month))).collect();
    let there = "SELECT 1 FROM pg_class WHERE relispartition AND relkind = 'r' AND relname::text";
    if select_in(conn, there, &names, "").await?.len() == names.len() {
        return Ok(());
    }
    transaction::begin(conn).await?;
    let made = make_all(conn, months).await;
    transaction::end(conn, made.is_ok()).await?;
    made
}

async fn make_all(conn: &mut Conn, months: &[Date]) -> Result<(), StoreError> {
    query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).fetch_one(conn).await?;
    for &month in months {
        let Ok(next) = month.checked_add(Span::new().months(1)) else { continue };
        for table in TABLES {
            // Names and bounds are our own: a statement that defines takes no parameters.
            let sql = format!(
                "CREATE TABLE IF NOT EXISTS {} PARTITION OF {table} FOR VALUES FROM ('{month} 00:00Z') TO ('{next} 00:00Z')",
                name(table, month)
            );
            conn.define(sql).await?;
        }
    }
    Ok(())
}

/// Drops the tables of months before `before`: rows that went, and old ones that stay. A month whose rows must stay in
/// part is emptied of the others.
pub(in super::super) async fn expire(
    conn: &mut Conn,
    aging: Aging,
    before: Timestamp,
    partitions: u16,
    dry_run: bool,
) -> Result<(u64, u64), StoreError> {
    let of_table = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
                    WHERE i.inhparent = to_regclass($1) ORDER BY 1";
    let (mut removed, mut kept) = (0, 0);
    for row in query(of_table).bind(aging.table()).fetch_all(conn).await? {
        let name: &str = row.get(0)?;
        if month_of(aging.table(), name).is_none_or(|first| first >= month(before)) {
            continue;
        }
        // Counted before others have to wait.
        let row = built(format!("SELECT COUNT(*) FROM {name}"), Vec::new()).fetch_one(conn).await?;
        let rows: u64 = row.get(0)?;
        transaction::begin(conn).await?;
        let stay = expire_one(conn, aging, name, partitions, dry_run).await;
        transaction::end(conn, stay.is_ok()).await?;
        let stay = stay?.min(rows);
        removed += rows - stay;
        kept += stay;
    }
    Ok((removed, kept))
}

/// Drops a month's table, or removes what need not stay; how many rows stay.
async fn expire_one(
    conn: &mut Conn,
    aging: Aging,
    name: &str,
    partitions: u16,
    dry_run: bool,
) -> Result<u64, StoreError> {
    if !dry_run {
        transaction::execute(conn, LOCK_TIMEOUT).await?;
        query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).fetch_one(conn).await?;
        // The whole table before its part, as everybody else does.
        conn.define(format!("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE", aging.table())).await?;
    }
    let latest = "latest_scores l WHERE l.score_id = t.id AND l.calculated_at = t.calculated_at";
    let count = match aging {
        Aging::Features => "SELECT 0".to_owned(),
        Aging::Scores => format!("SELECT COUNT(*) FROM {name} t WHERE EXISTS (SELECT 1 FROM {latest})"),
        // A month with an event that a group has not read yet stays whole. Each partition's last position is looked up.
        Aging::Interactions => format!(
            "SELECT COUNT(*) FROM {name} WHERE EXISTS (SELECT 1 FROM generate_series(0, {}) p \
             WHERE (SELECT MAX(t.position) FROM {name} t WHERE t.partition = p) \
             > COALESCE((SELECT MIN(g.position) FROM group_positions g WHERE g.partition = p), 0))",
            partitions.saturating_sub(1)
        ),
    };
    let stay: u64 = built(count, Vec::new()).fetch_one(conn).await?.get(0)?;
    match (dry_run, stay, aging) {
        (true, _, _) => {}
        (false, 0, _) => conn.define(format!("DROP TABLE {name}")).await?,
        (false, _, Aging::Scores) => {
            for sql in [
                format!(
                    "CREATE TEMP TABLE staying ON COMMIT DROP AS SELECT * FROM {name} t WHERE EXISTS (SELECT 1 FROM {latest})"
                ),
                format!("TRUNCATE {name}"),
                format!("INSERT INTO {name} SELECT * FROM staying"),
            ] {
                conn.define(sql).await?;
            }
        }
        (false, _, Aging::Features | Aging::Interactions) => {}
    }
    Ok(stay)
}

/// The month whose table this is.
fn month_of(table: &str, name: &str) -> Option<Date> {
    let (year, month) = name.strip_prefix(table)?.strip_prefix('_')?.split_once('_')?;
    Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()
}

/// The name of a month's table.
fn name(table: &str, month: Date) -> String {
    format!("{table}_{:04}_{:02}", month.year(), month.month())
}

/// The first day of a time's month, in UTC.
fn month(time: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(time.to_jiff()).date().first_of_month()
}

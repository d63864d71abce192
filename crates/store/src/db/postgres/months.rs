//! The tables of the months: made before a row needs them, dropped when they are too old.

use std::{collections::HashSet, sync::Mutex};

use jiff::{civil::Date, tz::TimeZone};
use leadscore_domain::Timestamp;
use sqlx::AssertSqlSafe;

use super::super::{Conn, query, query::Ends, transaction};
use crate::StoreError;

/// The tables that are partitioned by month.
const TABLES: [&str; 3] = ["lead_interactions", "lead_scores", "lead_features"];
/// Key of the advisory lock under which tables are made and dropped: "lsmonths" in ASCII.
const LOCK: i64 = 0x6c73_6d6f_6e74_6873;

/// The months whose tables are known to be there.
#[derive(Debug, Default)]
pub(in super::super) struct Months(Mutex<HashSet<Date>>);

impl Months {
    /// Those of the months of `times` that are not known yet.
    pub(in super::super) fn unknown(&self, times: impl Iterator<Item = Timestamp>) -> Vec<Date> {
        let known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut unknown: Vec<Date> = Vec::new();
        for time in times {
            let month = month(time);
            if !known.contains(&month) && !unknown.contains(&month) {
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
    transaction::begin(conn).await?;
    let made = make_all(conn, months).await;
    transaction::end(conn, made.is_ok()).await?;
    made
}

async fn make_all(conn: &mut Conn, months: &[Date]) -> Result<(), StoreError> {
    query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).fetch_one(conn).await?;
    for &month in months {
        let Ok(next) = month.checked_add(jiff::Span::new().months(1)) else { continue };
        for table in TABLES {
            // Names and bounds are our own: a statement that defines takes no parameters.
            let sql = format!(
                "CREATE TABLE IF NOT EXISTS {} PARTITION OF {table} FOR VALUES FROM ('{month} 00:00Z') TO ('{next} 00:00Z')",
                name(table, month)
            );
            if let Ends::Postgres(conn) = conn.ends() {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await?;
            }
        }
    }
    Ok(())
}

/// The name of a month's table.
fn name(table: &str, month: Date) -> String {
    format!("{table}_{:04}_{:02}", month.year(), month.month())
}

/// The first day of a time's month, in UTC.
fn month(time: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(time.to_jiff()).date().first_of_month()
}

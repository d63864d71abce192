//! The schema, forward only: each step runs once, in order, in one transaction.

use sqlx::{Connection as _, Row as _};

use super::Conn;
use crate::StoreError;

/// The steps; a step that was released is never edited.
const STEPS: &[&str] = &[include_str!("sqlite/0001_initial.sql")];

/// The newest version that this release knows.
const KNOWN: i64 = STEPS.len() as i64;

/// Brings the schema to [`KNOWN`].
pub(super) async fn run(conn: &mut Conn) -> Result<(), StoreError> {
    let found = version(conn).await?;
    if found == KNOWN {
        return Ok(());
    }
    let mut transaction = conn.begin_with("BEGIN IMMEDIATE").await?;
    // Read again under the lock: another process may have migrated meanwhile.
    let found = version(&mut transaction).await?;
    if found > KNOWN {
        return Err(StoreError::SchemaTooNew { found, known: KNOWN });
    }
    for (step, number) in STEPS.iter().zip(1..).skip(usize::try_from(found).unwrap_or(0)) {
        sqlx::raw_sql(*step).execute(&mut *transaction).await?;
        set_version(&mut transaction, number).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// The version of the stored schema; 0 for an empty database.
pub(crate) async fn version(conn: &mut Conn) -> Result<i64, StoreError> {
    let row = sqlx::query("PRAGMA user_version").fetch_one(conn).await?;
    Ok(row.try_get(0)?)
}

async fn set_version(conn: &mut Conn, number: i64) -> Result<(), StoreError> {
    // A pragma takes no parameters; the number is our own.
    let sql = format!("PRAGMA user_version = {number}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(conn).await?;
    Ok(())
}

//! The schema, forward only: each step runs once, in order, in one transaction.

use super::{Conn, query, transaction};
use crate::StoreError;

/// The steps of each database; a step that was released is never edited.
const SQLITE: &[&str] = &[
    include_str!("sqlite/0001_initial.sql"),
    include_str!("sqlite/0002_interactions.sql"),
    include_str!("sqlite/0003_announced.sql"),
    include_str!("sqlite/0004_operations.sql"),
    include_str!("sqlite/0005_features.sql"),
    include_str!("sqlite/0006_features_by_score.sql"),
    include_str!("sqlite/0007_sessions.sql"),
    include_str!("sqlite/0008_access.sql"),
    include_str!("sqlite/0009_signing_and_sessions.sql"),
    include_str!("sqlite/0010_audit.sql"),
    include_str!("sqlite/0011_webhooks.sql"),
    include_str!("sqlite/0012_leads_created_at.sql"),
    include_str!("sqlite/0013_privacy.sql"),
    include_str!("sqlite/0014_removed_users.sql"),
    include_str!("sqlite/0015_connector_deliveries.sql"),
];
const POSTGRES: &[&str] = &[
    include_str!("postgres/0001_initial.sql"),
    include_str!("postgres/0002_kafka.sql"),
    include_str!("postgres/0003_operations.sql"),
    include_str!("postgres/0004_features.sql"),
    include_str!("postgres/0005_untold.sql"),
    include_str!("postgres/0006_sessions.sql"),
    include_str!("postgres/0007_access.sql"),
    include_str!("postgres/0008_signing_and_sessions.sql"),
    include_str!("postgres/0009_audit.sql"),
    include_str!("postgres/0010_webhooks.sql"),
    include_str!("postgres/0011_leads_created_at.sql"),
    include_str!("postgres/0012_privacy.sql"),
    include_str!("postgres/0013_removed_users.sql"),
    include_str!("postgres/0014_connector_deliveries.sql"),
];

/// Key of PostgreSQL's advisory lock under which the schema changes: "leadscor" in ASCII.
const LOCK: i64 = 0x6c65_6164_7363_6f72;

/// Brings the schema to the newest version that this release knows; the version before and after.
pub(super) async fn run(conn: &mut Conn) -> Result<(i64, i64), StoreError> {
    let before = version(conn).await?;
    if before == known(conn) {
        return Ok((before, before));
    }
    transaction::begin(conn).await?;
    let done = steps(conn).await;
    transaction::end(conn, done.is_ok()).await?;
    done
}

/// Whether the schema is what this release works with.
pub(super) async fn check(conn: &mut Conn) -> Result<(), StoreError> {
    let (found, known) = (version(conn).await?, known(conn));
    match found.cmp(&known) {
        std::cmp::Ordering::Less => Err(StoreError::SchemaTooOld { found, known }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(StoreError::SchemaTooNew { found, known }),
    }
}

async fn steps(conn: &mut Conn) -> Result<(i64, i64), StoreError> {
    if conn.is_server() {
        query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).fetch_one(conn).await?;
    }
    // Read again under the lock: another process may have migrated meanwhile.
    let (found, known) = (version(conn).await?, known(conn));
    if found > known {
        return Err(StoreError::SchemaTooNew { found, known });
    }
    for (step, number) in all(conn).iter().zip(1..).skip(usize::try_from(found).unwrap_or(0)) {
        conn.define((*step).to_owned()).await?;
        set_version(conn, number).await?;
    }
    Ok((found, known))
}

const fn all(conn: &Conn) -> &'static [&'static str] {
    if conn.is_server() { POSTGRES } else { SQLITE }
}

fn known(conn: &Conn) -> i64 {
    i64::try_from(all(conn).len()).unwrap_or(i64::MAX)
}

/// The version of the stored schema; 0 for an empty database.
pub(crate) async fn version(conn: &mut Conn) -> Result<i64, StoreError> {
    if !conn.is_server() {
        return query("PRAGMA user_version").fetch_one(conn).await?.get(0);
    }
    let row = query("SELECT COUNT(to_regclass('schema_version'))").fetch_one(conn).await?;
    if row.get::<i64>(0)? == 0 {
        return Ok(0);
    }
    query("SELECT version FROM schema_version").fetch_one(conn).await?.get(0)
}

async fn set_version(conn: &mut Conn, number: i64) -> Result<(), StoreError> {
    if !conn.is_server() {
        // A pragma takes no parameters; the number is our own.
        return conn.define(format!("PRAGMA user_version = {number}")).await;
    }
    let make = "CREATE TABLE IF NOT EXISTS schema_version (one boolean PRIMARY KEY DEFAULT true CHECK (one), \
                version bigint NOT NULL)";
    transaction::execute(conn, make).await?;
    query(
        "INSERT INTO schema_version (version) VALUES ($1) ON CONFLICT (one) DO UPDATE SET version = excluded.version",
    )
    .bind(number)
    .execute(conn)
    .await?;
    Ok(())
}

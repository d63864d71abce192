//! Beginning and ending a transaction of either database.

use super::{Conn, query};
use crate::StoreError;

/// How often a transaction is begun anew while another process holds the lock (each try waits the busy timeout).
const BEGIN_ATTEMPTS: u32 = 6;

/// Begins a transaction that writes. The embedded database takes its write lock at once, so that nothing that is read
/// changes before it is written.
pub(crate) async fn begin(conn: &mut Conn) -> Result<(), StoreError> {
    let sql = if conn.is_server() { "BEGIN" } else { "BEGIN IMMEDIATE" };
    let mut attempt = 1;
    loop {
        match execute(conn, sql).await {
            Err(StoreError::Busy) if attempt < BEGIN_ATTEMPTS => attempt += 1,
            result => return result,
        }
    }
}

/// Commits, or undoes everything.
pub(crate) async fn end(conn: &mut Conn, keep: bool) -> Result<(), StoreError> {
    execute(conn, if keep { "COMMIT" } else { "ROLLBACK" }).await
}

pub(super) async fn execute(conn: &mut Conn, sql: &'static str) -> Result<(), StoreError> {
    query(sql).execute(conn).await.map(|_| ())
}

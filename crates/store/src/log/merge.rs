//! Merging in the database: handles and name move to the survivor, what was derived of the absorbed lead goes.
//!
//! The absorbed lead's events stay where they are, under its own key; [`crate::Store::events_of`] finds them.

use leadscore_domain::LeadId;

use super::book::{Book, set_name};
use crate::{
    StoreError, assignment,
    db::{Conn, query},
    keyring::name_binding,
};

pub(super) async fn write(conn: &mut Conn, book: &Book<'_>) -> Result<(), StoreError> {
    for (absorbed, survivor, stored) in book.merges() {
        // First, because a scorer that commits for the lead holds its row: afterwards all of that is there to be dropped.
        // Those that the absorbed lead had absorbed itself follow, so that nobody ever has to walk a chain.
        query("UPDATE leads SET merged_into = $1 WHERE id = $2 OR merged_into = $2")
            .bind(survivor)
            .bind(absorbed)
            .execute(conn)
            .await?;
        assignment::merge(conn, absorbed, survivor).await?;
        if stored {
            move_identities(conn, book, absorbed, survivor).await?;
            move_name(conn, book, absorbed, survivor).await?;
            drop_derived(conn, absorbed).await?;
        }
    }
    Ok(())
}

async fn move_identities(
    conn: &mut Conn,
    book: &Book<'_>,
    absorbed: LeadId,
    survivor: LeadId,
) -> Result<(), StoreError> {
    let rows = query("SELECT lookup, value FROM identities WHERE lead_id = $1").bind(absorbed).fetch_all(conn).await?;
    for row in rows {
        let lookup: &[u8] = row.get(0)?;
        let value = book
            .key(absorbed)
            .open(lookup, row.get(1)?)
            .ok_or_else(|| StoreError::Corrupt(format!("a handle of lead {absorbed}")))?;
        query("UPDATE identities SET lead_id = $1, value = $2 WHERE lookup = $3")
            .bind(survivor)
            .bind(book.key(survivor).seal(lookup, &value))
            .bind(lookup)
            .execute(conn)
            .await?;
    }
    Ok(())
}

async fn move_name(conn: &mut Conn, book: &Book<'_>, absorbed: LeadId, survivor: LeadId) -> Result<(), StoreError> {
    let row = query("SELECT name, name_at, name_event FROM leads WHERE id = $1 AND name IS NOT NULL")
        .bind(absorbed)
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else { return Ok(()) };
    let name = book
        .key(absorbed)
        .open(&name_binding(absorbed), row.get(0)?)
        .ok_or_else(|| StoreError::Corrupt(format!("the name of lead {absorbed}")))?;
    let sealed = book.key(survivor).seal(&name_binding(survivor), &name);
    set_name(conn, survivor, row.get(1)?, row.get(2)?, &sealed).await
}

/// The survivor's state and score are made anew from the events of both.
async fn drop_derived(conn: &mut Conn, absorbed: LeadId) -> Result<(), StoreError> {
    for sql in ["DELETE FROM lead_states WHERE lead_id = $1", "DELETE FROM latest_scores WHERE lead_id = $1"] {
        query(sql).bind(absorbed).execute(conn).await?;
    }
    Ok(())
}

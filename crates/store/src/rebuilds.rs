//! Leads whose state is to be folded from the log anew: a list that the scorer works off.
//!
//! Invariant: only the scorer that owns a lead's partition writes its state; whoever finds that it is wrong asks here.

use leadscore_domain::{LeadId, Timestamp};

use crate::{
    Store, StoreError,
    db::{After, Conn, Lane, insert, query, select_in},
};

/// Most leads of one page.
const PAGE_MAX: usize = 10_000;

impl Store {
    /// Asks the scorer to fold these leads from the log anew.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn ask_rebuild(&self, mut leads: Vec<LeadId>) -> Result<(), StoreError> {
        leads.sort_unstable();
        leads.dedup();
        let now = self.now();
        self.write(Lane::Derive, leads.len(), After::Sync, move |conn| {
            Box::pin(async move { ask(conn, &leads, now).await })
        })
        .await
    }

    /// Leads that somebody asked for, those that wait longest first, up to `limit` (at most 10,000).
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn asked_rebuilds(&self, limit: usize) -> Result<Vec<LeadId>, StoreError> {
        let rows = query("SELECT lead_id FROM lead_rebuilds ORDER BY asked_at, lead_id LIMIT $1")
            .bind(i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX))
            .fetch_all(&mut self.reader().await?)
            .await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Takes leads off the list, after their states were committed.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn rebuilt(&self, leads: Vec<LeadId>) -> Result<(), StoreError> {
        self.write(Lane::Derive, leads.len(), After::Sync, move |conn| {
            Box::pin(async move {
                select_in(conn, "DELETE FROM lead_rebuilds WHERE lead_id", &leads, "").await?;
                Ok(())
            })
        })
        .await
    }
}

/// Asks in the transaction of whoever finds it out; `leads` without repetitions.
pub(crate) async fn ask(conn: &mut Conn, leads: &[LeadId], now: Timestamp) -> Result<(), StoreError> {
    let into = "INSERT INTO lead_rebuilds (lead_id, asked_at)";
    insert(conn, into, 2, "ON CONFLICT (lead_id) DO NOTHING", leads, |bind, lead| {
        bind.push(lead).push(now);
    })
    .await?;
    Ok(())
}

//! Leads of whose scores other systems have still to be told by way of Kafka: a list that the scorers work off.
//!
//! What is scored with an event is told at once, and comes here only where that failed. Leads that were absorbed or
//! erased come here with the transaction that made them so. Invariants: of a lead, only the scorer of its own partition
//! tells, so that the last word is the newest; it leaves when what was its latest score has arrived, and stays where it
//! was listed again meanwhile.

use leadscore_domain::LeadId;

use crate::{
    Store, StoreError,
    db::{After, Conn, Lane, insert, select_each, select_in},
    log::partition_of,
};

/// Most leads of a partition in one page.
const PAGE_MAX: usize = 10_000;

impl Store {
    /// Lists leads; does nothing where there is no Kafka.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn list_untold(&self, leads: Vec<LeadId>) -> Result<(), StoreError> {
        if self.kafka().is_none() || leads.is_empty() {
            return Ok(());
        }
        let partitions = self.partitions();
        self.write(Lane::Derive, leads.len(), After::Sync, move |conn| {
            Box::pin(async move { list(conn, partitions, &leads).await })
        })
        .await
    }

    /// What is listed of these partitions, the oldest first, up to `limit` (at most 10,000).
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn untold(&self, partitions: &[u16], limit: usize) -> Result<Vec<(i64, LeadId)>, StoreError> {
        if self.kafka().is_none() || partitions.is_empty() {
            return Ok(Vec::new());
        }
        let each: Vec<(u16, i64)> = partitions
            .iter()
            .map(|partition| (*partition, i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX)))
            .collect();
        let sql = "SELECT id, lead_id FROM untold_scores WHERE partition = ? ORDER BY id LIMIT ?";
        let rows = select_each(&mut self.reader().await?, sql, &each, |bind, (partition, limit)| {
            bind.push(*partition).push(*limit);
        })
        .await?;
        let mut listed: Vec<(i64, LeadId)> =
            rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect::<Result<_, StoreError>>()?;
        listed.sort_unstable();
        listed.truncate(limit);
        Ok(listed)
    }

    /// Takes entries of [`Self::untold`] off the list.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn told(&self, entries: Vec<i64>) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.write(Lane::Derive, entries.len(), After::Sync, move |conn| {
            Box::pin(async move {
                select_in(conn, "DELETE FROM untold_scores WHERE id", &entries, "").await?;
                Ok(())
            })
        })
        .await
    }
}

/// Lists leads in the transaction that changes their scores.
pub(crate) async fn list(conn: &mut Conn, partitions: u16, leads: &[LeadId]) -> Result<(), StoreError> {
    insert(conn, "INSERT INTO untold_scores (partition, lead_id)", 2, "", leads, |bind, lead| {
        bind.push(partition_of(*lead, partitions)).push(lead);
    })
    .await?;
    Ok(())
}

//! Histories of many leads, opened where there are processors for it and not where they are read.

use std::{collections::HashMap, sync::Arc};

use leadscore_domain::LeadId;

use super::{LogRecord, read::record};
use crate::{
    Store, StoreError,
    db::{Row, select_in},
    keyring::Keyring,
};

/// A lead's events and those of the leads that it absorbed, as the log keeps them.
pub struct SealedHistory {
    /// Whose.
    pub lead: LeadId,
    rows: Vec<Row>,
    keyring: Arc<Keyring>,
}

impl SealedHistory {
    /// How many events there are, readable or not.
    #[must_use]
    pub fn events(&self) -> usize {
        self.rows.len()
    }

    /// Opens and decodes them, in no particular order: work for a processor, not for an async thread.
    ///
    /// # Errors
    /// Where the rows are not what the log writes.
    pub fn open(self) -> Result<Vec<LogRecord>, StoreError> {
        self.rows.iter().map(|row| record(row, &self.keyring)).collect()
    }
}

impl Store {
    /// The histories of living leads, each with those of the leads that it absorbed; a lead without events is missing.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn sealed_histories(&self, ids: &[LeadId]) -> Result<Vec<SealedHistory>, StoreError> {
        let mut reader = self.reader().await?;
        let mut owners: HashMap<LeadId, LeadId> = ids.iter().map(|id| (*id, *id)).collect();
        let sql = "SELECT id, merged_into FROM leads WHERE merged_into";
        for row in select_in(&mut reader, sql, ids, "").await? {
            owners.insert(row.get(0)?, row.get(1)?);
        }
        let keys: Vec<LeadId> = owners.keys().copied().collect();
        let sql = "SELECT e.partition, e.position, e.id, e.lead_id, e.source, e.interaction_type, e.occurred_at, \
                     e.received_at, e.context_data, l.data_key FROM lead_interactions e JOIN leads l ON l.id = e.lead_id \
                     WHERE e.lead_id";
        let mut rows: HashMap<LeadId, Vec<Row>> = HashMap::with_capacity(ids.len());
        for row in select_in(&mut reader, sql, &keys, "").await? {
            if let Some(&owner) = owners.get(&row.get(3)?) {
                rows.entry(owner).or_default().push(row);
            }
        }
        let keyring = self.keyring();
        Ok(rows.into_iter().map(|(lead, rows)| SealedHistory { lead, rows, keyring: Arc::clone(keyring) }).collect())
    }
}

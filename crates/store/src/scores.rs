//! Scores: every one that was calculated, and the latest of each lead.

use std::collections::HashMap;

use leadscore_domain::{LeadId, Score, Timestamp};

use crate::{Store, StoreError};

/// A committed score and the partition that its position counts in.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredScore {
    /// Partition of the log.
    pub partition: u16,
    /// The score.
    pub score: Score,
}

impl Store {
    /// The latest score of a lead.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn latest_score(&self, id: LeadId) -> Result<Option<StoredScore>, StoreError> {
        let _ = id;
        todo!()
    }

    /// The latest scores of those of `ids` that have one.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn latest_scores(&self, ids: &[LeadId]) -> Result<HashMap<LeadId, StoredScore>, StoreError> {
        let _ = ids;
        todo!()
    }

    /// Scores of a lead, the newest first, up to `limit`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn score_history(&self, id: LeadId, limit: usize) -> Result<Vec<StoredScore>, StoreError> {
        let _ = (id, limit);
        todo!()
    }

    /// Leads whose latest score expires at `at` or before, the longest expired first, up to `limit`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn expired(&self, at: Timestamp, limit: usize) -> Result<Vec<LeadId>, StoreError> {
        let _ = (at, limit);
        todo!()
    }
}

//! What scores were calculated from: one row for each score, with the vector that the model read.
//!
//! Invariants: a row is committed with its score and has its id and instant; the vector is sealed under the lead's key
//! and bound to that id, so that it is unreadable once the lead is erased. The hash of the vector is the score's.
//! Deliberately absent: what the bytes of a vector mean, which the engine knows.

use std::collections::HashMap;

use leadscore_domain::{Breakdown, LeadId, Score, Timestamp};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    commit::Living,
    db::{Inserts, Row, select_in},
    keyring::Keyring,
};

/// What a score was calculated from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFeatures {
    /// Of the score.
    pub score_id: Uuid,
    /// Whose.
    pub lead_id: LeadId,
    /// The score's.
    pub breakdown: Breakdown,
    /// The vector, as the committer handed it in.
    pub vector: Vec<u8>,
    /// The model that read it, and whose schema names its columns.
    pub model_version: String,
    /// The hash that the score has of it; empty for a score that was calculated before hashes were.
    pub features_hash: String,
    /// The score's instant.
    pub created_at: Timestamp,
}

impl Store {
    /// What the scores of leads were calculated from, each lead's oldest first. Erased leads have nothing.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where a vector is damaged; where the database fails.
    pub async fn features_of(&self, ids: &[LeadId]) -> Result<Vec<StoredFeatures>, StoreError> {
        let sql = "SELECT f.id, f.lead_id, f.behavioral_score, f.engagement_score, f.market_correlation, \
                     f.timing_score, f.feature_vector, f.created_at, s.model_version, s.features_hash, l.data_key \
                     FROM lead_features f JOIN lead_scores s ON s.id = f.id AND s.calculated_at = f.created_at \
                     JOIN leads l ON l.id = f.lead_id WHERE l.data_key IS NOT NULL AND s.lead_id";
        let rows = select_in(&mut self.reader().await?, sql, ids, "").await?;
        let mut found = rows.iter().map(|row| read(self.keyring(), row)).collect::<Result<Vec<_>, _>>()?;
        found.sort_unstable_by_key(|one| (one.lead_id, one.created_at, one.score_id));
        Ok(found)
    }
}

/// Keeps what the latest of the new scores of each lead were calculated from.
pub(crate) async fn save(
    inserts: &mut Inserts<'_>,
    living: &Living,
    scores: &[(Uuid, &Score)],
    features: &[(LeadId, &[u8])],
) -> Result<(), StoreError> {
    if features.is_empty() {
        return Ok(());
    }
    let vectors: HashMap<LeadId, &[u8]> = features.iter().copied().collect();
    let rows: Vec<(Uuid, &Score, Vec<u8>)> = scores
        .iter()
        .filter_map(|(id, score)| {
            let (vector, key) = (vectors.get(&score.lead_id)?, living.get(&score.lead_id)?);
            Some((*id, *score, key.seal(id.as_bytes(), vector)))
        })
        .collect();
    let into = "INSERT INTO lead_features (id, lead_id, behavioral_score, engagement_score, market_correlation, \
                timing_score, feature_vector, created_at)";
    inserts
        .add(into, 8, "", &rows, |bind, (id, score, sealed)| {
            bind.push(*id)
                .push(score.lead_id)
                .push(score.breakdown.behavioral)
                .push(score.breakdown.engagement)
                .push(score.breakdown.market_fit)
                .push(score.breakdown.timing)
                .push(sealed.as_slice())
                .push(score.calculated_at);
        })
        .await
}

/// Columns as the query above names them.
fn read(keyring: &Keyring, row: &Row) -> Result<StoredFeatures, StoreError> {
    let (score_id, lead_id): (Uuid, LeadId) = (row.get(0)?, row.get(1)?);
    let key = keyring.unwrap(lead_id, row.get(10)?)?;
    let vector = key.open(score_id.as_bytes(), row.get(6)?);
    Ok(StoredFeatures {
        score_id,
        lead_id,
        breakdown: Breakdown {
            behavioral: row.get(2)?,
            engagement: row.get(3)?,
            market_fit: row.get(4)?,
            timing: row.get(5)?,
        },
        vector: vector.ok_or_else(|| StoreError::Corrupt(format!("the features of lead {lead_id}")))?,
        created_at: row.get(7)?,
        model_version: row.get(8)?,
        features_hash: row.get::<Option<String>>(9)?.unwrap_or_default(),
    })
}

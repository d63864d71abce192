//! Scores: every one that was calculated, and the latest of each lead.
//!
//! Invariant: a lead's latest score never goes back to an earlier position of the log.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use leadscore_domain::{Breakdown, LeadId, Score, Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    commit::Living,
    db::{Conn, Inserts, Row, query, select_each, select_in},
    features,
    keyring::timed_id,
};

/// Most scores of one page.
const PAGE_MAX: usize = 10_000;

/// The columns of a score of the history, as [`read`] takes them.
macro_rules! past_columns {
    () => {
        "lead_id, score, confidence_score, probability, lower_probability, upper_probability, behavioral_score, \
         engagement_score, market_fit_score, timing_score, optimal_contact_time, recommended_approach, \
         model_version, schema_hash, partition, log_position, calculated_at, expires_at, features_hash"
    };
}

/// The column behind these, where scores of several leads are read.
const PAGE_COLUMN: usize = 19;

/// A page of a lead's scores; see [`Store::score_history`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScorePage {
    /// Whose.
    pub lead: LeadId,
    /// Before which instant of calculation, and position among the scores of that instant.
    pub before: Option<(Timestamp, i64)>,
    /// How many at most.
    pub limit: usize,
}

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
        Ok(self.latest_scores(&[id]).await?.remove(&id))
    }

    /// The latest scores of those of `ids` that have one.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn latest_scores(&self, ids: &[LeadId]) -> Result<HashMap<LeadId, StoredScore>, StoreError> {
        let sql = "SELECT s.lead_id, s.score, s.confidence_score, s.probability, s.lower_probability, \
                     s.upper_probability, s.behavioral_score, s.engagement_score, s.market_fit_score, s.timing_score, \
                     s.optimal_contact_time, s.recommended_approach, s.model_version, s.schema_hash, s.partition, \
                     s.log_position, s.calculated_at, s.expires_at, s.features_hash \
                     FROM latest_scores l JOIN lead_scores s ON s.id = l.score_id AND s.calculated_at = l.calculated_at \
                     WHERE l.lead_id";
        let rows = select_in(&mut self.reader().await?, sql, ids, "").await?;
        rows.iter().map(|row| read(row).map(|stored| (stored.score.lead_id, stored))).collect()
    }

    /// Scores of a lead, the newest first, up to `limit` (at most 10,000), of those that lie before `before`: an
    /// instant of calculation, and among the scores of that instant a position.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn score_history(
        &self,
        id: LeadId,
        before: Option<(Timestamp, i64)>,
        limit: usize,
    ) -> Result<Vec<StoredScore>, StoreError> {
        let (at, position) = before.unwrap_or((Timestamp::MAX, i64::MAX));
        let rows = query(concat!(
            "SELECT ",
            past_columns!(),
            " FROM lead_scores WHERE lead_id = $1 AND calculated_at <= $2 \
                 AND (calculated_at < $2 OR log_position < $3) ORDER BY calculated_at DESC, log_position DESC LIMIT $4"
        ))
        .bind(id)
        .bind(at)
        .bind(position)
        .bind(i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX))
        .fetch_all(&mut self.reader().await?)
        .await?;
        rows.iter().map(read).collect()
    }

    /// As [`Self::score_history`], of many leads in one statement: a list for each of `pages`, in their order.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn score_histories(&self, pages: &[ScorePage]) -> Result<Vec<Vec<StoredScore>>, StoreError> {
        let select = concat!(
            "SELECT ",
            past_columns!(),
            ", CAST(? AS BIGINT) AS page FROM lead_scores WHERE lead_id = ? AND calculated_at <= ? \
             AND (calculated_at < ? OR log_position < ?) ORDER BY calculated_at DESC, log_position DESC LIMIT ?"
        );
        let numbered: Vec<(usize, &ScorePage)> = pages.iter().enumerate().collect();
        let rows = select_each(&mut self.reader().await?, select, &numbered, |bind, (number, page)| {
            let (at, position) = page.before.unwrap_or((Timestamp::MAX, i64::MAX));
            bind.push(*number as i64).push(page.lead).push(at).push(at).push(position);
            bind.push(i64::try_from(page.limit.min(PAGE_MAX)).unwrap_or(i64::MAX));
        })
        .await?;
        let mut found: Vec<Vec<StoredScore>> = pages.iter().map(|_| Vec::new()).collect();
        for row in &rows {
            found[row.get::<i64>(PAGE_COLUMN)? as usize].push(read(row)?);
        }
        let age = |stored: &StoredScore| (stored.score.calculated_at, stored.score.log_position);
        found.iter_mut().for_each(|page| page.sort_by_key(|stored| Reverse(age(stored))));
        Ok(found)
    }

    /// Leads whose latest score expires at `at` or before, the longest expired first, up to `limit` (at most 10,000).
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn expired(&self, at: Timestamp, limit: usize) -> Result<Vec<LeadId>, StoreError> {
        let rows = query("SELECT lead_id FROM latest_scores WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2")
            .bind(at)
            .bind(i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX))
            .fetch_all(&mut self.reader().await?)
            .await?;
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// Keeps scores of living leads, each with its partition, and what they were calculated from; makes them the latest
/// unless a newer one is.
pub(crate) async fn save(
    inserts: &mut Inserts<'_>,
    living: &Living,
    scores: &[(u16, &Score)],
    features: &[(LeadId, &[u8])],
) -> Result<(), StoreError> {
    let id = |score: &Score| timed_id(score.calculated_at);
    let rows: Vec<(Uuid, u16, &Score)> =
        scores.iter().map(|(partition, score)| (id(score), *partition, *score)).collect();
    let into = "INSERT INTO lead_scores (id, lead_id, score, grade, confidence_score, probability, lower_probability, \
                upper_probability, behavioral_score, engagement_score, market_fit_score, timing_score, \
                optimal_contact_time, recommended_approach, model_version, schema_hash, partition, log_position, \
                calculated_at, expires_at, features_hash)";
    inserts
        .add(into, 21, "", &rows, |bind, (id, partition, score)| {
            bind.push(*id)
                .push(score.lead_id)
                .push(score.score)
                .push(word(&score.grade))
                .push(score.confidence)
                .push(score.probability)
                .push(score.lower)
                .push(score.upper)
                .push(score.breakdown.behavioral)
                .push(score.breakdown.engagement)
                .push(score.breakdown.market_fit)
                .push(score.breakdown.timing)
                .push(score.optimal_contact_time)
                .push(word(&score.recommended_approach))
                .push(score.model_version.as_str())
                .push(score.schema_hash.as_str())
                .push(*partition)
                .push(score.log_position)
                .push(score.calculated_at)
                .push(score.expires_at)
                .push(score.features_hash.as_str());
        })
        .await?;
    let latest: Vec<(Uuid, &Score)> = latest(rows).collect();
    let into = "INSERT INTO latest_scores (lead_id, score_id, log_position, calculated_at, expires_at)";
    let conflict = "ON CONFLICT (lead_id) DO UPDATE SET score_id = excluded.score_id, \
                    log_position = excluded.log_position, calculated_at = excluded.calculated_at, \
                    expires_at = excluded.expires_at WHERE excluded.log_position > latest_scores.log_position \
                    OR (excluded.log_position = latest_scores.log_position \
                    AND excluded.calculated_at >= latest_scores.calculated_at)";
    inserts
        .add(into, 5, conflict, &latest, |bind, (id, score)| {
            bind.push(score.lead_id)
                .push(*id)
                .push(score.log_position)
                .push(score.calculated_at)
                .push(score.expires_at);
        })
        .await?;
    features::save(inserts, living, &latest, features).await
}

/// The latest score of each lead: a statement may write a row once only.
fn latest(rows: Vec<(Uuid, u16, &Score)>) -> impl Iterator<Item = (Uuid, &Score)> {
    let mut latest: BTreeMap<LeadId, (Uuid, &Score)> = BTreeMap::new();
    let age = |score: &Score| (score.log_position, score.calculated_at);
    for (id, _, score) in rows {
        let held = latest.entry(score.lead_id).or_insert((id, score));
        if age(score) >= age(held.1) {
            *held = (id, score);
        }
    }
    latest.into_values()
}

/// Takes the latest score from leads that must not have one; the history stays.
pub(crate) async fn withhold(conn: &mut Conn, leads: &[LeadId]) -> Result<(), StoreError> {
    select_in(conn, "DELETE FROM latest_scores WHERE lead_id", leads, "").await?;
    Ok(())
}

/// Columns as the two queries above name them.
fn read(row: &Row) -> Result<StoredScore, StoreError> {
    let damaged = || StoreError::Corrupt("a score".to_owned());
    let score: u8 = row.get(1)?;
    Ok(StoredScore {
        partition: row.get(14)?,
        score: Score {
            lead_id: row.get(0)?,
            score,
            grade: score.into(),
            confidence: row.get(2)?,
            probability: row.get(3)?,
            lower: row.get(4)?,
            upper: row.get(5)?,
            breakdown: Breakdown {
                behavioral: row.get(6)?,
                engagement: row.get(7)?,
                market_fit: row.get(8)?,
                timing: row.get(9)?,
            },
            optimal_contact_time: row.get(10)?,
            recommended_approach: from_word(row.get(11)?).ok_or_else(damaged)?,
            model_version: row.get(12)?,
            schema_hash: row.get(13)?,
            features_hash: row.get::<Option<String>>(18)?.unwrap_or_default(),
            log_position: row.get(15)?,
            calculated_at: row.get(16)?,
            expires_at: row.get(17)?,
        },
    })
}

/// The word of a plain enum as JSON names it.
pub(crate) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => unreachable!("plain enums are words in JSON"),
    }
}

/// The plain enum whose word this is.
pub(crate) fn from_word<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

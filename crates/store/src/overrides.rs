//! Where a person decided otherwise than the model: a score of their own for a lead, with the reason, for a while.
//!
//! Invariant: the model's score stays as it is, beside this one; an override that ended stays in the history until the
//! lead is erased. Which leads have one is in memory, renewed from the database, so that a score is answered without
//! asking for what nearly none has. Deliberately absent: what an override is used for.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

use leadscore_domain::{Invalid, LeadId, Timestamp};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    audit::Actor,
    db::{After, Conn, Lane, Row, query, select_in},
    keyring::{Keyring, timed_id},
    leads::open_text,
};

/// Most leads whose score is overridden at the same time.
pub const OVERRIDES_MAX: usize = 10_000;
/// Most overrides of a page.
const PAGE_MAX: usize = 1_000;

/// A score that a person gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreOverride {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub lead_id: LeadId,
    /// 0 to 100.
    pub score: u8,
    /// Why.
    pub reason: String,
    /// Who gave it.
    pub set_by: Actor,
    /// When.
    pub created_at: Timestamp,
    /// Until when it holds; until it is ended where there is none.
    pub expires_at: Option<Timestamp>,
    /// When somebody ended or replaced it.
    pub ended_at: Option<Timestamp>,
    /// Who.
    pub ended_by: Option<Actor>,
}

impl ScoreOverride {
    /// Whether it holds at an instant.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.ended_at.is_none() && self.expires_at.is_none_or(|end| at < end)
    }
}

/// A score to be given.
#[derive(Debug, Clone)]
pub struct NewOverride {
    /// Whose.
    pub lead_id: LeadId,
    /// 0 to 100.
    pub score: u8,
    /// Why.
    pub reason: String,
    /// Who gives it.
    pub set_by: Actor,
    /// Until when.
    pub expires_at: Option<Timestamp>,
}

/// Leads whose score is overridden, as this process knows it.
pub(crate) type Overridden = RwLock<Arc<HashSet<LeadId>>>;

impl Store {
    /// Overrides a lead's score, in place of an earlier override; `None` where the lead is unknown or was erased.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] where [`OVERRIDES_MAX`] leads have one; where the database fails.
    pub async fn set_override(&self, new: NewOverride) -> Result<Option<ScoreOverride>, StoreError> {
        let (now, keyring) = (self.now(), Arc::clone(self.keyring()));
        let set = self
            .write(Lane::Derive, 2, After::Sync, move |conn| {
                Box::pin(async move { set(conn, &keyring, new, now).await })
            })
            .await?;
        self.refresh_overrides().await?;
        Ok(set)
    }

    /// Ends the override of a lead's score; it, or `None` where there is none.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn end_override(&self, lead: LeadId, by: Actor) -> Result<Option<ScoreOverride>, StoreError> {
        let now = self.now();
        let present = self.overrides_of(&[lead]).await?.pop();
        let Some(present) = present else { return Ok(None) };
        let ended = self
            .write(Lane::Derive, 1, After::Sync, move |conn| Box::pin(async move { end(conn, lead, by, now).await }))
            .await?;
        self.refresh_overrides().await?;
        Ok((ended > 0).then_some(ScoreOverride { ended_at: Some(now), ended_by: Some(by), ..present }))
    }

    /// Whether the score of a lead may be overridden, as far as this process knows: asks nothing.
    #[must_use]
    pub fn is_overridden(&self, lead: LeadId) -> bool {
        self.overridden().read().unwrap_or_else(PoisonError::into_inner).contains(&lead)
    }

    /// The overrides of leads that hold at present.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn overrides_of(&self, leads: &[LeadId]) -> Result<Vec<ScoreOverride>, StoreError> {
        let now = self.now();
        let sql = "SELECT o.id, o.lead_id, o.score, o.reason, o.set_by, o.created_at, o.expires_at, o.ended_at, \
                   o.ended_by, l.data_key FROM score_overrides o JOIN leads l ON l.id = o.lead_id \
                   WHERE o.ended_at IS NULL AND l.data_key IS NOT NULL AND o.lead_id";
        let rows = select_in(&mut self.reader().await?, sql, leads, "").await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let one = self.read_override(row)?;
            if one.holds(now) {
                found.push(one);
            }
        }
        Ok(found)
    }

    /// Every override that a lead's score had, the newest first, up to `limit` (at most 1,000).
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn score_overrides(&self, lead: LeadId, limit: usize) -> Result<Vec<ScoreOverride>, StoreError> {
        let rows = query(
            "SELECT o.id, o.lead_id, o.score, o.reason, o.set_by, o.created_at, o.expires_at, o.ended_at, o.ended_by, \
             l.data_key FROM score_overrides o JOIN leads l ON l.id = o.lead_id \
             WHERE o.lead_id = $1 AND l.data_key IS NOT NULL ORDER BY o.id DESC LIMIT $2",
        )
        .bind(lead)
        .bind(i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX))
        .fetch_all(&mut self.reader().await?)
        .await?;
        rows.iter().map(|row| self.read_override(row)).collect()
    }

    /// Learns which scores other processes overrode, or no longer do.
    ///
    /// # Errors
    /// Where the database fails; then what was known before goes on.
    pub async fn refresh_overrides(&self) -> Result<(), StoreError> {
        let known = present(&mut self.reader().await?).await?;
        *self.overridden().write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
        Ok(())
    }

    /// Columns as the queries above name them.
    fn read_override(&self, row: &Row) -> Result<ScoreOverride, StoreError> {
        let (id, lead_id): (Uuid, LeadId) = (row.get(0)?, row.get(1)?);
        let damaged = || StoreError::Corrupt("an override of a score".to_owned());
        let actor = |text: &str| serde_json::from_str(text).map_err(|_| damaged());
        let key = self.keyring().unwrap(lead_id, row.get(9)?)?;
        Ok(ScoreOverride {
            id,
            lead_id,
            score: row.get(2)?,
            reason: open_text(&key, &binding(id), row.get::<Option<&[u8]>>(3)?.ok_or_else(damaged)?, lead_id)?,
            set_by: actor(row.get(4)?)?,
            created_at: row.get(5)?,
            expires_at: row.get(6)?,
            ended_at: row.get(7)?,
            ended_by: row.get::<Option<&str>>(8)?.map(actor).transpose()?,
        })
    }
}

/// What memory starts with, and is renewed by.
pub(crate) async fn present(conn: &mut Conn) -> Result<HashSet<LeadId>, StoreError> {
    let rows = query("SELECT lead_id FROM score_overrides WHERE ended_at IS NULL").fetch_all(conn).await?;
    rows.iter().map(|row| row.get(0)).collect()
}

async fn set(
    conn: &mut Conn,
    keyring: &Keyring,
    new: NewOverride,
    now: Timestamp,
) -> Result<Option<ScoreOverride>, StoreError> {
    let NewOverride { lead_id, score, reason, set_by, expires_at } = new;
    let sql = "SELECT s.id, s.data_key FROM leads l JOIN leads s ON s.id = COALESCE(l.merged_into, l.id) \
               WHERE l.id = $1 AND s.data_key IS NOT NULL";
    let Some(row) = query(sql).bind(lead_id).fetch_optional(conn).await? else { return Ok(None) };
    let lead_id: LeadId = row.get(0)?;
    let key = keyring.unwrap(lead_id, row.get(1)?)?;
    end(conn, lead_id, set_by, now).await?;
    // What ran out makes room.
    query("UPDATE score_overrides SET ended_at = expires_at WHERE ended_at IS NULL AND expires_at <= $1")
        .bind(now)
        .execute(conn)
        .await?;
    if present(conn).await?.len() >= OVERRIDES_MAX {
        let remedy = "end some of those that are there";
        return Err(Invalid::new("score", "is overridden for too many leads", remedy).into());
    }
    let id = timed_id(now);
    let actor = serde_json::to_string(&set_by).expect("an actor is plain data with string keys");
    query(
        "INSERT INTO score_overrides (id, lead_id, score, reason, set_by, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(id)
    .bind(lead_id)
    .bind(score)
    .bind(key.seal(&binding(id), reason.as_bytes()))
    .bind(actor)
    .bind(now)
    .bind(expires_at)
    .execute(conn)
    .await?;
    let (ended_at, ended_by) = (None, None);
    Ok(Some(ScoreOverride { id, lead_id, score, reason, set_by, created_at: now, expires_at, ended_at, ended_by }))
}

async fn end(conn: &mut Conn, lead: LeadId, by: Actor, now: Timestamp) -> Result<u64, StoreError> {
    let actor = serde_json::to_string(&by).expect("an actor is plain data with string keys");
    query("UPDATE score_overrides SET ended_at = $1, ended_by = $2 WHERE lead_id = $3 AND ended_at IS NULL")
        .bind(now)
        .bind(actor)
        .bind(lead)
        .execute(conn)
        .await
}

/// What a reason is bound to.
fn binding(id: Uuid) -> Vec<u8> {
    [id.as_bytes(), b"override".as_slice()].concat()
}

//! Messages on their way: who sends which, how that went, and what is sent again.
//!
//! A message that is being sent is due again only when its lease has ended: who died while it sent, sends nothing more.

use leadscore_domain::{LeadId, Timestamp, webhook::MessageType};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::endpoints::{DisabledReason, disable};
use crate::{
    Presence, Store, StoreError,
    db::{After, Conn, Lane, Row, query, select_in},
    scores::{from_word, word},
};

/// Most deliveries of a page.
const PAGE_MAX: usize = 500;
/// Most failed messages that are sent again at once.
pub const REPLAY_MAX: i64 = 10_000;

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It waits to be sent, for the first time or again.
    Pending,
    /// The receiver has it.
    Delivered,
    /// It is not sent any more, unless somebody replays it.
    Failed,
}

/// A message and how far it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The message.
    pub id: Uuid,
    /// What it tells.
    pub kind: MessageType,
    /// Of whom.
    pub lead_id: Option<LeadId>,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was sent since it was written, or replayed.
    pub attempts: u16,
    /// When it is sent next; only while it is pending.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was last sent.
    pub last_attempt_at: Option<Timestamp>,
    /// What the receiver answered.
    pub last_status: Option<u16>,
    /// Why it was not delivered.
    pub last_error: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
}

/// Where the next page of deliveries begins: after the message of this instant and id.
pub type DeliveryCursor = (Timestamp, Uuid);

/// A message to be sent now, by who claimed it alone.
pub struct Attempt {
    /// The message.
    pub id: Uuid,
    /// Its endpoint.
    pub endpoint: Uuid,
    /// Where that listens.
    pub url: String,
    /// The body.
    pub payload: String,
    /// Which time this is, from 1.
    pub number: u16,
    /// The secrets that sign it.
    pub secrets: Vec<Vec<u8>>,
}

/// How an attempt went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// The receiver has it.
    Delivered {
        /// What it answered.
        status: u16,
    },
    /// Not this time.
    Failed {
        /// What the receiver answered, if it did.
        status: Option<u16>,
        /// Why, in a word.
        error: &'static str,
        /// When to try again; `None` where that was the last time.
        again_at: Option<Timestamp>,
        /// The endpoint is told nothing before.
        pause_until: Option<Timestamp>,
    },
    /// The receiver wants no messages any more.
    Gone {
        /// What it answered.
        status: u16,
    },
}

impl Store {
    /// Enabled endpoints that have something due; asks nobody where this process knows of none.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn due_webhooks(&self) -> Result<Vec<Uuid>, StoreError> {
        if self.hub().subscriptions().all.is_empty() {
            return Ok(Vec::new());
        }
        let rows = query(
            "SELECT e.id FROM webhook_endpoints e WHERE e.disabled_reason IS NULL \
             AND (e.paused_until IS NULL OR e.paused_until <= $1) AND EXISTS (SELECT 1 FROM webhook_messages m \
             WHERE m.endpoint_id = e.id AND m.state = 'pending' AND m.next_attempt_at <= $1)",
        )
        .bind(self.now())
        .fetch_all(&mut self.reader().await?)
        .await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Claims up to `limit` due messages of an endpoint for `for_us` microseconds, the longest due first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn claim_webhook_messages(
        &self,
        owner: Presence,
        endpoint: Uuid,
        limit: usize,
        for_us: i64,
    ) -> Result<Vec<Attempt>, StoreError> {
        let (now, keyring) = (self.now(), std::sync::Arc::clone(self.keyring()));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.write(Lane::Derive, 1, After::Sync, move |conn| {
            Box::pin(async move {
                let row = query(
                    "SELECT url, secret, CASE WHEN previous_secret_until > $1 THEN previous_secret END \
                     FROM webhook_endpoints WHERE id = $2 AND disabled_reason IS NULL",
                )
                .bind(now)
                .bind(endpoint)
                .fetch_optional(conn)
                .await?;
                let Some(row) = row else { return Ok(Vec::new()) };
                let (url, sealed): (String, [Option<Vec<u8>>; 2]) = (row.get(0)?, [row.get(1)?, row.get(2)?]);
                let open = |sealed: Vec<u8>| {
                    let secret = keyring.webhooks().open(endpoint.as_bytes(), &sealed);
                    secret.ok_or_else(|| StoreError::Corrupt("the secret of an endpoint".to_owned()))
                };
                let secrets: Vec<Vec<u8>> = sealed.into_iter().flatten().map(open).collect::<Result<_, _>>()?;
                let rows = query(
                    "UPDATE webhook_messages SET attempts = attempts + 1, owner = $1, next_attempt_at = $2, \
                     last_attempt_at = $3 WHERE id IN (SELECT id FROM webhook_messages WHERE endpoint_id = $4 \
                     AND state = 'pending' AND next_attempt_at <= $3 ORDER BY next_attempt_at LIMIT $5) \
                     AND state = 'pending' AND next_attempt_at <= $3 RETURNING id, payload, attempts",
                )
                .bind(owner.0)
                .bind(now.plus_micros(for_us))
                .bind(now)
                .bind(endpoint)
                .bind(limit)
                .fetch_all(conn)
                .await?;
                let attempt = |row: &Row| {
                    let (url, secrets) = (url.clone(), secrets.clone());
                    Ok(Attempt { id: row.get(0)?, endpoint, url, payload: row.get(1)?, number: row.get(2)?, secrets })
                };
                rows.iter().map(attempt).collect()
            })
        })
        .await
    }

    /// Keeps how an attempt of the owner's went. An endpoint of which nothing was delivered for `failing_max_us`
    /// microseconds is disabled; the reason, where it was disabled now.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn keep_attempt(
        &self,
        owner: Presence,
        (id, endpoint, number): (Uuid, Uuid, u16),
        tried: Tried,
        failing_max_us: i64,
    ) -> Result<Option<DisabledReason>, StoreError> {
        let now = self.now();
        let disabled = self
            .write(Lane::Derive, 1, After::Sync, move |conn| {
                Box::pin(async move {
                    if !keep(conn, owner, id, number, &tried).await? {
                        return Ok(None);
                    }
                    let reason = judge(conn, endpoint, now, &tried, failing_max_us).await?;
                    let Some(reason) = reason else { return Ok(None) };
                    Ok(disable(conn, endpoint, now, reason).await?.then_some(reason))
                })
            })
            .await?;
        if disabled.is_some() {
            self.refresh_webhooks().await?;
        }
        Ok(disabled)
    }

    /// Messages of an endpoint, the newest first, up to `limit` (at most 500).
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn webhook_deliveries(
        &self,
        endpoint: Uuid,
        state: Option<DeliveryState>,
        before: Option<DeliveryCursor>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let (at, id) = before.unwrap_or((Timestamp::MAX, Uuid::max()));
        let rows = query(
            "SELECT id, type, lead_id, state, attempts, next_attempt_at, last_attempt_at, last_status, last_error, \
             created_at FROM webhook_messages WHERE endpoint_id = $1 AND created_at <= $2 \
             AND (created_at < $2 OR id < $3) AND ($4 IS NULL OR state = $4) \
             ORDER BY created_at DESC, id DESC LIMIT $5",
        )
        .bind(endpoint)
        .bind(at)
        .bind(id)
        .bind(state.as_ref().map(word))
        .bind(i64::try_from(limit.min(PAGE_MAX + 1)).unwrap_or(i64::MAX))
        .fetch_all(&mut self.reader().await?)
        .await?;
        rows.iter().map(read).collect()
    }

    /// Sends a message again, as if for the first time; whether the endpoint has it.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn replay_webhook_message(&self, endpoint: Uuid, id: Uuid) -> Result<bool, StoreError> {
        let now = self.now();
        let replayed = self
            .write(Lane::Derive, 1, After::Sync, move |conn| {
                Box::pin(async move {
                    query(
                        "UPDATE webhook_messages SET state = 'pending', attempts = 0, next_attempt_at = $1, \
                         owner = NULL WHERE id = $2 AND endpoint_id = $3",
                    )
                    .bind(now)
                    .bind(id)
                    .bind(endpoint)
                    .execute(conn)
                    .await
                })
            })
            .await?;
        self.hub().wake();
        Ok(replayed == 1)
    }

    /// Sends what failed of an endpoint again, of what was written from `since` on, the oldest first, up to
    /// [`REPLAY_MAX`]; how many messages.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn replay_failed_webhook_messages(&self, endpoint: Uuid, since: Timestamp) -> Result<u64, StoreError> {
        let now = self.now();
        let replayed = self
            .write(Lane::Derive, 1, After::Sync, move |conn| {
                Box::pin(async move {
                    query(
                        "UPDATE webhook_messages SET state = 'pending', attempts = 0, next_attempt_at = $1, \
                         owner = NULL WHERE id IN (SELECT id FROM webhook_messages WHERE endpoint_id = $2 \
                         AND state = 'failed' AND created_at >= $3 ORDER BY created_at LIMIT $4)",
                    )
                    .bind(now)
                    .bind(endpoint)
                    .bind(since)
                    .bind(REPLAY_MAX)
                    .execute(conn)
                    .await
                })
            })
            .await?;
        self.hub().wake();
        Ok(replayed)
    }

    /// Removes messages that were written before `before`, and those of endpoints that are gone; how many.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn forget_webhook_messages(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.write(Lane::Derive, 1, After::Sync, move |conn| {
            Box::pin(async move {
                query(
                    "DELETE FROM webhook_messages WHERE created_at < $1 \
                     OR endpoint_id NOT IN (SELECT id FROM webhook_endpoints)",
                )
                .bind(before)
                .execute(conn)
                .await
            })
        })
        .await
    }
}

/// Keeps how an attempt went, if it still is the owner's.
async fn keep(conn: &mut Conn, owner: Presence, id: Uuid, number: u16, tried: &Tried) -> Result<bool, StoreError> {
    let (state, again_at, status, error) = match tried {
        Tried::Delivered { status } => (DeliveryState::Delivered, None, Some(*status), None),
        Tried::Gone { status } => (DeliveryState::Failed, None, Some(*status), Some("gone")),
        Tried::Failed { status, error, again_at, .. } => {
            let state = if again_at.is_some() { DeliveryState::Pending } else { DeliveryState::Failed };
            (state, *again_at, *status, Some(*error))
        }
    };
    let kept = query(
        "UPDATE webhook_messages SET state = $1, next_attempt_at = COALESCE($2, next_attempt_at), owner = NULL, \
         last_status = $3, last_error = $4 WHERE id = $5 AND owner = $6 AND attempts = $7 AND state = 'pending'",
    )
    .bind(word(&state))
    .bind(again_at)
    .bind(status)
    .bind(error)
    .bind(id)
    .bind(owner.0)
    .bind(number)
    .execute(conn)
    .await?;
    Ok(kept == 1)
}

/// Notes at the endpoint how an attempt went; why it must be disabled, where it must.
async fn judge(
    conn: &mut Conn,
    endpoint: Uuid,
    now: Timestamp,
    tried: &Tried,
    failing_max_us: i64,
) -> Result<Option<DisabledReason>, StoreError> {
    match tried {
        Tried::Gone { .. } => Ok(Some(DisabledReason::Gone)),
        Tried::Delivered { .. } => {
            let sql = "UPDATE webhook_endpoints SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL";
            query(sql).bind(endpoint).execute(conn).await?;
            Ok(None)
        }
        Tried::Failed { pause_until, .. } => {
            let row = query(
                "UPDATE webhook_endpoints SET failing_since = COALESCE(failing_since, $1), \
                 paused_until = COALESCE($2, paused_until) WHERE id = $3 RETURNING failing_since",
            )
            .bind(now)
            .bind(*pause_until)
            .bind(endpoint)
            .fetch_optional(conn)
            .await?;
            let since: Option<Timestamp> = row.map(|row| row.get(0)).transpose()?;
            Ok(since.is_some_and(|since| now.since(since) >= failing_max_us).then_some(DisabledReason::Failing))
        }
    }
}

/// What waits for an endpoint waits no longer.
pub(super) async fn fail_pending(conn: &mut Conn, endpoint: Uuid) -> Result<(), StoreError> {
    query(
        "UPDATE webhook_messages SET state = 'failed', last_error = 'endpoint_disabled', owner = NULL \
         WHERE endpoint_id = $1 AND state = 'pending'",
    )
    .bind(endpoint)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes back what was not told yet of leads that must not be profiled any more.
pub(crate) async fn take_back(conn: &mut Conn, leads: &[LeadId]) -> Result<(), StoreError> {
    select_in(conn, "DELETE FROM webhook_messages WHERE state <> 'delivered' AND lead_id", leads, "").await?;
    Ok(())
}

/// Columns as the query above names them.
fn read(row: &Row) -> Result<Delivery, StoreError> {
    let damaged = || StoreError::Corrupt("a message of webhooks".to_owned());
    let state = from_word(row.get(3)?).ok_or_else(damaged)?;
    let next_attempt_at: Timestamp = row.get(5)?;
    Ok(Delivery {
        id: row.get(0)?,
        kind: from_word(row.get(1)?).ok_or_else(damaged)?,
        lead_id: row.get(2)?,
        state,
        attempts: row.get(4)?,
        next_attempt_at: (state == DeliveryState::Pending).then_some(next_attempt_at),
        last_attempt_at: row.get(6)?,
        last_status: row.get(7)?,
        last_error: row.get(8)?,
        created_at: row.get(9)?,
    })
}

//! Endpoints: where other systems listen, to what, and under which secret.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use leadscore_domain::{
    Invalid, Timestamp,
    time::HOUR_US,
    webhook::{Direction, MessageType},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Subscription, Subscriptions, deliveries::fail_pending};
use crate::{
    Store, StoreError,
    db::{After, Conn, Lane, Row, query},
    keyring::{Keyring, random, timed_id},
    scores::{from_word, word},
};

/// Most endpoints: each is asked for at every commit that changes a score.
pub const ENDPOINTS_MAX: usize = 100;
/// Longest description.
const DESCRIPTION_MAX_BYTES: usize = 512;
/// Days that a lead may be silent.
const SILENT_DAYS: std::ops::RangeInclusive<u16> = 1..=365;
/// How secrets are written, as Standard Webhooks has it.
const SECRET_PREFIX: &str = "whsec_";
/// Random bytes of a secret; Standard Webhooks asks for 24 to 64.
const SECRET_BYTES: usize = 32;
/// How long the secret before signs too.
const PREVIOUS_SECRET_US: i64 = 24 * HOUR_US;
/// Every endpoint, in columns as [`read`] takes them; there are few.
const SELECT: &str = "SELECT id, url, description, event_types, threshold, direction, silent_days, disabled_reason, \
                      disabled_at, failing_since, previous_secret_until, created_at, updated_at FROM webhook_endpoints \
                      ORDER BY created_at DESC, id DESC";

/// What whoever makes or changes an endpoint decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSettings {
    /// Where it listens; a destination that was permitted.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// What it is told.
    pub event_types: Vec<MessageType>,
    /// The score whose crossing it is told of.
    pub threshold: Option<u8>,
    /// Which crossings.
    pub direction: Option<Direction>,
    /// Days without an event after which a lead is silent; `None` for the configured number.
    pub silent_days: Option<u16>,
}

/// What is changed of an endpoint; `None` leaves a thing as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointChange {
    /// Where it listens.
    pub url: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What it is told.
    pub event_types: Option<Vec<MessageType>>,
    /// The score whose crossing it is told of.
    pub threshold: Option<Option<u8>>,
    /// Which crossings.
    pub direction: Option<Option<Direction>>,
    /// Days without an event after which a lead is silent.
    pub silent_days: Option<Option<u16>>,
    /// Whether it is told anything.
    pub enabled: Option<bool>,
}

/// Why an endpoint is told nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// A person decided it.
    ByAdmin,
    /// It answered 410.
    Gone,
    /// No message was delivered for too long.
    Failing,
}

/// That an endpoint is told nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disabled {
    /// Why.
    pub reason: DisabledReason,
    /// Since when.
    pub at: Timestamp,
}

/// An endpoint, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// By which it is named.
    pub id: Uuid,
    /// What was decided.
    pub settings: EndpointSettings,
    /// `None` while it is enabled.
    pub disabled: Option<Disabled>,
    /// The first failure after the last success.
    pub failing_since: Option<Timestamp>,
    /// Until when the secret before the present one signs too.
    pub previous_secret_until: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl EndpointSettings {
    fn check(&self) -> Result<(), Invalid> {
        if self.description.len() > DESCRIPTION_MAX_BYTES || self.description.chars().any(char::is_control) {
            let remedy = format!("send at most {DESCRIPTION_MAX_BYTES} bytes on one line");
            return Err(Invalid::new("description", "is too long or holds control characters", remedy));
        }
        let named = |kind| self.event_types.contains(&kind);
        let mut single = self.event_types.clone();
        single.sort_unstable();
        single.dedup();
        if self.event_types.is_empty() || single.len() != self.event_types.len() || named(MessageType::Test) {
            let words = MessageType::SUBSCRIBABLE.map(MessageType::as_str).join(", ");
            let remedy = format!("name each of these at most once, and at least one: {words}");
            return Err(Invalid::new("event_types", "is not a list of types", remedy));
        }
        if named(MessageType::ScoreThresholdCrossed) != self.threshold.is_some() {
            let remedy = "send one with score.threshold_crossed, and none without";
            return Err(Invalid::new("threshold", "does not fit the event types", remedy));
        }
        if !self.threshold.is_none_or(|threshold| (1..=100).contains(&threshold)) {
            return Err(Invalid::new("threshold", "is out of range", "send a score from 1 to 100"));
        }
        if self.direction.is_some() && self.threshold.is_none() {
            return Err(Invalid::new("direction", "has no threshold", "send both, or neither"));
        }
        if !self.silent_days.is_none_or(|days| SILENT_DAYS.contains(&days)) {
            return Err(Invalid::new("silent_days", "is out of range", "send a number from 1 to 365"));
        }
        Ok(())
    }

    fn with(self, change: EndpointChange) -> Self {
        let EndpointChange { url, description, event_types, threshold, direction, silent_days, enabled: _ } = change;
        Self {
            url: url.unwrap_or(self.url),
            description: description.unwrap_or(self.description),
            event_types: event_types.unwrap_or(self.event_types),
            threshold: threshold.unwrap_or(self.threshold),
            direction: direction.unwrap_or(self.direction),
            silent_days: silent_days.unwrap_or(self.silent_days),
        }
    }

    fn types_json(&self) -> String {
        serde_json::to_string(&self.event_types).expect("words are JSON")
    }
}

impl Store {
    /// Makes an endpoint and answers with its secret, which cannot be shown again.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for settings out of range, or one endpoint too many; where the database fails.
    pub async fn create_webhook(&self, settings: EndpointSettings) -> Result<(String, WebhookEndpoint), StoreError> {
        settings.check()?;
        let (now, id) = (self.now(), timed_id(self.now()));
        let (secret, sealed) = new_secret(self.keyring(), id);
        let made = self
            .write(Lane::Intake, 1, After::Sync, move |conn| {
                Box::pin(async move {
                    let row = query("SELECT COUNT(*) FROM webhook_endpoints").fetch_one(conn).await?;
                    if row.get::<u64>(0)? >= ENDPOINTS_MAX as u64 {
                        let remedy = format!("remove one: there may be {ENDPOINTS_MAX}");
                        return Err(Invalid::new("url", "is one endpoint too many", remedy).into());
                    }
                    insert(conn, id, now, &settings, sealed).await?;
                    find(conn, id).await?.ok_or_else(lost)
                })
            })
            .await?;
        self.refresh_webhooks().await?;
        Ok((secret, made))
    }

    /// Every endpoint, the newest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn webhooks(&self) -> Result<Vec<WebhookEndpoint>, StoreError> {
        all(&mut self.reader().await?).await
    }

    /// An endpoint.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn webhook(&self, id: Uuid) -> Result<Option<WebhookEndpoint>, StoreError> {
        find(&mut self.reader().await?, id).await
    }

    /// Changes an endpoint. One that is disabled keeps its messages as failed; one that is enabled starts without a past.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] where what comes out is out of range; where the database fails.
    pub async fn update_webhook(
        &self,
        id: Uuid,
        change: EndpointChange,
    ) -> Result<Option<WebhookEndpoint>, StoreError> {
        let now = self.now();
        let changed = self
            .write(Lane::Intake, 1, After::Sync, move |conn| {
                Box::pin(async move {
                    let Some(found) = find(conn, id).await? else { return Ok(None) };
                    let enabled = change.enabled;
                    let settings = found.settings.with(change);
                    settings.check()?;
                    update(conn, id, now, &settings).await?;
                    match enabled {
                        Some(false) if found.disabled.is_none() => {
                            disable(conn, id, now, DisabledReason::ByAdmin).await?;
                        }
                        Some(true) => enable(conn, id).await?,
                        Some(false) | None => {}
                    }
                    find(conn, id).await
                })
            })
            .await?;
        self.refresh_webhooks().await?;
        Ok(changed)
    }

    /// Removes an endpoint and its messages; whether there was one.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn delete_webhook(&self, id: Uuid) -> Result<bool, StoreError> {
        let was_there = self
            .write(Lane::Intake, 1, After::Sync, move |conn| {
                Box::pin(async move {
                    query("DELETE FROM webhook_messages WHERE endpoint_id = $1").bind(id).execute(conn).await?;
                    Ok(query("DELETE FROM webhook_endpoints WHERE id = $1").bind(id).execute(conn).await? == 1)
                })
            })
            .await?;
        self.refresh_webhooks().await?;
        Ok(was_there)
    }

    /// Gives an endpoint another secret, beside which the present one signs for 24 hours; the new secret.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn rotate_webhook_secret(&self, id: Uuid) -> Result<Option<(String, WebhookEndpoint)>, StoreError> {
        let now = self.now();
        let (secret, sealed) = new_secret(self.keyring(), id);
        let rotated = self
            .write(Lane::Intake, 1, After::Sync, move |conn| {
                Box::pin(async move {
                    query(
                        "UPDATE webhook_endpoints SET previous_secret = secret, previous_secret_until = $1, \
                         secret = $2, updated_at = $3 WHERE id = $4",
                    )
                    .bind(now.plus_micros(PREVIOUS_SECRET_US))
                    .bind(sealed)
                    .bind(now)
                    .bind(id)
                    .execute(conn)
                    .await?;
                    find(conn, id).await
                })
            })
            .await?;
        Ok(rotated.map(|endpoint| (secret, endpoint)))
    }
}

/// A new secret as it is shown, and sealed.
fn new_secret(keyring: &Keyring, endpoint: Uuid) -> (String, Vec<u8>) {
    let mut bytes = [0; SECRET_BYTES];
    random::fill(&mut bytes);
    (format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes)), keyring.webhooks().seal(endpoint.as_bytes(), &bytes))
}

fn lost() -> StoreError {
    StoreError::Corrupt("an endpoint that was just written".to_owned())
}

async fn insert(
    conn: &mut Conn,
    id: Uuid,
    now: Timestamp,
    settings: &EndpointSettings,
    sealed: Vec<u8>,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO webhook_endpoints (id, url, description, event_types, threshold, direction, silent_days, secret, \
         created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
    )
    .bind(id)
    .bind(&settings.url)
    .bind(&settings.description)
    .bind(settings.types_json())
    .bind(settings.threshold)
    .bind(settings.direction.as_ref().map(word))
    .bind(settings.silent_days)
    .bind(sealed)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

async fn update(conn: &mut Conn, id: Uuid, now: Timestamp, settings: &EndpointSettings) -> Result<(), StoreError> {
    query(
        "UPDATE webhook_endpoints SET url = $1, description = $2, event_types = $3, threshold = $4, direction = $5, \
         silent_days = $6, updated_at = $7 WHERE id = $8",
    )
    .bind(&settings.url)
    .bind(&settings.description)
    .bind(settings.types_json())
    .bind(settings.threshold)
    .bind(settings.direction.as_ref().map(word))
    .bind(settings.silent_days)
    .bind(now)
    .bind(id)
    .execute(conn)
    .await?;
    Ok(())
}

/// Tells an endpoint nothing any more; what waited has failed, and can be replayed.
pub(super) async fn disable(
    conn: &mut Conn,
    id: Uuid,
    now: Timestamp,
    reason: DisabledReason,
) -> Result<bool, StoreError> {
    let changed = query(
        "UPDATE webhook_endpoints SET disabled_reason = $1, disabled_at = $2 WHERE id = $3 AND disabled_reason IS NULL",
    )
    .bind(word(&reason))
    .bind(now)
    .bind(id)
    .execute(conn)
    .await?;
    fail_pending(conn, id).await?;
    Ok(changed == 1)
}

async fn enable(conn: &mut Conn, id: Uuid) -> Result<(), StoreError> {
    // What was written for it meanwhile, by a process that did not know yet, waits no longer either.
    fail_pending_of_disabled(conn, id).await?;
    query(
        "UPDATE webhook_endpoints SET disabled_reason = NULL, disabled_at = NULL, failing_since = NULL, \
         paused_until = NULL WHERE id = $1",
    )
    .bind(id)
    .execute(conn)
    .await?;
    Ok(())
}

async fn fail_pending_of_disabled(conn: &mut Conn, id: Uuid) -> Result<(), StoreError> {
    let row = query("SELECT COUNT(*) FROM webhook_endpoints WHERE id = $1 AND disabled_reason IS NOT NULL")
        .bind(id)
        .fetch_one(conn)
        .await?;
    if row.get::<u64>(0)? > 0 {
        fail_pending(conn, id).await?;
    }
    Ok(())
}

async fn all(conn: &mut Conn) -> Result<Vec<WebhookEndpoint>, StoreError> {
    query(SELECT).fetch_all(conn).await?.iter().map(read).collect()
}

async fn find(conn: &mut Conn, id: Uuid) -> Result<Option<WebhookEndpoint>, StoreError> {
    Ok(all(conn).await?.into_iter().find(|endpoint| endpoint.id == id))
}

pub(super) async fn subscriptions(conn: &mut Conn) -> Result<Subscriptions, StoreError> {
    let endpoints = all(conn).await?;
    let any = !endpoints.is_empty();
    let enabled = endpoints.into_iter().filter(|endpoint| endpoint.disabled.is_none());
    let all = enabled
        .map(|WebhookEndpoint { id, settings, created_at, .. }| Subscription {
            endpoint: id,
            types: settings.event_types,
            threshold: settings.threshold.unwrap_or(u8::MAX),
            direction: settings.direction.unwrap_or(Direction::Rising),
            silent_days: settings.silent_days,
            since: created_at,
        })
        .collect();
    Ok(Subscriptions { all, any })
}

/// Columns as [`SELECT`] names them.
fn read(row: &Row) -> Result<WebhookEndpoint, StoreError> {
    let damaged = || StoreError::Corrupt("an endpoint of webhooks".to_owned());
    let disabled = match (row.get::<Option<&str>>(7)?, row.get(8)?) {
        (Some(reason), Some(at)) => Some(Disabled { reason: from_word(reason).ok_or_else(damaged)?, at }),
        _ => None,
    };
    let direction: Option<&str> = row.get(5)?;
    Ok(WebhookEndpoint {
        id: row.get(0)?,
        settings: EndpointSettings {
            url: row.get(1)?,
            description: row.get(2)?,
            event_types: serde_json::from_str(row.get(3)?).map_err(|_| damaged())?,
            threshold: row.get(4)?,
            direction: direction.map(|word| from_word(word).ok_or_else(damaged)).transpose()?,
            silent_days: row.get(6)?,
        },
        disabled,
        failing_since: row.get(9)?,
        previous_secret_until: row.get(10)?,
        created_at: row.get(11)?,
        updated_at: row.get(12)?,
    })
}

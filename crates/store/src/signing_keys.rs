//! The keys that sign access tokens: Ed25519 (RFC 8032), shared by all processes.
//!
//! Invariant: a key is published before it signs, and verifies until the last token that it signed is over, so that
//! no valid token is refused across a rotation; private keys are sealed. Deliberately absent: tokens.

use std::{fmt, sync::Arc};

use leadscore_domain::{
    Timestamp,
    time::{HOUR_US, SECOND_US},
};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use crate::{
    Store, StoreError,
    db::{After, Conn, Lane, Row, query},
    keyring::{random, timed_id},
};

/// How long a new key is published before it signs: longer than anybody remembers which keys there are.
const AHEAD_US: i64 = HOUR_US / 4;
/// Longest life of what a key signs.
pub const SIGNED_MAX_US: i64 = HOUR_US;
/// How long a key verifies after its successor has begun: the longest life, and what clocks may differ.
const VERIFIES_AFTER_US: i64 = SIGNED_MAX_US + 300 * SECOND_US;

/// Why there is to be a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// The newest one is so many microseconds old, or there is none yet; otherwise nothing happens.
    Aged(i64),
    /// Somebody asks for it.
    Asked,
    /// The old ones are not secret any more: they end at once, and what they signed with them.
    Compromised,
}

/// A key that signs, or did.
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    pair: Arc<Ed25519KeyPair>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it begins to sign.
    pub signs_from: Timestamp,
    /// When its successor begins; `None` without one.
    pub retired_at: Option<Timestamp>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

impl SigningKey {
    /// Its name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half, 32 bytes.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// Signs a message: 64 bytes.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    /// Whether what it signed may still be valid.
    #[must_use]
    pub fn verifies(&self, now: Timestamp) -> bool {
        self.retired_at.is_none_or(|at| now < at.plus_micros(VERIFIES_AFTER_US))
    }
}

impl Store {
    /// The keys that sign, will sign or still verify; the one that begins last comes first.
    ///
    /// # Errors
    /// Where the database fails or a key does not open.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        let sql = "SELECT kid, public_key, private_key, created_at, signs_from, retired_at FROM signing_keys \
                   ORDER BY signs_from DESC, kid DESC";
        let rows = query(sql).fetch_all(&mut self.reader().await?).await?;
        let keys = rows.iter().map(|row| self.read_key(row)).collect::<Result<Vec<_>, _>>()?;
        let now = self.now();
        Ok(keys.into_iter().filter(|key| key.verifies(now)).collect())
    }

    fn read_key(&self, row: &Row) -> Result<SigningKey, StoreError> {
        let kid: String = row.get(0)?;
        let damaged = || StoreError::Corrupt(format!("the signing key {kid}"));
        let seed = self.keyring().signing_keys().open(kid.as_bytes(), row.get(2)?).ok_or_else(damaged)?;
        let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, row.get(1)?).map_err(|_| damaged())?;
        Ok(SigningKey {
            pair: Arc::new(pair),
            created_at: row.get(3)?,
            signs_from: row.get(4)?,
            retired_at: row.get(5)?,
            kid,
        })
    }

    /// Makes a new key, and with the first one nothing to wait for; whether one was made. Processes that do so at the
    /// same time make one.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn rotate_signing_key(&self, rotation: Rotation) -> Result<bool, StoreError> {
        let now = self.now();
        let kid = timed_id(now).simple().to_string();
        let mut seed = [0; 32];
        random::fill(&mut seed);
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed)
            .map_err(|_| StoreError::Corrupt("a seed of 32 bytes is none".to_owned()))?;
        let public_key = pair.public_key().as_ref().to_vec();
        let private_key = self.keyring().signing_keys().seal(kid.as_bytes(), &seed);
        // In the lane whose transactions follow one another in all processes.
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move {
                let Some(signs_from) = make_room(conn, rotation, now).await? else { return Ok(false) };
                query(
                    "INSERT INTO signing_keys (kid, public_key, private_key, created_at, signs_from) \
                     VALUES ($1, $2, $3, $4, $5)",
                )
                .bind(kid)
                .bind(public_key)
                .bind(private_key)
                .bind(now)
                .bind(signs_from)
                .execute(conn)
                .await?;
                Ok(true)
            })
        })
        .await
    }
}

/// Retires the keys before a new one, and says from when that signs; `None` where it is not needed.
async fn make_room(conn: &mut Conn, rotation: Rotation, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let newest = query("SELECT created_at FROM signing_keys ORDER BY signs_from DESC, kid DESC LIMIT 1")
        .fetch_optional(conn)
        .await?;
    let newest: Option<Timestamp> = newest.map(|row| row.get(0)).transpose()?;
    let signs_from = match (rotation, newest) {
        (Rotation::Aged(age_us), Some(made)) if now.since(made) < age_us => return Ok(None),
        (Rotation::Compromised, _) => {
            query("DELETE FROM signing_keys").execute(conn).await?;
            now
        }
        (Rotation::Aged(_) | Rotation::Asked, None) => now,
        (Rotation::Aged(_) | Rotation::Asked, Some(_)) => now.plus_micros(AHEAD_US),
    };
    query("UPDATE signing_keys SET retired_at = $1 WHERE retired_at IS NULL").bind(signs_from).execute(conn).await?;
    query("DELETE FROM signing_keys WHERE retired_at <= $1")
        .bind(now.plus_micros(-VERIFIES_AFTER_US))
        .execute(conn)
        .await?;
    Ok(Some(signs_from))
}

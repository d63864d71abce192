//! Sessions of people who have logged in, and the refresh tokens that carry them on.
//!
//! Invariant: a refresh token is good once. One that is used again ends its session, whoever used it first: either the
//! first or the second was a thief (RFC 9700, section 4.14.2). A browser with two tabs, or whose connection broke,
//! sends the same token twice at once: within [`GRACE_US`], from the same address, that counts as one use. A session
//! ends at its time, with its user, with a new password, and where nobody goes on with it. Deliberately absent: access
//! tokens.

use leadscore_domain::{Timestamp, time::SECOND_US};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    Authority, Principal, Store, StoreError,
    accounts::role,
    db::{After, Conn, Lane, Row, query},
    keyring::{hex, random, timed_id},
};

/// How long after its use a refresh token may be sent again by the same client.
pub const GRACE_US: i64 = 10 * SECOND_US;
/// Most refreshes of a session; every ten minutes, they last longer than two months.
const REFRESHES_MAX: i64 = 10_000;
/// How refresh tokens begin, so that scanners for leaked secrets find them.
const PREFIX: &str = "lsr_";

/// A session with a refresh token that was not used yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub user: Uuid,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The token: `lsr_` and 64 hexadecimal digits; it is kept as a hash and cannot be shown again.
    pub refresh_token: String,
}

/// A session as its holder is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Its id.
    pub id: Uuid,
    /// When somebody logged in.
    pub created_at: Timestamp,
    /// When it was last carried on; access tokens are used without a trace.
    pub refreshed_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What became of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// It was exchanged for another one.
    Renewed(Session),
    /// It was used before: its session has ended.
    Reused,
    /// There is no such token, or its session is over.
    Unknown,
}

impl Store {
    /// Begins a session of a user who has logged in, which lasts until `expires_at`.
    ///
    /// # Errors
    /// Where the database fails, or the user is not there any more.
    pub async fn create_session(&self, user: Uuid, expires_at: Timestamp) -> Result<Session, StoreError> {
        let now = self.now();
        let session = Session { id: timed_id(now), user, expires_at, refresh_token: new_token() };
        let made = session.clone();
        self.write(Lane::Intake, 2, After::Sync, move |conn| {
            Box::pin(async move {
                query("DELETE FROM sessions WHERE expires_at <= $1").bind(now).execute(conn).await?;
                query(
                    "INSERT INTO sessions (id, user_id, created_at, expires_at, refreshes) VALUES ($1, $2, $3, $4, 0)",
                )
                .bind(session.id)
                .bind(user)
                .bind(now)
                .bind(expires_at)
                .execute(conn)
                .await?;
                keep(conn, &session).await
            })
        })
        .await?;
        Ok(made)
    }

    /// Exchanges a refresh token for another one. `client` is where it comes from, as text; it is kept as a keyed hash. A
    /// session that was not carried on for `idle_us` microseconds is over.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn refresh_session(&self, token: &str, client: &str, idle_us: i64) -> Result<Refreshed, StoreError> {
        let hash = hash(token);
        let known = query("SELECT 1 FROM refresh_tokens WHERE token_hash = $1").bind(hash.clone());
        // What nobody was given costs no transaction.
        if known.fetch_optional(&mut self.reader().await?).await?.is_none() {
            return Ok(Refreshed::Unknown);
        }
        let (now, client) = (self.now(), self.keyring().client_lookup(client).to_vec());
        let idle_since = now.plus_micros(-idle_us);
        self.write(Lane::Intake, 3, After::Sync, move |conn| {
            Box::pin(async move { refresh(conn, (hash, client), now, idle_since).await })
        })
        .await
    }

    /// The user of a session that has not ended, as they are now, and when it ends.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn session(&self, id: Uuid, user: Uuid) -> Result<Option<(Principal, Timestamp)>, StoreError> {
        let row = query(
            "SELECT u.id, u.role, u.email_lookup, u.email, s.expires_at, u.team_id FROM sessions s JOIN users u \
             ON u.id = s.user_id WHERE s.id = $1 AND s.user_id = $2 AND s.expires_at > $3",
        )
        .bind(id)
        .bind(user)
        .bind(self.now())
        .fetch_optional(&mut self.reader().await?)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let name = self.open_address(row.get(2)?, row.get(3)?)?;
        let authority = Authority::Person { role: role(&row, 1)?, team_id: row.get(5)? };
        Ok(Some((Principal { id: row.get(0)?, name, authority }, row.get(4)?)))
    }

    /// Ends a session; whether there was one.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn end_session(&self, id: Uuid) -> Result<bool, StoreError> {
        self.write(Lane::Intake, 1, After::Sync, move |conn| Box::pin(async move { end(conn, id).await })).await
    }

    /// The sessions of a user that have not ended, the newest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn sessions(&self, user: Uuid) -> Result<Vec<SessionRecord>, StoreError> {
        let rows = query(
            "SELECT s.id, s.created_at, s.expires_at, \
             COALESCE((SELECT MAX(r.used_at) FROM refresh_tokens r WHERE r.session_id = s.id), s.created_at) \
             FROM sessions s WHERE s.user_id = $1 AND s.expires_at > $2 ORDER BY s.id DESC",
        )
        .bind(user)
        .bind(self.now())
        .fetch_all(&mut self.reader().await?)
        .await?;
        let read = |row: &Row| {
            let (id, created_at, expires_at) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(SessionRecord { id, created_at, refreshed_at: row.get(3)?, expires_at })
        };
        rows.iter().map(read).collect()
    }

    /// Ends a session of a user, or all of them where none is named; how many.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn end_sessions(&self, user: Uuid, only: Option<Uuid>) -> Result<u64, StoreError> {
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move {
                let sql = "DELETE FROM sessions WHERE user_id = $1 AND ($2 IS NULL OR id = $2)";
                query(sql).bind(user).bind(only).execute(conn).await
            })
        })
        .await
    }
}

async fn refresh(
    conn: &mut Conn,
    (hash, client): (Vec<u8>, Vec<u8>),
    now: Timestamp,
    idle_since: Timestamp,
) -> Result<Refreshed, StoreError> {
    let row = query(
        "SELECT s.id, s.user_id, s.expires_at, s.refreshes, r.used_at, r.used_by, \
         COALESCE((SELECT MAX(u.used_at) FROM refresh_tokens u WHERE u.session_id = s.id), s.created_at) \
         FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id \
         WHERE r.token_hash = $1 AND s.expires_at > $2",
    )
    .bind(hash.clone())
    .bind(now)
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(Refreshed::Unknown) };
    let session = Session { id: row.get(0)?, user: row.get(1)?, expires_at: row.get(2)?, refresh_token: new_token() };
    let used: Option<Timestamp> = row.get(4)?;
    let same_client = row.get::<Option<&[u8]>>(5)? == Some(client.as_slice());
    if used.is_some_and(|at| now.since(at) >= GRACE_US || !same_client) {
        end(conn, session.id).await?;
        return Ok(Refreshed::Reused);
    }
    if row.get::<i64>(3)? >= REFRESHES_MAX || row.get::<Timestamp>(6)? <= idle_since {
        end(conn, session.id).await?;
        return Ok(Refreshed::Unknown);
    }
    if used.is_none() {
        query("UPDATE refresh_tokens SET used_at = $1, used_by = $2 WHERE token_hash = $3")
            .bind(now)
            .bind(client)
            .bind(hash)
            .execute(conn)
            .await?;
    }
    query("UPDATE sessions SET refreshes = refreshes + 1 WHERE id = $1").bind(session.id).execute(conn).await?;
    keep(conn, &session).await?;
    Ok(Refreshed::Renewed(session))
}

async fn keep(conn: &mut Conn, session: &Session) -> Result<(), StoreError> {
    query("INSERT INTO refresh_tokens (token_hash, session_id) VALUES ($1, $2)")
        .bind(hash(&session.refresh_token))
        .bind(session.id)
        .execute(conn)
        .await?;
    Ok(())
}

async fn end(conn: &mut Conn, id: Uuid) -> Result<bool, StoreError> {
    Ok(query("DELETE FROM sessions WHERE id = $1").bind(id).execute(conn).await? > 0)
}

fn new_token() -> String {
    let mut secret = [0; 32];
    random::fill(&mut secret);
    format!("{PREFIX}{}", hex(&secret))
}

fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

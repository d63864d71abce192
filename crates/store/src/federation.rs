//! Users for whom an identity provider vouches, found by their address.
//!
//! Invariant: who was removed here stays removed until an administrator makes them anew, whoever vouches for them.
//! Deliberately absent: tokens of providers, and whether to believe them (the API's).

use leadscore_domain::Timestamp;
use uuid::Uuid;

use crate::{
    Authority, Principal, Role, Store, StoreError,
    accounts::{normalise, role},
    db::{After, Conn, Lane, Row, query},
    keyring::{hex, random, timed_id},
    passwords,
    scores::word,
};

/// What became of somebody at first sight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// They were made a user.
    Made(Principal),
    /// They were one already.
    Known(Principal),
    /// They were removed here.
    Removed,
}

impl Store {
    /// The user who has this address, as they are now; `None` also for what is no address.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn user_by_address(&self, email: &str) -> Result<Option<Principal>, StoreError> {
        let Ok(email) = normalise(email) else { return Ok(None) };
        let lookup = self.keyring().account_lookup(&email);
        find(&mut self.reader().await?, &lookup, email).await
    }

    /// Makes a user for whom a provider vouches, with a password that nobody knows.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for an address that is none; where the database fails.
    pub async fn admit_user(&self, email: &str, role: Role) -> Result<Admitted, StoreError> {
        let email = normalise(email)?;
        let lookup = self.keyring().account_lookup(&email);
        // First without a password, which is costly: who was removed may ask as often as anybody.
        if is_removed(&mut self.reader().await?, &lookup).await? {
            return Ok(Admitted::Removed);
        }
        let mut secret = [0; 32];
        random::fill(&mut secret);
        let hash = passwords::hashed(hex(&secret), Vec::new()).await?;
        let sealed = self.keyring().accounts().seal(&lookup, email.as_bytes());
        let now = self.now();
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move {
                if is_removed(conn, &lookup).await? {
                    return Ok(Admitted::Removed);
                }
                let made = query(
                    "INSERT INTO users (id, email_lookup, email, password_hash, role, created_at) \
                     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (email_lookup) DO NOTHING",
                )
                .bind(timed_id(now))
                .bind(lookup.as_slice())
                .bind(sealed)
                .bind(hash)
                .bind(word(&role))
                .bind(now)
                .execute(conn)
                .await?;
                let user = find(conn, &lookup, email).await?;
                let user = user.ok_or_else(|| StoreError::Corrupt("a user who was made".to_owned()))?;
                Ok(if made > 0 { Admitted::Made(user) } else { Admitted::Known(user) })
            })
        })
        .await
    }
}

async fn is_removed(conn: &mut Conn, lookup: &[u8]) -> Result<bool, StoreError> {
    let row = query("SELECT 1 FROM removed_users WHERE email_lookup = $1").bind(lookup).fetch_optional(conn).await?;
    Ok(row.is_some())
}

async fn find(conn: &mut Conn, lookup: &[u8], email: String) -> Result<Option<Principal>, StoreError> {
    let sql = "SELECT id, role, team_id FROM users WHERE email_lookup = $1";
    let row = query(sql).bind(lookup).fetch_optional(conn).await?;
    row.map(|row| principal(&row, email)).transpose()
}

fn principal(row: &Row, name: String) -> Result<Principal, StoreError> {
    let authority = Authority::Person { role: role(row, 1)?, team_id: row.get(2)? };
    Ok(Principal { id: row.get(0)?, name, authority })
}

/// Writes down that a user is being removed.
pub(crate) async fn remember_removed(conn: &mut Conn, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
    query(
        "INSERT INTO removed_users (email_lookup, removed_at) \
         VALUES ((SELECT email_lookup FROM users WHERE id = $1), $2) ON CONFLICT (email_lookup) \
         DO UPDATE SET removed_at = excluded.removed_at",
    )
    .bind(id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets that an address was somebody's who was removed: an administrator gives it to a user.
pub(crate) async fn forgive(conn: &mut Conn, lookup: &[u8]) -> Result<(), StoreError> {
    query("DELETE FROM removed_users WHERE email_lookup = $1").bind(lookup).execute(conn).await?;
    Ok(())
}

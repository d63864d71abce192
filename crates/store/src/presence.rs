//! Which processes are there: each says so for a while, again and again.
//!
//! Invariant: a process that died is gone after the time it announced. Deliberately absent: exclusion; what two
//! processes may not both do is fenced where it is committed.

use uuid::Uuid;

use crate::{
    Store, StoreError,
    db::{After, Lane, query},
    keyring::timed_id,
};

/// That a process is there, in a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence(pub(crate) Uuid);

impl Store {
    /// A presence to be announced.
    #[must_use]
    pub fn presence(&self) -> Presence {
        Presence(timed_id(self.now()))
    }

    /// Says that the process is there for the next `for_us` microseconds.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn announce(&self, presence: Presence, role: &'static str, for_us: i64) -> Result<(), StoreError> {
        let now = self.now();
        self.write(Lane::Derive, 1, After::Sync, move |conn| {
            Box::pin(async move {
                query("DELETE FROM presences WHERE expires_at <= $1").bind(now).execute(conn).await?;
                query(
                    "INSERT INTO presences (id, role, expires_at) VALUES ($1, $2, $3) \
                     ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at",
                )
                .bind(presence.0)
                .bind(role)
                .bind(now.plus_micros(for_us))
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Says that the process goes.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn leave(&self, presence: Presence) -> Result<(), StoreError> {
        self.write(Lane::Derive, 1, After::Sync, move |conn| {
            Box::pin(async move {
                query("DELETE FROM presences WHERE id = $1").bind(presence.0).execute(conn).await?;
                Ok(())
            })
        })
        .await
    }

    /// How many processes are there in a role.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn present(&self, role: &str) -> Result<u64, StoreError> {
        query("SELECT COUNT(*) FROM presences WHERE role = $1 AND expires_at > $2")
            .bind(role)
            .bind(self.now())
            .fetch_one(&mut self.reader().await?)
            .await?
            .get(0)
    }
}

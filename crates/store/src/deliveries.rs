//! Deliveries of other systems whose signature does not cover the body.
//!
//! Invariant: a signature counts for the body that it first came with, in all processes, until it is too old to count
//! at all. The same delivery again passes, because a sender that got no answer repeats it; its events are told apart in
//! the log. Deliberately absent: checking signatures.

use leadscore_domain::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::{
    Store, StoreError,
    db::{After, Lane, query},
};

impl Store {
    /// Whether a signature may count for a body: it never came before, or came with the same one. `key` is what makes the
    /// signature unique under the connector; it is remembered until `keep_until`.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn is_delivery_of(
        &self,
        connector: &str,
        key: &str,
        body: &[u8],
        keep_until: Timestamp,
    ) -> Result<bool, StoreError> {
        let (connector, now) = (connector.to_owned(), self.now());
        let [key, body] = [key.as_bytes(), body].map(|bytes| Sha256::digest(bytes).to_vec());
        self.write(Lane::Intake, 1, After::Sync, move |conn| {
            Box::pin(async move {
                query("DELETE FROM connector_deliveries WHERE keep_until < $1").bind(now).execute(conn).await?;
                query(
                    "INSERT INTO connector_deliveries (connector, key_hash, body_hash, keep_until) \
                     VALUES ($1, $2, $3, $4) ON CONFLICT (connector, key_hash) DO NOTHING",
                )
                .bind(connector.clone())
                .bind(key.clone())
                .bind(body.clone())
                .bind(keep_until)
                .execute(conn)
                .await?;
                let held = query("SELECT body_hash FROM connector_deliveries WHERE connector = $1 AND key_hash = $2")
                    .bind(connector)
                    .bind(key)
                    .fetch_one(conn)
                    .await?;
                Ok(held.get::<Vec<u8>>(0)? == body)
            })
        })
        .await
    }
}

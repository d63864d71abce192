//! Market data by area, month and day of publication.

use leadscore_domain::MarketSnapshot;

use crate::{Checkpoint, Store, StoreError};

impl Store {
    /// Keeps snapshots; one of the same area, month and publication replaces what was there. The checkpoint is
    /// committed in the same transaction.
    ///
    /// # Errors
    /// Where the database fails: then none of them was kept.
    pub async fn put_market(
        &self,
        snapshots: Vec<MarketSnapshot>,
        checkpoint: Option<Checkpoint>,
    ) -> Result<(), StoreError> {
        let _ = (snapshots, checkpoint);
        todo!()
    }

    /// Every snapshot, in the order of area, month and publication.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn market(&self) -> Result<Vec<MarketSnapshot>, StoreError> {
        todo!()
    }
}

//! Market data by area, month and day of publication.

use leadscore_domain::{MarketSnapshot, Timestamp};

use crate::{
    Checkpoint, Store, StoreError,
    db::{After, Lane, Row, insert, query},
    imports,
};

/// Most snapshots of one page.
const PAGE_MAX: usize = 1_000;

impl Store {
    /// Keeps snapshots; one of the same area (compared without case), month and publication replaces what was there.
    /// The checkpoint is committed in the same transaction.
    ///
    /// # Errors
    /// Where the database fails: then none of them was kept.
    pub async fn put_market(
        &self,
        snapshots: Vec<MarketSnapshot>,
        checkpoint: Option<Checkpoint>,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let rows = snapshots.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        self.write(Lane::Intake, rows.len(), After::Sync, move |conn| {
            Box::pin(async move {
                if let Some(checkpoint) = checkpoint {
                    imports::save(conn, &checkpoint, now).await?;
                }
                insert(
                    conn,
                    "INSERT INTO market_snapshots (area, period_start, published_at, snapshot)",
                    4,
                    "ON CONFLICT (area, period_start, published_at) DO UPDATE SET snapshot = excluded.snapshot",
                    &rows,
                    |bind, (area, period_start, published_at, json)| {
                        bind.push(area.as_str()).push(*period_start).push(*published_at).push(json.as_str());
                    },
                )
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Snapshots of an area (compared without case), the latest month first and of a month the latest publication, up to
    /// `limit` (at most 1,000).
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn market_of(&self, area: &str, limit: usize) -> Result<Vec<MarketSnapshot>, StoreError> {
        let rows = query(
            "SELECT snapshot FROM market_snapshots WHERE area = $1 ORDER BY period_start DESC, published_at DESC LIMIT $2",
        )
        .bind(area.trim().to_lowercase())
        .bind(i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX))
        .fetch_all(&mut self.reader().await?)
        .await?;
        rows.iter().map(read).collect()
    }

    /// The latest snapshot of each area, in the order of the areas' names in lower case after `after`, up to `limit`
    /// (at most 1,000).
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn latest_market(&self, after: &str, limit: usize) -> Result<Vec<MarketSnapshot>, StoreError> {
        let rows = query(
            "SELECT snapshot FROM (SELECT area, snapshot, ROW_NUMBER() OVER (PARTITION BY area \
             ORDER BY period_start DESC, published_at DESC) AS place FROM market_snapshots WHERE area > $1) m \
             WHERE place = 1 ORDER BY area LIMIT $2",
        )
        .bind(after)
        .bind(i64::try_from(limit.min(PAGE_MAX)).unwrap_or(i64::MAX))
        .fetch_all(&mut self.reader().await?)
        .await?;
        rows.iter().map(read).collect()
    }

    /// Every snapshot, in the order of area, month and publication.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn market(&self) -> Result<Vec<MarketSnapshot>, StoreError> {
        let rows = query("SELECT snapshot FROM market_snapshots ORDER BY area, period_start, published_at")
            .fetch_all(&mut self.reader().await?)
            .await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<MarketSnapshot, StoreError> {
    let json: &str = row.get(0)?;
    serde_json::from_str(json).map_err(|_| StoreError::Corrupt("a market snapshot".to_owned()))
}

/// Area in lower case, month, publication, JSON.
fn row(snapshot: &MarketSnapshot) -> Result<(String, Timestamp, Timestamp, String), StoreError> {
    snapshot.validate()?;
    let json = serde_json::to_string(snapshot).expect("snapshots are plain data with string keys");
    let area = snapshot.area.trim().to_lowercase();
    Ok((area, snapshot.period_start, snapshot.published_at, json))
}

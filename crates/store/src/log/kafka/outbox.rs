//! What is to be produced and was not yet: merges, which the database decides, and events that came while Kafka could
//! not be reached.
//!
//! Invariant: a row leaves when Kafka has it. It may be produced twice, and is then dropped by its id.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::Kafka;
use crate::{
    FailPoint, StoreError,
    db::{self, Conn, insert, query, select_in},
    log::{
        partition_of,
        rows::{EventRow, Figures},
    },
};

/// Most rows that are produced at once.
const PAGE: i64 = 500;
/// How often the outbox is looked at though nobody said that there is something in it.
const EVERY: Duration = Duration::from_secs(1);

/// Keeps rows until they are produced.
pub(super) async fn put(conn: &mut Conn, rows: &[EventRow]) -> Result<(), StoreError> {
    let into = "INSERT INTO outbox (id, lead_id, source, interaction_type, occurred_at, received_at, context_data)";
    insert(conn, into, 7, "ON CONFLICT (id) DO NOTHING", rows, |bind, row| {
        bind.push(row.id)
            .push(row.lead)
            .push(row.source.as_str())
            .push(row.kind.as_str())
            .push(row.occurred_at)
            .push(row.received_at)
            .push(row.sealed.as_slice());
    })
    .await?;
    Ok(())
}

/// Produces what is in the outbox, until `closing`. Every process does; a page is one process's at a time.
pub(crate) async fn relay(kafka: std::sync::Arc<Kafka>, pool: PgPool, closing: CancellationToken) {
    while !closing.is_cancelled() {
        match page(&kafka, &pool).await {
            // Nothing is left, or Kafka takes nothing at the moment.
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => tracing::debug!(%error, "the outbox cannot be read; trying again"),
        }
        tokio::select! {
            () = closing.cancelled() => {}
            () = kafka.relay.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Produces a page; how many rows left.
async fn page(kafka: &Kafka, pool: &PgPool) -> Result<u64, StoreError> {
    let mut conn = db::acquire(pool).await?;
    db::begin(&mut conn).await?;
    let done = produce(kafka, &mut conn).await;
    db::end(&mut conn, done.is_ok()).await?;
    if done.as_ref().is_ok_and(|left| *left > 0) {
        FailPoint::OutboxAfter.pass();
    }
    done
}

async fn produce(kafka: &Kafka, conn: &mut Conn) -> Result<u64, StoreError> {
    let found = query(
        "SELECT id, lead_id, source, interaction_type, occurred_at, received_at, context_data FROM outbox \
         ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED",
    )
    .bind(PAGE)
    .fetch_all(conn)
    .await?;
    let mut rows = Vec::with_capacity(found.len());
    for row in &found {
        let lead = row.get(1)?;
        let kind = row.get::<&str>(3)?.parse().map_err(|_| StoreError::Corrupt("the outbox".to_owned()))?;
        rows.push(EventRow {
            partition: partition_of(lead, kafka.partitions),
            position: 0,
            id: row.get(0)?,
            lead,
            source: row.get(2)?,
            kind,
            occurred_at: row.get(4)?,
            received_at: row.get(5)?,
            sealed: row.get::<&[u8]>(6)?.to_vec(),
            figures: Figures::default(),
            trace: None,
        });
    }
    kafka.produce(&mut rows).await;
    let gone: Vec<_> = rows.iter().filter(|row| row.position > 0).map(|row| row.id).collect();
    select_in(conn, "DELETE FROM outbox WHERE id", &gone, "").await?;
    if !gone.is_empty() {
        FailPoint::OutboxBefore.pass();
    }
    Ok(gone.len() as u64)
}

//! From a sender to the topic.
//!
//! Who an event is about is decided in the database first. Where that changes nothing, which is the usual case, it
//! takes no transaction: a lead that is merged meanwhile is found by whoever reads the event.

use std::{ops::Range, sync::Arc};

use super::{Kafka, outbox};
use crate::{
    Checkpoint, FailPoint, Store, StoreError,
    db::{After, Lane},
    imports,
    log::{
        Appended,
        append::{Changes, Incoming, Placement, place},
        rows::EventRow,
    },
    untold,
};

/// Appends these of `incoming`; the checkpoints follow.
pub(in crate::log) async fn append(
    store: &Store,
    kafka: &Kafka,
    incoming: &Arc<[Incoming]>,
    events: Range<usize>,
    checkpoints: Vec<Checkpoint>,
) -> Result<Vec<Appended>, StoreError> {
    let mut placement =
        if events.is_empty() { Placement::default() } else { identify(store, kafka, incoming, events).await? };
    keep(store, kafka, &mut placement.rows).await?;
    if !checkpoints.is_empty() {
        let now = store.now();
        store
            .write(Lane::Intake, 1, After::Sync, move |conn| {
                Box::pin(async move {
                    for checkpoint in &checkpoints {
                        imports::save(conn, checkpoint, now).await?;
                    }
                    Ok(())
                })
            })
            .await?;
    }
    Ok(placement.answers())
}

/// Finds or makes the leads. Merges, which only the database knows then, are in its outbox afterwards.
async fn identify(
    store: &Store,
    kafka: &Kafka,
    incoming: &Arc<[Incoming]>,
    events: Range<usize>,
) -> Result<Placement, StoreError> {
    let (partitions, now, keyring) = (store.partitions(), store.now(), Arc::clone(store.keyring()));
    let mut reader = store.reader().await?;
    let known = place(&mut reader, &keyring, partitions, now, &incoming[events.clone()], Changes::None).await?;
    drop(reader);
    if let Some(placement) = known {
        return Ok(placement);
    }
    let incoming = Arc::clone(incoming);
    let placement = store
        .write(Lane::Intake, events.len(), After::Sync, move |conn| {
            Box::pin(async move {
                let placed = place(conn, &keyring, partitions, now, &incoming[events], Changes::Write).await?;
                let mut placement = placed.unwrap_or_default();
                let merges = placement.take_merges();
                outbox::put(conn, &merges).await?;
                // Whoever scores their partition says so, after all that it has said of them.
                untold::list(conn, partitions, &placement.absorbed).await?;
                FailPoint::AppendBefore.pass();
                Ok(placement)
            })
        })
        .await?;
    FailPoint::AppendAfter.pass();
    kafka.relay.notify_one();
    Ok(placement)
}

/// Produces events, or keeps them in the outbox: durable in any case.
pub(super) async fn keep(store: &Store, kafka: &Kafka, rows: &mut [EventRow]) -> Result<(), StoreError> {
    if rows.is_empty() || kafka.produce(rows).await == 0 {
        return Ok(());
    }
    let left: Vec<EventRow> = rows.iter().filter(|row| row.position == 0).cloned().collect();
    store
        .write(Lane::Derive, left.len(), After::Sync, move |conn| {
            Box::pin(async move { outbox::put(conn, &left).await })
        })
        .await?;
    kafka.relay.notify_one();
    Ok(())
}

//! The simulated brokerage's events on their way into the log: the history at once, the live part drop by drop.
//!
//! Invariant: the place reached is committed together with the events, so that a demo that was killed neither loses
//! nor repeats any.

use std::{ops::Range, sync::Arc, time::Duration};

use anyhow::Context as _;
use leadscore_domain::{Clock, EventEnvelope, Invalid, PendingEvent, Region, Timestamp};
use leadscore_simulator::World;
use leadscore_store::{Checkpoint, Store};
use tokio_util::sync::CancellationToken;

use crate::{context::Context, progress};

/// Leads whose histories are appended together; some 20 to 60 events each.
const LEADS_AT_ONCE: u64 = 100;
/// Names of the places reached.
const HISTORY: &str = "demo-history";
const LIVE: &str = "demo-live";

/// Appends the market and what had arrived by the end of the world's history, going on where an earlier run ended.
pub async fn history(store: &Store, world: &Arc<World>, region: Region, context: &Context) -> anyhow::Result<()> {
    let leads = world.options().leads;
    let first = reached(store, HISTORY).await?;
    if first >= leads {
        return Ok(());
    }
    if first == 0 {
        store.put_market(world.market(), None).await?;
    }
    let bar = progress::bar(context.output, "simulating", Some(leads));
    let mut from = first;
    let mut next = generate(world, from..(from + LEADS_AT_ONCE).min(leads), region).await?;
    while from < leads {
        let to = (from + LEADS_AT_ONCE).min(leads);
        let after = to..(to + LEADS_AT_ONCE).min(leads);
        // The next leads are made while these are written.
        let (written, made) = tokio::join!(
            store.append(std::mem::take(&mut next), Some(place(HISTORY, to, to == leads))),
            generate(world, after, region),
        );
        written.context("writing the history")?;
        next = made?;
        from = to;
        bar.set_position(from);
    }
    bar.finish_and_clear();
    Ok(())
}

/// The events of some leads that had arrived by the end of the history.
async fn generate(world: &Arc<World>, leads: Range<u64>, region: Region) -> anyhow::Result<Vec<PendingEvent>> {
    let world = Arc::clone(world);
    let events = move || {
        let end = world.options().end;
        let histories = leads.filter_map(|number| world.lead(number)).flat_map(|lead| lead.events);
        let arrived = histories.filter(|event| event.received_at <= end);
        arrived.map(|event| event.envelope.validate(event.received_at, region)).collect::<Result<Vec<_>, Invalid>>()
    };
    Ok(tokio::task::spawn_blocking(events).await??)
}

/// Lets the live events arrive now, at a gentle rate, until they are used up or `stop`.
pub async fn live(
    store: Store,
    world: Arc<World>,
    region: Region,
    context: &Context,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let rate = context.config.demo.events_per_second;
    if rate == 0.0 {
        return Ok(());
    }
    let mut arrived = reached(&store, LIVE).await?;
    let already = usize::try_from(arrived)?;
    let events = tokio::task::spawn_blocking(move || world.live()).await?;
    let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    for (_, envelope) in events.skip(already) {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        arrived += 1;
        let event = happening_now(envelope, context.clock.as_ref(), region)?;
        store.append(vec![event], Some(place(LIVE, arrived, false))).await.context("writing a live event")?;
    }
    tracing::info!("the simulated future is used up; no more live events");
    Ok(())
}

fn happening_now(envelope: EventEnvelope, clock: &dyn Clock, region: Region) -> Result<PendingEvent, Invalid> {
    let now: Timestamp = clock.now();
    EventEnvelope { occurred_at: now, ..envelope }.validate(now, region)
}

async fn reached(store: &Store, key: &str) -> anyhow::Result<u64> {
    Ok(store.import_checkpoint(key).await?.map_or(0, |checkpoint| checkpoint.row))
}

fn place(key: &str, row: u64, done: bool) -> Checkpoint {
    Checkpoint { key: key.to_owned(), row, imported: row, duplicates: 0, rejected: 0, done }
}

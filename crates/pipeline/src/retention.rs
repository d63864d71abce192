//! Once a day, what is too old goes.
//!
//! Owns: when it is looked for. Deliberately absent: what is too old, which is configured, and how it goes, which the
//! store knows. Several processes may look; a month goes once.

use std::{sync::Arc, time::Duration};

use leadscore_domain::Clock;
use leadscore_store::{Retention, Store};
use tokio_util::sync::CancellationToken;

/// How often it is looked whether a day has begun, and tried again after a failure.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);

/// Removes what is too old, at the start and on each further day, until `shutdown`.
pub(crate) async fn run(store: Store, clock: Arc<dyn Clock>, retention: Retention, shutdown: CancellationToken) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    let mut done = None;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = every.tick() => {}
        }
        let today = clock.now().day();
        if done == Some(today) {
            continue;
        }
        // What has begun when it is cut off ends whole or not at all, and goes on at the next start.
        let retained = tokio::select! {
            () = shutdown.cancelled() => return,
            retained = store.retain(&retention, false) => retained,
        };
        match retained {
            Ok(expired) => {
                done = Some(today);
                for one in expired.iter().filter(|one| one.removed > 0) {
                    tracing::info!(table = one.table, rows = one.removed, before = %one.before, "what was too old went");
                }
            }
            Err(error) => tracing::warn!(%error, "what is too old could not be removed; trying again later"),
        }
    }
}

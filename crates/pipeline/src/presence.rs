//! Saying that this process is there, so that commands know whether a server works on the same data.

use std::time::Duration;

use leadscore_domain::time::SECOND_US;
use leadscore_store::Store;
use tokio_util::sync::CancellationToken;

/// The role of a process that keeps scores.
pub const SCORER: &str = "scorer";

/// How often it says so.
const EVERY: Duration = Duration::from_secs(5);
/// How long each time holds: a process that was killed counts as there for so long.
const FOR_US: i64 = 15 * SECOND_US;

/// Says that the process is there, until `shutdown`.
pub(crate) async fn keep(store: Store, role: &'static str, shutdown: CancellationToken) {
    let presence = store.presence();
    let mut every = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = every.tick() => {}
        }
        if let Err(error) = store.announce(presence, role, FOR_US).await {
            tracing::debug!(%error, "the process could not say that it is there; trying again");
        }
    }
    if let Err(error) = store.leave(presence).await {
        tracing::debug!(%error, "the process could not say that it goes");
    }
}

//! Looking for what no commit tells, and removing what is old.

use std::{sync::Arc, time::Duration};

use leadscore_domain::{Clock, LeadId, time::HOUR_US, webhook::MessageType};
use leadscore_store::{Promotion, Registry, RegistryError, Store, StoreError};
use tokio_util::sync::CancellationToken;

use super::WebhookOptions;
use crate::scorer::{CHAMPION, blocking};

/// How often a process learns of endpoints that another one made or changed.
const REFRESH_EVERY: Duration = Duration::from_secs(2);
/// Leads that are looked at in one step.
const PAGE_LEADS: usize = 500;
/// How often silence is looked for, and old messages are removed.
const WALK_EVERY_US: i64 = HOUR_US;

/// Why it could not be looked.
#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Keeps this process's knowledge of endpoints in step, until `shutdown`.
pub(crate) async fn refresh(store: Store, shutdown: CancellationToken) {
    let mut every = tokio::time::interval(REFRESH_EVERY);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = every.tick() => {}
        }
        if let Err(error) = store.refresh_webhooks().await {
            tracing::debug!(%error, "endpoints of webhooks could not be read; trying again");
        }
    }
}

/// Looks for promotions at every step and for silence each hour, until `shutdown`. Several processes may look: what is
/// told has one id.
pub(crate) async fn watch(
    store: Store,
    registry: Registry,
    clock: Arc<dyn Clock>,
    options: WebhookOptions,
    shutdown: CancellationToken,
) {
    let mut every = tokio::time::interval(options.poll);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut walk, mut next_walk) = (None, clock.now());
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = every.tick() => {}
        }
        let now = clock.now();
        let looked = async {
            promotions(&store, &registry).await?;
            if walk.is_some() || now >= next_walk {
                let begins = walk.is_none();
                walk = step(&store, &options, walk).await?;
                if begins {
                    // From its beginning: a lead that falls silent behind a long walk is not missed until the one after.
                    next_walk = now.plus_micros(WALK_EVERY_US);
                }
                if walk.is_none() {
                    store.forget_webhook_messages(now.plus_micros(-options.keep_us)).await?;
                }
            }
            Ok::<_, WatchError>(())
        };
        if let Err(error) = looked.await {
            tracing::debug!(%error, "what webhooks have to tell could not be looked for; trying again");
        }
    }
}

/// One step of the walk over all leads; `None` at its end.
async fn step(store: &Store, options: &WebhookOptions, walk: Option<LeadId>) -> Result<Option<LeadId>, WatchError> {
    if !store.webhooks_want(MessageType::LeadSilent) {
        return Ok(None);
    }
    Ok(store.tell_silence(walk, PAGE_LEADS, options.silent_days).await?)
}

async fn promotions(store: &Store, registry: &Registry) -> Result<(), WatchError> {
    if !store.webhooks_want(MessageType::ModelPromoted) {
        return Ok(());
    }
    let registry = registry.clone();
    let history = blocking(move || registry.history()).await?;
    let promotions: Vec<Promotion> = history
        .into_iter()
        .filter(|change| change.alias == CHAMPION)
        .map(|change| Promotion { version: change.version, previous: change.previous, at: change.at })
        .collect();
    Ok(store.tell_promotions(&promotions).await?)
}

//! The keys of one provider, as they were fetched last, and when they are fetched again.
//!
//! One task fetches; requests only say that they wish it would, and wait where they cannot do without. Invariants: at
//! most one fetch at a time and one in [`GAP_US`], whatever tokens name; keys are new for as long as the provider says
//! (within bounds), then they are fetched before they are believed, unless the provider is away: then they stay good
//! until [`KEEP_US`] after they were fetched.

use std::sync::Arc;

use leadscore_domain::{
    Clock, Timestamp,
    time::{HOUR_US, SECOND_US},
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    algorithm::{Algorithm, Public},
    fetch::{FetchError, Fetched, Fetcher, TIMEOUT},
    jwks::KeySet,
};

/// Shortest time from the beginning of one fetch to that of the next.
pub(super) const GAP_US: i64 = 30 * SECOND_US;
/// How long keys stay good while the provider is away.
pub(super) const KEEP_US: i64 = 24 * HOUR_US;

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The provider has none of this name.
    Unknown,
    /// Nobody knows which keys the provider has.
    Away,
}

/// See the module.
pub(super) struct Keys {
    state: Arc<watch::Sender<State>>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    known: Option<Known>,
    /// Whether a fetch is wished for, or under way.
    is_asked: bool,
    /// When the last fetch was wished for.
    asked_at: Option<Timestamp>,
    /// Whether it failed.
    has_failed: bool,
}

#[derive(Clone)]
struct Known {
    keys: Arc<KeySet>,
    at: Timestamp,
    fresh_us: i64,
}

impl Known {
    fn is_younger(&self, than_us: i64, now: Timestamp) -> bool {
        (0..than_us).contains(&now.since(self.at))
    }
}

impl State {
    /// Wishes for a fetch, where one may be; whether anything was changed.
    fn ask(&mut self, now: Timestamp) -> bool {
        let is_soon = self.asked_at.is_some_and(|at| (0..GAP_US).contains(&now.since(at)));
        if self.is_asked || is_soon {
            return false;
        }
        (self.is_asked, self.asked_at) = (true, Some(now));
        true
    }

    fn good(&self, now: Timestamp) -> Option<&Known> {
        self.known.as_ref().filter(|known| known.is_younger(KEEP_US.max(known.fresh_us), now))
    }

    fn end(&mut self, fetched: Result<Fetched, FetchError>, issuer: &str, now: Timestamp) {
        self.is_asked = false;
        match fetched {
            Ok(Fetched { keys, fresh_us }) => {
                tracing::debug!(issuer, keys = keys.len(), unusable = keys.unusable, "keys of a provider were fetched");
                if keys.len() == 0 {
                    tracing::warn!(
                        issuer,
                        unusable = keys.unusable,
                        "an identity provider has no key that can be used"
                    );
                }
                self.has_failed = false;
                self.known = Some(Known { keys: Arc::new(keys), at: now, fresh_us });
            }
            Err(error) => {
                if !self.has_failed {
                    tracing::warn!(%error, issuer, "the keys of an identity provider cannot be fetched");
                }
                self.has_failed = true;
            }
        }
    }
}

impl Keys {
    /// Begins to fetch, by a task that ends with `stop`.
    pub(super) fn start(
        issuer: String,
        fetcher: Fetcher,
        clock: Arc<dyn Clock>,
        tracker: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let mut state = State::default();
        state.ask(clock.now());
        let state = Arc::new(watch::Sender::new(state));
        tracker.spawn(run(Arc::clone(&state), issuer, fetcher, Arc::clone(&clock), stop));
        Self { state, clock }
    }

    /// Does something with the key of this name for this algorithm.
    ///
    /// # Errors
    /// Where there is none, for as far as is known.
    pub(super) async fn with<T>(
        &self,
        kid: &str,
        algorithm: Algorithm,
        work: impl FnOnce(&Public) -> T,
    ) -> Result<T, NoKey> {
        if self.should_wait(kid, algorithm) {
            let mut state = self.state.subscribe();
            // The task bounds itself; it is gone where the server is about to stop.
            let ended = state.wait_for(|state| !state.is_asked);
            tokio::time::timeout(2 * TIMEOUT, ended).await.ok();
        }
        let keys = self.state.borrow().good(self.clock.now()).map(|known| Arc::clone(&known.keys));
        let keys = keys.ok_or(NoKey::Away)?;
        keys.find(kid, algorithm).map(work).ok_or(NoKey::Unknown)
    }

    /// Wishes for a fetch where a key is old or unknown; whether its end is worth waiting for.
    fn should_wait(&self, kid: &str, algorithm: Algorithm) -> bool {
        let now = self.clock.now();
        let mut should_wait = false;
        self.state.send_if_modified(|state| {
            let known = state.good(now).filter(|known| known.keys.find(kid, algorithm).is_some());
            if known.is_some_and(|known| known.is_younger(known.fresh_us, now)) {
                return false;
            }
            // While the provider is away, who can do without waits no longer than once.
            let can_do_without = known.is_some() && state.has_failed;
            let changed = state.ask(now);
            should_wait = state.is_asked && !can_do_without;
            changed
        });
        should_wait
    }
}

async fn run(
    state: Arc<watch::Sender<State>>,
    issuer: String,
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let mut asked = state.subscribe();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            wished = asked.wait_for(|state| state.is_asked) => if wished.is_err() { return },
        }
        // As old as the moment it was asked for: what is revoked meanwhile counts from the next time on.
        let at = clock.now();
        let fetched = tokio::select! {
            () = stop.cancelled() => return,
            fetched = fetcher.fetch() => fetched,
        };
        state.send_modify(|state| state.end(fetched, &issuer, at));
    }
}

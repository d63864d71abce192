//! Privacy requests that the server carries out by itself, once somebody who may has approved them.
//!
//! Owns: when they are taken, and what an export says of the present score. Invariant: a request is done by one process
//! at a time, and goes on in another where that one died. Deliberately absent: what each of them takes, which the store
//! knows.

use std::{sync::Arc, time::Duration};

use leadscore_domain::{
    Clock,
    time::{HOUR_US, SECOND_US},
};
use leadscore_engine::{explain::LOGIC, features::LeadState, score::Scorer};
use leadscore_store::{Export, Presence, PrivacyRequest, RequestKind, ScoreCache, Store, StoreError};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a step may take before another process takes the request over.
const LEASE_US: i64 = 60 * SECOND_US;
/// How often it is looked for requests.
const POLL: Duration = Duration::from_secs(1);
/// How often exports that nobody fetched are removed.
const SWEEP_EVERY_US: i64 = HOUR_US;
/// How often a process learns of overrides that another one made or ended.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// Carries out requests, one at a time.
pub struct Clerk {
    store: Store,
    cache: ScoreCache,
    clock: Arc<dyn Clock>,
    scorer: watch::Receiver<Arc<Scorer>>,
    owner: Presence,
}

impl Clerk {
    /// One that tells the readers of `cache` what is gone, and explains scores with `scorer`.
    #[must_use]
    pub fn new(store: Store, cache: ScoreCache, clock: Arc<dyn Clock>, scorer: watch::Receiver<Arc<Scorer>>) -> Self {
        let owner = store.presence();
        Self { store, cache, clock, scorer, owner }
    }

    /// Does what is there to be done, until `shutdown`; what is cut off goes on when its lease has run out.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let (mut poll, mut next_sweep) = (tokio::time::interval(POLL), self.clock.now());
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = poll.tick() => {}
            }
            match self.run_all(&shutdown).await {
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "privacy requests cannot be done at present; trying again"),
            }
            let now = self.clock.now();
            if now < next_sweep {
                continue;
            }
            match self.store.expire_exports().await {
                Ok(0) => next_sweep = now.plus_micros(SWEEP_EVERY_US),
                Ok(parts) => {
                    next_sweep = now.plus_micros(SWEEP_EVERY_US);
                    tracing::info!(parts, "exports that nobody fetched in time were removed");
                }
                Err(error) => tracing::warn!(%error, "old exports could not be removed; trying again"),
            }
        }
    }

    async fn run_all(&self, shutdown: &CancellationToken) -> Result<(), StoreError> {
        while !shutdown.is_cancelled() && self.run_next(None).await? {}
        Ok(())
    }

    /// Carries out the request whose deadline is nearest, or `id`; whether there was one.
    ///
    /// # Errors
    /// Where the store fails: then it goes on when the lease has run out.
    pub async fn run_next(&self, id: Option<Uuid>) -> Result<bool, StoreError> {
        let Some(request) = self.store.claim_privacy_request(self.owner, id, LEASE_US).await? else {
            return Ok(false);
        };
        let (id, kind) = (request.id, request.kind);
        tracing::info!(request = %id, ?kind, "a privacy request begins or goes on");
        match kind {
            RequestKind::Access => {
                let export = self.export(&request).await?;
                if self.store.export_for(self.owner, &request, &export, LEASE_US).await?.is_none() {
                    tracing::info!(request = %id, "a privacy request is done elsewhere");
                }
            }
            RequestKind::Rectification
            | RequestKind::Restriction
            | RequestKind::Objection
            | RequestKind::Erasure
            | RequestKind::Contest => {
                self.store.carry_out(self.owner, request, &self.cache).await?;
            }
        }
        Ok(true)
    }

    /// What is said of how the lead's score comes about.
    async fn export(&self, request: &PrivacyRequest) -> Result<Export, StoreError> {
        Ok(Export { logic: LOGIC, explanation: self.explanation(request).await? })
    }

    /// `null` for a lead that has no score, or must not have one.
    async fn explanation(&self, request: &PrivacyRequest) -> Result<Value, StoreError> {
        let Some(record) = self.store.lead(request.lead_id).await? else { return Ok(Value::Null) };
        let lead = record.merged_into.unwrap_or(record.id);
        let Some(stored) = self.store.states(&[lead]).await?.remove(&lead) else { return Ok(Value::Null) };
        // A state that cannot be read is about to be folded anew.
        let Ok(state) = LeadState::from_bytes(&stored.bytes) else { return Ok(Value::Null) };
        let scorer = Arc::clone(&self.scorer.borrow());
        let explained = scorer.explain(lead, &state, self.clock.now(), stored.log_position);
        Ok(explained.map_or(Value::Null, |explained| {
            json!({
                "score": explained.score, "reasons": explained.explanation.reasons,
                "intent": explained.explanation.intent, "next_steps": explained.explanation.next_steps
            })
        }))
    }
}

/// Keeps this process's knowledge of overrides in step, until `shutdown`.
pub(crate) async fn refresh(store: Store, shutdown: CancellationToken) {
    let mut every = tokio::time::interval(REFRESH_EVERY);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = every.tick() => {}
        }
        if let Err(error) = store.refresh_overrides().await {
            tracing::debug!(%error, "overrides of scores could not be read; trying again");
        }
    }
}

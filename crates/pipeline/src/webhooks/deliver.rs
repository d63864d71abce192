//! Sending what is due, several messages at once, and keeping how it went.
//!
//! Several processes may send: a message is claimed in the database for a time that no attempt outlasts. Whoever dies
//! while it sends leaves the message to others; the receiver may get it twice, under one id.

use std::{collections::HashMap, sync::Arc};

use leadscore_domain::{Clock, time::SECOND_US};
use leadscore_store::{Attempt, Presence, Store, StoreError, Tried};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    WebhookOptions,
    backoff::{asked_us, wait_us},
    client::{Answer, Client, Signed},
    signature::sign,
};

/// How much longer a message is claimed than an attempt may take: to write down how it went.
const LEASE_BEYOND_TIMEOUT_US: i64 = 45 * SECOND_US;

/// Sends messages.
#[derive(Clone)]
pub(crate) struct Deliverer {
    store: Store,
    clock: Arc<dyn Clock>,
    client: Client,
    options: Arc<WebhookOptions>,
    owner: Presence,
}

/// The attempts that are under way, and their endpoints.
#[derive(Default)]
struct Underway {
    tasks: JoinSet<()>,
    endpoints: HashMap<Id, Uuid>,
}

impl Deliverer {
    pub(crate) fn new(store: Store, clock: Arc<dyn Clock>, client: Client, options: WebhookOptions) -> Self {
        let owner = store.presence();
        Self { store, clock, client, options: Arc::new(options), owner }
    }

    /// Sends until `shutdown`; then what is under way ends, which takes no longer than an attempt.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut every = tokio::time::interval(self.options.poll);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut written = self.store.webhook_messages_written();
        let mut underway = Underway::default();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(ended) = underway.tasks.join_next_with_id() => underway.end(ended),
                _ = every.tick() => {}
                Ok(()) = written.changed() => {}
            }
            if let Err(error) = self.begin(&mut underway).await {
                tracing::debug!(%error, "due webhooks could not be read; trying again");
            }
        }
        while let Some(ended) = underway.tasks.join_next_with_id().await {
            underway.end(ended);
        }
    }

    /// Begins as many attempts as there is room for.
    async fn begin(&self, underway: &mut Underway) -> Result<(), StoreError> {
        let options = &self.options;
        if underway.endpoints.len() >= options.requests_max {
            return Ok(());
        }
        for endpoint in self.store.due_webhooks().await? {
            let to_it = underway.endpoints.values().filter(|other| **other == endpoint).count();
            let in_all = options.requests_max.saturating_sub(underway.endpoints.len());
            let room = options.endpoint_requests_max.saturating_sub(to_it).min(in_all);
            if room == 0 {
                continue;
            }
            let timeout_us = i64::try_from(options.timeout.as_micros()).unwrap_or(i64::MAX);
            let lease_us = timeout_us.saturating_add(LEASE_BEYOND_TIMEOUT_US);
            for attempt in self.store.claim_webhook_messages(self.owner, endpoint, room, lease_us).await? {
                let task = underway.tasks.spawn(self.clone().attempt(attempt));
                underway.endpoints.insert(task.id(), endpoint);
            }
        }
        Ok(())
    }

    async fn attempt(self, attempt: Attempt) {
        let Attempt { id, endpoint, url, payload, number, secrets } = attempt;
        let timestamp_s = self.clock.now().as_micros() / SECOND_US;
        let signature = sign(&secrets, &id.to_string(), timestamp_s, &payload);
        let signed = Signed { id: id.to_string(), timestamp_s, signature, body: payload };
        let sent = tokio::time::timeout(self.options.timeout, self.client.post(&url, signed)).await;
        let tried = match sent {
            Ok(Ok(answer)) => self.judge(id, number, &answer),
            Ok(Err(error)) => self.failed(id, number, None, error.word()),
            Err(_) => self.failed(id, number, None, "timed_out"),
        };
        let attempt = (id, endpoint, number);
        match self.store.keep_attempt(self.owner, attempt, tried, self.options.failing_max_us).await {
            Ok(None) => {}
            Ok(Some(reason)) => tracing::warn!(%endpoint, ?reason, "an endpoint of webhooks was disabled"),
            // It is due again when its lease ends.
            Err(error) => tracing::warn!(%error, message = %id, "how a webhook went could not be kept; it goes again"),
        }
    }

    fn judge(&self, id: Uuid, number: u16, answer: &Answer) -> Tried {
        let status = answer.status.as_u16();
        match status {
            200..=299 => Tried::Delivered { status },
            410 => Tried::Gone { status },
            429 | 503 => {
                let now = self.clock.now();
                let asked = answer.retry_after.as_deref().and_then(|text| asked_us(text, now));
                let pause_until = asked.map(|asked| now.plus_micros(asked));
                let again_at = wait_us(id, number).map(|wait| now.plus_micros(wait.max(asked.unwrap_or(0))));
                Tried::Failed { status: Some(status), error: "refused", again_at, pause_until }
            }
            300..=399 => self.failed(id, number, Some(status), "redirected"),
            _ => self.failed(id, number, Some(status), "refused"),
        }
    }

    fn failed(&self, id: Uuid, number: u16, status: Option<u16>, error: &'static str) -> Tried {
        let again_at = wait_us(id, number).map(|wait| self.clock.now().plus_micros(wait));
        Tried::Failed { status, error, again_at, pause_until: None }
    }
}

impl Underway {
    fn end(&mut self, ended: Result<(Id, ()), tokio::task::JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "sending a webhook panicked");
                error.id()
            }
        };
        self.endpoints.remove(&id);
    }
}

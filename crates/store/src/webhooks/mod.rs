//! Webhooks out: endpoints of other systems, and the messages that they are still to get or have got.
//!
//! Owns: `webhook_endpoints`, `webhook_messages`, and the copy of the subscriptions in memory. Invariants: what follows
//! from a score is written in the transaction that commits the score, so that it is told if and only if it happened;
//! the id of a message derives from what it tells, so that the same is told under one id however often it is derived;
//! where nobody subscribed, a commit does nothing for it. Deliberately absent: HTTP, signatures, when to try again.

mod deliveries;
mod endpoints;
mod happenings;
mod outbox;
mod payload;

use std::sync::{Arc, PoisonError, RwLock};

use leadscore_domain::{
    Timestamp,
    webhook::{Direction, MessageType},
};
use tokio::sync::watch;
use uuid::Uuid;

pub(crate) use self::{deliveries::take_back, outbox::Crossed};
pub use self::{
    deliveries::{Attempt, Delivery, DeliveryCursor, DeliveryState, REPLAY_MAX, Tried},
    endpoints::{Disabled, DisabledReason, ENDPOINTS_MAX, EndpointChange, EndpointSettings, WebhookEndpoint},
    happenings::Promotion,
};
use crate::{Store, StoreError};

/// What stands in the id of every message, so that no other id of ours is like it (UUID version 5, RFC 9562).
const MESSAGES: Uuid = Uuid::from_u128(0x6c65_6164_7363_6f72_8000_7765_6268_6f6f);

/// What an enabled endpoint wants to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) endpoint: Uuid,
    pub(crate) types: Vec<MessageType>,
    pub(crate) threshold: u8,
    pub(crate) direction: Direction,
    /// The endpoint's own; `None` for the configured number.
    pub(crate) silent_days: Option<u16>,
    /// Nothing is told that happened before.
    pub(crate) since: Timestamp,
}

impl Subscription {
    pub(crate) fn wants(&self, kind: MessageType) -> bool {
        self.types.contains(&kind)
    }
}

/// Which endpoints there are, as this process knows it.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    /// The enabled ones.
    pub(crate) all: Vec<Subscription>,
    /// Whether there are any, enabled or not.
    pub(crate) any: bool,
}

/// What handles to a store share about webhooks.
pub(crate) struct Hub {
    subscriptions: RwLock<Arc<Subscriptions>>,
    written: watch::Sender<u64>,
}

impl Hub {
    pub(crate) fn new(subscriptions: Subscriptions) -> Self {
        Self { subscriptions: RwLock::new(Arc::new(subscriptions)), written: watch::Sender::new(0) }
    }

    pub(crate) fn subscriptions(&self) -> Arc<Subscriptions> {
        Arc::clone(&self.subscriptions.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Wakes whoever sends.
    pub(crate) fn wake(&self) {
        self.written.send_modify(|count| *count += 1);
    }
}

impl Store {
    /// Learns which endpoints other processes made, changed or removed.
    ///
    /// # Errors
    /// Where the database fails; then what was known before goes on.
    pub async fn refresh_webhooks(&self) -> Result<(), StoreError> {
        let read = endpoints::subscriptions(&mut self.reader().await?).await?;
        *self.hub().subscriptions.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
        Ok(())
    }

    /// Whether an enabled endpoint wants to be told of this, as far as this process knows.
    #[must_use]
    pub fn webhooks_want(&self, kind: MessageType) -> bool {
        self.hub().subscriptions().all.iter().any(|one| one.wants(kind))
    }

    /// Changes whenever this process has written a message.
    #[must_use]
    pub fn webhook_messages_written(&self) -> watch::Receiver<u64> {
        self.hub().written.subscribe()
    }
}

/// What memory starts with.
pub(crate) async fn open(conn: &mut crate::db::Conn) -> Result<Hub, StoreError> {
    Ok(Hub::new(endpoints::subscriptions(conn).await?))
}

/// The id of what is told an endpoint; `happening` names it among all of its type.
fn message_id(endpoint: Uuid, kind: MessageType, happening: &str) -> Uuid {
    Uuid::new_v5(&MESSAGES, format!("{endpoint}/{kind}/{happening}").as_bytes())
}

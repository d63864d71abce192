//! Live scores: who watches a lead is told of each new score of it, by WebSocket or by server-sent events.
//!
//! A change is heard once in the process (`hub.rs`), put into the mailbox of each connection that watches the lead
//! (`mailbox.rs`), and taken out as fast as the client reads. Invariants: nothing is told that is not committed, and of
//! a lead never something older than before; a client that reads slowly costs its own news only, which are coalesced to
//! the latest of each lead, and then its connection; everything is bounded by a field of [`Options`] or a named
//! constant. Deliberately absent: writing anything.

pub(crate) mod connection;
mod document;
pub(crate) mod ending;
mod hub;
mod look;
pub(crate) mod mailbox;
pub(crate) mod origin;
pub(crate) mod protocol;
pub(crate) mod seats;
pub(crate) mod session;
pub(crate) mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod version;

use std::{sync::Arc, time::Duration};

use axum::routing::any;
use leadscore_store::ScoreCache;
use tokio::sync::Semaphore;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

pub use self::{document::asyncapi_json, version::Version};
use self::{
    hub::{Hub, Place},
    seats::{Seat, Seats},
};
use crate::Routes;

/// Where the socket is.
pub const PATH: &str = "/ws/v1/scores";
/// Connections that look into the store at the same time; others wait.
const LOOKS_AT_ONCE: usize = 4;

/// How live connections are served, and their bounds.
#[derive(Debug, Clone)]
pub struct Options {
    /// Origins of the web pages that may open a socket, such as `https://crm.example.com`; none for those of the host
    /// that is asked.
    pub allowed_origins: Vec<String>,
    /// Most connections of the process.
    pub connections_max: usize,
    /// Most connections of one user or key.
    pub connections_of_one_max: usize,
    /// Most leads of one connection.
    pub leads_max: usize,
    /// Within what time a client must say who it is.
    pub authenticate_within: Duration,
    /// How often it is asked what a client may still see. A token that has ended may be believed a little longer by
    /// whoever asks.
    pub recheck_every: Duration,
    /// Time between two heartbeats.
    pub heartbeat_every: Duration,
    /// How long a client may take to read what is sent at once.
    pub stall_max: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            allowed_origins: Vec::new(),
            connections_max: 10_000,
            connections_of_one_max: 256,
            leads_max: 1_000,
            authenticate_within: Duration::from_secs(10),
            // Together with the time that a token is believed, under 5 seconds.
            recheck_every: Duration::from_millis(2_500),
            heartbeat_every: Duration::from_secs(20),
            stall_max: Duration::from_secs(10),
        }
    }
}

/// The live connections of the process. Clones share them.
#[derive(Clone)]
pub struct Sockets(Arc<Inner>);

struct Inner {
    options: Options,
    hub: Arc<Hub>,
    seats: Arc<Seats>,
    looks: Semaphore,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Sockets {
    /// Begins to hear of changes. `stop` ends all connections; `tracker` waits for them.
    #[must_use]
    pub fn start(cache: &ScoreCache, options: Options, tracker: &TaskTracker, stop: CancellationToken) -> Self {
        let hub = Arc::new(Hub::default());
        tracker.spawn(Arc::clone(&hub).run(cache.subscribe(), stop.clone()));
        let seats = Arc::new(Seats::new(options.connections_max, options.connections_of_one_max));
        let looks = Semaphore::new(LOOKS_AT_ONCE);
        Self(Arc::new(Inner { options, hub, seats, looks, tracker: tracker.clone(), stop }))
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) fn look_permits(&self) -> &Semaphore {
        &self.0.looks
    }

    pub(crate) fn seats(&self) -> &Arc<Seats> {
        &self.0.seats
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.0.stop
    }

    fn enter(&self) -> Place {
        self.0.hub.enter()
    }

    /// While it is held, the tracker waits.
    pub(crate) fn tracked(&self) -> TaskTrackerToken {
        self.0.tracker.token()
    }

    fn tracker(&self) -> &TaskTracker {
        &self.0.tracker
    }

    #[cfg(test)]
    fn hub(&self) -> &Hub {
        &self.0.hub
    }
}

/// The address of the socket.
pub(crate) fn routes() -> Routes {
    Routes::new().route(PATH, any(connection::open))
}

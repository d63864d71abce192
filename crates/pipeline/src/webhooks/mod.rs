//! Webhooks out: telling other systems, by signed HTTP requests (Standard Webhooks, <https://www.standardwebhooks.com>).
//!
//! Owns: sending what the store has written down, when to try again, and looking for what no commit tells: silence and
//! promotions. Invariant: a message is told at least once, and is held to be told only after a 2xx; no request goes to
//! an address that was not checked. Deliberately absent: what is worth telling, which the store decides where it
//! commits.

mod backoff;
mod client;
mod deliver;
mod signature;
mod watch;

use std::{path::PathBuf, time::Duration};

use leadscore_domain::{time::DAY_US, webhook::DestinationPolicy};

#[cfg(feature = "fuzzing")]
pub(crate) use self::backoff::asked_us;
pub use self::client::ClientError;
pub(crate) use self::{
    client::Client,
    deliver::Deliverer,
    watch::{refresh, watch},
};

/// How webhooks are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookOptions {
    /// Where requests may go.
    pub policy: DestinationPolicy,
    /// Certificates of authorities beside the public ones, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Longest time for a request, from looking the name up to the status.
    pub timeout: Duration,
    /// Most requests at the same time.
    pub requests_max: usize,
    /// Most of them to one endpoint.
    pub endpoint_requests_max: usize,
    /// How long nothing is delivered before an endpoint is disabled, in microseconds.
    pub failing_max_us: i64,
    /// Days without an event after which a lead is silent, where the endpoint does not say.
    pub silent_days: u16,
    /// How long messages are kept, in microseconds.
    pub keep_us: i64,
    /// How often it is looked for what is due, beside being woken.
    pub poll: Duration,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            policy: DestinationPolicy::default(),
            ca_file: None,
            timeout: Duration::from_secs(15),
            requests_max: 32,
            endpoint_requests_max: 4,
            failing_max_us: 5 * DAY_US,
            silent_days: 7,
            keep_us: 30 * DAY_US,
            poll: Duration::from_secs(1),
        }
    }
}

//! What other systems send by their own webhooks, at `/api/v1/connectors/{name}`.
//!
//! Owns: the address, the proof of origin before anything is read, the events' way into the log, and the answer within
//! the sender's patience. Invariant: a delivery is answered as taken only once its events are durable; what of it cannot
//! be an event is a dead letter, because its sender could do nothing about it. Deliberately absent: what each vendor
//! signs, means and wants to hear (`leadscore-connectors`); a token: the proof is the vendor's own.

mod caller;
mod deliver;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use axum::{Router, http::uri::PathAndQuery, routing::post};
use leadscore_connectors::{Connector, Vendor};
use leadscore_domain::{Invalid, limits};
use url::Url;

use crate::state::Api;

/// The address of a connector.
pub(crate) const PATH: &str = "/api/v1/connectors/{connector}";
/// Most connectors.
pub const CONNECTORS_MAX: usize = 64;

/// The connectors that are served; none by default.
#[derive(Debug, Clone, Default)]
pub struct Connectors(Option<Arc<Served>>);

#[derive(Debug)]
struct Served {
    public_url: Url,
    by_name: BTreeMap<String, Connector>,
}

impl Connectors {
    /// Connectors behind `public_url`, as their senders see this server.
    ///
    /// # Errors
    /// Names what is wrong: a name that is no part of an address or stands there twice, too many, or one that cannot be
    /// served.
    pub fn new(public_url: Url, connectors: Vec<Connector>) -> Result<Self, Invalid> {
        if connectors.len() > CONNECTORS_MAX {
            let remedy = format!("configure at most {CONNECTORS_MAX}");
            return Err(Invalid::new("connector", format_args!("stands there {} times", connectors.len()), remedy));
        }
        let mut by_name = BTreeMap::new();
        for (place, connector) in connectors.into_iter().enumerate() {
            check(&connector).map_err(|problem| problem.within(&format!("connector[{place}]")))?;
            match by_name.entry(connector.source.clone()) {
                Entry::Vacant(free) => free.insert(connector),
                Entry::Occupied(taken) => {
                    let problem = format_args!("{:?} names two connectors", taken.key());
                    return Err(Invalid::new(format!("connector[{place}].source"), problem, "give each its own"));
                }
            };
        }
        Ok(Self(Some(Arc::new(Served { public_url, by_name }))))
    }

    fn find(&self, name: &str) -> Option<&Connector> {
        self.0.as_ref()?.by_name.get(name)
    }

    /// The address as the sender sees it.
    fn address(&self, asked: Option<&PathAndQuery>) -> Option<Url> {
        let mut url = self.0.as_ref()?.public_url.clone();
        let asked = asked?;
        url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), asked.path()));
        url.set_query(asked.query());
        Some(url)
    }
}

fn check(connector: &Connector) -> Result<(), Invalid> {
    let name = &connector.source;
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if name.is_empty() || name.len() > limits::SOURCE_MAX_BYTES || !name.bytes().all(is_word) {
        return Err(Invalid::new("source", "is no name", "use small letters, digits, `-` and `_`"));
    }
    if let Vendor::LiveKit(livekit) = &connector.vendor {
        if livekit.keys.is_empty() {
            return Err(Invalid::new("keys", "are missing", "give at least one key"));
        }
        if livekit.keys.iter().any(|key| key.api_secret.is_empty()) {
            return Err(Invalid::new("keys", "hold an empty secret", "give the secret of each key"));
        }
    }
    // What it sends says only that something changed, and nothing here fetches what.
    if let Vendor::FollowUpBoss(_) = &connector.vendor {
        return Err(Invalid::new(
            "vendor",
            "cannot be served by this release",
            "send its events by POST /api/v1/events",
        ));
    }
    Ok(())
}

/// The routes of all connectors.
pub(crate) fn routes() -> Router<Arc<Api>> {
    Router::new().route(PATH, post(deliver::deliver).options(deliver::deliver))
}

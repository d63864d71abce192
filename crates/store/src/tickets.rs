//! One-time tickets: they stand for a token where the token itself must not be shown, for [`LIFE`].
//!
//! Invariants: a ticket is taken once; it is kept as a hash, and the token that it stands for sealed. It is in Redis
//! where that answers, so that any process may take it, and in the process's own memory where it does not.
//! Deliberately absent: whether the token is valid; who takes the ticket asks that as of any token.

use std::{sync::Arc, time::Duration};

use leadscore_domain::{Clock, Timestamp};
use moka::{policy::EvictionPolicy, sync::Cache};
use sha2::{Digest as _, Sha256};

use crate::{
    Redis, Store,
    keyring::{Keyring, hex, random},
};

/// How long a ticket may be taken.
pub const LIFE: Duration = Duration::from_secs(30);
/// How tickets begin, so that scanners for leaked secrets find them.
const PREFIX: &str = "lst_";
/// Most tickets in the process's memory; further ones push out the oldest.
const TICKETS_MAX: u64 = 10_000;

/// Tickets that nobody has taken yet. Clones share them.
#[derive(Clone)]
pub struct Tickets {
    own: Cache<String, (Timestamp, Arc<[u8]>)>,
    keyring: Arc<Keyring>,
    clock: Arc<dyn Clock>,
    redis: Option<Redis>,
}

impl Tickets {
    /// Tickets in Redis where there is one, else in memory; the tokens sealed under a key of the store's.
    #[must_use]
    pub fn new(store: &Store, clock: Arc<dyn Clock>, redis: Option<Redis>) -> Self {
        let own = Cache::builder()
            .max_capacity(TICKETS_MAX)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(LIFE)
            .build();
        Self { own, keyring: Arc::clone(store.keyring()), clock, redis }
    }

    /// A new ticket for a token: `lst_` and 64 hexadecimal digits.
    pub async fn issue(&self, token: &str) -> String {
        let mut secret = [0; 32];
        random::fill(&mut secret);
        let ticket = format!("{PREFIX}{}", hex(&secret));
        let key = key_of(&ticket);
        let sealed = self.keyring.answers().seal(key.as_bytes(), token.as_bytes());
        if !self.share(&key, &sealed).await {
            self.own.insert(key, (self.clock.now(), sealed.into()));
        }
        ticket
    }

    async fn share(&self, key: &str, sealed: &[u8]) -> bool {
        let Some(redis) = &self.redis else { return false };
        let mut command = redis::cmd("SET");
        command.arg(name(redis, key)).arg(sealed).arg("EX").arg(LIFE.as_secs());
        redis.ask::<()>(&command).await.is_some()
    }

    /// The token that a ticket stands for, the first time that it is asked for.
    pub async fn take(&self, ticket: &str) -> Option<String> {
        let key = key_of(ticket);
        let own = self.own.remove(&key);
        // Also where it was found here: Redis may have kept it and answered too late.
        let shared = self.take_shared(&key).await;
        let life_us = i64::try_from(LIFE.as_micros()).unwrap_or(i64::MAX);
        let own = own.filter(|(at, _)| (0..life_us).contains(&self.clock.now().since(*at)));
        let sealed = own.map(|(_, sealed)| sealed).or(shared)?;
        let token = self.keyring.answers().open(key.as_bytes(), &sealed)?;
        String::from_utf8(token).ok()
    }

    async fn take_shared(&self, key: &str) -> Option<Arc<[u8]>> {
        let redis = self.redis.as_ref()?;
        let mut command = redis::cmd("GETDEL");
        command.arg(name(redis, key));
        redis.ask::<Option<Vec<u8>>>(&command).await?.map(Into::into)
    }
}

/// What a ticket is looked up by: how long the search takes says nothing about a secret.
fn key_of(ticket: &str) -> String {
    hex(&Sha256::digest(ticket.as_bytes()))
}

fn name(redis: &Redis, key: &str) -> String {
    redis.name(&format!("ticket:{key}"))
}

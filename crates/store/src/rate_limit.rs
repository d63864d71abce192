//! How much one sender may ask for: a bucket of tokens for each, filled at a constant rate.
//!
//! Invariants: the bucket is Redis's where that answers, so that all processes share it, and the process's own where it
//! does not: a limit is always there. Both fill by the same rule, by Redis's clock and by the one handed in. A process
//! takes some tokens ahead (`lease`), so that most requests ask nobody: in no span of time `t` passes more than
//! `burst + per_s · t`, and what processes held at its beginning, a sixteenth of `burst` each. A process from which
//! Redis is away has a bucket of its own beside the shared one. Deliberately absent: who the sender is, and what a
//! token buys.

mod lease;

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use leadscore_domain::{Clock, Timestamp};
use moka::{policy::EvictionPolicy, sync::Cache};
use redis::Script;
use tokio::sync::Mutex;

use crate::{
    Redis,
    rate_limit::lease::{Bucket, Grant, Lease},
};

/// Most senders that are remembered in the process.
const SENDERS_MAX: u64 = 100_000;

/// KEYS: the bucket. ARGV: tokens a second, most tokens, tokens asked for, tokens to take ahead where there are more.
/// Answers the tokens that were taken, and those that are left. `Bucket::take` is the same in Rust.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local per_s, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
        local asked, ahead = tonumber(ARGV[3]), tonumber(ARGV[4])
        local time = redis.call('TIME')
        local now_us = time[1] * 1000000 + time[2]
        local held = redis.call('HMGET', KEYS[1], 'tokens', 'at_us')
        local tokens, at_us = tonumber(held[1] or burst), tonumber(held[2] or now_us)
        tokens = math.min(burst, tokens + math.max(0, now_us - at_us) * per_s / 1000000)
        local taken = -1
        if tokens >= asked then
            taken = math.min(tokens, asked + ahead)
            tokens = tokens - taken
        end
        redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at_us', string.format('%.0f', now_us))
        redis.call('PEXPIRE', KEYS[1], math.ceil(burst / per_s * 1000) + 1000)
        return {string.format('%.6f', taken), string.format('%.6f', tokens)}",
    )
});

/// How fast buckets fill, and how much they hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Tokens a second, above 0.
    pub per_s: f64,
    /// Most tokens, from 1.
    pub burst: u32,
}

impl Rate {
    fn to_fill(self, missing: f64) -> Duration {
        Duration::from_secs_f64((missing / self.per_s).max(0.0))
    }
}

/// What a bucket said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowance {
    /// Whether the tokens were taken.
    pub taken: bool,
    /// Whole tokens that are left; what other processes took since the last look at the shared bucket is not known.
    pub left: u32,
    /// How long until the tokens asked for are there; nothing where they were taken.
    pub wait: Duration,
    /// How long until the bucket is full.
    pub full_in: Duration,
}

/// Buckets by sender.
#[derive(Clone)]
pub struct RateLimiter {
    rate: Rate,
    senders: Cache<String, Arc<Mutex<Sender>>>,
    clock: Arc<dyn Clock>,
    redis: Option<Redis>,
}

/// What the process has for a sender.
#[derive(Debug)]
struct Sender {
    /// The shared bucket's tokens that were taken ahead.
    lease: Lease,
    /// The process's own bucket.
    own: Bucket,
    own_at: Timestamp,
}

impl RateLimiter {
    /// Buckets in Redis where there is one, else in memory, which forgets the senders that came least recently.
    #[must_use]
    pub fn new(rate: Rate, clock: Arc<dyn Clock>, redis: Option<Redis>) -> Self {
        let senders = Cache::builder().max_capacity(SENDERS_MAX).eviction_policy(EvictionPolicy::lru()).build();
        Self { rate, senders, clock, redis }
    }

    /// How fast the buckets fill.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes `tokens` from a sender's bucket, or none. More than it can hold are as many as it can hold.
    pub async fn take(&self, sender: &str, tokens: u32) -> Allowance {
        let asked = f64::from(tokens.min(self.rate.burst));
        let known = self.senders.get(sender).unwrap_or_else(|| {
            let own = Bucket::full(self.rate);
            let new = || Arc::new(Mutex::new(Sender { lease: Lease::default(), own, own_at: self.clock.now() }));
            self.senders.get_with_by_ref(sender, new)
        });
        // Held while Redis is asked, so that requests that come at once ask it once.
        let mut held = known.lock().await;
        let grant = match self.take_shared(sender, &mut held.lease, asked).await {
            Some(grant) => grant,
            None => self.take_own(&mut held, asked),
        };
        let left = grant.left.max(0.0);
        Allowance {
            taken: grant.taken,
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to burst, a u32")]
            left: left.min(f64::from(self.rate.burst)) as u32,
            wait: if grant.taken { Duration::ZERO } else { self.rate.to_fill(asked - left) },
            full_in: self.rate.to_fill(f64::from(self.rate.burst) - left),
        }
    }

    /// From what was taken ahead, else from Redis; `None` where that is away.
    async fn take_shared(&self, sender: &str, lease: &mut Lease, asked: f64) -> Option<Grant> {
        let redis = self.redis.as_ref()?;
        if let Some(grant) = lease.take(asked, Instant::now()) {
            return Some(grant);
        }
        let mut script = TAKE.key(redis.name(&format!("rate:{sender}")));
        script.arg(self.rate.per_s).arg(self.rate.burst).arg(lease.missing(asked)).arg(Lease::ahead(self.rate));
        let (taken, left): (f64, f64) = redis.run(&script).await?;
        Some(lease.settle(self.rate, asked, (taken >= 0.0).then_some(taken), left, Instant::now()))
    }

    fn take_own(&self, held: &mut Sender, asked: f64) -> Grant {
        let now = self.clock.now();
        #[expect(clippy::cast_precision_loss, reason = "a bucket is full long before microseconds are lost")]
        let elapsed_s = now.since(held.own_at).max(0) as f64 / 1e6;
        held.own_at = now;
        let taken = held.own.take(self.rate, asked, 0.0, elapsed_s);
        Grant { taken: taken.is_some(), left: held.own.tokens() }
    }
}

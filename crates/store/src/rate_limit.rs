//! How much one sender may ask for: a bucket of tokens for each, filled at a constant rate.
//!
//! Invariant: the bucket is Redis's where that answers, so that all processes share it, and the process's own where it
//! does not: a limit is always there. Both fill by the same rule, by Redis's clock and by the one handed in.
//! Deliberately absent: who the sender is, and what a token buys.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use leadscore_domain::{Clock, Timestamp};
use moka::{policy::EvictionPolicy, sync::Cache};
use redis::Script;

use crate::Redis;

/// Most senders that are remembered in the process.
const SENDERS_MAX: u64 = 100_000;

/// KEYS: the bucket. ARGV: tokens a second, most tokens, tokens asked for. Answers whether they were taken, and the
/// tokens that are left.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local per_s, burst, asked = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
        local time = redis.call('TIME')
        local now_us = time[1] * 1000000 + time[2]
        local held = redis.call('HMGET', KEYS[1], 'tokens', 'at_us')
        local tokens, at_us = tonumber(held[1] or burst), tonumber(held[2] or now_us)
        tokens = math.min(burst, tokens + math.max(0, now_us - at_us) * per_s / 1000000)
        local taken = tokens >= asked
        if taken then tokens = tokens - asked end
        redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at_us', string.format('%.0f', now_us))
        redis.call('PEXPIRE', KEYS[1], math.ceil(burst / per_s * 1000) + 1000)
        return {taken and 1 or 0, string.format('%.6f', tokens)}",
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

/// What a bucket said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowance {
    /// Whether the tokens were taken.
    pub taken: bool,
    /// Whole tokens that are left.
    pub left: u32,
    /// How long until the tokens asked for are there; nothing where they were taken.
    pub wait: Duration,
    /// How long until the bucket is full.
    pub full_in: Duration,
}

/// Buckets of tokens by sender.
#[derive(Clone)]
pub struct RateLimiter {
    rate: Rate,
    buckets: Cache<String, Bucket>,
    clock: Arc<dyn Clock>,
    redis: Option<Redis>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
    taken: bool,
}

impl RateLimiter {
    /// Buckets in Redis where there is one, else in memory, which forgets the senders that came least recently.
    #[must_use]
    pub fn new(rate: Rate, clock: Arc<dyn Clock>, redis: Option<Redis>) -> Self {
        let buckets = Cache::builder().max_capacity(SENDERS_MAX).eviction_policy(EvictionPolicy::lru()).build();
        Self { rate, buckets, clock, redis }
    }

    /// How fast the buckets fill.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes `tokens` from a sender's bucket, or none. More than it can hold are as many as it can hold.
    pub async fn take(&self, sender: &str, tokens: u32) -> Allowance {
        let tokens = f64::from(tokens.min(self.rate.burst));
        let (taken, left) = match self.take_shared(sender, tokens).await {
            Some(answer) => answer,
            None => self.take_own(sender, tokens),
        };
        let seconds = |missing: f64| Duration::from_secs_f64((missing / self.rate.per_s).max(0.0));
        Allowance {
            taken,
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to burst, a u32")]
            left: left as u32,
            wait: if taken { Duration::ZERO } else { seconds(tokens - left) },
            full_in: seconds(f64::from(self.rate.burst) - left),
        }
    }

    async fn take_shared(&self, sender: &str, tokens: f64) -> Option<(bool, f64)> {
        let redis = self.redis.as_ref()?;
        let mut script = TAKE.key(redis.name(&format!("rate:{sender}")));
        script.arg(self.rate.per_s).arg(self.rate.burst).arg(tokens);
        redis.run(&script).await
    }

    fn take_own(&self, sender: &str, tokens: f64) -> (bool, f64) {
        let (now, rate) = (self.clock.now(), self.rate);
        let full = f64::from(rate.burst);
        let entry = self.buckets.entry_by_ref(sender).and_upsert_with(|held| {
            let held = held.map_or(Bucket { tokens: full, at: now, taken: false }, |held| held.into_value());
            #[expect(clippy::cast_precision_loss, reason = "a bucket is full long before microseconds are lost")]
            let filled = now.since(held.at).max(0) as f64 * rate.per_s / 1e6;
            let there = full.min(held.tokens + filled);
            let taken = there >= tokens;
            Bucket { tokens: if taken { there - tokens } else { there }, at: now, taken }
        });
        let Bucket { tokens, taken, .. } = entry.into_value();
        (taken, tokens)
    }
}

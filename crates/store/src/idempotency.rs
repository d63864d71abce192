//! Answers that are given again where a request is repeated under the same key
//! (draft-ietf-httpapi-idempotency-key-header), for [`LIFE`].
//!
//! Invariants: in one process, and in all of them while Redis answers, one request at a time runs under a key; what is
//! kept in Redis is sealed. A lost record costs a second run and never a second effect: events are told apart in the
//! log. Deliberately absent: HTTP; what a key is made of.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use moka::sync::Cache;
use redis::Script;

use crate::{
    Redis, Store,
    keyring::{Keyring, hex, random},
};

/// How long an answer is kept.
pub const LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a request counts as running whose process has died: longer than any request may take.
const RUNNING_LIFE: Duration = Duration::from_secs(60);
/// Most bytes of answers in memory.
const MEMORY_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// What a record takes beside its answer.
const RECORD_BYTES: usize = 256;
/// Length of a fingerprint.
const FINGERPRINT_BYTES: usize = 32;
/// What a record of a running request begins with.
const RUNNING: u8 = b'R';
/// What a record of an answer begins with.
const DONE: u8 = b'D';

/// KEYS: the record. ARGV: that of a running request, its life. Answers the record that is there, else puts this one.
static BEGIN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local held = redis.call('GET', KEYS[1]) if held then return held end \
         redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return false",
    )
});

/// KEYS: the record. ARGV: that of the running request; what takes its place, "" for nothing, and its life.
static END: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
         if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end \
         redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1",
    )
});

/// What tells one request from another under the same key.
pub type Fingerprint = [u8; FINGERPRINT_BYTES];

/// What is known of a key.
#[derive(Debug)]
pub enum Begun {
    /// Nothing: run the request, and hand in its answer.
    First(Claim),
    /// The answer that the same request got.
    Answered(Arc<[u8]>),
    /// The same request is running.
    Running,
    /// Another request was sent under the key.
    Differs,
}

/// Records by key. Clones share them.
#[derive(Clone)]
pub struct IdempotencyRecords(Arc<Inner>);

struct Inner {
    own: Cache<String, Record>,
    keyring: Arc<Keyring>,
    redis: Option<Redis>,
}

#[derive(Clone)]
struct Record {
    fingerprint: Fingerprint,
    /// `None` while the request runs.
    answer: Option<Arc<[u8]>>,
}

/// The right to run the request of a key. Dropping it lets the next one run.
pub struct Claim {
    records: Arc<Inner>,
    key: String,
    fingerprint: Fingerprint,
    /// The record in Redis, where it was put there.
    shared: Option<Vec<u8>>,
    ended: bool,
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claim").finish_non_exhaustive()
    }
}

impl IdempotencyRecords {
    /// Records in memory, and in Redis where there is one, sealed under a key of the store's.
    #[must_use]
    pub fn new(store: &Store, redis: Option<Redis>) -> Self {
        let weight = |_: &String, record: &Record| {
            let bytes = RECORD_BYTES + record.answer.as_ref().map_or(0, |answer| answer.len());
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let own = Cache::builder().max_capacity(MEMORY_MAX_BYTES).weigher(weight).time_to_live(LIFE).build();
        Self(Arc::new(Inner { own, keyring: Arc::clone(store.keyring()), redis }))
    }

    /// Begins the request of a key, or says why it must not run.
    pub async fn begin(&self, key: &str, fingerprint: Fingerprint) -> Begun {
        let running = Record { fingerprint, answer: None };
        let entry = self.0.own.entry_by_ref(key).or_insert(running);
        if !entry.is_fresh() {
            return entry.into_value().begun(fingerprint);
        }
        // From here on the claim removes the record again, whatever happens.
        let mut claim =
            Claim { records: Arc::clone(&self.0), key: key.to_owned(), fingerprint, shared: None, ended: false };
        let Some(redis) = &self.0.redis else { return Begun::First(claim) };
        let mut nonce = [0; 16];
        random::fill(&mut nonce);
        let record = [&[RUNNING], fingerprint.as_slice(), hex(&nonce).as_bytes()].concat();
        let mut script = BEGIN.key(name(redis, key));
        script.arg(&record).arg(millis(RUNNING_LIFE));
        match redis.run::<Option<Vec<u8>>>(&script).await {
            // Redis is away: the process's own record must do.
            None => Begun::First(claim),
            Some(None) => {
                claim.shared = Some(record);
                Begun::First(claim)
            }
            Some(Some(held)) => match self.0.read(key, &held) {
                Some(held) => {
                    let begun = held.begun(fingerprint);
                    if held.answer.is_some() {
                        claim.keep(held);
                    }
                    begun
                }
                // Nobody can read it: it is as good as none.
                None => Begun::First(claim),
            },
        }
    }
}

impl Inner {
    fn read(&self, key: &str, record: &[u8]) -> Option<Record> {
        let (&kind, rest) = record.split_first()?;
        let (&fingerprint, rest) = rest.split_first_chunk::<FINGERPRINT_BYTES>()?;
        let answer = match kind {
            RUNNING => None,
            DONE => Some(self.keyring.answers().open(key.as_bytes(), rest)?.into()),
            _ => return None,
        };
        Some(Record { fingerprint, answer })
    }
}

impl Record {
    fn begun(&self, fingerprint: Fingerprint) -> Begun {
        match &self.answer {
            _ if self.fingerprint != fingerprint => Begun::Differs,
            Some(answer) => Begun::Answered(Arc::clone(answer)),
            None => Begun::Running,
        }
    }
}

impl Claim {
    /// Keeps the answer: whoever repeats the request gets it again.
    pub async fn finish(mut self, answer: Vec<u8>) {
        if let (Some(redis), Some(running)) = (&self.records.redis, &self.shared) {
            let sealed = self.records.keyring.answers().seal(self.key.as_bytes(), &answer);
            let record = [&[DONE], self.fingerprint.as_slice(), &sealed].concat();
            let mut script = END.key(name(redis, &self.key));
            script.arg(running).arg(record).arg(millis(LIFE));
            redis.run::<i64>(&script).await;
        }
        let record = Record { fingerprint: self.fingerprint, answer: Some(answer.into()) };
        self.keep(record);
    }

    fn keep(&mut self, record: Record) {
        self.records.own.insert(self.key.clone(), record);
        self.ended = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.records.own.invalidate(&self.key);
        if let (Some(redis), Some(running)) = (self.records.redis.clone(), self.shared.take()) {
            let name = name(&redis, &self.key);
            let ending = redis.clone();
            redis.spawn(|_| async move {
                let mut script = END.key(name);
                script.arg(running).arg("").arg(0);
                ending.run::<i64>(&script).await;
            });
        }
    }
}

fn name(redis: &Redis, key: &str) -> String {
    redis.name(&format!("idempotency:{key}"))
}

fn millis(life: Duration) -> u64 {
    u64::try_from(life.as_millis()).expect("a day fits")
}

//! The Redis server that the processes share: a connection that is there or is not, and is never waited for.
//!
//! Owns: connecting, finding out that the server is gone, saying so once, coming back. Invariants: no request fails or
//! waits longer than [`ANSWER_TIMEOUT`] on Redis, and after the first that had to, none waits until the server answers
//! again; what is kept in Redis can be found or computed without it. A server that was started anew may have old data
//! from its disk: before anything is asked of it, another epoch begins. Deliberately absent: what is kept there
//! (`cache`, `rate_limit`, `idempotency`), Redis Cluster.

use std::{
    fmt,
    future::Future,
    sync::{Arc, LazyLock},
    time::Duration,
};

use leadscore_domain::Invalid;
use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, RedisResult, Script, ScriptInvocation,
    aio::{MultiplexedConnection, PubSub},
};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    StoreError,
    keyring::{hex, random},
};

/// How long a request waits for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(100);
/// How long making a connection may take, and what does not hold up a request.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
/// How often a connection that nobody uses is tried.
pub(crate) const PING_EVERY: Duration = Duration::from_millis(500);
/// How long to wait before the server is tried again.
pub(crate) const PAUSE: Duration = Duration::from_millis(250);

/// Length of an epoch in hexadecimal digits.
pub(crate) const EPOCH_DIGITS: usize = 32;

/// A span of time in which nothing was lost: what was written in another one does not count.
pub(crate) type Epoch = [u8; EPOCH_DIGITS];

/// KEYS: the server's present run, the epoch. ARGV: the run, the epoch to begin where it is another one.
static ADOPT_RUN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return 0 end \
         redis.call('MSET', KEYS[1], ARGV[1], KEYS[2], ARGV[2]) return 1",
    )
});

/// How a Redis server is reached.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://user:password@host:port/database`, or `rediss://` for TLS.
    pub url: String,
    /// What the names of all keys and channels begin with: installations that share a server take different ones.
    pub prefix: String,
}

impl RedisOptions {
    /// The beginning of all names unless said otherwise.
    pub const PREFIX: &str = "leadscore";

    /// The defaults for a server.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), prefix: Self::PREFIX.to_owned() }
    }
}

/// A handle to a Redis server. Clones share one connection for requests.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    client: Client,
    prefix: String,
    /// Empty while the server is away: whoever finds it gone empties it, and one task fills it again.
    link: watch::Sender<Option<MultiplexedConnection>>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl fmt::Debug for Redis {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("prefix", &self.0.prefix).finish_non_exhaustive()
    }
}

impl Redis {
    /// Begins to connect, and returns at once.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] where the address is none.
    pub fn open(options: &RedisOptions) -> Result<Self, StoreError> {
        let client = Client::open(options.url.as_str())
            // The error may repeat the password.
            .map_err(|_| Invalid::new("store.redis", "is no address", "write redis://user:password@host:port"))?;
        let redis = Self(Arc::new(Inner {
            client,
            prefix: options.prefix.clone(),
            link: watch::Sender::new(None),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        }));
        let kept = redis.clone();
        redis.spawn(|closing| async move {
            closing.run_until_cancelled(kept.keep_connected()).await;
        });
        Ok(redis)
    }

    /// Waits until the server answers.
    pub async fn connected(&self) {
        // The sender lives in `self`: the error cannot come.
        self.0.link.subscribe().wait_for(Option::is_some).await.ok();
    }

    /// Publishes what waits, and disconnects.
    pub async fn close(&self) {
        self.0.closing.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.link.send_replace(None);
    }

    /// A name of this installation's.
    pub(crate) fn name(&self, rest: &str) -> String {
        format!("{}:{rest}", self.0.prefix)
    }

    /// Where the present epoch is.
    pub(crate) fn epoch_key(&self) -> String {
        self.name("epoch")
    }

    /// Runs a task that [`Self::close`] ends and waits for.
    pub(crate) fn spawn<F>(&self, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.tasks.spawn(task(self.0.closing.clone()));
    }

    /// Asks for the sake of a request; `None` where the server is away, slow or refuses.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Option<T> {
        let mut link = self.link()?;
        self.answer(timeout(ANSWER_TIMEOUT, command.query_async(&mut link)).await)
    }

    /// As [`Self::ask`], for a script.
    pub(crate) async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Option<T> {
        let mut link = self.link()?;
        self.answer(timeout(ANSWER_TIMEOUT, script.invoke_async(&mut link)).await)
    }

    /// A connection of the caller's own.
    pub(crate) async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
        let mut connection = self.0.client.get_multiplexed_async_connection_with_config(&config).await?;
        // A server that hangs takes connections all the same: it must answer first.
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
        if let Some(run) = info.lines().find_map(|line| line.strip_prefix("run_id:")) {
            let mut script = ADOPT_RUN.key(self.name("run"));
            script.key(self.epoch_key()).arg(run.trim()).arg(&new_epoch()[..]);
            script.invoke_async::<()>(&mut connection).await?;
        }
        Ok(connection)
    }

    /// A connection that only listens.
    pub(crate) async fn listen(&self) -> RedisResult<PubSub> {
        timeout(PATIENCE, self.0.client.get_async_pubsub()).await.map_err(|_| timed_out())?
    }

    fn link(&self) -> Option<MultiplexedConnection> {
        self.0.link.borrow().clone()
    }

    fn answer<T>(&self, answered: Result<RedisResult<T>, tokio::time::error::Elapsed>) -> Option<T> {
        match answered {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) if !error.is_unrecoverable_error() && !error.is_io_error() => {
                tracing::debug!(%error, "Redis refused");
                None
            }
            Ok(Err(_)) | Err(_) => {
                self.0.link.send_replace(None);
                None
            }
        }
    }

    async fn keep_connected(self) {
        let mut reported = false;
        loop {
            match self.connect().await {
                Ok(connection) => {
                    if reported {
                        tracing::info!("Redis answers again");
                    }
                    reported = false;
                    self.0.link.send_replace(Some(connection.clone()));
                    self.until_lost(connection).await;
                    self.0.link.send_replace(None);
                    report(&mut reported, &timed_out());
                }
                Err(error) => report(&mut reported, &error),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns when the server does not answer, or somebody has found that out.
    async fn until_lost(&self, mut connection: MultiplexedConnection) {
        let mut link = self.0.link.subscribe();
        let mut ping = tokio::time::interval(PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = link.wait_for(Option::is_none) => return,
                _ = ping.tick() => {}
            }
            if redis::cmd("PING").exec_async(&mut connection).await.is_err() {
                return;
            }
        }
    }
}

/// Says once in an outage that there is one.
fn report(reported: &mut bool, error: &RedisError) {
    if !std::mem::replace(reported, true) {
        tracing::warn!(%error, "Redis does not answer; everything comes from the database until it does");
    }
}

/// An epoch that never was.
pub(crate) fn new_epoch() -> Epoch {
    let mut bytes = [0; EPOCH_DIGITS / 2];
    random::fill(&mut bytes);
    hex(&bytes).into_bytes().try_into().expect("a byte is two digits")
}

/// What the library says of its own timeouts.
pub(crate) fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

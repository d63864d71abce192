//! The part of the cache that all processes share: latest scores in Redis, and the channel on which changes go out.
//!
//! Invariants: a script compares, sets and publishes at once, so that no lead goes backwards however many processes
//! publish. An entry counts only in the epoch that it was written in: a process that could not publish something
//! begins another one, and with it everything older is forgotten. The memory is trusted from the moment at which the
//! subscription is confirmed to the moment at which it fails a ping.
//!
//! An entry is `epoch order change`: 32 hexadecimal digits, 39 characters that sort as position and time of
//! calculation, JSON. A message is [`RESET`] or changes as JSON, one a line.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, Ordering},
};

use futures_util::StreamExt as _;
use leadscore_domain::{LeadId, Score};
use redis::{
    RedisResult, Script,
    aio::{MultiplexedConnection, PubSubSink},
};
use tokio::{
    sync::{Notify, broadcast, mpsc},
    time::{MissedTickBehavior, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Change, Update, memory::Memory};
use crate::{
    Redis,
    redis::{EPOCH_DIGITS, Epoch, PATIENCE, PAUSE, PING_EVERY, new_epoch, timed_out},
};

/// Most batches of changes that wait to be published; one more, and everybody is told to forget everything.
const BATCHES_MAX: usize = 64;
/// Most scores read from the database that wait to be kept; further ones are not.
const FILLS_MAX: usize = 1_024;
/// Most changes in one script: while it runs, the server does nothing else.
const SCRIPT_CHANGES_MAX: usize = 256;
/// How long it is remembered that a lead has no score.
const VERDICT_LIFE_MS: i64 = 24 * 60 * 60 * 1_000;
/// The message that everything is to be forgotten.
const RESET: &str = "reset";
/// Length of what stands before the change in an entry.
const HEAD: usize = EPOCH_DIGITS + 1 + 39 + 1;

/// KEYS: the epoch's, then the leads'. ARGV: the channel, "" for none; the epoch to take where there is none; the epoch
/// that is asked for, "" for any; then for each lead order, change, and when it expires: at a time, or in a time.
static KEEP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local epoch = redis.call('GET', KEYS[1])
        if not epoch then
            epoch = ARGV[2]
            redis.call('SET', KEYS[1], epoch)
        end
        if ARGV[3] ~= '' and ARGV[3] ~= epoch then return 0 end
        local newer = {}
        for i = 2, #KEYS do
            local order, change = ARGV[4 * i - 4], ARGV[4 * i - 3]
            local held = redis.call('GET', KEYS[i])
            if not held or held:sub(1, 32) ~= epoch or held:sub(34, 72) < order then
                redis.call('SET', KEYS[i], epoch .. ' ' .. order .. ' ' .. change, ARGV[4 * i - 2], ARGV[4 * i - 1])
                newer[#newer + 1] = change
            end
        end
        if ARGV[1] ~= '' and #newer > 0 then redis.call('PUBLISH', ARGV[1], table.concat(newer, '\n')) end
        return #newer",
    )
});

/// KEYS: the epoch's. ARGV: the channel, the new epoch, the message.
static BEGIN: LazyLock<Script> =
    LazyLock::new(|| Script::new("redis.call('SET', KEYS[1], ARGV[2]) return redis.call('PUBLISH', ARGV[1], ARGV[3])"));

/// A handle to the tasks that publish and listen.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    redis: Redis,
    batches: mpsc::Sender<Vec<Change>>,
    fills: mpsc::Sender<(Epoch, Arc<Score>)>,
    loss: Arc<Loss>,
}

/// Whether a change may not have reached the others.
#[derive(Debug, Default)]
struct Loss {
    suffered: AtomicBool,
    news: Notify,
}

impl Loss {
    fn suffer(&self) {
        self.suffered.store(true, Ordering::Release);
        self.news.notify_one();
    }
}

impl Shared {
    pub(super) fn start(redis: &Redis, memory: Arc<Memory>, updates: broadcast::Sender<Update>) -> Self {
        let (batches, queued_batches) = mpsc::channel(BATCHES_MAX);
        let (fills, queued_fills) = mpsc::channel(FILLS_MAX);
        let loss = Arc::new(Loss::default());
        let publisher =
            Publisher { redis: redis.clone(), batches: queued_batches, fills: queued_fills, loss: Arc::clone(&loss) };
        redis.spawn(|closing| publisher.run(closing));
        let listener = Listener { redis: redis.clone(), memory, updates };
        redis.spawn(|closing| async move {
            closing.run_until_cancelled(listener.run()).await;
            // What comes after is not heard.
            listener.memory.begin(false);
        });
        Self { redis: redis.clone(), batches, fills, loss }
    }

    /// The present epoch, and what is known of a lead in it.
    pub(super) async fn read(&self, id: LeadId) -> (Option<Epoch>, Option<Change>) {
        let mut command = redis::cmd("MGET");
        command.arg(self.redis.epoch_key()).arg(lead_key(&self.redis, id));
        let Some((epoch, entry)) = self.redis.ask::<(Option<Vec<u8>>, Option<Vec<u8>>)>(&command).await else {
            return (None, None);
        };
        let epoch: Option<Epoch> = epoch.and_then(|epoch| epoch.try_into().ok());
        let change = epoch.zip(entry).and_then(|(epoch, entry)| {
            let (head, change) = entry.split_at_checked(HEAD)?;
            if head.starts_with(&epoch) { serde_json::from_slice(change).ok() } else { None }
        });
        (epoch, change)
    }

    pub(super) fn publish(&self, changes: Vec<Change>) {
        if self.batches.try_send(changes).is_err() {
            self.loss.suffer();
        }
    }

    pub(super) fn fill(&self, epoch: Epoch, score: Arc<Score>) {
        // Too many at once: the next reader hands it in again.
        self.fills.try_send((epoch, score)).ok();
    }

    pub(super) fn reset(&self) {
        self.loss.suffer();
    }
}

/// The task that writes.
struct Publisher {
    redis: Redis,
    batches: mpsc::Receiver<Vec<Change>>,
    fills: mpsc::Receiver<(Epoch, Arc<Score>)>,
    loss: Arc<Loss>,
}

impl Publisher {
    /// Publishes until `closing`, then what still waits.
    async fn run(mut self, closing: CancellationToken) {
        loop {
            match self.redis.connect().await {
                Ok(mut connection) => match self.publish(&mut connection, &closing).await {
                    Ok(()) => return,
                    Err(error) => {
                        // It may have been done or not.
                        self.loss.suffer();
                        tracing::debug!(%error, "changes could not be published");
                    }
                },
                Err(_) if closing.is_cancelled() => return,
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns when everything is published that came before `closing`.
    async fn publish(
        &mut self,
        connection: &mut MultiplexedConnection,
        closing: &CancellationToken,
    ) -> RedisResult<()> {
        loop {
            if self.loss.suffered.swap(false, Ordering::AcqRel) {
                // Some of these may be older than what was lost.
                while self.batches.try_recv().is_ok() {}
                self.begin(connection).await?;
            }
            tokio::select! {
                biased;
                () = self.loss.news.notified() => {}
                batch = self.batches.recv() => match batch {
                    Some(changes) => self.keep(connection, changes, None).await?,
                    None => return Ok(()),
                },
                Some((epoch, score)) = self.fills.recv() => {
                    self.keep(connection, vec![Change::Score(score)], Some(epoch)).await?;
                }
                () = closing.cancelled(), if !self.batches.is_closed() => self.batches.close(),
            }
        }
    }

    /// Makes everybody forget everything.
    async fn begin(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let mut script = BEGIN.key(self.redis.epoch_key());
        script.arg(channel(&self.redis)).arg(&new_epoch()[..]).arg(RESET);
        script.invoke_async(connection).await
    }

    /// Keeps what is newer, together with whatever else waits, and tells of it; in an epoch, without telling.
    async fn keep(
        &mut self,
        connection: &mut MultiplexedConnection,
        mut changes: Vec<Change>,
        epoch: Option<Epoch>,
    ) -> RedisResult<()> {
        while epoch.is_none()
            && changes.len() < SCRIPT_CHANGES_MAX
            && let Ok(more) = self.batches.try_recv()
        {
            changes.extend(more);
        }
        for changes in changes.chunks(SCRIPT_CHANGES_MAX) {
            let mut script = KEEP.key(self.redis.epoch_key());
            let channel = if epoch.is_none() { channel(&self.redis) } else { String::new() };
            let asked = epoch.as_ref().map_or(&b""[..], |epoch| &epoch[..]);
            script.arg(channel).arg(&new_epoch()[..]).arg(asked);
            for change in changes {
                let (expires, when_ms) = expiry(change);
                let json = serde_json::to_vec(change).expect("a change is plain data with string keys");
                script.key(lead_key(&self.redis, change.lead_id()));
                script.arg(order(change)).arg(json).arg(expires).arg(when_ms);
            }
            script.invoke_async::<()>(connection).await?;
        }
        Ok(())
    }
}

/// The task that hears what all processes publish.
struct Listener {
    redis: Redis,
    memory: Arc<Memory>,
    updates: broadcast::Sender<Update>,
}

impl Listener {
    async fn run(&self) {
        loop {
            if let Err(error) = self.listen().await {
                tracing::debug!(%error, "changes cannot be heard; trying again");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn listen(&self) -> RedisResult<()> {
        let mut subscription = self.redis.listen().await?;
        let subscribed = timeout(PATIENCE, subscription.subscribe(channel(&self.redis))).await;
        subscribed.map_err(|_| timed_out())??;
        // From here on nothing is missed; before, something was.
        self.forget(true);
        let (mut sink, mut messages) = subscription.split();
        let mut ping = tokio::time::interval(PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let lost = loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.hear(message.get_payload_bytes()),
                    None => break Ok(()),
                },
                _ = ping.tick() => if let Err(error) = answers(&mut sink).await { break Err(error) },
            }
        };
        self.forget(false);
        lost
    }

    fn forget(&self, trusted: bool) {
        self.memory.begin(trusted);
        self.updates.send(Update::Missed).ok();
    }

    fn hear(&self, message: &[u8]) {
        let generation = self.memory.generation();
        for line in message.split(|byte| *byte == b'\n') {
            // [`RESET`], or something that another release says.
            let Ok(change) = serde_json::from_slice::<Change>(line) else {
                return self.forget(true);
            };
            if self.memory.keep(generation, &change) {
                self.updates.send(Update::Changed(change)).ok();
            }
        }
    }
}

async fn answers(sink: &mut PubSubSink) -> RedisResult<()> {
    timeout(PATIENCE, sink.ping()).await.map_err(|_| timed_out())?
}

fn lead_key(redis: &Redis, id: LeadId) -> String {
    redis.name(&format!("score:{id}"))
}

fn channel(redis: &Redis) -> String {
    redis.name("scores")
}

/// Sorts as text like position and time of calculation sort as numbers.
fn order(change: &Change) -> String {
    let (position, calculated_us) = match change {
        Change::Score(score) => (score.log_position, score.calculated_at.as_micros()),
        Change::Withheld { log_position, .. } | Change::Unknown { log_position, .. } => (*log_position, i64::MAX),
    };
    format!("{:019}.{:019}", position.max(0), calculated_us.max(0))
}

/// How Redis is to take the expiry, and the expiry in milliseconds.
fn expiry(change: &Change) -> (&'static str, i64) {
    match change {
        // A time that is not after 1970 would be an error.
        Change::Score(score) => ("PXAT", (score.expires_at.as_micros() / 1_000).max(1)),
        Change::Withheld { .. } | Change::Unknown { .. } => ("PX", VERDICT_LIFE_MS),
    }
}

//! A member of a group: the partitions that it owns at present, and the records that wait in them.
//!
//! Invariants: it begins where the database says that the group stands, at the start and after every rebalance; records
//! stay until the reader has gone past them, so that a piece of work can be done again; what waits is bounded.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use rdkafka::{
    ClientContext, Message as _, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::KafkaError,
    types::RDKafkaRespErr,
};
use tokio::{runtime::Handle, sync::watch};
use tokio_util::sync::CancellationToken;

use super::{Kafka, connect::report};
use crate::{Store, StoreError};

/// Records of a partition that wait, from which on no further ones are fetched.
const WAITING_MAX: usize = 8_192;
/// Longest time that the client waits before it looks after itself.
const POLL: Duration = Duration::from_millis(50);
/// How long to wait before the database is asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// A record as it came.
pub(in super::super) struct Raw {
    pub(in super::super) partition: u16,
    /// Offset + 1.
    pub(in super::super) position: i64,
    pub(in super::super) payload: Vec<u8>,
}

/// What a partition holds.
#[derive(Default)]
struct Held {
    /// Another one with each assignment.
    generation: u64,
    records: VecDeque<Arc<Raw>>,
    paused: bool,
}

type Partitions = BTreeMap<u16, Held>;

struct Shared {
    partitions: Mutex<Partitions>,
    /// Partitions that were assigned so far: a generation is never given twice, also where a partition was away.
    assigned: AtomicU64,
    /// Changes when there is something new: records, or other partitions.
    news: watch::Sender<u64>,
}

/// A member of a group.
pub(in super::super) struct Member {
    shared: Arc<Shared>,
    news: watch::Receiver<u64>,
    stop: CancellationToken,
    thread: Option<thread::JoinHandle<()>>,
}

/// What is done when partitions come and go.
struct Rebalancing {
    store: Store,
    group: String,
    runtime: Handle,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

impl Member {
    /// Joins `group`.
    pub(in super::super) fn join(store: &Store, kafka: &Kafka, group: &str) -> Result<Self, StoreError> {
        let news = watch::Sender::new(0);
        let receiver = news.subscribe();
        let shared = Arc::new(Shared { partitions: Mutex::default(), assigned: AtomicU64::new(0), news });
        let stop = CancellationToken::new();
        let context = Rebalancing {
            store: store.clone(),
            group: group.to_owned(),
            runtime: Handle::current(),
            shared: Arc::clone(&shared),
            stop: stop.clone(),
        };
        let consumer: BaseConsumer<Rebalancing> = kafka.options().consumer(group).create_with_context(context)?;
        consumer.subscribe(&[&kafka.topics().events])?;
        let thread = thread::Builder::new().name(format!("log of {group}"));
        let thread = thread.spawn(move || poll(&consumer)).map_err(crate::error::io_at("a thread"))?;
        Ok(Self { shared, news: receiver, stop, thread: Some(thread) })
    }

    /// The partitions that it owns, each with a number that changes when it is assigned anew.
    pub(in super::super) fn owned(&self) -> Vec<(u16, u64)> {
        self.shared.lock().iter().map(|(partition, held)| (*partition, held.generation)).collect()
    }

    /// Up to `limit` records of a partition after `after`; earlier ones are dropped.
    pub(in super::super) fn waiting(&self, partition: u16, after: i64, limit: usize) -> Vec<Arc<Raw>> {
        let mut partitions = self.shared.lock();
        let Some(held) = partitions.get_mut(&partition) else { return Vec::new() };
        while held.records.front().is_some_and(|raw| raw.position <= after) {
            held.records.pop_front();
        }
        held.records.iter().take(limit).cloned().collect()
    }

    /// Marks what there is now as seen.
    pub(in super::super) fn see(&mut self) {
        self.news.borrow_and_update();
    }

    /// Waits until there is something that was not seen.
    pub(in super::super) async fn changed(&mut self) {
        // The sender lives as long as `shared`.
        self.news.changed().await.ok();
    }

    /// Leaves the group, so that others need not miss it first.
    pub(in super::super) async fn leave(mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            tokio::task::spawn_blocking(move || thread.join()).await.ok();
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Partitions> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.news.send_modify(|count| *count += 1);
    }
}

/// Fetches until told to stop. Dropping the consumer leaves the group.
fn poll(consumer: &BaseConsumer<Rebalancing>) {
    let context = Arc::clone(consumer.context());
    while !context.stop.is_cancelled() {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                let partition = u16::try_from(message.partition()).unwrap_or(u16::MAX);
                let payload = message.payload().unwrap_or_default().to_vec();
                let raw = Raw { partition, position: message.offset() + 1, payload };
                if context.take(partition, raw) {
                    pause(consumer, message.topic(), partition, true);
                }
            }
            Some(Err(error)) => tracing::debug!(%error, "Kafka cannot be read; trying again"),
            None => {}
        }
        for (topic, partition) in context.to_resume(consumer) {
            pause(consumer, &topic, partition, false);
        }
    }
}

fn pause(consumer: &BaseConsumer<Rebalancing>, topic: &str, partition: u16, pause: bool) {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, i32::from(partition));
    let done = if pause { consumer.pause(&list) } else { consumer.resume(&list) };
    if let Err(error) = done {
        tracing::debug!(%error, partition, "a partition could not be paused or resumed");
    }
}

impl Rebalancing {
    /// Lets a record wait; whether it is enough now.
    fn take(&self, partition: u16, raw: Raw) -> bool {
        let mut partitions = self.shared.lock();
        let Some(held) = partitions.get_mut(&partition) else { return false };
        held.records.push_back(Arc::new(raw));
        let full = held.records.len() >= WAITING_MAX && !held.paused;
        held.paused |= full;
        drop(partitions);
        self.shared.tell();
        full
    }

    /// Paused partitions that may go on.
    fn to_resume(&self, consumer: &BaseConsumer<Self>) -> Vec<(String, u16)> {
        let mut resumed = Vec::new();
        for (partition, held) in self.shared.lock().iter_mut() {
            if held.paused && held.records.len() < WAITING_MAX / 2 {
                held.paused = false;
                resumed.push(*partition);
            }
        }
        if resumed.is_empty() {
            return Vec::new();
        }
        let topic = consumer.subscription().ok().and_then(|list| Some(list.elements().first()?.topic().to_owned()));
        topic.map_or_else(Vec::new, |topic| resumed.into_iter().map(|partition| (topic.clone(), partition)).collect())
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> Result<(), KafkaError> {
        let mut placed = TopicPartitionList::new();
        for element in list.elements() {
            let partition = u16::try_from(element.partition()).unwrap_or(u16::MAX);
            // The position of the last record is the offset of the next one.
            let Some(position) = self.position(partition) else { return Ok(()) };
            placed.add_partition_offset(element.topic(), element.partition(), Offset::Offset(position))?;
            let generation = self.shared.assigned.fetch_add(1, Ordering::Relaxed);
            self.shared.lock().insert(partition, Held { generation, ..Held::default() });
        }
        consumer.incremental_assign(&placed)?;
        tracing::info!(partitions = placed.count(), "took over partitions of the log");
        Ok(())
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> Result<(), KafkaError> {
        let mut partitions = self.shared.lock();
        for element in list.elements() {
            partitions.remove(&u16::try_from(element.partition()).unwrap_or(u16::MAX));
        }
        drop(partitions);
        tracing::info!(partitions = list.count(), "gave partitions of the log away");
        consumer.incremental_unassign(list)
    }

    /// Where the group stands, as soon as the database says so; `None` when the member stops.
    fn position(&self, partition: u16) -> Option<i64> {
        self.runtime.block_on(async {
            loop {
                match self.store.position(&self.group, partition).await {
                    Ok(position) => return Some(position),
                    Err(error) => tracing::debug!(%error, "the database cannot be asked; trying again"),
                }
                tokio::select! {
                    () = self.stop.cancelled() => return None,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        })
    }
}

impl ClientContext for Rebalancing {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        report(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka");
    }
}

impl ConsumerContext for Rebalancing {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        // What is no assignment takes partitions away, also where it is an error.
        let done = if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.assign(consumer, list)
        } else {
            self.revoke(consumer, list)
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the group's partitions could not be dealt anew");
        }
        self.shared.tell();
    }
}

//! Connecting: the properties of producers and consumers, with their reasons.

use std::sync::{Arc, Mutex};

use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    consumer::{Consumer as _, ConsumerContext},
    error::KafkaError,
};
use tokio::sync::Notify;

use super::{Kafka, KafkaOptions, Topics};
use crate::StoreError;

/// Tells of the client's troubles where they are handled, and not for each broker and attempt.
pub(crate) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        report(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka");
    }
}

impl ConsumerContext for Quiet {}

/// Logs a line of the client: what it calls an error is a connection that it makes anew by itself.
pub(super) fn report(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(facility, message, "kafka");
        }
        RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning
        | RDKafkaLogLevel::Notice
        | RDKafkaLogLevel::Info
        | RDKafkaLogLevel::Debug => tracing::debug!(facility, message, "kafka"),
    }
}

impl From<KafkaError> for StoreError {
    fn from(error: KafkaError) -> Self {
        Self::Kafka(Arc::new(error))
    }
}

impl KafkaOptions {
    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "leadscore")
            // After a restart of a broker the next attempt comes soon.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000");
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
    }

    fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // Senders wait for the answer: what comes at the same time shares a request, nothing waits for company. What
            // is sealed does not compress.
            .set("linger.ms", "0.5")
            // After that the outbox takes it.
            .set("message.timeout.ms", "3000")
            .set("queue.buffering.max.messages", "100000")
            .set("queue.buffering.max.kbytes", "65536");
        config
    }

    /// Of the scores, which nobody waits for.
    fn teller(&self) -> ClientConfig {
        let mut config = self.producer();
        config.set("linger.ms", "20").set("compression.type", "lz4");
        config
    }

    /// Of a member of `group`.
    pub(super) fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", format!("{}.{group}", self.prefix))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", "cooperative-sticky")
            // A member that died is missed after this time.
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "1000")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.queue.backoff.ms", "5")
            .set("queued.max.messages.kbytes", "32768");
        config
    }
}

impl Topics {
    fn new(prefix: &str) -> Self {
        Self {
            events: format!("{prefix}.events.v1"),
            scores: format!("{prefix}.scores.v1"),
            dead: format!("{prefix}.events.dead.v1"),
        }
    }
}

impl Kafka {
    /// Connects, and makes the topics where they are missing. `partitions` are those of the store.
    pub(crate) async fn open(options: KafkaOptions, partitions: u16) -> Result<Self, StoreError> {
        let topics = Topics::new(&options.prefix);
        super::topics::make(&options.client(), &options, &topics, partitions).await?;
        let mut observer = options.client();
        observer.set("group.id", format!("{}.observer", options.prefix));
        Ok(Self {
            producer: options.producer().create_with_context(Quiet)?,
            teller: options.teller().create_with_context(Quiet)?,
            observer: Arc::new(observer.create_with_context(Quiet)?),
            topics,
            partitions,
            options,
            down_until: Mutex::new(None),
            relay: Notify::new(),
        })
    }

    pub(crate) fn options(&self) -> &KafkaOptions {
        &self.options
    }

    pub(crate) fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Where each partition of the events ends; the position of its last record.
    pub(crate) async fn heads(&self) -> Result<Vec<i64>, StoreError> {
        let (observer, topic, partitions) = (Arc::clone(&self.observer), self.topics.events.clone(), self.partitions);
        let asked =
            tokio::task::spawn_blocking(move || super::topics::heads(observer.client(), &topic, partitions)).await;
        asked.map_err(|_| StoreError::Closed)?
    }
}

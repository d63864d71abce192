//! Apache Kafka as the event log: topics, producer, members of a group.
//!
//! Owns: how events travel over Kafka. Leads, handles and keys stay in the database: an event is resolved and sealed
//! under its lead's key before it is produced, so that destroying the key erases it in the topic too.
//! Invariants: an event is acknowledged when all in-sync replicas have it, or the database's outbox where Kafka cannot
//! be reached; positions (offset + 1) are committed in the database together with what was derived; what is delivered
//! twice is dropped by its id. Deliberately absent: Kafka's transactions and its own committed offsets.

mod connect;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod intake;
mod member;
pub(crate) mod outbox;
mod produce;
mod record;
mod take;
mod topics;

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use leadscore_domain::Region;
use rdkafka::{consumer::BaseConsumer, producer::FutureProducer};
use tokio::{sync::Notify, time::Instant};

pub(super) use self::{
    intake::append,
    member::Member,
    take::{Trust, take},
};
pub use self::{produce::Announcement, take::Batch};

/// How Kafka is reached, and what the topics are called.
#[derive(Clone)]
pub struct KafkaOptions {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// What the names of topics and groups begin with.
    pub prefix: String,
    /// Replicas of the topics that are made; `None` leaves it to the brokers.
    pub replication: Option<u16>,
    /// Country whose telephone numbers may be written without a prefix, in events that others produce.
    pub region: Region,
    /// Age from which on events that others produce are set aside, in microseconds; 0 for none.
    pub late_max_us: i64,
    /// Further properties of the client, such as `security.protocol` and `sasl.password`
    /// (<https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md>).
    pub properties: Vec<(String, String)>,
}

impl KafkaOptions {
    /// What names begin with unless said otherwise.
    pub const PREFIX: &str = "leadscore";

    /// The defaults for these brokers.
    #[must_use]
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            prefix: Self::PREFIX.to_owned(),
            replication: None,
            region: Region::default(),
            late_max_us: 0,
            properties: Vec::new(),
        }
    }
}

impl fmt::Debug for KafkaOptions {
    /// Without the properties, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaOptions").field("brokers", &self.brokers).field("prefix", &self.prefix).finish()
    }
}

/// The topics.
#[derive(Debug, Clone)]
pub(crate) struct Topics {
    /// Every event, keyed by lead.
    pub(crate) events: String,
    /// The latest score of each lead, compacted.
    pub(crate) scores: String,
    /// What could not be applied, with the reason.
    pub(crate) dead: String,
}

/// A connection to Kafka.
pub(crate) struct Kafka {
    options: KafkaOptions,
    topics: Topics,
    partitions: u16,
    producer: FutureProducer<connect::Quiet>,
    /// Tells of scores, which nobody waits for.
    teller: FutureProducer<connect::Quiet>,
    /// Asks how long the partitions are.
    observer: Arc<BaseConsumer<connect::Quiet>>,
    /// Kafka did not answer, and is left alone until then.
    down_until: Mutex<Option<Instant>>,
    /// There is something in the outbox.
    pub(crate) relay: Notify,
}

//! The topics: made where they are missing, checked where they are there.

use std::time::{Duration, Instant};

use leadscore_domain::Invalid;
use rdkafka::{
    ClientConfig, ClientContext,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::Client,
    types::RDKafkaErrorCode,
};

use super::{KafkaOptions, Topics, connect::Quiet};
use crate::StoreError;

/// How long an answer of the brokers may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Makes those of the topics that are missing, and sees to it that the events have as many partitions as the store.
pub(super) async fn make(
    client: &ClientConfig,
    options: &KafkaOptions,
    topics: &Topics,
    partitions: u16,
) -> Result<(), StoreError> {
    let admin: AdminClient<Quiet> = client.create_with_context(Quiet)?;
    let replicas = options.replication.map_or(-1, i32::from);
    let topic = |name, partitions: u16| NewTopic::new(name, i32::from(partitions), TopicReplication::Fixed(replicas));
    let wanted = [
        // The log is the truth: nothing in it is ever too old.
        topic(topics.events.as_str(), partitions).set("cleanup.policy", "delete").set("retention.ms", "-1"),
        topic(&topics.scores, partitions).set("cleanup.policy", "compact"),
        topic(&topics.dead, 1).set("cleanup.policy", "delete").set("retention.ms", "-1"),
    ];
    let patience = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
    for made in admin.create_topics(&wanted, &patience).await? {
        match made {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(Invalid::new("kafka.topics", refusal(&topic, code), REMEDY).into()),
        }
    }
    let topic = topics.events.clone();
    let found = tokio::task::spawn_blocking(move || settled(&admin, &topic, partitions)).await;
    let found = found.map_err(|_| StoreError::Closed)??;
    if found == usize::from(partitions) {
        return Ok(());
    }
    let what = format!("has {found} partitions, the database was made for {partitions}");
    Err(Invalid::new(&topics.events, what, "name another kafka.prefix, or make the topic anew").into())
}

/// The number of a topic's partitions, once each of them answers: after a topic was made, its brokers need a moment.
fn settled(admin: &AdminClient<Quiet>, topic: &str, partitions: u16) -> Result<usize, StoreError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found =
            admin.inner().fetch_metadata(Some(topic), PATIENCE)?.topics().first().map_or(0, |t| t.partitions().len());
        let heads = heads(admin.inner(), topic, partitions);
        if found > 0 && (found != usize::from(partitions) || heads.is_ok()) {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return heads.map(|_| found);
        }
        std::thread::sleep(SETTLE);
    }
}

/// Where each partition of a topic ends.
pub(super) fn heads<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    partitions: u16,
) -> Result<Vec<i64>, StoreError> {
    (0..partitions).map(|partition| Ok(client.fetch_watermarks(topic, i32::from(partition), PATIENCE)?.1)).collect()
}

/// How often brokers are asked whether a topic is ready.
const SETTLE: Duration = Duration::from_millis(50);
const REMEDY: &str = "let this client create topics, or create them for it";

fn refusal(topic: &str, code: RDKafkaErrorCode) -> String {
    format!("cannot be made: {topic}: {code}")
}

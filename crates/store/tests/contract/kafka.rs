//! What holds of Kafka alone: the topics as other systems see them, and members that come and go.

use std::{collections::BTreeSet, time::Duration};

use leadscore_store::{DeadFilter, DeadOrigin, Derived, KafkaOptions, LogReader, Store, StoreError, TraceParent};
use rdkafka::{
    ClientConfig, Message as _,
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    message::Headers as _,
    producer::{FutureProducer, FutureRecord},
};
use serde_json::{Value, json};

use crate::{
    log::{commit_of, drain, next, read},
    support::{Backend as _, Kafka, append_one, crm, derived, email, event, living, score},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Every record of a topic: key, value and the first header.
fn every_record(kafka: &Kafka, topic: &str) -> Vec<(String, Option<Value>, Option<String>)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &kafka.brokers)
        .set("group.id", "contract")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let topic = kafka.topic(topic);
    let metadata = consumer.fetch_metadata(Some(&topic), PATIENCE).unwrap();
    let partitions = metadata.topics()[0].partitions().len();
    let mut list = rdkafka::TopicPartitionList::new();
    for partition in 0..i32::try_from(partitions).unwrap() {
        list.add_partition_offset(&topic, partition, rdkafka::Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut records, mut ended) = (Vec::new(), 0);
    while ended < partitions {
        match consumer.poll(PATIENCE).expect("a record or an end") {
            Ok(message) => {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let header = message.headers().map(|headers| text(headers.get(0).value.unwrap()));
                let value = message
                    .payload()
                    .map(|payload| serde_json::from_slice(payload).unwrap_or_else(|_| Value::String(text(payload))));
                records.push((text(message.key().unwrap()), value, header));
            }
            Err(rdkafka::error::KafkaError::PartitionEOF(_)) => ended += 1,
            Err(error) => panic!("{error}"),
        }
    }
    records
}

async fn produce(kafka: &Kafka, payloads: &[String]) {
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap();
    for (key, payload) in payloads.iter().enumerate() {
        let (topic, key) = (kafka.topic("events.v1"), key.to_string());
        producer.send(FutureRecord::to(&topic).key(&key).payload(payload), PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn events_travel_sealed_as_cloud_events_keyed_by_lead() {
    let kafka = Kafka::new().await;
    let store = kafka.open().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let appending = append_one(&store, event("1", &[email("ann")], 7));
    let lead = TraceParent::parse(trace).unwrap().within(appending).await;
    let records = every_record(&kafka, "events.v1");
    let [(key, Some(record), Some(header))] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!(header, trace);
    assert_eq!(*key, lead.to_string());
    assert_eq!(record["specversion"], "1.0");
    assert_eq!(record["subject"], lead.to_string());
    assert_eq!(record["id"], event("1", &[], 7).id.to_string());
    assert_eq!(record["time"], "2026-03-01T12:00:07Z");
    assert!(!record.to_string().contains("message 1") && !record.to_string().contains("ann@"), "{record}");
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap();
    let topics = [kafka.topic("scores.v1"), kafka.topic("events.v1")];
    let asked: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
    let configs = admin.describe_configs(&asked, &AdminOptions::new()).await.unwrap();
    let value = |place: usize, name: &str| configs[place].as_ref().unwrap().get(name).unwrap().value.clone().unwrap();
    assert_eq!(value(0, "cleanup.policy"), "compact");
    assert_eq!((value(1, "cleanup.policy"), value(1, "retention.ms")), ("delete".to_owned(), "-1".to_owned()));
}

#[tokio::test]
async fn events_of_other_systems_are_taken_and_what_is_none_is_set_aside_with_the_reason() {
    let kafka = Kafka::new().await;
    let store = kafka.open().await;
    let foreign = |id: &str, data: Value| {
        let event = json!({
            "source": "crm", "source_event_id": id, "occurred_at": "2026-03-01T11:00:00Z",
            "lead": {"identities": [{"kind": "phone", "value": "(512) 555-0123"}]}, "type": "email", "data": data
        });
        json!({
            "specversion": "1.0", "id": id, "source": "/crm", "type": "com.leadscore.event.v1", "data": event
        })
        .to_string()
    };
    let good = foreign("1", json!({"action": "opened"}));
    let bad = foreign("2", json!({"action": "eaten by ann@example.com"}));
    let early = foreign("3", json!({"action": "opened"})).replace("2026-03-01", "1926-03-01");
    produce(&kafka, &[good.clone(), bad.clone(), "no JSON: ann@example.com".to_owned(), early, good.clone()]).await;
    let mut reader = LogReader::join(&store, "scorer").unwrap();
    drain(&store, &mut reader).await;
    let leads = living(&store).await;
    assert_eq!(leads.len(), 1);
    let events = &store.events_of(&leads).await.unwrap()[&leads[0]];
    assert_eq!((events.len(), events[0].source.as_str()), (1, "crm"));

    let dead = store.dead_letters(&DeadFilter::default(), 10).await.unwrap();
    let mut reasons: Vec<_> = dead.iter().map(|dead| dead.reason.as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    for letter in &dead {
        let place = letter.place.as_ref().unwrap();
        assert_eq!((letter.origin, &place.group), (DeadOrigin::Topic, &kafka.topic("events.v1")));
        let (_, payload) = store.dead_letter(letter.id).await.unwrap().unwrap();
        // What can be sent again once it is mended: the event, not what it was wrapped in.
        let payload = String::from_utf8(payload.unwrap()).unwrap();
        assert!(payload.starts_with("no JSON") || payload.contains("\"source_event_id\""), "{payload}");
        assert!(!payload.contains("specversion"), "{payload}");
    }
    for (reason, part) in reasons.iter().zip(["data is no event", "not a CloudEvent", "occurred_at"]) {
        assert!(reason.contains(part) && !reason.contains("ann@"), "{reason}");
    }
    let topic = every_record(&kafka, "events.dead.v1");
    assert_eq!(topic.len(), 3);
    assert!(topic.iter().any(|(_, value, reason)| {
        *value == serde_json::from_str(&bad).ok()
            && reason.as_ref().is_some_and(|reason| reasons.contains(&reason.as_str()))
    }));
    reader.leave().await;
}

#[tokio::test]
async fn partitions_move_when_a_member_joins_and_when_it_leaves() {
    let kafka = Kafka::new().await;
    let (one, two) = (kafka.open().await, kafka.open().await);
    let owned =
        |reader: &LogReader| reader.owned().into_iter().map(|(partition, _)| partition).collect::<BTreeSet<_>>();
    let all: BTreeSet<u16> = (0..one.partitions()).collect();
    let mut first = LogReader::join(&one, "scorer").unwrap();
    until(&mut first, |first| owned(first) == all).await;
    let mut second = LogReader::join(&two, "scorer").unwrap();
    until(&mut second, |second| owned(second).len() == 4).await;
    until(&mut first, |first| owned(first).len() == 4).await;
    assert!(owned(&first).is_disjoint(&owned(&second)));
    assert_eq!(owned(&first).union(&owned(&second)).copied().collect::<BTreeSet<_>>(), all);

    let lead = append_one(&one, event("1", &[email("ann")], 0)).await;
    let partition = one.partition_of(lead);
    let (reader, other) =
        if owned(&first).contains(&partition) { (&mut first, &mut second) } else { (&mut second, &mut first) };
    let batch = next(reader, partition, 0).await;
    assert!(read(other, partition, 0).await.is_none(), "it is not the other's");
    one.commit(commit_of(partition, 0, batch)).await.unwrap();
    first.leave().await;
    until(&mut second, |second| owned(second) == all).await;
    // Whoever takes over goes on behind what was committed.
    append_one(&two, event("2", &[email("ann")], 1)).await;
    let batch = next(&mut second, partition, 1).await;
    assert_eq!(batch.records.iter().map(|record| record.position).collect::<Vec<_>>(), [2]);
    second.leave().await;
}

#[tokio::test]
async fn a_partition_that_was_away_comes_back_under_another_number() {
    let kafka = Kafka::new().await;
    let (one, two) = (kafka.open().await, kafka.open().await);
    let mut first = LogReader::join(&one, "scorer").unwrap();
    until(&mut first, |first| first.owned().len() == 8).await;
    let before = first.owned();
    let mut second = LogReader::join(&two, "scorer").unwrap();
    until(&mut second, |second| second.owned().len() == 4).await;
    until(&mut first, |first| first.owned().len() == 4).await;
    let stayed = first.owned();
    assert!(stayed.iter().all(|one| before.contains(one)), "what did not move is as it was");
    second.leave().await;
    until(&mut first, |first| first.owned().len() == 8).await;
    let back = first.owned();
    assert_eq!(back.iter().filter(|one| before.contains(one)).count(), stayed.len(), "{before:?}, then {back:?}");
    first.leave().await;
}

async fn until(reader: &mut LogReader, wanted: impl Fn(&LogReader) -> bool) {
    let wait = async {
        loop {
            reader.see();
            if wanted(reader) {
                return;
            }
            reader.changed().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the partitions must be dealt");
}

#[tokio::test]
async fn an_event_that_was_applied_elsewhere_meanwhile_is_not_applied_again() {
    let kafka = Kafka::new().await;
    let store = kafka.open().await;
    let lead = append_one(&store, event("1", &[email("ann")], 0)).await;
    let partition = store.partition_of(lead);
    let mut reader = LogReader::join(&store, "scorer").unwrap();
    let batch = next(&mut reader, partition, 0).await;
    let again = read(&mut reader, partition, 0).await.unwrap();
    store.commit(commit_of(partition, 0, batch)).await.unwrap();
    // As if the same event stood there once more, read before the first one was committed.
    let late = store.commit(commit_of(partition, 1, again)).await;
    assert!(matches!(late, Err(StoreError::Overtaken)), "{late:?}");
    assert_eq!(store.position("scorer", partition).await.unwrap(), 1);
    reader.leave().await;
}

#[tokio::test]
async fn committed_scores_are_announced_and_taken_back() {
    let kafka = Kafka::new().await;
    let store = kafka.open().await;
    let lead = append_one(&store, event("1", &[email("ann")], 0)).await;
    assert_eq!(store.announce_scores(&[score(lead, 1, 1, 87)], &[]).failed().await, []);
    assert_eq!(store.announce_scores(&[], &[lead]).failed().await, []);
    let records = every_record(&kafka, "scores.v1");
    let [(first, Some(told), None), (second, None, None)] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((first, second), (&lead.to_string(), &lead.to_string()));
    assert_eq!((&told["data"]["score"], &told["subject"]), (&json!(87), &json!(lead.to_string())));
}

#[tokio::test]
async fn scores_that_have_still_to_be_told_stay_listed_until_the_latest_was() {
    let kafka = Kafka::new().await;
    let store = kafka.open().await;
    let lead = append_one(&store, event("1", &[email("ann")], 0)).await;
    let partition = store.partition_of(lead);
    let listed = async || store.untold(&[partition], 10).await.unwrap();
    assert_eq!(listed().await, []);
    store.commit(Derived { untold: vec![lead], ..derived(partition, 0, 0) }).await.unwrap();
    let first = listed().await;
    let [(id, listed_lead)] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!(*listed_lead, lead);
    let others: Vec<u16> = (0..store.partitions()).filter(|other| *other != partition).collect();
    assert_eq!(store.untold(&others, 10).await.unwrap(), []);
    // An erasure comes between reading the list and what was told.
    assert!(store.erase_lead(lead).await.unwrap().is_some());
    store.told(vec![*id]).await.unwrap();
    let second = listed().await;
    assert!(matches!(second.as_slice(), [(_, again)] if *again == lead), "{second:?}");
    store.told(second.iter().map(|(id, _)| *id).collect()).await.unwrap();
    assert_eq!(listed().await, []);
}

#[tokio::test]
async fn the_scorer_of_an_absorbed_leads_own_partition_tells_that_it_is_gone() {
    let kafka = Kafka::new().await;
    let store = kafka.open().await;
    append_one(&store, event("1", &[email("ann")], 0)).await;
    let younger = append_one(&store, event("2", &[crm("7")], 1)).await;
    append_one(&store, event("3", &[email("ann"), crm("7")], 2)).await;
    let listed = store.untold(&[store.partition_of(younger)], 10).await.unwrap();
    assert_eq!(listed.iter().map(|(_, lead)| *lead).collect::<Vec<_>>(), [younger]);
}

#[tokio::test]
async fn while_kafka_does_not_answer_the_database_keeps_what_comes_in() {
    let kafka = Kafka::new().await;
    let store = kafka.open().await;
    append_one(&store, event("1", &[crm("1")], 0)).await;
    // A user of Kafka that may not write stands for one that cannot reach it: a record that is too large.
    let mut options = kafka.options();
    let narrow = options.kafka.as_mut().unwrap();
    narrow.properties = vec![("message.max.bytes".to_owned(), "1000".to_owned())];
    let hindered = Store::open(options).await.unwrap();
    let mut large = event("2", &[crm("1")], 1);
    large.body = leadscore_domain::EventBody::Email(leadscore_domain::event::Email {
        action: leadscore_domain::event::EmailAction::Opened,
        message_id: Some("m".repeat(2_000)),
    });
    append_one(&hindered, large.clone()).await;
    // It is relayed by whoever can.
    let mut reader = LogReader::join(&store, "scorer").unwrap();
    let lead = living(&store).await[0];
    let wait = async {
        loop {
            drain(&store, &mut reader).await;
            if store.events_of(&[lead]).await.unwrap().get(&lead).is_some_and(|events| events.len() == 2) {
                return;
            }
            reader.changed().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the event must be relayed");
    reader.leave().await;
}

#[tokio::test]
async fn a_topic_with_another_number_of_partitions_is_refused() {
    let kafka = Kafka::new().await;
    kafka.open().await.close().await;
    let other = Kafka::new().await;
    let mut options = other.options();
    options.kafka = Some(KafkaOptions { prefix: kafka.prefix.clone(), ..KafkaOptions::new(kafka.brokers.clone()) });
    options.partitions = 3;
    let Err(StoreError::Invalid(invalid)) = Store::open(options).await else { panic!("refused") };
    assert!(invalid.to_string().contains("8 partitions"), "{invalid}");
}

#[tokio::test]
async fn kafka_needs_a_server_for_the_database() {
    let embedded = crate::support::Embedded::new();
    let mut options = embedded.options();
    options.kafka = Some(KafkaOptions::new("127.0.0.1:9"));
    let Err(StoreError::Invalid(invalid)) = Store::open(options).await else { panic!("refused") };
    assert!(invalid.to_string().contains("PostgreSQL"), "{invalid}");
}

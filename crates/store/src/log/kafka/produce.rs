//! Producing: what is answered as delivered is on all in-sync replicas.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use leadscore_domain::{LeadId, Score};
use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::{DeliveryFuture, FutureRecord},
};
use tokio::time::Instant;

use super::{Kafka, record};
use crate::{
    FailPoint, Store, TraceParent,
    log::{partition_of, rows::EventRow},
};

/// How long Kafka is left alone after it did not answer: meanwhile nobody waits for it in vain.
const PAUSE: Duration = Duration::from_secs(1);

impl Store {
    /// Tells other systems of committed scores, and of leads that have none any more, on the topic of scores; does
    /// nothing where there is no Kafka.
    #[must_use]
    pub fn announce_scores(&self, scores: &[Score], gone: &[LeadId]) -> Announcement {
        let Some(kafka) = self.kafka() else { return Announcement::default() };
        let scores = scores.iter().map(|score| (score.lead_id, Some(score)));
        let all = scores.chain(gone.iter().map(|lead| (*lead, None)));
        Announcement(all.map(|(lead, score)| (lead, kafka.tell(lead, score))).collect())
    }
}

/// Scores on their way to the topic of scores.
#[derive(Default)]
pub struct Announcement(Vec<(LeadId, Option<DeliveryFuture>)>);

impl Announcement {
    /// The leads of whom nobody was told; waits until that is known.
    pub async fn failed(self) -> Vec<LeadId> {
        let mut failed = Vec::new();
        for (lead, sent) in self.0 {
            if delivered(sent).await.is_none() {
                failed.push(lead);
            }
        }
        failed
    }

    /// The same where it is known already; otherwise the announcement, to be asked again.
    ///
    /// # Errors
    /// Itself, where it is still under way.
    pub fn known(mut self) -> Result<Vec<LeadId>, Self> {
        let mut failed = Vec::new();
        for (at, (lead, sent)) in self.0.iter_mut().enumerate() {
            let Some(sending) = sent else {
                failed.push(*lead);
                continue;
            };
            match Pin::new(sending).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(Ok(_))) => {}
                Poll::Ready(_) => failed.push(*lead),
                Poll::Pending => {
                    // Those before it need not be asked again: what is left of them is who failed.
                    let rest = self.0.split_off(at);
                    self.0 = failed.into_iter().map(|lead| (lead, None)).chain(rest).collect();
                    return Err(self);
                }
            }
        }
        Ok(failed)
    }
}

impl Kafka {
    /// Produces events and gives those that arrived their positions; how many did not.
    pub(super) async fn produce(&self, rows: &mut [EventRow]) -> usize {
        if self.is_down() {
            return rows.len();
        }
        FailPoint::ProduceBefore.pass();
        let sent: Vec<Option<DeliveryFuture>> = rows.iter().map(|row| self.send(row)).collect();
        let mut missing = 0;
        for (row, sent) in rows.iter_mut().zip(sent) {
            match delivered(sent).await {
                Some(position) => row.position = position,
                None => missing += 1,
            }
        }
        FailPoint::ProduceAfter.pass();
        self.note(missing == 0);
        missing
    }

    fn send(&self, row: &EventRow) -> Option<DeliveryFuture> {
        let (key, payload) = (row.lead.to_string(), record::write(row));
        let record =
            FutureRecord::to(&self.topics.events).partition(i32::from(row.partition)).key(&key).payload(&payload);
        let headers = row.trace.as_ref().map(|parent| {
            OwnedHeaders::new().insert(Header { key: TraceParent::HEADER, value: Some(parent.as_str()) })
        });
        self.producer.send_result(FutureRecord { headers, ..record }).ok()
    }

    /// Sends a lead's latest score; `None` takes it away.
    fn tell(&self, lead: LeadId, score: Option<&Score>) -> Option<DeliveryFuture> {
        let (key, payload) = (lead.to_string(), score.map(record::write_score));
        let partition = i32::from(partition_of(lead, self.partitions));
        let record = FutureRecord::to(&self.topics.scores).partition(partition).key(&key);
        self.teller.send_result(FutureRecord { payload: payload.as_deref(), ..record }).ok()
    }

    /// Puts a record that cannot be applied on the topic of the dead, as it was.
    pub(super) async fn bury(&self, partition: u16, position: i64, payload: &[u8], reason: &str) -> bool {
        let key = format!("{partition}/{position}");
        let headers = OwnedHeaders::new().insert(Header { key: "reason", value: Some(reason) });
        let record = FutureRecord::to(&self.topics.dead).key(&key).payload(payload).headers(headers);
        delivered(self.producer.send_result(record).ok()).await.is_some()
    }

    fn is_down(&self) -> bool {
        let until = *self.down_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn note(&self, works: bool) {
        let mut until = self.down_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if works == until.is_some() {
            if works {
                tracing::info!("Kafka answers again");
            } else {
                tracing::warn!("Kafka does not answer; the database keeps what comes in");
            }
        }
        *until = (!works).then(|| Instant::now() + PAUSE);
    }
}

/// The position of a record, once it is safe.
async fn delivered(sent: Option<DeliveryFuture>) -> Option<i64> {
    sent?.await.ok()?.ok().map(|delivery| delivery.offset + 1)
}

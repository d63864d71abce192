//! What a commit of scores has to tell, written in the same transaction.
//!
//! The previous score is read before the new one takes its place. Nobody moves it in between without being noticed: a
//! commit that moves a position is refused where somebody else moved it, and two that only renew scores at the same
//! position derive messages of the same id, of which one is kept. So nothing is locked for this.

use std::collections::HashMap;

use leadscore_domain::{
    LeadId, Score, Timestamp,
    webhook::{Direction, MessageType, crossing},
};
use uuid::Uuid;

use super::{
    Subscription, Subscriptions, message_id,
    payload::{Figures, Payload, ScoreData},
};
use crate::{
    StoreError,
    db::{Conn, insert, select_in},
};

/// A message that was not written yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: Uuid,
    pub(crate) endpoint: Uuid,
    pub(crate) kind: MessageType,
    pub(crate) lead: Option<LeadId>,
    pub(crate) payload: String,
}

/// What scores that are about to be committed have crossed.
#[derive(Debug, Default)]
pub(crate) struct Crossed(Vec<Message>);

/// A lead's latest score before a commit.
struct Previous {
    figures: Figures,
    log_position: i64,
    calculated_at: Timestamp,
}

impl Crossed {
    /// Compares `scores` with those that they will replace. Reads nothing where nobody wants to know.
    pub(crate) async fn find(
        conn: &mut Conn,
        subscriptions: &Subscriptions,
        scores: &[(u16, &Score)],
    ) -> Result<Self, StoreError> {
        let wanting: Vec<&Subscription> = subscriptions
            .all
            .iter()
            .filter(|one| one.wants(MessageType::ScoreThresholdCrossed) || one.wants(MessageType::ScoreGradeChanged))
            .collect();
        if wanting.is_empty() || scores.is_empty() {
            return Ok(Self::default());
        }
        let mut latest: HashMap<LeadId, &Score> = HashMap::new();
        for (_, score) in scores {
            let held = latest.entry(score.lead_id).or_insert(score);
            if (score.log_position, score.calculated_at) >= (held.log_position, held.calculated_at) {
                *held = score;
            }
        }
        let leads: Vec<LeadId> = latest.keys().copied().collect();
        let previous = previous(conn, &leads).await?;
        let mut messages = Vec::new();
        for (lead, score) in latest {
            let before = previous.get(&lead);
            let stays = before.is_some_and(|before| {
                (before.log_position, before.calculated_at) > (score.log_position, score.calculated_at)
            });
            if !stays {
                messages.extend(wanting.iter().flat_map(|one| told(one, score, before)));
            }
        }
        Ok(Self(messages))
    }

    /// Writes what was found; whether there was anything.
    pub(crate) async fn save(self, conn: &mut Conn, now: Timestamp) -> Result<bool, StoreError> {
        save(conn, now, &self.0).await?;
        Ok(!self.0.is_empty())
    }
}

async fn previous(conn: &mut Conn, leads: &[LeadId]) -> Result<HashMap<LeadId, Previous>, StoreError> {
    let sql = "SELECT l.lead_id, s.score, s.probability, l.log_position, l.calculated_at FROM latest_scores l \
               JOIN lead_scores s ON s.id = l.score_id AND s.calculated_at = l.calculated_at WHERE l.lead_id";
    let rows = select_in(conn, sql, leads, "").await?;
    rows.iter()
        .map(|row| {
            let figures = Figures::new(row.get(1)?, row.get(2)?);
            Ok((row.get(0)?, Previous { figures, log_position: row.get(3)?, calculated_at: row.get(4)? }))
        })
        .collect()
}

/// What an endpoint is told of a lead's new score.
fn told(one: &Subscription, score: &Score, before: Option<&Previous>) -> Vec<Message> {
    let figures = before.map(|before| before.figures);
    // A score takes the place of another one once: that names the happening, also where it is derived again.
    let place = match before {
        Some(before) => format!("after {}", before.calculated_at.as_micros()),
        None => format!("first at {}", score.log_position),
    };
    let message = |kind: MessageType, what: &str, data: &ScoreData<'_>| Message {
        id: message_id(one.endpoint, kind, &format!("{}/{place}/{what}", score.lead_id)),
        endpoint: one.endpoint,
        kind,
        lead: Some(score.lead_id),
        payload: Payload { kind, timestamp: score.calculated_at, data }.to_json(),
    };
    let mut messages = Vec::new();
    let crossed = crossing(figures.map(|figures| figures.score), score.score, one.threshold, one.direction);
    if let Some(direction) = crossed.filter(|_| one.wants(MessageType::ScoreThresholdCrossed)) {
        let data =
            ScoreData { threshold: Some(one.threshold), direction: Some(direction), ..ScoreData::new(score, figures) };
        let way = if direction == Direction::Rising { "rising" } else { "falling" };
        messages.push(message(MessageType::ScoreThresholdCrossed, way, &data));
    }
    let changed = figures.is_some_and(|figures| figures.grade != score.grade);
    if changed && one.wants(MessageType::ScoreGradeChanged) {
        let data = ScoreData::new(score, figures);
        messages.push(message(MessageType::ScoreGradeChanged, &format!("{:?}", score.grade), &data));
    }
    messages
}

/// Writes messages that are due at once; those that are there already stay as they are.
pub(super) async fn save(conn: &mut Conn, now: Timestamp, messages: &[Message]) -> Result<u64, StoreError> {
    let into = "INSERT INTO webhook_messages (id, endpoint_id, type, lead_id, payload, created_at, state, attempts, \
                next_attempt_at)";
    insert(conn, into, 9, "ON CONFLICT (id) DO NOTHING", messages, |bind, message| {
        bind.push(message.id)
            .push(message.endpoint)
            .push(message.kind.as_str())
            .push(message.lead)
            .push(&message.payload)
            .push(now)
            .push("pending")
            .push(0_i64)
            .push(now);
    })
    .await
}

//! What is told and is no consequence of a score: silence, a promotion, a test.
//!
//! Silence and promotions are looked for again and again, by any process: their ids keep them single. They are told
//! within [`TOLD_FOR_US`] of when they happened, which is shorter than messages are kept, so that none is told anew
//! after its message went.

use std::collections::HashMap;

use leadscore_domain::{LeadId, Score, Timestamp, time::DAY_US, webhook::MessageType};
use uuid::Uuid;

use super::{
    Subscription, message_id,
    outbox::{Message, save},
    payload::{Figures, Payload, PromotionData, SilenceData, TestData},
};
use crate::{
    Store, StoreError,
    db::{After, Lane, query, select_in},
    keyring::timed_id,
};

/// How long after it happened something is still told: so long the process that looks for it may be away.
const TOLD_FOR_US: i64 = 7 * DAY_US;

/// A model that took the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// The model.
    pub version: String,
    /// The one before it.
    pub previous: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// Tells of those leads among the next `limit` that have a score, behind `after` in the order of their ids, to which
    /// nothing has happened for the endpoint's number of days, or `default_days`. The last lead that was looked at;
    /// `None` behind the last.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn tell_silence(
        &self,
        after: Option<LeadId>,
        limit: usize,
        default_days: u16,
    ) -> Result<Option<LeadId>, StoreError> {
        let subscriptions = self.hub().subscriptions();
        let wanting: Vec<&Subscription> =
            subscriptions.all.iter().filter(|one| one.wants(MessageType::LeadSilent)).collect();
        if wanting.is_empty() {
            return Ok(None);
        }
        let leads = self.scored_leads(after, limit).await?;
        let Some(last) = leads.last().copied() else { return Ok(None) };
        let heard = self.last_heard(&leads).await?;
        let now = self.now();
        let is_silent = |one: &Subscription, heard: Timestamp| {
            let silent_at = heard.plus_micros(days(one, default_days));
            silent_at <= now && silent_at >= one.since && now.since(silent_at) < TOLD_FOR_US
        };
        let silent = |(lead, at): (&LeadId, &Timestamp)| wanting.iter().any(|one| is_silent(one, *at)).then_some(*lead);
        let silent: Vec<LeadId> = heard.iter().filter_map(silent).collect();
        let scores = self.latest_scores(&silent).await?;
        let mut messages = Vec::new();
        for (lead, stored) in &scores {
            let at = heard[lead];
            let wanting = wanting.iter().filter(|one| is_silent(one, at));
            messages.extend(wanting.map(|one| silence(one, &stored.score, at, default_days)));
        }
        self.keep_messages(messages).await?;
        Ok(Some(last))
    }

    /// Tells of promotions; of those that were told, nothing.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn tell_promotions(&self, promotions: &[Promotion]) -> Result<(), StoreError> {
        let (now, subscriptions) = (self.now(), self.hub().subscriptions());
        let kind = MessageType::ModelPromoted;
        let mut messages = Vec::new();
        for one in subscriptions.all.iter().filter(|one| one.wants(kind)) {
            let recent = promotions.iter().filter(|p| p.at >= one.since && now.since(p.at) < TOLD_FOR_US);
            messages.extend(recent.map(|Promotion { version, previous, at }| {
                let data = PromotionData { model_version: version, previous_model_version: previous.as_deref() };
                Message {
                    id: message_id(one.endpoint, kind, &format!("{version}/{}", at.as_micros())),
                    endpoint: one.endpoint,
                    kind,
                    lead: None,
                    payload: Payload { kind, timestamp: *at, data: &data }.to_json(),
                }
            }));
        }
        self.keep_messages(messages).await
    }

    /// Sends an endpoint something to try it out; the message's id.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn test_webhook(&self, endpoint: Uuid) -> Result<Uuid, StoreError> {
        let (now, kind) = (self.now(), MessageType::Test);
        let payload = Payload { kind, timestamp: now, data: &TestData { endpoint_id: endpoint } }.to_json();
        let message = Message { id: timed_id(now), endpoint, kind, lead: None, payload };
        let id = message.id;
        self.keep_messages(vec![message]).await?;
        Ok(id)
    }

    async fn scored_leads(&self, after: Option<LeadId>, limit: usize) -> Result<Vec<LeadId>, StoreError> {
        let rows = query("SELECT lead_id FROM latest_scores WHERE lead_id > $1 ORDER BY lead_id LIMIT $2")
            .bind(after.map_or(Uuid::nil(), |lead| lead.0))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut self.reader().await?)
            .await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// When the latest event of each of these leads occurred.
    async fn last_heard(&self, leads: &[LeadId]) -> Result<HashMap<LeadId, Timestamp>, StoreError> {
        let sql = "SELECT lead_id, MAX(occurred_at) FROM lead_interactions WHERE lead_id";
        let rows = select_in(&mut self.reader().await?, sql, leads, "GROUP BY lead_id").await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }

    async fn keep_messages(&self, messages: Vec<Message>) -> Result<(), StoreError> {
        // Most of them were told: who looks again and again must not write each time.
        let ids: Vec<Uuid> = messages.iter().map(|message| message.id).collect();
        let rows = select_in(&mut self.reader().await?, "SELECT id FROM webhook_messages WHERE id", &ids, "").await?;
        let known: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
        let new: Vec<Message> = messages.into_iter().filter(|message| !known.contains(&message.id)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let now = self.now();
        self.write(Lane::Derive, new.len(), After::Sync, move |conn| {
            Box::pin(async move { save(conn, now, &new).await })
        })
        .await?;
        self.hub().wake();
        Ok(())
    }
}

fn days(one: &Subscription, default_days: u16) -> i64 {
    i64::from(one.silent_days.unwrap_or(default_days)) * DAY_US
}

fn silence(one: &Subscription, score: &Score, heard: Timestamp, default_days: u16) -> Message {
    let kind = MessageType::LeadSilent;
    let data = SilenceData {
        lead_id: score.lead_id,
        figures: Figures::new(score.score, score.probability),
        last_event_at: heard,
        silent_days: one.silent_days.unwrap_or(default_days),
        model_version: &score.model_version,
        log_position: score.log_position,
    };
    Message {
        id: message_id(one.endpoint, kind, &format!("{}/{}", score.lead_id, heard.as_micros())),
        endpoint: one.endpoint,
        kind,
        lead: Some(score.lead_id),
        payload: Payload { kind, timestamp: heard.plus_micros(days(one, default_days)), data: &data }.to_json(),
    }
}

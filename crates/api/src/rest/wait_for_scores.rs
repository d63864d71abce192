//! Waiting until events that were just appended have their scores.
//!
//! Invariant: the database is asked where something happened, never by the clock. Positions are compared within one
//! lead, so within one partition. A lead that is absorbed meanwhile is answered by its survivor, whose score counts
//! once the merge itself is folded: the scorer publishes the one before it says that the other is gone.

use std::{collections::HashMap, sync::Arc};

use leadscore_domain::{LeadId, Obstacle, Score};
use leadscore_store::{Change, StoreError, Update};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::state::Api;

/// What came of a lead.
pub enum Verdict {
    /// It has this score, or its survivor has.
    Score(Arc<Score>),
    /// It must not have one.
    Withheld(Obstacle),
}

/// Verdicts on leads; one that is missing was not there in time.
pub type Verdicts = HashMap<LeadId, Verdict>;

/// Waits until there is a verdict on each of `wanted` that includes the position beside it, or the time is over.
/// `updates` were subscribed to before the positions were given.
///
/// # Errors
/// Where the database fails.
pub async fn wait_for_scores(
    api: &Api,
    updates: Receiver<Update>,
    wanted: HashMap<LeadId, i64>,
) -> Result<Verdicts, StoreError> {
    let mut waiter = Waiter { api, wanted, known: Verdicts::new() };
    // Too many wait: the scores will be there for who asks.
    let Ok(_permit) = api.wait_permits.try_acquire() else { return Ok(waiter.known) };
    // Leads of events that were there before may have their score already.
    if waiter.wanted.values().any(|position| *position == 0) {
        waiter.look().await?;
    }
    match tokio::time::timeout(api.limits.wait_timeout, waiter.listen(updates)).await {
        Ok(listened) => listened?,
        // In a process that does not hear of the one that scores, this is the only look.
        Err(_) => waiter.look().await?,
    }
    Ok(waiter.known)
}

struct Waiter<'a> {
    api: &'a Api,
    wanted: HashMap<LeadId, i64>,
    known: Verdicts,
}

impl Waiter<'_> {
    async fn listen(&mut self, mut updates: Receiver<Update>) -> Result<(), StoreError> {
        while !self.wanted.is_empty() {
            match updates.recv().await {
                Ok(Update::Changed(Change::Score(score))) => {
                    self.hear(score.lead_id, score.log_position, || Verdict::Score(Arc::clone(&score)));
                }
                Ok(Update::Changed(Change::Withheld { lead_id, log_position, obstacle })) => {
                    self.hear(lead_id, log_position, || Verdict::Withheld(obstacle));
                }
                Ok(Update::Changed(Change::Unknown { lead_id, .. })) => {
                    if self.wanted.contains_key(&lead_id) {
                        self.ask_survivor(lead_id).await?;
                    }
                }
                Ok(Update::Missed) | Err(RecvError::Lagged(_)) => self.look().await?,
                Err(RecvError::Closed) => break,
            }
        }
        Ok(())
    }

    fn hear(&mut self, lead: LeadId, log_position: i64, verdict: impl FnOnce() -> Verdict) {
        if self.wanted.get(&lead).is_some_and(|wanted| *wanted <= log_position) {
            self.wanted.remove(&lead);
            self.known.insert(lead, verdict());
        }
    }

    async fn ask_survivor(&mut self, absorbed: LeadId) -> Result<(), StoreError> {
        let survivors = self.api.store.absorbed(&[absorbed]).await?;
        let Some(survivor) = survivors.get(&absorbed) else { return self.look().await };
        if let Some(stored) = self.api.store.latest_score(*survivor).await? {
            self.hear(absorbed, i64::MAX, || Verdict::Score(Arc::new(stored.score)));
        }
        Ok(())
    }

    /// Looks for what may have been missed.
    async fn look(&mut self) -> Result<(), StoreError> {
        let ids: Vec<LeadId> = self.wanted.keys().copied().collect();
        for (lead, stored) in self.api.store.latest_scores(&ids).await? {
            self.hear(lead, stored.score.log_position, || Verdict::Score(Arc::new(stored.score)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::StatusCode;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        Limits,
        rest::post_events::PATH,
        testing::{Reply, TestApp, score},
    };

    fn opened(id: &str) -> Value {
        json!({
            "source": "site",
            "source_event_id": id,
            "lead": {"identities": [{"kind": "web", "value": "w1"}]},
            "occurred_at": "2026-03-01T09:00:00Z",
            "type": "email",
            "data": {"action": "opened"}
        })
    }

    /// Does the scorer's work, and publishes what it commits.
    async fn score_all(app: &TestApp) {
        app.derive(|id| Some(score(id))).await;
        for lead in app.state.store.leads_page(None, 10).await.unwrap() {
            if let Some(stored) = app.state.store.latest_score(lead).await.unwrap() {
                app.state.cache.publish(vec![Change::Score(Arc::new(stored.score))]);
            }
        }
    }

    /// Sends events and waits for their scores; `meanwhile` runs once they are durable.
    async fn post_and_wait(app: &TestApp, events: &Value, meanwhile: impl AsyncFn()) -> Reply {
        let before = app.state.store.counts().await.unwrap().events;
        let path = format!("{PATH}?wait=score");
        let work = async {
            while app.state.store.counts().await.unwrap().events == before {
                tokio::task::yield_now().await;
            }
            meanwhile().await;
            std::future::pending::<Reply>().await
        };
        tokio::select! {
            reply = app.post(&path, events) => reply,
            reply = work => reply,
        }
    }

    #[tokio::test]
    async fn who_waits_gets_a_score_that_includes_the_event() {
        let app = TestApp::new().await;
        assert_eq!(app.post(PATH, &opened("1")).await.status, StatusCode::ACCEPTED);
        score_all(&app).await;
        let events = json!([opened("2"), opened("2"), 7]);
        let reply = post_and_wait(&app, &events, async || {
            // What others are told is none of this lead's; neither is a score from before the event.
            let lead = app.state.store.leads_page(None, 1).await.unwrap()[0];
            let early = Score {
                log_position: 1,
                calculated_at: app.state.clock.now().plus_micros(86_400_000_000),
                ..score(lead)
            };
            app.state.cache.publish(vec![Change::Score(Arc::new(early))]);
            score_all(&app).await;
        })
        .await;
        let receipt = reply.json();
        assert_eq!((reply.status, &receipt["score_pending"]), (StatusCode::OK, &json!(false)), "{receipt}");
        assert_eq!(receipt["results"][0]["score"]["score"], 87);
        assert_eq!(receipt["results"][1]["score"], receipt["results"][0]["score"], "the second is the first again");
        assert_eq!(receipt["results"][2].get("score"), None);
        // There before, and scored before.
        let again = app.post(&format!("{PATH}?wait=score"), &opened("1")).await;
        assert_eq!((again.status, &again.json()["results"][0]["score"]["score"]), (StatusCode::OK, &json!(87)));
    }

    #[tokio::test]
    async fn who_waits_for_a_lead_that_may_not_be_scored_is_told_so() {
        let app = TestApp::new().await;
        let reply = post_and_wait(&app, &opened("1"), async || {
            let lead_id = app.state.store.leads_page(None, 1).await.unwrap()[0];
            app.state.cache.publish(vec![Change::Withheld { lead_id, log_position: 1, obstacle: Obstacle::NoConsent }]);
        })
        .await;
        let result = &reply.json()["results"][0];
        assert_eq!((reply.status, &result["withheld"]), (StatusCode::OK, &json!("profiling-consent-missing")));
    }

    #[tokio::test]
    async fn who_waits_for_a_lead_that_is_absorbed_gets_the_score_of_its_survivor() {
        let app = TestApp::new().await;
        let survivor = app.lead("one").await;
        let reply = post_and_wait(&app, &opened("1"), async || {
            let leads = app.state.store.leads_page(None, 10).await.unwrap();
            let absorbed = *leads.iter().find(|lead| **lead != survivor).unwrap();
            app.merge(survivor, absorbed).await;
            score_all(&app).await;
            app.state.cache.publish(vec![Change::gone(absorbed)]);
        })
        .await;
        let result = &reply.json()["results"][0];
        assert_eq!((reply.status, &result["score"]["lead_id"]), (StatusCode::OK, &json!(survivor)), "{result}");
    }

    #[tokio::test]
    async fn who_waits_in_vain_gets_the_receipt_and_what_was_missed_is_looked_for() {
        let wait_timeout = Duration::from_millis(20);
        let app = TestApp::with(Limits { wait_timeout, ..Limits::default() }).await;
        let reply = app.post(&format!("{PATH}?wait=score"), &opened("1")).await;
        let receipt = reply.json();
        assert_eq!((reply.status, &receipt["score_pending"]), (StatusCode::ACCEPTED, &json!(true)));
        assert_eq!((&receipt["accepted"], receipt["results"][0].get("score")), (&json!(1), None));

        let app = TestApp::new().await;
        let reply = post_and_wait(&app, &opened("1"), async || {
            // Committed, and its publication lost.
            app.derive(|id| Some(score(id))).await;
            app.state.cache.reset();
        })
        .await;
        assert_eq!(reply.json()["results"][0]["score"]["score"], 87);
    }
}

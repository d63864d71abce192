//! Webhooks: told with the commit or not at all, sent by one at a time, disabled, replayed and removed.

use leadscore_domain::{
    LeadId, Timestamp,
    time::{DAY_US, HOUR_US},
    webhook::{Direction, MessageType},
};
use leadscore_store::{
    Delivery, DeliveryState, Derived, DisabledReason, ENDPOINTS_MAX, EndpointChange, EndpointSettings, Promotion,
    Store, StoreError, Tried, WebhookEndpoint,
};
use serde_json::json;

use crate::support::{Backend, append_one, arrival, at, crm, derived, email, event, score};

const LEASE_US: i64 = 60_000_000;
const FAILING_MAX_US: i64 = 5 * DAY_US;

fn settings(types: &[MessageType]) -> EndpointSettings {
    EndpointSettings {
        url: "https://hooks.example.com/in".to_owned(),
        description: "dialler".to_owned(),
        event_types: types.to_vec(),
        threshold: types.contains(&MessageType::ScoreThresholdCrossed).then_some(80),
        direction: None,
        silent_days: None,
    }
}

async fn endpoint(store: &Store, types: &[MessageType]) -> WebhookEndpoint {
    store.create_webhook(settings(types)).await.unwrap().1
}

/// Commits a score of a lead at the next position, at `seconds`.
async fn scored(store: &Store, lead: LeadId, seconds: i64, value: u8) -> Result<(), StoreError> {
    let from = store.position("scorer", 0).await?;
    let scores = vec![score(lead, from + 1, seconds, value)];
    store.commit(Derived { scores, ..derived(0, from, from + 1) }).await.map(|_| ())
}

async fn told(store: &Store, endpoint: &WebhookEndpoint) -> Vec<Delivery> {
    store.webhook_deliveries(endpoint.id, None, None, 100).await.unwrap()
}

async fn payloads(store: &Store, endpoint: &WebhookEndpoint) -> Vec<serde_json::Value> {
    let claimed = store.claim_webhook_messages(store.presence(), endpoint.id, 100, LEASE_US).await.unwrap();
    claimed.iter().map(|attempt| serde_json::from_str(&attempt.payload).unwrap()).collect()
}

fn failed(again_at: Option<Timestamp>) -> Tried {
    Tried::Failed { status: Some(500), error: "refused", again_at, pause_until: None }
}

pub async fn crossings_and_grades_are_told_with_the_commit(backend: &impl Backend) {
    let store = backend.open().await;
    let lead = append_one(&store, arrival("1", &[crm("1")], 0, "Ann Canary")).await;
    scored(&store, lead, 0, 50).await.unwrap();
    let hot = endpoint(&store, &[MessageType::ScoreThresholdCrossed]).await;
    let grades = endpoint(&store, &[MessageType::ScoreGradeChanged]).await;
    let other = endpoint(&store, &[MessageType::LeadSilent]).await;

    for (seconds, value) in [(1, 79), (2, 85), (3, 86), (4, 60), (5, 80)] {
        scored(&store, lead, seconds, value).await.unwrap();
    }
    assert!(told(&store, &other).await.is_empty());
    assert_eq!(told(&store, &grades).await.len(), 3, "C to B, B to C, C to B");
    let crossings = payloads(&store, &hot).await;
    assert_eq!(crossings.len(), 2, "a falling score crosses silently unless asked for");
    let first = crossings.iter().find(|one| one["data"]["score"] == 85).unwrap();
    assert_eq!(
        first,
        &json!({
            "type": "score.threshold_crossed",
            "timestamp": at(2),
            "data": {
                "lead_id": lead,
                "score": 85, "grade": "B", "probability": 0.8416,
                "previous": {"score": 79, "grade": "B", "probability": 0.7822},
                "threshold": 80, "direction": "rising",
                "model_version": "v3", "log_position": 3
            }
        })
    );
}

pub async fn a_first_score_crosses_from_below_and_a_grade_needs_one_before(backend: &impl Backend) {
    let store = backend.open().await;
    let both = endpoint(&store, &[MessageType::ScoreThresholdCrossed, MessageType::ScoreGradeChanged]).await;
    let lead = append_one(&store, arrival("1", &[crm("1")], 0, "Ann")).await;
    scored(&store, lead, 0, 95).await.unwrap();
    let told = payloads(&store, &both).await;
    assert_eq!((told.len(), &told[0]["data"]["previous"]), (1, &serde_json::Value::Null));
}

pub async fn what_is_not_committed_is_not_told_and_what_is_derived_again_is_told_once(backend: &impl Backend) {
    let (store, other) = (backend.open().await, backend.open().await);
    let hot = endpoint(&store, &[MessageType::ScoreThresholdCrossed]).await;
    other.refresh_webhooks().await.unwrap();
    let lead = append_one(&store, arrival("1", &[crm("1")], 0, "Ann")).await;
    scored(&store, lead, 0, 50).await.unwrap();
    let fenced = Derived { scores: vec![score(lead, 9, 1, 90)], ..derived(0, 7, 9) };
    assert!(matches!(store.commit(fenced).await, Err(StoreError::Fenced { .. })));
    assert!(told(&store, &hot).await.is_empty());

    // Two processes renew the score at the same position.
    let renewed = |seconds| Derived { scores: vec![score(lead, 1, seconds, 90)], ..derived(0, 1, 1) };
    let (a, b) = tokio::join!(store.commit(renewed(5)), other.commit(renewed(6)));
    a.unwrap();
    b.unwrap();
    assert_eq!(told(&store, &hot).await.len(), 1);
}

pub async fn directions_of_crossings_are_the_endpoints_own(backend: &impl Backend) {
    let store = backend.open().await;
    let with =
        |direction| EndpointSettings { direction: Some(direction), ..settings(&[MessageType::ScoreThresholdCrossed]) };
    let (_, falling) = store.create_webhook(with(Direction::Falling)).await.unwrap();
    let (_, both) = store.create_webhook(with(Direction::Both)).await.unwrap();
    let lead = append_one(&store, arrival("1", &[crm("1")], 0, "Ann")).await;
    for (seconds, value) in [(0, 90), (1, 20), (2, 90)] {
        scored(&store, lead, seconds, value).await.unwrap();
    }
    assert_eq!((told(&store, &falling).await.len(), told(&store, &both).await.len()), (1, 3));
}

pub async fn a_message_has_one_sender_and_goes_to_another_where_that_died(backend: &impl Backend) {
    let (store, other) = (backend.open().await, backend.open().await);
    let one = endpoint(&store, &[MessageType::ModelPromoted]).await;
    for _ in 0..20 {
        store.test_webhook(one.id).await.unwrap();
    }
    other.refresh_webhooks().await.unwrap();
    assert_eq!(other.due_webhooks().await.unwrap(), [one.id]);
    let (first, second) = (store.presence(), other.presence());
    let (a, b) = tokio::join!(
        store.claim_webhook_messages(first, one.id, 15, LEASE_US),
        other.claim_webhook_messages(second, one.id, 15, LEASE_US)
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    let mut ids: Vec<_> = a.iter().chain(&b).map(|attempt| attempt.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), a.len() + b.len(), "none is claimed twice");
    while let [_, ..] = store.claim_webhook_messages(first, one.id, 15, LEASE_US).await.unwrap()[..] {}
    assert!(store.due_webhooks().await.unwrap().is_empty());

    // A process dies with what it claimed, and comes back too late.
    let (dead, late) = if a.is_empty() { (second, &b[0]) } else { (first, &a[0]) };
    backend.clock().set(at(60));
    let again = store.claim_webhook_messages(store.presence(), one.id, 100, LEASE_US).await.unwrap();
    assert_eq!((again.len(), again[0].number), (20, 2));
    let tried = Tried::Delivered { status: 200 };
    store.keep_attempt(dead, (late.id, one.id, late.number), tried, FAILING_MAX_US).await.unwrap();
    assert!(told(&store, &one).await.iter().all(|one| one.state == DeliveryState::Pending), "it lost its claim");
}

pub async fn an_endpoint_that_fails_for_days_or_is_gone_is_disabled(backend: &impl Backend) {
    let store = backend.open().await;
    let failing = endpoint(&store, &[MessageType::LeadSilent]).await;
    let owner = store.presence();
    let attempt = async |endpoint: &WebhookEndpoint, tried: Tried| {
        store.test_webhook(endpoint.id).await.unwrap();
        let claimed = store.claim_webhook_messages(owner, endpoint.id, 1, LEASE_US).await.unwrap().remove(0);
        let attempt = (claimed.id, endpoint.id, claimed.number);
        store.keep_attempt(owner, attempt, tried, FAILING_MAX_US).await.unwrap()
    };
    assert_eq!(attempt(&failing, failed(Some(at(1_000_000)))).await, None);
    assert_eq!(store.webhook(failing.id).await.unwrap().unwrap().failing_since, Some(at(0)));
    assert_eq!(attempt(&failing, Tried::Delivered { status: 204 }).await, None);
    assert_eq!(store.webhook(failing.id).await.unwrap().unwrap().failing_since, None);

    backend.clock().set(at(10));
    assert_eq!(attempt(&failing, failed(None)).await, None);
    backend.clock().advance_micros(FAILING_MAX_US - 1);
    assert_eq!(attempt(&failing, failed(None)).await, None);
    backend.clock().advance_micros(1);
    assert_eq!(attempt(&failing, failed(None)).await, Some(DisabledReason::Failing));
    let shown = store.webhook(failing.id).await.unwrap().unwrap();
    assert_eq!((shown.disabled.unwrap().reason, shown.failing_since), (DisabledReason::Failing, Some(at(10))));
    assert!(!store.webhooks_want(MessageType::LeadSilent), "nothing more is written for it");
    let waits = store.webhook_deliveries(failing.id, Some(DeliveryState::Pending), None, 10).await.unwrap();
    assert!(waits.is_empty(), "what waited has failed: {waits:?}");

    let gone = endpoint(&store, &[MessageType::LeadSilent]).await;
    assert_eq!(attempt(&gone, Tried::Gone { status: 410 }).await, Some(DisabledReason::Gone));
    let enabled = EndpointChange { enabled: Some(true), ..EndpointChange::default() };
    assert_eq!(store.update_webhook(gone.id, enabled).await.unwrap().unwrap().disabled, None);
}

pub async fn a_receiver_that_asks_for_time_is_left_alone(backend: &impl Backend) {
    let store = backend.open().await;
    let (one, owner) = (endpoint(&store, &[MessageType::LeadSilent]).await, store.presence());
    store.test_webhook(one.id).await.unwrap();
    store.test_webhook(one.id).await.unwrap();
    let claimed = store.claim_webhook_messages(owner, one.id, 1, LEASE_US).await.unwrap().remove(0);
    let tried =
        Tried::Failed { status: Some(429), error: "refused", again_at: Some(at(5)), pause_until: Some(at(100)) };
    store.keep_attempt(owner, (claimed.id, one.id, 1), tried, FAILING_MAX_US).await.unwrap();
    backend.clock().set(at(99));
    assert!(store.due_webhooks().await.unwrap().is_empty());
    backend.clock().set(at(100));
    assert_eq!(store.due_webhooks().await.unwrap(), [one.id]);
}

pub async fn a_secret_is_sealed_and_the_one_before_signs_for_a_day(backend: &impl Backend) {
    let store = backend.open().await;
    let (secret, one) = store.create_webhook(settings(&[MessageType::LeadSilent])).await.unwrap();
    let (rotated, shown) = store.rotate_webhook_secret(one.id).await.unwrap().unwrap();
    assert!(secret.starts_with("whsec_") && rotated.starts_with("whsec_") && secret != rotated);
    assert_eq!(shown.previous_secret_until, Some(at(86_400)));
    store.test_webhook(one.id).await.unwrap();
    let secrets = async || {
        let claimed = store.claim_webhook_messages(store.presence(), one.id, 1, 1).await.unwrap();
        claimed[0].secrets.iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!(secrets().await, [32, 32]);
    backend.clock().set(at(86_400));
    assert_eq!(secrets().await, [32]);
    store.close().await;
    let kept = backend.kept().await;
    for secret in [secret, rotated] {
        let text = secret.trim_start_matches("whsec_").as_bytes();
        assert!(!kept.iter().any(|piece| piece.windows(text.len()).any(|window| window == text)));
    }
}

pub async fn failed_messages_are_replayed_under_their_ids(backend: &impl Backend) {
    let store = backend.open().await;
    let (one, owner) = (endpoint(&store, &[MessageType::LeadSilent]).await, store.presence());
    let mut ids = Vec::new();
    for seconds in 0..3 {
        backend.clock().set(at(seconds));
        ids.push(store.test_webhook(one.id).await.unwrap());
    }
    for claimed in store.claim_webhook_messages(owner, one.id, 10, LEASE_US).await.unwrap() {
        store.keep_attempt(owner, (claimed.id, one.id, 1), failed(None), FAILING_MAX_US).await.unwrap();
    }
    assert!(store.due_webhooks().await.unwrap().is_empty());
    assert_eq!(store.replay_failed_webhook_messages(one.id, at(1)).await.unwrap(), 2);
    assert!(store.replay_webhook_message(one.id, ids[0]).await.unwrap());
    assert!(!store.replay_webhook_message(uuid::Uuid::nil(), ids[0]).await.unwrap());
    let again = store.claim_webhook_messages(owner, one.id, 10, LEASE_US).await.unwrap();
    assert_eq!((again.len(), again[0].number), (3, 1), "all attempts anew");
    let states = |state| store.webhook_deliveries(one.id, Some(state), None, 10);
    assert_eq!(states(DeliveryState::Failed).await.unwrap().len(), 0);
    assert_eq!(states(DeliveryState::Pending).await.unwrap().len(), 3);
}

pub async fn silence_is_told_once_and_only_what_began_lately(backend: &impl Backend) {
    let store = backend.open().await;
    let quiet = append_one(&store, event("1", &[email("ann")], 0)).await;
    let loud = append_one(&store, event("2", &[email("bob")], 0)).await;
    let unscored = append_one(&store, event("3", &[email("eve")], 0)).await;
    scored(&store, quiet, 0, 50).await.unwrap();
    scored(&store, loud, 0, 50).await.unwrap();
    let own = EndpointSettings { silent_days: Some(3), ..settings(&[MessageType::LeadSilent]) };
    let (_, one) = store.create_webhook(own).await.unwrap();
    let walk = async || {
        let mut after = None;
        loop {
            after = store.tell_silence(after, 1, 7).await.unwrap();
            if after.is_none() {
                return;
            }
        }
    };
    backend.clock().advance_micros(3 * DAY_US - 1);
    walk().await;
    assert!(told(&store, &one).await.is_empty());
    append_one(&store, event("4", &[email("bob")], 86_400)).await;
    backend.clock().advance_micros(1);
    walk().await;
    backend.clock().advance_micros(HOUR_US);
    walk().await;
    let heard = told(&store, &one).await;
    assert_eq!(heard.iter().map(|one| one.lead_id).collect::<Vec<_>>(), [Some(quiet)], "not {unscored}");
    let payload = payloads(&store, &one).await.remove(0);
    let times = (&payload["timestamp"], &payload["data"]["last_event_at"]);
    assert_eq!(times, (&json!(at(3 * 86_400)), &json!(at(0))));

    // Its message went; the silence is old by then.
    backend.clock().advance_micros(8 * DAY_US);
    assert_eq!(store.forget_webhook_messages(at(10 * 86_400)).await.unwrap(), 1);
    walk().await;
    let told = told(&store, &one).await;
    assert!(told.iter().all(|one| one.lead_id != Some(quiet)), "{told:?}");
}

pub async fn a_promotion_is_told_once_to_those_who_were_there(backend: &impl Backend) {
    let store = backend.open().await;
    let promotion = |seconds| Promotion { version: "v2".to_owned(), previous: Some("v1".to_owned()), at: at(seconds) };
    backend.clock().set(at(10));
    let one = endpoint(&store, &[MessageType::ModelPromoted]).await;
    for _ in 0..2 {
        store.tell_promotions(&[promotion(9), promotion(10)]).await.unwrap();
    }
    let payload = payloads(&store, &one).await;
    assert_eq!(payload.len(), 1);
    assert_eq!(payload[0]["data"], json!({"model_version": "v2", "previous_model_version": "v1"}));
}

pub async fn what_must_not_be_known_of_a_lead_is_not_told(backend: &impl Backend) {
    let store = backend.open().await;
    let hot = endpoint(&store, &[MessageType::ScoreThresholdCrossed]).await;
    let withdrawn = append_one(&store, arrival("1", &[crm("1")], 0, "Ann")).await;
    let erased = append_one(&store, arrival("2", &[crm("2")], 0, "Bob")).await;
    scored(&store, withdrawn, 0, 90).await.unwrap();
    scored(&store, erased, 0, 90).await.unwrap();
    assert_eq!(told(&store, &hot).await.len(), 2);
    store.commit(Derived { withheld: vec![withdrawn], ..derived(0, 2, 3) }).await.unwrap();
    assert_eq!(told(&store, &hot).await.len(), 1);
    store.erase_lead(erased).await.unwrap();
    assert!(told(&store, &hot).await.is_empty());
}

pub async fn endpoints_are_bounded_and_go_with_their_messages(backend: &impl Backend) {
    let store = backend.open().await;
    let one = endpoint(&store, &[MessageType::LeadSilent]).await;
    store.test_webhook(one.id).await.unwrap();
    for _ in 1..ENDPOINTS_MAX {
        endpoint(&store, &[MessageType::LeadSilent]).await;
    }
    let over = store.create_webhook(settings(&[MessageType::LeadSilent])).await;
    assert!(matches!(over, Err(StoreError::Invalid(_))), "{over:?}");
    assert!(store.delete_webhook(one.id).await.unwrap());
    assert!(!store.delete_webhook(one.id).await.unwrap());
    assert_eq!(backend.count("webhook_messages").await, 0);
    assert_eq!(store.webhooks().await.unwrap().len(), ENDPOINTS_MAX - 1);
}

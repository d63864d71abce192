//! Webhooks: what is committed arrives, signed, at a receiver that answers as it likes.

use std::{
    collections::VecDeque,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use leadscore_domain::{
    Clock as _,
    event::EmailAction,
    time::{HOUR_US, SECOND_US},
    webhook::{DestinationPolicy, MessageType},
};
use leadscore_pipeline::{
    topology::{Duties, Pipeline, PipelineOptions},
    webhooks::WebhookOptions,
};
use leadscore_store::{
    Delivery, DeliveryState, DisabledReason, EndpointSettings, ScoreCache, Store, StoreOptions, WebhookEndpoint,
};
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpListener, sync::Notify};
use uuid::Uuid;

use crate::support::{Brokerage, email};

/// How long a test waits for what must happen before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a receiver answers.
#[derive(Clone)]
enum Answering {
    Status(u16),
    RetryAfter(&'static str),
    RedirectToItself,
    Endless,
    WhenReleased,
    Never,
}

/// Another system: its next answers, then 204, and what it got.
#[derive(Clone)]
struct Receiver {
    port: u16,
    answers: Arc<Mutex<VecDeque<Answering>>>,
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    release: Arc<Notify>,
}

impl Receiver {
    async fn start(brokerage: &Brokerage, answers: &[Answering]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            answers: Arc::new(Mutex::new(answers.iter().cloned().collect())),
            got: Arc::default(),
            release: Arc::default(),
        };
        let router = Router::new().route("/in", post(answer).get(answer)).with_state(receiver.clone());
        let stopped = brokerage.shutdown.clone();
        brokerage.tracker.spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                served = async { axum::serve(listener, router).await } => served.unwrap(),
            }
        });
        receiver
    }

    fn got(&self) -> Vec<(HeaderMap, Bytes)> {
        self.got.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ids(&self) -> Vec<String> {
        self.got().iter().map(|(headers, _)| headers["webhook-id"].to_str().unwrap().to_owned()).collect()
    }
}

async fn answer(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    receiver.got.lock().unwrap().push((headers, body));
    let next = receiver.answers.lock().unwrap().pop_front();
    match next.unwrap_or(Answering::Status(204)) {
        Answering::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answering::RetryAfter(after) => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, after)]).into_response(),
        Answering::RedirectToItself => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/in")]).into_response(),
        Answering::Endless => {
            let pieces =
                futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 512])));
            Body::from_stream(pieces).into_response()
        }
        Answering::WhenReleased => {
            receiver.release.notified().await;
            StatusCode::OK.into_response()
        }
        Answering::Never => std::future::pending().await,
    }
}

fn options(brokerage: &Brokerage, receiver: &Receiver) -> PipelineOptions {
    let policy = DestinationPolicy {
        allow_http: true,
        ports: vec![receiver.port],
        networks: vec!["127.0.0.0/8".parse().unwrap()],
    };
    let webhooks = WebhookOptions { policy, poll: Duration::from_millis(20), ..WebhookOptions::default() };
    PipelineOptions { webhooks, ..brokerage.options() }
}

async fn start(brokerage: &Brokerage, receiver: &Receiver) -> Pipeline {
    Pipeline::start(options(brokerage, receiver), Duties::ALL).await.unwrap()
}

async fn endpoint(store: &Store, receiver: &Receiver, types: &[MessageType]) -> (Vec<u8>, WebhookEndpoint) {
    let settings = EndpointSettings {
        url: format!("http://127.0.0.1:{}/in", receiver.port),
        description: String::new(),
        event_types: types.to_vec(),
        threshold: types.contains(&MessageType::ScoreThresholdCrossed).then_some(1),
        direction: None,
        silent_days: None,
    };
    let (secret, made) = store.create_webhook(settings).await.unwrap();
    (STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap(), made)
}

/// Waits until an endpoint's newest message is as asked for.
async fn until(store: &Store, endpoint: Uuid, wanted: impl Fn(&Delivery) -> bool) -> Delivery {
    let wait = async {
        let mut every = tokio::time::interval(Duration::from_millis(10));
        loop {
            every.tick().await;
            let newest = store.webhook_deliveries(endpoint, None, None, 1).await.unwrap().pop();
            if let Some(delivery) = newest.filter(&wanted) {
                return delivery;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the message must come so far")
}

/// HMAC-SHA-256 as RFC 2104 spells it, for keys of at most a block.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let pad = |with: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ with).collect() };
    let inner = Sha256::digest([pad(0x36), message.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

fn signature(secret: &[u8], (headers, body): &(HeaderMap, Bytes)) -> String {
    let text = |name: &str| headers[name].to_str().unwrap();
    let signed = [text("webhook-id"), ".", text("webhook-timestamp"), "."].concat().into_bytes();
    format!("v1,{}", STANDARD.encode(hmac(secret, &[signed, body.to_vec()].concat())))
}

#[tokio::test]
async fn a_crossing_arrives_signed_and_says_nothing_personal() {
    let brokerage = Brokerage::open().await;
    let receiver = Receiver::start(&brokerage, &[]).await;
    let (secret, one) = endpoint(&brokerage.store, &receiver, &[MessageType::ScoreThresholdCrossed]).await;
    let pipeline = start(&brokerage, &receiver).await;
    let lead = brokerage.lead("crm-canary").await;
    until(&brokerage.store, one.id, |delivery| delivery.state == DeliveryState::Delivered).await;
    let got = receiver.got();
    assert_eq!(got[0].0["webhook-signature"], signature(&secret, &got[0]));
    let text = std::str::from_utf8(&got[0].1).unwrap();
    let body: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(
        (&body["type"], &body["data"]["lead_id"]),
        (&"score.threshold_crossed".into(), &lead.to_string().into())
    );
    assert!(!text.contains("canary"));
    pipeline.drain().await;
}

#[tokio::test]
async fn a_failure_is_tried_again_later_under_the_same_id() {
    let brokerage = Brokerage::open().await;
    let receiver = Receiver::start(&brokerage, &[Answering::Status(500)]).await;
    let (_, one) = endpoint(&brokerage.store, &receiver, &[MessageType::LeadSilent]).await;
    let pipeline = start(&brokerage, &receiver).await;
    let id = brokerage.store.test_webhook(one.id).await.unwrap();
    let failed = until(&brokerage.store, one.id, |delivery| delivery.last_status == Some(500)).await;
    assert_eq!(
        (failed.state, failed.attempts, failed.last_error.as_deref()),
        (DeliveryState::Pending, 1, Some("refused"))
    );
    brokerage.clock.advance_micros(10 * SECOND_US);
    let done = until(&brokerage.store, one.id, |delivery| delivery.state == DeliveryState::Delivered).await;
    assert_eq!((done.attempts, done.last_status, done.last_error), (2, Some(204), None));
    assert_eq!(receiver.ids(), [id.to_string(), id.to_string()]);
    let stamps: Vec<_> = receiver.got().iter().map(|(headers, _)| headers["webhook-timestamp"].clone()).collect();
    assert_ne!(stamps[0], stamps[1]);
    pipeline.drain().await;
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let brokerage = Brokerage::open().await;
    let receiver = Receiver::start(&brokerage, &[Answering::RetryAfter("3600")]).await;
    let (_, one) = endpoint(&brokerage.store, &receiver, &[MessageType::LeadSilent]).await;
    let pipeline = start(&brokerage, &receiver).await;
    brokerage.store.test_webhook(one.id).await.unwrap();
    let asked = until(&brokerage.store, one.id, |delivery| delivery.last_status == Some(429)).await;
    assert_eq!(asked.next_attempt_at.unwrap().since(asked.last_attempt_at.unwrap()), HOUR_US);
    pipeline.drain().await;
}

#[tokio::test]
async fn gone_ends_it_at_once_and_a_redirect_is_not_followed() {
    let brokerage = Brokerage::open().await;
    let receiver = Receiver::start(&brokerage, &[Answering::RedirectToItself, Answering::Status(410)]).await;
    let (_, one) = endpoint(&brokerage.store, &receiver, &[MessageType::LeadSilent]).await;
    let pipeline = start(&brokerage, &receiver).await;
    brokerage.store.test_webhook(one.id).await.unwrap();
    let redirected = until(&brokerage.store, one.id, |delivery| delivery.last_status.is_some()).await;
    assert_eq!((redirected.last_status, redirected.last_error.as_deref()), (Some(307), Some("redirected")));
    assert_eq!(receiver.ids().len(), 1);
    brokerage.clock.advance_micros(10 * SECOND_US);
    until(&brokerage.store, one.id, |delivery| delivery.state == DeliveryState::Failed).await;
    let shown = brokerage.store.webhook(one.id).await.unwrap().unwrap();
    assert_eq!(shown.disabled.unwrap().reason, DisabledReason::Gone);
    pipeline.drain().await;
}

#[tokio::test]
async fn who_never_answers_or_never_ends_holds_nobody_up() {
    let brokerage = Brokerage::open().await;
    let receiver = Receiver::start(&brokerage, &[Answering::Never, Answering::Endless]).await;
    let (_, one) = endpoint(&brokerage.store, &receiver, &[MessageType::LeadSilent]).await;
    let mut options = options(&brokerage, &receiver);
    options.webhooks.timeout = Duration::from_millis(200);
    let pipeline = Pipeline::start(options, Duties::ALL).await.unwrap();
    brokerage.store.test_webhook(one.id).await.unwrap();
    until(&brokerage.store, one.id, |delivery| delivery.last_error.as_deref() == Some("timed_out")).await;
    brokerage.clock.advance_micros(10 * SECOND_US);
    let endless = until(&brokerage.store, one.id, |delivery| delivery.state == DeliveryState::Delivered).await;
    assert_eq!(endless.last_status, Some(200));
    pipeline.drain().await;
}

#[tokio::test]
async fn what_was_committed_before_a_crash_is_sent_after_it() {
    let brokerage = Brokerage::open().await;
    let receiver = Receiver::start(&brokerage, &[]).await;
    let (_, one) = endpoint(&brokerage.store, &receiver, &[MessageType::ScoreThresholdCrossed]).await;
    // Committed by a process without a sender, and then nothing of it is left.
    brokerage.lead("1").await;
    brokerage.catch_up().await;
    brokerage.store.close().await;
    assert!(receiver.got().is_empty());

    let store =
        Store::open(StoreOptions::new(brokerage.folder.path(), Arc::new(brokerage.clock.clone()))).await.unwrap();
    let options = PipelineOptions { store: store.clone(), ..options(&brokerage, &receiver) };
    let pipeline = Pipeline::start(options, Duties::ALL).await.unwrap();
    until(&store, one.id, |delivery| delivery.state == DeliveryState::Delivered).await;
    assert_eq!(receiver.ids().len(), 1);
    pipeline.drain().await;
}

#[tokio::test]
async fn two_processes_send_each_message_once() {
    let brokerage = Brokerage::open().await;
    let receiver = Receiver::start(&brokerage, &[]).await;
    let (_, one) = endpoint(&brokerage.store, &receiver, &[MessageType::LeadSilent]).await;
    let mut sent = Vec::new();
    for _ in 0..60 {
        sent.push(brokerage.store.test_webhook(one.id).await.unwrap().to_string());
    }
    let other =
        Store::open(StoreOptions::new(brokerage.folder.path(), Arc::new(brokerage.clock.clone()))).await.unwrap();
    let cache = ScoreCache::sole_writer(1, 1);
    let second = PipelineOptions { store: other, cache, ..options(&brokerage, &receiver) };
    let senders = Duties { scorer: true, trainer: false };
    let (first, second) =
        tokio::join!(start(&brokerage, &receiver), async { Pipeline::start(second, senders).await.unwrap() });
    let wait = async {
        let mut every = tokio::time::interval(Duration::from_millis(10));
        loop {
            every.tick().await;
            let state = Some(DeliveryState::Delivered);
            if brokerage.store.webhook_deliveries(one.id, state, None, 100).await.unwrap().len() == sent.len() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("all must arrive");
    let mut got = receiver.ids();
    got.sort();
    sent.sort();
    assert_eq!(got, sent);
    first.drain().await;
    second.drain().await;
}

#[tokio::test]
async fn after_a_rotation_both_secrets_sign() {
    let brokerage = Brokerage::open().await;
    let receiver = Receiver::start(&brokerage, &[]).await;
    let (old, one) = endpoint(&brokerage.store, &receiver, &[MessageType::LeadSilent]).await;
    let (new, _) = brokerage.store.rotate_webhook_secret(one.id).await.unwrap().unwrap();
    let new = STANDARD.decode(new.strip_prefix("whsec_").unwrap()).unwrap();
    let pipeline = start(&brokerage, &receiver).await;
    brokerage.store.test_webhook(one.id).await.unwrap();
    until(&brokerage.store, one.id, |delivery| delivery.state == DeliveryState::Delivered).await;
    let got = receiver.got();
    let both = format!("{} {}", signature(&new, &got[0]), signature(&old, &got[0]));
    assert_eq!(got[0].0["webhook-signature"], both);
    pipeline.drain().await;
}

#[tokio::test]
async fn an_address_that_is_not_permitted_any_more_is_not_asked() {
    let brokerage = Brokerage::open().await;
    let receiver = Receiver::start(&brokerage, &[]).await;
    let (_, one) = endpoint(&brokerage.store, &receiver, &[MessageType::LeadSilent]).await;
    let mut options = options(&brokerage, &receiver);
    options.webhooks.policy.networks.clear();
    let pipeline = Pipeline::start(options, Duties::ALL).await.unwrap();
    brokerage.store.test_webhook(one.id).await.unwrap();
    until(&brokerage.store, one.id, |delivery| delivery.last_error.as_deref() == Some("address_refused")).await;
    assert!(receiver.got().is_empty());
    pipeline.drain().await;
}

#[tokio::test]
async fn a_promotion_and_a_silence_arrive() {
    let brokerage = Brokerage::open().await;
    let receiver = Receiver::start(&brokerage, &[]).await;
    let types = [MessageType::ModelPromoted, MessageType::LeadSilent];
    let (_, one) = endpoint(&brokerage.store, &receiver, &types).await;
    let lead = brokerage.lead("1").await;
    brokerage.append(vec![email(brokerage.clock.now(), "1", EmailAction::Opened)]).await;
    brokerage.catch_up().await;
    let pipeline = start(&brokerage, &receiver).await;
    let files = [("model".to_owned(), vec![1])].into();
    let version = brokerage.registry.put(&files).unwrap();
    brokerage.registry.set_alias("champion", &version, "test").unwrap();
    let promoted = until(&brokerage.store, one.id, |delivery| delivery.state == DeliveryState::Delivered).await;
    assert_eq!(promoted.kind, MessageType::ModelPromoted);
    brokerage.clock.advance_micros(8 * 24 * HOUR_US);
    let is_silent =
        |delivery: &Delivery| delivery.kind == MessageType::LeadSilent && delivery.state == DeliveryState::Delivered;
    assert_eq!(until(&brokerage.store, one.id, is_silent).await.lead_id, Some(lead));
    pipeline.drain().await;
    assert_eq!(receiver.ids().len(), 2);
}

#[tokio::test]
async fn what_is_under_way_ends_before_the_process_does() {
    let brokerage = Brokerage::open().await;
    let receiver = Receiver::start(&brokerage, &[Answering::WhenReleased]).await;
    let (_, one) = endpoint(&brokerage.store, &receiver, &[MessageType::LeadSilent]).await;
    let pipeline = start(&brokerage, &receiver).await;
    brokerage.store.test_webhook(one.id).await.unwrap();
    let arrived = async {
        let mut every = tokio::time::interval(Duration::from_millis(10));
        while receiver.got().is_empty() {
            every.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, arrived).await.expect("it must arrive");
    tokio::join!(pipeline.drain(), async { receiver.release.notify_one() });
    let state = Some(DeliveryState::Delivered);
    assert_eq!(brokerage.store.webhook_deliveries(one.id, state, None, 1).await.unwrap().len(), 1);
}

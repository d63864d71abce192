//! A load of events about leads, and readers of their scores, for as long as it takes.
//!
//! Invariant: an event is a function of its number, so that it can be sent by anybody, any number of times. Events are
//! sent anew until they are acknowledged; of some, several senders send the same at once.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use leadscore_domain::{EventId, Timestamp};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    recording::{Recording, plain},
    support::Client,
};

const SOURCE: &str = "chaos";
const SENDERS: usize = 3;
const READERS: usize = 2;
/// The reader that asks whether a server has recovered.
pub const PROBE: usize = SENDERS + READERS;
/// How often a sender sends: so much that a server is never idle, and never only behind.
const SEND_EVERY: Duration = Duration::from_millis(40);
const READ_EVERY: Duration = Duration::from_millis(15);
/// Wait before a request is repeated.
const RETRY: Duration = Duration::from_millis(50);
/// A request without an answer after this time is one without an answer.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// How far back a sender reaches for an event that was sent before.
const RECENT_EVENTS: u64 = 40;
/// Leads of which one event can make one: merges stay within such a block.
const BLOCK_LEADS: u64 = 4;
const DAY_US: i64 = 86_400_000_000;

/// An event of the load.
#[derive(Clone)]
pub struct Planned {
    number: u64,
    /// The people whom it names: two are one from then on.
    pub people: Vec<u64>,
    /// Whether it is older than the server takes.
    pub late: bool,
    /// When it happened, and whether it allows profiling.
    pub statement: Option<(i64, bool)>,
    pub body: Value,
}

impl Planned {
    /// The event with this number, in a load that began at `start_us`.
    pub fn new(number: u64, start_us: i64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(number);
        let person = random.random_range(0..24 + number / 20);
        let mut people = vec![person];
        if random.random_bool(0.04) {
            let other = person / BLOCK_LEADS * BLOCK_LEADS + random.random_range(0..BLOCK_LEADS);
            people.extend(Some(other).filter(|other| *other != person));
        }
        let late = random.random_bool(0.02);
        // Before the load, by more than clocks step; no two at the same instant.
        let age_us = if late { 500 * DAY_US } else { random.random_range(DAY_US..30 * DAY_US) };
        let occurred_us = (start_us - age_us) / 1_000_000 * 1_000_000 + number as i64 % 1_000_000;
        let (kind, data, statement) = Self::happening(&mut random, late, occurred_us);
        let identities: Vec<Value> =
            people.iter().map(|person| json!({"kind": "email", "value": format!("p{person}@example.com")})).collect();
        let body = json!({
            "source": SOURCE, "source_event_id": number.to_string(), "lead": {"identities": identities},
            "occurred_at": Timestamp::from_micros(occurred_us).unwrap(), "type": kind, "data": data,
        });
        Self { number, people, late, statement, body }
    }

    fn happening(random: &mut ChaCha8Rng, late: bool, at_us: i64) -> (&'static str, Value, Option<(i64, bool)>) {
        // What a person says about the use of their data is never too late.
        match random.random_range(0..20) {
            0 | 1 if !late => {
                let granted = random.random_bool(0.6);
                let state = if granted { "granted" } else { "withdrawn" };
                let data = json!({"purpose": "profiling", "state": state, "basis": "consent", "evidence": "form 7"});
                ("consent", data, Some((at_us, granted)))
            }
            2..8 => {
                let duration_ms = random.random_range(1_000..600_000);
                ("voice_call", json!({"direction": "inbound", "answered": true, "duration_ms": duration_ms}), None)
            }
            8..12 => ("email", json!({"action": "replied"}), None),
            _ => ("email", json!({"action": "opened"}), None),
        }
    }

    /// Its id, 32 hexadecimal digits.
    pub fn id(&self) -> String {
        plain(&EventId::derive(SOURCE, &self.number.to_string()).to_string())
    }
}

/// A load that runs.
pub struct Load {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

struct Shared {
    start_us: i64,
    next: AtomicU64,
    target: watch::Sender<Client>,
    recording: Mutex<Recording>,
    leads: Mutex<BTreeSet<String>>,
    /// Events that were acknowledged, each as often as it was.
    acknowledged: watch::Sender<u64>,
}

impl Load {
    /// Begins to send to `client`. Nothing happened after `start`.
    pub fn start(client: Client, start: Timestamp) -> Self {
        let shared = Arc::new(Shared {
            start_us: start.as_micros(),
            next: AtomicU64::new(0),
            target: watch::Sender::new(client),
            recording: Mutex::default(),
            leads: Mutex::default(),
            acknowledged: watch::Sender::new(0),
        });
        let load = Self { shared, tasks: TaskTracker::new(), stop: CancellationToken::new() };
        for who in 0..SENDERS {
            let shared = Arc::clone(&load.shared);
            load.tasks.spawn(load.stop.clone().run_until_cancelled_owned(async move { shared.send(who).await }));
        }
        for who in SENDERS..SENDERS + READERS {
            let shared = Arc::clone(&load.shared);
            load.tasks.spawn(load.stop.clone().run_until_cancelled_owned(async move { shared.read(who).await }));
        }
        load
    }

    /// Goes on with another server.
    pub fn turn_to(&self, client: Client) {
        self.shared.target.send_replace(client);
    }

    /// Waits until `more` further events were acknowledged.
    pub async fn acknowledged(&self, more: u64) {
        let mut acknowledged = self.shared.acknowledged.subscribe();
        let wanted = *acknowledged.borrow() + more;
        let reached = acknowledged.wait_for(|count| *count >= wanted);
        tokio::time::timeout(Duration::from_secs(120), reached).await.expect("the server takes events").unwrap();
    }

    /// Waits until `more` further requests were put off.
    pub async fn put_off(&self, more: u64) {
        let deadline = Instant::now() + Duration::from_secs(120);
        let wanted = self.shared.recording.lock().unwrap().put_off + more;
        while self.shared.recording.lock().unwrap().put_off < wanted {
            assert!(Instant::now() < deadline, "no request is put off");
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Waits until an event is answered with its score.
    pub async fn scored(&self) {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            assert!(Instant::now() < deadline, "no event is scored");
            let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
            if self.shared.deliver(PROBE, &[number], true).await["score_pending"] == false {
                return;
            }
        }
    }

    /// Sends an event once: status and answer.
    pub async fn try_once(&self) -> Option<(u16, Value)> {
        let planned = self.shared.planned(self.shared.next.fetch_add(1, Ordering::Relaxed));
        self.shared.attempt(PROBE, &[planned], false).await
    }

    /// Ends it, and sends what was not acknowledged until it is.
    pub async fn finish(self) -> Recording {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let unfinished = |recording: &Recording| -> Vec<u64> {
            let events = recording.events.values().filter(|sent| sent.acknowledged() == 0);
            events.map(|sent| sent.planned.number).collect()
        };
        let left = unfinished(&self.shared.recording.lock().unwrap());
        for number in left {
            self.shared.deliver(PROBE, &[number], false).await;
        }
        std::mem::take(&mut self.shared.recording.lock().unwrap())
    }
}

impl Shared {
    fn planned(&self, number: u64) -> Planned {
        Planned::new(number, self.start_us)
    }

    async fn send(&self, who: usize) {
        let mut random = ChaCha8Rng::seed_from_u64(who as u64);
        let mut pace = pace(SEND_EVERY);
        loop {
            pace.tick().await;
            let mut numbers = Vec::new();
            for _ in 0..random.random_range(1..6) {
                let sent = self.next.load(Ordering::Relaxed);
                if sent > 0 && random.random_bool(0.15) {
                    numbers.push(sent - 1 - random.random_range(0..RECENT_EVENTS.min(sent)));
                } else {
                    numbers.push(self.next.fetch_add(1, Ordering::Relaxed));
                }
            }
            self.deliver(who, &numbers, random.random_bool(0.15)).await;
        }
    }

    /// Sends events until they are acknowledged; the receipt.
    async fn deliver(&self, who: usize, numbers: &[u64], wait: bool) -> Value {
        let events: Vec<Planned> = numbers.iter().map(|number| self.planned(*number)).collect();
        loop {
            match self.attempt(who, &events, wait).await {
                Some((200 | 202, receipt)) => return receipt,
                Some(_) | None => tokio::time::sleep(RETRY).await,
            }
        }
    }

    /// Sends events once, and notes what came of it.
    async fn attempt(&self, who: usize, events: &[Planned], wait: bool) -> Option<(u16, Value)> {
        let client = self.target.borrow().clone();
        // Until the answer is there, nobody knows: also where this sender is stopped meanwhile.
        self.recording.lock().unwrap().sending(events);
        let body: Vec<&Value> = events.iter().map(|planned| &planned.body).collect();
        let body = json!(body);
        let path = if wait { "/api/v1/events?wait=score" } else { "/api/v1/events" };
        let answer = tokio::time::timeout(ANSWER_MAX, client.post(path, &body)).await;
        let mut recording = self.recording.lock().unwrap();
        let Ok(Ok((status, answer))) = answer else {
            recording.unanswered += 1;
            return None;
        };
        match status {
            200 | 202 => {
                recording.received(who, events, &answer);
                let results = answer["results"].as_array().unwrap();
                let leads = results.iter().filter_map(|result| result["lead_id"].as_str());
                self.leads.lock().unwrap().extend(leads.map(str::to_owned));
                self.acknowledged.send_modify(|count| *count += events.len() as u64);
            }
            429 | 503 => recording.put_off += 1,
            _ => recording.wrong.push(format!("{status} {answer}")),
        }
        Some((status, answer))
    }

    async fn read(&self, who: usize) {
        let mut random = ChaCha8Rng::seed_from_u64(who as u64);
        let mut pace = pace(READ_EVERY);
        loop {
            pace.tick().await;
            let lead = {
                let leads = self.leads.lock().unwrap();
                if leads.is_empty() {
                    continue;
                }
                leads.iter().nth(random.random_range(0..leads.len())).unwrap().clone()
            };
            let client = self.target.borrow().clone();
            let path = format!("/api/v1/leads/{lead}/score");
            let answer = tokio::time::timeout(ANSWER_MAX, client.try_get(&path)).await;
            let mut recording = self.recording.lock().unwrap();
            match answer {
                Ok(Ok((200, score))) => recording.shown(who, &score),
                // No score, for want of consent, not yet, or nobody to ask.
                Ok(Ok((403 | 409 | 503, _)) | Err(_)) | Err(_) => {}
                Ok(Ok((status, answer))) => recording.wrong.push(format!("{path}: {status} {answer}")),
            }
        }
    }
}

fn pace(every: Duration) -> tokio::time::Interval {
    let mut pace = tokio::time::interval(every);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

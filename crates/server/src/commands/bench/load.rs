//! Requests over a bounded number of connections: at the instants of a schedule (open loop), or each connection's next
//! one after its answer (closed loop).
//!
//! Invariant: in the open loop a latency is counted from the instant at which the request was due.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    http::{Answer, Client, Target, Unanswered},
    schedule::Schedule,
};

/// Longest latency that is told apart from longer ones.
const LATENCY_MAX: Duration = Duration::from_secs(600);
/// Significant digits of a latency.
const DIGITS: u8 = 3;
/// How long after the last arrival requests that are late are still sent.
const LATE: Duration = Duration::from_secs(30);
/// Wait of a connection whose request failed: a server that is gone is not asked in a tight loop.
const AFTER_FAILURE: Duration = Duration::from_millis(20);

/// What is asked.
pub trait Traffic: Send + Sync + 'static {
    /// Writes request `index`; `request` is empty. Called while the clock runs: it copies what was made before.
    fn write(&self, index: u64, request: &mut Vec<u8>);

    /// What an answer of success says of the events that were sent.
    fn read(&self, body: &[u8]) -> Receipt;
}

/// How many events met which fate, as the server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Receipt {
    #[serde(default)]
    pub accepted: u64,
    #[serde(default)]
    pub duplicates: u64,
    #[serde(default)]
    pub refused: u64,
}

/// When requests are sent.
#[derive(Debug, Clone, Copy)]
pub enum Arrivals {
    Scheduled(Schedule),
    /// As fast as the answers come, until then.
    BackToBack {
        start: Instant,
        end: Instant,
    },
}

/// What a run saw.
#[derive(Debug)]
pub struct Seen {
    /// Of answers of success, in microseconds.
    pub latencies_us: Histogram<u64>,
    /// Answers by status.
    pub by_status: BTreeMap<u16, u64>,
    /// Requests without an answer, by reason.
    pub unanswered: BTreeMap<&'static str, u64>,
    pub receipt: Receipt,
    /// Requests that were so late that they were not sent at all.
    pub unsent: u64,
    /// From the first request's instant to the last answer.
    pub took: Duration,
}

/// What the connections share.
struct Run<T> {
    target: Arc<Target>,
    traffic: T,
    arrivals: Arrivals,
    /// Arrivals that are due and not taken yet.
    due: Semaphore,
    /// The next arrival.
    next: AtomicU64,
}

/// Sends requests and says what came back; `bar` is moved by the number of requests.
pub async fn run<T: Traffic>(
    target: &Arc<Target>,
    connections: usize,
    arrivals: Arrivals,
    traffic: T,
    bar: &ProgressBar,
) -> Seen {
    let run = Arc::new(Run {
        target: Arc::clone(target),
        traffic,
        arrivals,
        due: Semaphore::new(0),
        next: AtomicU64::new(0),
    });
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let (run, bar) = (Arc::clone(&run), bar.clone());
        tasks.spawn(async move { run.connection(&bar).await });
    }
    let start = match arrivals {
        Arrivals::Scheduled(schedule) => {
            let run = Arc::clone(&run);
            let pacer = move || schedule.release(&run.due, connections);
            tokio::task::spawn_blocking(pacer).await.expect("the pacer does not panic");
            schedule.due(0)
        }
        Arrivals::BackToBack { start, .. } => start,
    };
    let mut seen = Seen::nothing();
    for one in tasks.join_all().await {
        seen.add(&one);
    }
    seen.took = start.elapsed();
    if let Arrivals::Scheduled(schedule) = arrivals {
        seen.unsent = schedule.total().saturating_sub(seen.sent());
    }
    seen
}

impl<T: Traffic> Run<T> {
    async fn connection(&self, bar: &ProgressBar) -> Seen {
        let mut client = Client::new(Arc::clone(&self.target));
        let mut seen = Seen::nothing();
        let mut request = Vec::new();
        while let Some((index, due)) = self.next().await {
            request.clear();
            self.traffic.write(index, &mut request);
            let answer = client.exchange(&request).await;
            let failed = answer.is_err();
            seen.note(answer, due.elapsed(), &self.traffic);
            bar.inc(1);
            if failed {
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
        seen
    }

    /// Waits for the next request's turn; its number, and the instant that its latency counts from. `None` at the end.
    async fn next(&self) -> Option<(u64, Instant)> {
        match self.arrivals {
            Arrivals::Scheduled(schedule) => {
                self.due.acquire().await.expect("the semaphore is never closed").forget();
                let index = self.next.fetch_add(1, Ordering::Relaxed);
                let in_time = || Instant::now() < schedule.due(schedule.total()) + LATE;
                (index < schedule.total() && in_time()).then(|| (index, schedule.due(index)))
            }
            Arrivals::BackToBack { end, .. } => {
                let now = Instant::now();
                (now < end).then(|| (self.next.fetch_add(1, Ordering::Relaxed), now))
            }
        }
    }
}

impl Seen {
    fn nothing() -> Self {
        let longest_us = u64::try_from(LATENCY_MAX.as_micros()).expect("ten minutes are few microseconds");
        Self {
            latencies_us: Histogram::new_with_bounds(1, longest_us, DIGITS).expect("the bounds are in order"),
            by_status: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            receipt: Receipt::default(),
            unsent: 0,
            took: Duration::ZERO,
        }
    }

    fn note(&mut self, answer: Result<Answer<'_>, Unanswered>, latency: Duration, traffic: &impl Traffic) {
        match answer {
            Ok(answer) => {
                *self.by_status.entry(answer.status).or_default() += 1;
                if is_success(answer.status) {
                    self.latencies_us.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
                    self.receipt.add(traffic.read(answer.body));
                }
            }
            Err(unanswered) => *self.unanswered.entry(unanswered.as_str()).or_default() += 1,
        }
    }

    fn add(&mut self, other: &Self) {
        self.latencies_us.add(&other.latencies_us).expect("both have the same bounds");
        other.by_status.iter().for_each(|(status, count)| *self.by_status.entry(*status).or_default() += count);
        other.unanswered.iter().for_each(|(reason, count)| *self.unanswered.entry(reason).or_default() += count);
        self.receipt.add(other.receipt);
    }

    /// Answers of any status.
    pub fn answered(&self) -> u64 {
        self.by_status.values().sum()
    }

    /// Answers of success.
    pub fn succeeded(&self) -> u64 {
        self.latencies_us.len()
    }

    fn sent(&self) -> u64 {
        self.answered() + self.unanswered.values().sum::<u64>()
    }
}

impl Receipt {
    fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        self.refused += other.refused;
    }
}

/// Whether a status says that what was asked was done.
pub const fn is_success(status: u16) -> bool {
    status / 100 == 2
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// How long the server of the test stands still.
    const STALL: Duration = Duration::from_millis(300);
    /// Requests a second.
    const RATE: f64 = 200.0;

    struct Pings(Arc<Target>);

    impl Traffic for Pings {
        fn write(&self, _: u64, request: &mut Vec<u8>) {
            self.0.get("/", request);
        }

        fn read(&self, _: &[u8]) -> Receipt {
            Receipt { accepted: 1, ..Receipt::default() }
        }
    }

    /// Answers every request with one of `statuses`, in turn; the request number `stalls_at` only after a stall. It
    /// ends with the set of tasks.
    async fn server(statuses: &'static [u16], stalls_at: Option<usize>) -> (Arc<Target>, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let answered = Arc::new(AtomicU64::new(0));
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer_all(stream, statuses, stalls_at, Arc::clone(&answered)));
            }
        });
        (Arc::new(Target::new(&url, "token").unwrap()), tasks)
    }

    async fn answer_all(mut stream: TcpStream, statuses: &[u16], stalls_at: Option<usize>, answered: Arc<AtomicU64>) {
        let mut bytes = [0; 1024];
        // One request is one segment here.
        while matches!(stream.read(&mut bytes).await, Ok(read) if read > 0) {
            let number = usize::try_from(answered.fetch_add(1, Ordering::SeqCst)).unwrap();
            if stalls_at == Some(number) {
                tokio::time::sleep(STALL).await;
            }
            let status = statuses[number % statuses.len()];
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    fn schedule(duration: Duration) -> Arrivals {
        Arrivals::Scheduled(Schedule::new(Instant::now(), RATE, duration))
    }

    #[tokio::test]
    async fn those_who_would_have_waited_behind_a_stall_are_counted() {
        let (target, _server) = server(&[200], Some(10)).await;
        let bar = ProgressBar::hidden();
        let open = run(&target, 1, schedule(2 * STALL), Pings(Arc::clone(&target)), &bar).await;
        assert_eq!((open.succeeded(), open.unsent), (120, 0));
        let long = |seen: &Seen| {
            let half_us = u64::try_from(STALL.as_micros() / 2).unwrap();
            seen.latencies_us.count_between(half_us, u64::MAX)
        };
        // Half of the stall's arrivals found more than half of it before them.
        assert!(long(&open) >= 30, "{}", long(&open));

        // In a closed loop the same stall hits one request. On a machine however slow no more than four of so long fit in.
        let (target, _server) = server(&[200], Some(10)).await;
        let start = Instant::now();
        let closed = Arrivals::BackToBack { start, end: start + 2 * STALL };
        let closed = run(&target, 1, closed, Pings(Arc::clone(&target)), &bar).await;
        assert!((1..=4).contains(&long(&closed)), "{}", long(&closed));
    }

    #[tokio::test]
    async fn answers_that_are_no_success_are_counted_and_have_no_latency() {
        let (target, _server) = server(&[202, 429, 503, 400], None).await;
        let seen = run(&target, 3, schedule(STALL), Pings(Arc::clone(&target)), &ProgressBar::hidden()).await;
        assert_eq!(seen.by_status, BTreeMap::from([(202, 15), (400, 15), (429, 15), (503, 15)]));
        assert_eq!((seen.succeeded(), seen.receipt.accepted, seen.unsent), (15, 15, 0));
        assert!(seen.unanswered.is_empty());
    }

    #[tokio::test]
    async fn a_server_that_is_gone_is_a_failure_of_each_request() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let target = Arc::new(Target::new(&format!("http://{free}"), "token").unwrap());
        let arrivals = schedule(Duration::from_millis(100));
        let seen = run(&target, 4, arrivals, Pings(Arc::clone(&target)), &ProgressBar::hidden()).await;
        assert_eq!(seen.unanswered, BTreeMap::from([("connection", 20)]));
        assert_eq!((seen.answered(), seen.unsent), (0, 0));
    }
}

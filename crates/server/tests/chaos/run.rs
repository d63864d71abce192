//! A server under load, and what is done to it.

use std::{
    os::unix::process::ExitStatusExt as _,
    time::{Duration, Instant},
};

use leadscore_store::FailPoint;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    checker::check,
    load::Load,
    recording::Recording,
    support::{Server, eventually, http},
    world::{Clock, World},
};

/// Longest time from the end of a fault until an event is answered with its score.
const RECOVERY_MAX: Duration = Duration::from_secs(10);
/// How long the brokers believe in a member that died while it joined: its session begins when the others have joined.
const SESSION: Duration = Duration::from_secs(6);
/// Passages of a fail point before the process dies there: some of them while it catches up.
const PASSAGES_MAX: u32 = 12;
/// SIGABRT, by which a process dies at a fail point.
const SIGABRT: i32 = 6;
const SERVERS: [&str; 3] = ["postgres", "redis", "kafka"];

/// Events that a process has applied, as it counts them itself.
async fn applied(server: &Server) -> f64 {
    let metrics = http().get(format!("{}/metrics", server.address)).send().await.unwrap().text().await.unwrap();
    let count = |line: &str| line.strip_prefix(r#"leadscore_events_total{fate="applied"} "#)?.parse().ok();
    metrics.lines().find_map(count).unwrap_or(0.0)
}

/// Whether all night is there.
pub fn long() -> bool {
    std::env::var("CHAOS").is_ok_and(|length| length == "long")
}

/// Whether the point lies in the scorer, which has to get its partitions back first.
const fn scores(point: FailPoint) -> bool {
    match point {
        FailPoint::AppendBefore
        | FailPoint::AppendAfter
        | FailPoint::ProduceBefore
        | FailPoint::ProduceAfter
        | FailPoint::OutboxBefore
        | FailPoint::OutboxAfter => false,
        FailPoint::CommitBefore
        | FailPoint::CommitAfter
        | FailPoint::PublishBefore
        | FailPoint::Announce
        | FailPoint::PublishAfter => true,
    }
}

/// A server under load, and what it went through.
pub struct Run {
    pub world: World,
    pub load: Load,
    /// `None` while it is down.
    server: Option<Server>,
    random: ChaCha8Rng,
    began: Instant,
    kills: u32,
    /// Faults that ended by themselves or by order.
    outages: u32,
    longest_recovery: (Duration, String),
}

impl Run {
    pub async fn new(world: World) -> Self {
        let server = world.serve();
        let load = Load::start(world.client(&server), world.start());
        load.scored().await;
        let random = ChaCha8Rng::seed_from_u64(7);
        let longest_recovery = (Duration::ZERO, String::new());
        Self {
            world,
            load,
            server: Some(server),
            random,
            began: Instant::now(),
            kills: 0,
            outages: 0,
            longest_recovery,
        }
    }

    /// Starts the server anew.
    fn serve(&mut self) {
        self.serve_with(&[]);
    }

    /// The same, with further variables.
    fn serve_with(&mut self, variables: &[(&str, String)]) {
        let server = self.world.try_serve(&[], variables).unwrap();
        self.load.turn_to(self.world.client(&server));
        self.server = Some(server);
    }

    /// Waits until an event is answered with its score, after so many crashes of the process in a row; 0 for another fault.
    pub async fn recovered(&mut self, since: Instant, from: &str, crashes: u32) {
        self.load.scored().await;
        let took = since.elapsed();
        println!("recovered from {from} in {took:.1?}");
        // The brokers miss one dead member of the group after the other, among them one of the crashes before.
        let most = if crashes == 0 { RECOVERY_MAX } else { RECOVERY_MAX * crashes + SESSION };
        assert!(took <= most, "recovery from {from} took {took:?}");
        if crashes <= 1 && took > self.longest_recovery.0 {
            self.longest_recovery = (took, from.to_owned());
        }
    }

    /// kill -9 at random moments.
    pub async fn kills(&mut self, count: u32) {
        let mut crashes = 0;
        for kill in 1..=count {
            self.load.acknowledged(self.random.random_range(1..120)).await;
            self.server.take().unwrap().kill();
            self.kills += 1;
            crashes += 1;
            let since = Instant::now();
            self.serve();
            // Every other time the next one comes before it has recovered.
            if kill == count || self.random.random_bool(0.5) {
                self.recovered(since, &format!("{crashes} kills in a row"), crashes).await;
                crashes = 0;
            }
        }
    }

    /// Death at each of the named points, at a random passage.
    pub async fn fail_points(&mut self, times: u32) {
        let kafka = self.world.servers.is_some();
        for point in FailPoint::ALL.into_iter().filter(|point| kafka || !point.needs_kafka()) {
            for _ in 0..times {
                self.die_at(point).await;
            }
        }
    }

    async fn die_at(&mut self, point: FailPoint) {
        if scores(point) && self.server.is_none() {
            self.serve();
            self.load.scored().await;
        }
        // Its share of the log is free at once.
        if let Some(server) = self.server.take() {
            assert!(server.terminate().success(), "it stops in good order");
        }
        let passage = self.random.random_range(1..PASSAGES_MAX);
        let armed = format!("{}:{passage}", point.name());
        let status = match self.world.try_serve(&[], &[("LEADSCORE_FAIL_POINT", armed.clone())]) {
            Ok(server) => {
                self.load.turn_to(self.world.client(&server));
                server.ended()
            }
            Err(status) => status,
        };
        assert_eq!(status.signal(), Some(SIGABRT), "{armed}: {status}");
        println!("died at {armed}");
        self.kills += 1;
        // Intake needs no share of the log: the next one may die before it has one.
        if scores(point) || long() {
            let since = Instant::now();
            self.serve();
            self.recovered(since, &armed, 1).await;
        }
    }

    /// A second process that only scores joins, takes its share, and is killed.
    pub async fn another_scorer(&mut self, times: u32) {
        for _ in 0..times {
            let other = self.world.try_serve(&["--roles", "scorer"], &[]).unwrap();
            self.load.acknowledged(200).await;
            eventually("partitions come to the second scorer", async || applied(&other).await > 0.0).await;
            self.load.scored().await;
            other.kill();
            self.kills += 1;
            self.recovered(Instant::now(), "a second scorer's death", 0).await;
        }
    }

    /// Each of the servers goes away under load and comes back.
    pub async fn outages(&mut self, actions: &[&str]) {
        for server in SERVERS {
            for action in actions {
                let servers = self.world.servers.as_ref().unwrap();
                servers.tell(action, server);
                self.outages += 1;
                if server == "postgres" {
                    // Nothing is durable without it.
                    let answer = self.load.try_once().await;
                    assert!(matches!(answer, Some((503, _))), "without PostgreSQL: {answer:?}");
                } else {
                    // The database keeps what comes in, and knows all scores.
                    self.load.acknowledged(50).await;
                }
                servers.tell("start", server);
                self.recovered(Instant::now(), &format!("{action} {server}"), 0).await;
            }
        }
    }

    /// Its disk is full for a while.
    pub async fn full_disk(&mut self) {
        self.load.acknowledged(50).await;
        let ballast = self.world.fill_disk();
        self.load.put_off(10).await;
        std::fs::remove_file(ballast).unwrap();
        self.outages += 1;
        self.recovered(Instant::now(), "a full disk", 0).await;
    }

    /// Goes on by this clock, after a kill.
    pub async fn serve_by(&mut self, clock: &Clock) {
        self.server.take().unwrap().kill();
        self.kills += 1;
        let since = Instant::now();
        self.serve_with(&clock.variables());
        self.recovered(since, "a kill", 1).await;
    }

    /// The clock steps.
    pub async fn step(&mut self, clock: &Clock, to: &str) {
        clock.step(to);
        self.outages += 1;
        self.recovered(Instant::now(), &format!("a step of the clock to {to} s"), 0).await;
        self.load.acknowledged(100).await;
    }

    /// Lets everything come to rest, and checks; what was seen.
    pub async fn finish(mut self, way: &str) -> Recording {
        let recording = self.load.finish().await;
        self.world.outbox_empty().await;
        let server = self.server.take().unwrap();
        server.ready().await;
        assert!(server.terminate().success(), "it stops in good order");
        let end = self.world.end_state().await;
        let (violations, totals) = check(&recording, &end);
        println!(
            "{way}: {} events, {} acknowledgements, {} applied, {} duplicates, {} dead letters; {} put off, {} \
             unanswered; {} scores seen; {} kills, {} other faults; longest recovery {:.1?} ({}); {:.0?}",
            totals.events,
            totals.acknowledged,
            totals.applied,
            totals.duplicates,
            totals.dead,
            recording.put_off,
            recording.unanswered,
            recording.observations.len(),
            self.kills,
            self.outages,
            self.longest_recovery.0,
            self.longest_recovery.1,
            self.began.elapsed(),
        );
        let told: Vec<String> = violations.iter().take(20).map(ToString::to_string).collect();
        assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), told.join("\n"));
        assert!(recording.observations.len() > 100 && totals.duplicates > 0 && totals.dead > 0, "too little happened");
        recording
    }
}

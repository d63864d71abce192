//! The faults, one after the other, while events arrive: afterwards the checker finds nothing.

use std::{
    os::unix::process::ExitStatusExt as _,
    time::{Duration, Instant},
};

use leadscore_store::FailPoint;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{checker::check, load::Load, support::Server, world::World};

/// Longest time from the end of a fault until an event is answered with its score.
const RECOVERY_MAX: Duration = Duration::from_secs(10);
/// Passages of a fail point before the process dies there: some of them while it catches up.
const PASSAGES_MAX: u32 = 12;
/// SIGABRT, by which a process dies at a fail point.
const SIGABRT: i32 = 6;
/// A partition of the log moves when its owner is missed, which takes some seconds.
const SERVERS: [&str; 3] = ["postgres", "redis", "kafka"];

/// Whether all night is there.
fn long() -> bool {
    std::env::var("CHAOS").is_ok_and(|length| length == "long")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_server_keeps_its_promises_through_crashes() {
    let mut run = Run::new(World::embedded()).await;
    run.kills(if long() { 100 } else { 5 }).await;
    run.fail_points(if long() { 3 } else { 1 }).await;
    run.finish("embedded").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_and_processes_keep_their_promises_through_crashes_and_outages() {
    let mut run = Run::new(World::on_servers().await).await;
    run.kills(if long() { 100 } else { 3 }).await;
    run.fail_points(if long() { 3 } else { 1 }).await;
    run.another_scorer(if long() { 10 } else { 1 }).await;
    run.outages(if long() { &["kill", "stop"] } else { &["kill"] }).await;
    run.finish("PostgreSQL, Redis, Kafka").await;
}

/// A server under load, and what it went through.
struct Run {
    world: World,
    load: Load,
    /// `None` while it is down.
    server: Option<Server>,
    random: ChaCha8Rng,
    began: Instant,
    kills: u32,
    outages: u32,
    longest_recovery: (Duration, String),
}

impl Run {
    async fn new(world: World) -> Self {
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
        let server = self.world.serve();
        self.load.turn_to(self.world.client(&server));
        self.server = Some(server);
    }

    async fn recovered(&mut self, since: Instant, from: &str) {
        self.load.scored().await;
        let took = since.elapsed();
        println!("recovered from {from} in {took:.1?}");
        assert!(took <= RECOVERY_MAX, "recovery from {from} took {took:?}");
        if took > self.longest_recovery.0 {
            self.longest_recovery = (took, from.to_owned());
        }
    }

    /// kill -9 at random moments.
    async fn kills(&mut self, count: u32) {
        for _ in 0..count {
            self.load.acknowledged(self.random.random_range(1..120)).await;
            self.server.take().unwrap().kill();
            self.kills += 1;
            let since = Instant::now();
            self.serve();
            // Every other time the next one comes before it has recovered.
            if self.random.random_bool(0.5) {
                self.recovered(since, "a kill").await;
            }
        }
        self.recovered(Instant::now(), "kills").await;
    }

    /// Death at each of the named points, at a random passage.
    async fn fail_points(&mut self, times: u32) {
        let kafka = self.world.servers.is_some();
        for point in FailPoint::ALL.into_iter().filter(|point| kafka || !point.needs_kafka()) {
            for _ in 0..times {
                let passage = self.random.random_range(1..PASSAGES_MAX);
                let armed = format!("{}:{passage}", point.name());
                self.server.take().unwrap().kill();
                let status = match self.world.try_serve(&[], &[("LEADSCORE_FAIL_POINT", &armed)]) {
                    Ok(server) => {
                        self.load.turn_to(self.world.client(&server));
                        server.ended()
                    }
                    Err(status) => status,
                };
                assert_eq!(status.signal(), Some(SIGABRT), "{armed}: {status}");
                self.kills += 2;
                let since = Instant::now();
                self.serve();
                self.recovered(since, &armed).await;
            }
        }
    }

    /// A second process that only scores joins, takes its share, and is killed.
    async fn another_scorer(&mut self, times: u32) {
        for _ in 0..times {
            let other = self.world.try_serve(&["--roles", "scorer"], &[]).unwrap();
            self.load.acknowledged(200).await;
            self.load.scored().await;
            other.kill();
            self.kills += 1;
            self.recovered(Instant::now(), "a second scorer's death").await;
        }
    }

    /// Each of the servers goes away under load and comes back.
    async fn outages(&mut self, actions: &[&str]) {
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
                self.recovered(Instant::now(), &format!("{action} {server}")).await;
            }
        }
    }

    /// Lets everything come to rest, and checks.
    async fn finish(mut self, way: &str) {
        let recording = self.load.finish().await;
        self.world.outbox_empty().await;
        let server = self.server.take().unwrap();
        server.ready().await;
        assert!(server.terminate().success(), "it stops in good order");
        let end = self.world.end_state().await;
        let (violations, totals) = check(&recording, &end);
        println!(
            "{way}: {} events, {} acknowledgements, {} applied, {} duplicates, {} dead letters; {} put off, {} \
             unanswered; {} scores seen; {} kills, {} outages; longest recovery {:.1?} ({}); {:.0?}",
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
    }
}

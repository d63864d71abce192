//! From an event to its score: sustained, at a steady rate, and from the log anew; embedded, and over PostgreSQL, Kafka
//! and Redis where the environment names them (`scripts/servers run` does).

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, postgres::PgConnectOptions};

use crate::{
    load::{self, Load},
    process::{Server, leadscore, run},
    report::{Report, median},
    serving::trivial,
};

/// Leads that the events are about.
const LEADS: &str = "5000";
/// Runs of which the median counts.
const RUNS: usize = 3;
/// Connections that read scores.
const READERS: usize = 64;

/// A way to run, and what is promised of it.
struct Column {
    name: &'static str,
    /// Configuration by the environment.
    settings: Vec<(&'static str, String)>,
    /// Events a second.
    sustained: f64,
    /// Milliseconds from an event to its score, with 1,000 events a second.
    p50_ms: f64,
    p99_ms: f64,
    /// Throughput of reading a score, as a share of a server that does nothing.
    share: f64,
    /// Events a second, from the log anew.
    rebuilt: f64,
}

/// Measures both ways to run.
pub async fn measure(folder: &Path, report: &mut Report) {
    let embedded = Column {
        name: "embedded",
        settings: Vec::new(),
        sustained: 10_000.0,
        p50_ms: 3.0,
        p99_ms: 15.0,
        share: 0.7,
        rebuilt: 100_000.0,
    };
    embedded.measure(folder.join("embedded"), report).await;
    match servers().await {
        None => println!("no servers: `make bench` starts them"),
        Some(settings) => {
            let servers = Column {
                name: "servers",
                settings,
                sustained: 5_000.0,
                p50_ms: 10.0,
                p99_ms: 50.0,
                share: 0.6,
                rebuilt: 50_000.0,
            };
            servers.measure(folder.join("servers"), report).await;
        }
    }
}

/// A database and topics of our own on the servers that the environment names.
async fn servers() -> Option<Vec<(&'static str, String)>> {
    let variable = |name: &str| std::env::var(name).ok();
    let postgres: PgConnectOptions = variable("LEADSCORE_TEST_POSTGRES")?.parse().expect("an address");
    let name = format!("bench_{}", std::process::id());
    let mut conn = postgres.connect().await.expect("the server is there");
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut conn).await.expect("a new database");
    conn.close().await.expect("the server is there");
    Some(vec![
        ("LEADSCORE_STORE__POSTGRES", postgres.database(&name).to_url_lossy().to_string()),
        ("LEADSCORE_STORE__REDIS", variable("LEADSCORE_TEST_REDIS")?),
        ("LEADSCORE_KAFKA__BROKERS", variable("LEADSCORE_TEST_KAFKA")?),
        ("LEADSCORE_KAFKA__PREFIX", name),
    ])
}

impl Column {
    async fn measure(&self, data: PathBuf, report: &mut Report) {
        let (_, created) = run(self.leadscore(&data).arg("init"));
        let key = created["api_key"].as_str().expect("init prints an API key").to_owned();
        let server = Server::start(self.leadscore(&data).args(["serve", "--quiet", "--listen", "127.0.0.1:0"]));
        let events = |options: &[&str]| {
            let target = format!("http://{}", server.address);
            let mut command = self.leadscore(&data);
            command.args(["bench", "events", "--quiet", "--leads", LEADS, "--token", &key, "--target", &target]);
            run(command.args(options)).1
        };
        // A broker's machine compiles its code while it runs.
        events(&["--rate", "1000", "--duration", "10s"]);
        self.sustained(report, || {
            events(&["--rate", "max", "--per-request", "100", "--connections", "8", "--duration", "6s"])
        });
        self.latency(report, || events(&["--rate", "1000", "--wait-score", "--duration", "8s"]));
        self.reads(&data, &key, &server, report).await;
        report.figure(&self.says("server's peak memory"), server.peak_mib(), "MiB");
        drop(server);
        let rebuilt = (0..RUNS).map(|_| {
            let (_, replayed) = run(self.leadscore(&data).args(["replay", "--check"]));
            replayed["events_per_second"].as_f64().expect("replay says how fast it was")
        });
        report.above(&self.says("rebuilt from the log"), median(rebuilt.collect()), "1/s", self.rebuilt);
    }

    fn sustained(&self, report: &mut Report, events: impl Fn() -> Value) {
        let sustained = (0..RUNS).map(|_| events()["sustained_per_second"].as_f64().expect("all were scored"));
        report.above(&self.says("events scored and stored"), median(sustained.collect()), "1/s", self.sustained);
    }

    fn latency(&self, report: &mut Report, events: impl Fn() -> Value) {
        let runs: Vec<Value> = (0..RUNS).map(|_| events()).collect();
        let of = |name: &str| median(runs.iter().map(|run| run["latency"][name].as_f64().expect("a number")).collect());
        report.below(&self.says("event to score at 1,000/s: p50"), of("p50_ms"), "ms", self.p50_ms);
        report.below(&self.says("event to score at 1,000/s: p99"), of("p99_ms"), "ms", self.p99_ms);
        for stage in runs[RUNS / 2]["stages"].as_array().into_iter().flatten() {
            let (name, mean) = (stage["stage"].as_str().unwrap_or_default(), stage["mean_ms"].as_f64().unwrap_or(0.0));
            report.figure(&self.says(&format!("of it, mean of {name}")), mean, "ms");
        }
    }

    async fn reads(&self, data: &Path, key: &str, server: &Server, report: &mut Report) {
        let file = data.join("scores.jsonl");
        run(self.leadscore(data).args(["export", "scores", "--out"]).arg(&file));
        let text = std::fs::read_to_string(&file).expect("the export wrote it");
        let request = |line: &str| {
            let score: Value = serde_json::from_str(line).expect("a line is a JSON object");
            load::get(&format!("/api/v1/leads/{}/score", score["lead_id"].as_str().expect("a lead")), key)
        };
        let requests = Arc::new(text.lines().map(request).collect());
        let trivial = trivial();
        let (warm_up, duration) = (Duration::from_secs(1), Duration::from_secs(3));
        let mut shares = Vec::new();
        for _ in 0..RUNS {
            let ours: Load = load::run(&server.address, &requests, READERS, warm_up, duration).await;
            let theirs: Load = load::run(&trivial.address, &requests, READERS, warm_up, duration).await;
            shares.push(ours.requests_per_second / theirs.requests_per_second);
        }
        report.above(&self.says("GET score, ours / trivial"), median(shares), "ratio", self.share);
    }

    fn leadscore(&self, data: &Path) -> Command {
        let mut command = leadscore(data);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    fn says(&self, what: &str) -> String {
        format!("{}: {what}", self.name)
    }
}

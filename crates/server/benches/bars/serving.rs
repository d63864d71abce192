//! The server under load, beside a trivial one measured in the same run.

use std::{
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::Path, routing::get};
use serde_json::{Value, json};

use crate::{
    TRIVIAL,
    bulk::Brokerage,
    load::{self, Connection, Load},
    process::{Server, leadscore, run},
    report::{Report, median},
};

/// Connections at once.
const CONNECTIONS: usize = 64;
/// Runs of which the median counts.
const RUNS: usize = 5;
/// Before a run counts.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long a run counts.
const DURATION: Duration = Duration::from_secs(4);
/// Leads asked for in turn, and the size of the one batch.
const LEADS: usize = 10_000;
/// Bar on the 99th percentile of one score's latency, in milliseconds.
const P99_BAR_MS: f64 = 5.0;
/// Bar on one batch of [`LEADS`], in seconds.
const BATCH_BAR_S: f64 = 0.4;
/// Bar on one batch of a tenth of them.
const SMALL_BATCH_BAR_S: f64 = 0.05;
/// How long a server may take to read the log.
const READ_DEADLINE: Duration = Duration::from_secs(600);

/// Measures reads of one lead and of many.
pub async fn measure(brokerage: &Brokerage, report: &mut Report) {
    let server = Server::start(leadscore(&brokerage.data).args(["serve", "--quiet", "--listen", "127.0.0.1:0"]));
    let started = Instant::now();
    wait_until_read(&server).await;
    report.figure("50,000 leads: from start to the whole log read", started.elapsed().as_secs_f64(), "s");
    let leads = scored_leads(brokerage);
    report.figure("50,000 leads: from start to all scored", started.elapsed().as_secs_f64(), "s");
    one_score(&server, brokerage, &leads, report).await;
    batch(&server, brokerage, &leads, report, BATCH_BAR_S).await;
    batch(&server, brokerage, &leads[..LEADS / 10], report, SMALL_BATCH_BAR_S).await;
    report.figure("server: peak memory", server.peak_mib(), "MiB");
}

/// [`trivial_server`] in a process of its own.
pub fn trivial() -> Server {
    Server::start(Command::new(std::env::current_exe().expect("this program")).arg(TRIVIAL))
}

/// A server that does nothing but answer with JSON of about the same size.
pub async fn trivial_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("http://{}", listener.local_addr().expect("an address"));
    let answer = get(async |Path(lead_id): Path<String>| {
        Json(json!({
            "lead_id": lead_id, "score": 87, "confidence": 0.92, "last_updated": "2026-01-10T10:30:00Z",
            "breakdown": {"behavioral": 82, "engagement": 91, "market_fit": 88, "timing": 85},
            "prediction": {"conversion_probability": 0.73, "optimal_contact_time": "2026-01-15T14:30:00Z",
                "recommended_approach": "premium_property_focus"},
        }))
    });
    let router = Router::new().route("/api/v1/leads/{lead_id}/score", answer);
    axum::serve(listener, router).await.expect("it serves until it is killed");
}

/// Leads that have a score, once no more are added: the first scores of a large log follow behind its reading.
fn scored_leads(brokerage: &Brokerage) -> Vec<String> {
    let file = brokerage.data.join("scores.jsonl");
    let mut count = None;
    loop {
        let (_, exported) = run(leadscore(&brokerage.data).args(["export", "scores", "--out"]).arg(&file));
        let rows = exported["rows"].as_u64();
        if rows == count {
            break;
        }
        count = rows;
    }
    let text = std::fs::read_to_string(&file).expect("the export wrote it");
    text.lines()
        .take(LEADS)
        .map(|line| {
            let score: Value = serde_json::from_str(line).expect("a line is a JSON object");
            score["lead_id"].as_str().expect("every score names its lead").to_owned()
        })
        .collect()
}

async fn wait_until_read(server: &Server) {
    let deadline = Instant::now() + READ_DEADLINE;
    let mut connection = Connection::open(&server.address).await;
    loop {
        let (status, answer) = connection.exchange(&load::get("/readyz", "none")).await;
        let answer: Value = serde_json::from_slice(answer).expect("JSON");
        if status == 200 && answer["scorer_lag"] == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "the server has not read everything in {READ_DEADLINE:?}: {answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn one_score(server: &Server, brokerage: &Brokerage, leads: &[String], report: &mut Report) {
    let trivial = trivial();
    let path = |lead: &String| format!("/api/v1/leads/{lead}/score");
    let requests = Arc::new(leads.iter().map(|lead| load::get(&path(lead), &brokerage.key)).collect());
    let (mut ours, mut theirs): (Vec<Load>, Vec<Load>) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ours.push(load::run(&server.address, &requests, CONNECTIONS, WARM_UP, DURATION).await);
        theirs.push(load::run(&trivial.address, &requests, CONNECTIONS, WARM_UP, DURATION).await);
    }
    let p99 = |runs: &[Load]| median(runs.iter().map(|run| run.percentile_ms(0.99)).collect());
    let ratio = |of: fn(&Load) -> f64| median(ours.iter().zip(&theirs).map(|(a, b)| of(a) / of(b)).collect());
    report.below("GET score, 64 connections: p99", p99(&ours), "ms", P99_BAR_MS);
    report.figure("GET score: p50", median(ours.iter().map(|run| run.percentile_ms(0.5)).collect()), "ms");
    report.figure("GET score: throughput", median(ours.iter().map(|run| run.requests_per_second).collect()), "1/s");
    report.figure("trivial axum server: p99", p99(&theirs), "ms");
    report.figure(
        "trivial axum server: throughput",
        median(theirs.iter().map(|run| run.requests_per_second).collect()),
        "1/s",
    );
    report.figure("GET score: throughput, ours / trivial", ratio(|run| run.requests_per_second), "ratio");
    report.figure("GET score: p99, ours / trivial", ratio(|run| run.percentile_ms(0.99)), "ratio");
}

async fn batch(server: &Server, brokerage: &Brokerage, leads: &[String], report: &mut Report, bar_s: f64) {
    let body = json!({"lead_ids": leads, "include_predictions": true}).to_string();
    let request = load::post("/api/v1/leads/batch-score", &brokerage.key, &body);
    let mut connection = Connection::open(&server.address).await;
    let mut seconds = Vec::new();
    for _ in 0..RUNS {
        let started = Instant::now();
        let (status, answer) = connection.exchange(&request).await;
        seconds.push(started.elapsed().as_secs_f64());
        let answer: Value = serde_json::from_slice(answer).expect("JSON");
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["total_processed"].as_u64(), Some(leads.len() as u64));
    }
    report.below(&format!("{} leads in one batch-score", leads.len()), median(seconds), "s", bar_s);
}

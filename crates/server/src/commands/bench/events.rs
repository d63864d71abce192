//! `leadscore bench events`: events at a fixed rate, until they are acknowledged or scored.

use std::{
    collections::BTreeMap,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use serde::Serialize;

use super::{
    Connect, duration,
    feed::Feed,
    http::Target,
    load::{self, Arrivals, Receipt, Seen, Traffic},
    report::{Latency, Requests, latency_table, stage_table},
    schedule::Schedule,
    server::Server,
    stages::StageCost,
};
use crate::{context::Context, progress};

/// Highest rate of requests.
const RATE_MAX: f64 = 1e6;

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore bench events --rate 1000 --duration 30s
  leadscore bench events --rate 1000 --duration 30s --wait-score   # until the new score can be read
  leadscore bench events --rate max --per-request 100 --connections 8
  leadscore bench events --rate 200 --duration 5s --json | jq .latency

It writes made-up leads and events into the server: measure one whose data may be thrown away.
A latency counts from the instant at which the request was due, also where the server was too slow to take it then.")]
pub struct Options {
    #[command(flatten)]
    connect: Connect,
    /// Events a second, at instants that are fixed beforehand; max sends as fast as the answers come
    #[arg(long, default_value = "1000")]
    rate: Rate,
    /// How long, such as 30s or 2m
    #[arg(long, default_value = "30s", value_parser = duration)]
    duration: Duration,
    /// Leads that the events are about; made before where they are not there
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=super::LEADS_MAX))]
    leads: u64,
    /// Events in one request
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    per_request: u64,
    /// Ask for an answer when the new score can be read, and not when the event is durable
    #[arg(long)]
    wait_score: bool,
}

/// How fast events are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rate {
    PerSecond(f64),
    Max,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let rate: f64 = text.parse().map_err(|_| "use a number of events a second, or max".to_owned())?;
        if rate > 0.0 && rate <= RATE_MAX {
            Ok(Self::PerSecond(rate))
        } else {
            Err("use more than 0, to 1000000".into())
        }
    }
}

/// What a run found.
#[derive(Debug, Serialize)]
struct Report {
    target: String,
    connections: usize,
    leads: u64,
    per_request: u64,
    /// Events a second that were asked for; `None` for as many as possible.
    rate: Option<f64>,
    wait_score: bool,
    requests: Requests,
    latency: Latency,
    /// As the server answered.
    events: Receipt,
    /// From the first request's instant until the scorer had read everything; `None` where it had not.
    scored_after_s: Option<f64>,
    /// Accepted events over that time.
    sustained_per_second: Option<f64>,
    /// Where the server's time went.
    stages: Vec<StageCost>,
    /// As the server counted.
    fates: BTreeMap<&'static str, u64>,
}

/// The requests of a run.
struct Posts {
    target: Arc<Target>,
    feed: Feed,
    path: &'static str,
    per_request: u64,
}

impl Traffic for Posts {
    fn write(&self, index: u64, request: &mut Vec<u8>) {
        let first = index * self.per_request;
        let mut body = Vec::new();
        if self.per_request == 1 {
            self.feed.write(first, &mut body);
        } else {
            for number in first..first + self.per_request {
                body.push(if number == first { b'[' } else { b',' });
                self.feed.write(number, &mut body);
            }
            body.push(b']');
        }
        self.target.post(self.path, &body, request);
    }

    fn read(&self, body: &[u8]) -> Receipt {
        serde_json::from_slice(body).unwrap_or_default()
    }
}

/// Runs the command.
pub async fn run(options: Options, context: &Context) -> anyhow::Result<()> {
    let target = options.connect.target()?;
    let mut server = Server::reach(&target).await?;
    server.prepare(options.connect.seed, options.leads, context).await?;
    let posts = Posts {
        target: Arc::clone(&target),
        feed: Feed::new(options.connect.seed, options.leads, context.clock.now())?,
        path: if options.wait_score { "/api/v1/events?wait=score" } else { "/api/v1/events" },
        per_request: options.per_request,
    };
    let before = server.measured().await?;
    let (arrivals, start) = options.arrivals();
    let seen = load(&target, &options, arrivals, posts, context).await;
    let scored = server.until_scored(context).await?;
    let after = server.measured().await?;

    let scored_after_s = scored.map(|instant| (instant - start).as_secs_f64());
    let report = Report {
        target: target.authority().to_owned(),
        connections: options.connect.connections,
        leads: options.leads,
        per_request: options.per_request,
        rate: match options.rate {
            Rate::PerSecond(rate) => Some(rate),
            Rate::Max => None,
        },
        wait_score: options.wait_score,
        requests: Requests::from(&seen).check()?,
        latency: Latency::from(&seen.latencies_us),
        events: seen.receipt,
        scored_after_s,
        sustained_per_second: scored_after_s.map(|seconds| seen.receipt.accepted as f64 / seconds),
        stages: after.stages_since(&before),
        fates: after.fates_since(&before),
    };
    context.output.result(&report, || text(&report))?;
    Ok(())
}

impl Options {
    /// When requests are sent, and the instant of the first.
    fn arrivals(&self) -> (Arrivals, Instant) {
        let start = Instant::now();
        let arrivals = match self.rate {
            Rate::PerSecond(rate) => {
                Arrivals::Scheduled(Schedule::new(start, rate / self.per_request as f64, self.duration))
            }
            Rate::Max => Arrivals::BackToBack { start, end: start + self.duration },
        };
        (arrivals, start)
    }
}

async fn load(target: &Arc<Target>, options: &Options, arrivals: Arrivals, posts: Posts, context: &Context) -> Seen {
    let total = match arrivals {
        Arrivals::Scheduled(schedule) => Some(schedule.total()),
        Arrivals::BackToBack { .. } => None,
    };
    let bar = progress::bar(context.output, "measuring", total);
    let seen = load::run(target, options.connect.connections, arrivals, posts, &bar).await;
    bar.finish_and_clear();
    seen
}

fn text(report: &Report) -> String {
    let Receipt { accepted, duplicates, refused } = report.events;
    let rate =
        report.rate.map_or_else(|| "as fast as answered".to_owned(), |rate| format!("{rate} events/s asked for"));
    let sustained = report.sustained_per_second.zip(report.scored_after_s).map_or_else(
        || "the scorer has not read everything in 10 minutes".to_owned(),
        |(rate, seconds)| format!("{rate:.1} events/s scored and stored, all of them after {seconds:.2} s"),
    );
    let waited = if report.wait_score { "event to score" } else { "acknowledged" };
    format!(
        "target     {}, {} connections, {} leads, {} events a request, {rate}\n\
         {}events     {accepted} accepted, {duplicates} duplicates, {refused} refused\n\
         sustained  {sustained}\n\n{}\n{}",
        report.target,
        report.connections,
        report.leads,
        report.per_request,
        report.requests.text(),
        latency_table(&[(waited, &report.latency)]),
        stage_table(&report.stages),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_numbers_or_max() {
        assert_eq!("max".parse(), Ok(Rate::Max));
        assert_eq!("0.5".parse(), Ok(Rate::PerSecond(0.5)));
        for bad in ["", "fast", "0", "-1", "NaN", "inf", "1000001"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_request_of_several_events_is_a_list_that_no_other_request_repeats() {
        let target = Arc::new(Target::new("http://a", "t").unwrap());
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let posts = Posts { target, feed: Feed::new(1, 10, now).unwrap(), path: "/x", per_request: 3 };
        let ids = |index| {
            let mut request = Vec::new();
            posts.write(index, &mut request);
            let text = String::from_utf8(request).unwrap();
            let (_, body) = text.split_once("\r\n\r\n").unwrap();
            let events: Vec<serde_json::Value> = serde_json::from_str(body).unwrap();
            events.iter().map(|event| event["source_event_id"].to_string()).collect::<Vec<_>>()
        };
        assert_eq!((ids(0).len(), ids(1).len()), (3, 3));
        assert!(ids(0).iter().all(|id| !ids(1).contains(id)));
    }
}

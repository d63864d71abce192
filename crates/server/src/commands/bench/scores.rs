//! `leadscore bench scores`: how many scores a second can be read.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use serde::Serialize;

use super::{
    Connect, duration,
    http::Target,
    load::{self, Arrivals, Receipt, Traffic},
    report::{Latency, Requests, latency_table},
    server::Server,
};
use crate::{context::Context, progress};

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore bench scores
  leadscore bench scores --connections 64 --duration 10s --leads 50000

It writes made-up leads into the server: measure one whose data may be thrown away.
Each connection asks again as soon as it is answered (closed loop).")]
pub struct Options {
    #[command(flatten)]
    connect: Connect,
    /// How long, such as 30s or 2m
    #[arg(long, default_value = "10s", value_parser = duration)]
    duration: Duration,
    /// Leads whose scores are read in turn; made before where they are not there
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=super::LEADS_MAX))]
    leads: u64,
}

/// What a run found.
#[derive(Debug, Serialize)]
struct Report {
    target: String,
    connections: usize,
    leads: u64,
    requests: Requests,
    latency: Latency,
}

/// The requests, one for each lead.
struct Gets(Vec<Vec<u8>>);

impl Traffic for Gets {
    fn write(&self, index: u64, request: &mut Vec<u8>) {
        let index = usize::try_from(index % self.0.len() as u64).expect("less than the number of requests");
        request.extend_from_slice(&self.0[index]);
    }

    fn read(&self, _: &[u8]) -> Receipt {
        Receipt::default()
    }
}

/// Runs the command.
pub async fn run(options: Options, context: &Context) -> anyhow::Result<()> {
    let target = options.connect.target()?;
    let leads = Server::reach(&target).await?.prepare(options.connect.seed, options.leads, context).await?;
    let requests = leads.iter().map(|lead| get(&target, &format!("/api/v1/leads/{lead}/score"))).collect();
    let start = Instant::now();
    let arrivals = Arrivals::BackToBack { start, end: start + options.duration };
    let bar = progress::bar(context.output, "measuring", None);
    let seen = load::run(&target, options.connect.connections, arrivals, Gets(requests), &bar).await;
    bar.finish_and_clear();
    let report = Report {
        target: target.authority().to_owned(),
        connections: options.connect.connections,
        leads: options.leads,
        requests: Requests::from(&seen).check()?,
        latency: Latency::from(&seen.latencies_us),
    };
    context.output.result(&report, || {
        let Report { target, connections, leads, requests, latency } = &report;
        let table = latency_table(&[("answered", latency)]);
        format!("target     {target}, {connections} connections, {leads} leads\n{}\n{table}", requests.text())
    })?;
    Ok(())
}

fn get(target: &Arc<Target>, path: &str) -> Vec<u8> {
    let mut request = Vec::new();
    target.get(path, &mut request);
    request
}

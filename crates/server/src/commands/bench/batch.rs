//! `leadscore bench batch`: how long many leads take that are scored by one request.

use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Connect, server::Server};
use crate::{context::Context, output::Table, progress};

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore bench batch
  leadscore bench batch --leads 1000,10000 --runs 5

It writes made-up leads into the server: measure one whose data may be thrown away.")]
pub struct Options {
    #[command(flatten)]
    connect: Connect,
    /// Leads of a request; several sizes are measured one after the other
    #[arg(long, value_delimiter = ',', default_value = "1000,10000", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    leads: Vec<u64>,
    /// Requests of each size
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    runs: u64,
}

/// What a size took, from the first byte sent to the last one received.
#[derive(Debug, Serialize)]
struct Size {
    leads: u64,
    runs: u64,
    min_ms: f64,
    median_ms: f64,
    max_ms: f64,
    /// The median of what the server says that it took.
    server_median_ms: u64,
}

#[derive(Deserialize)]
struct Answer {
    total_processed: u64,
    processing_time_ms: u64,
}

/// Runs the command.
pub async fn run(options: Options, context: &Context) -> anyhow::Result<()> {
    let target = options.connect.target()?;
    let mut server = Server::reach(&target).await?;
    let most = options.leads.iter().copied().max().context("clap asks for at least one size")?;
    let ids = server.prepare(options.connect.seed, most, context).await?;
    let bar = progress::bar(context.output, "measuring", Some(options.runs * options.leads.len() as u64));
    let mut sizes = Vec::with_capacity(options.leads.len());
    for &leads in &options.leads {
        let asked = &ids[..usize::try_from(leads)?];
        let body = serde_json::to_vec(&json!({ "lead_ids": asked, "include_predictions": true }))?;
        let mut took_us = Histogram::<u64>::new(3)?;
        let mut server_ms = Histogram::<u64>::new(3)?;
        for _ in 0..options.runs {
            let started = Instant::now();
            let answer = server.post("/api/v1/leads/batch-score", &body).await?;
            took_us.record(u64::try_from(started.elapsed().as_micros())?)?;
            let Answer { total_processed, processing_time_ms } = serde_json::from_slice(&answer)?;
            anyhow::ensure!(total_processed == leads, "the server scored {total_processed} of {leads} leads");
            server_ms.record(processing_time_ms)?;
            bar.inc(1);
        }
        let ms = |quantile| took_us.value_at_quantile(quantile) as f64 / 1e3;
        sizes.push(Size {
            leads,
            runs: options.runs,
            min_ms: ms(0.0),
            median_ms: ms(0.5),
            max_ms: ms(1.0),
            server_median_ms: server_ms.value_at_quantile(0.5),
        });
    }
    bar.finish_and_clear();
    context.output.result(&json!({ "target": target.authority(), "sizes": sizes }), || table(&sizes))?;
    Ok(())
}

fn table(sizes: &[Size]) -> String {
    let mut table = Table::new(["leads", "runs", "min ms", "median ms", "max ms", "server's median ms"]);
    for Size { leads, runs, min_ms, median_ms, max_ms, server_median_ms } in sizes {
        let [min, median, max] = [min_ms, median_ms, max_ms].map(|ms| format!("{ms:.1}"));
        table.row([leads.to_string(), runs.to_string(), min, median, max, server_median_ms.to_string()]);
    }
    table.render()
}

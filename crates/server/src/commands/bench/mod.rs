//! `leadscore bench`: load on a running server, measured from outside, and where its time goes from inside.
//!
//! Owns: what is sent, when, and what is said about it. Invariants: a latency of the open loop counts from the instant
//! at which its request was due (`schedule.rs`); the same seed sends the same contents (`feed.rs`). Deliberately absent:
//! starting the server, and any bar that it must meet.

use std::{sync::Arc, time::Duration};

use clap::{Args, Subcommand};
use jiff::SignedDuration;

use self::http::Target;
use crate::{context::Context, failure::bad_input};

mod batch;
mod events;
mod feed;
mod http;
mod load;
mod report;
mod schedule;
mod scores;
mod server;
mod stages;

/// Most leads of a benchmark.
const LEADS_MAX: u64 = 1_000_000;
/// Longest run.
const DURATION_MAX: Duration = Duration::from_secs(24 * 3_600);

/// What is measured.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  leadscore bench events --rate 1000 --duration 30s
  leadscore bench scores --connections 64
  leadscore bench batch --leads 1000,10000

The token is an API key: LEADSCORE_TOKEN=$(leadscore init --json | jq -r .api_key)")]
pub enum Command {
    /// Send events at a fixed rate: latency, sustained throughput, and where the time goes
    Events(events::Options),
    /// Read scores over many connections: latency and throughput
    Scores(scores::Options),
    /// Score many leads by one request
    Batch(batch::Options),
}

/// Which server, who asks, and by how many connections.
#[derive(Debug, Args)]
struct Connect {
    /// The server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7878")]
    target: String,
    /// API key; better by the environment, where other users of the machine do not see it
    #[arg(long, env = "LEADSCORE_TOKEN", hide_env_values = true, default_value = "", hide_default_value = true)]
    token: String,
    /// Connections: most requests that are under way at the same time
    #[arg(long, default_value_t = 64, value_parser = connections)]
    connections: usize,
    /// Contents and leads follow from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Connect {
    fn target(&self) -> anyhow::Result<Arc<Target>> {
        if self.token.is_empty() {
            return Err(bad_input("no token; set LEADSCORE_TOKEN to an API key, such as `leadscore init` prints"));
        }
        Ok(Arc::new(Target::new(&self.target, &self.token)?))
    }
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    match command {
        Command::Events(options) => events::run(options, context).await,
        Command::Scores(options) => scores::run(options, context).await,
        Command::Batch(options) => batch::run(options, context).await,
    }
}

fn connections(text: &str) -> Result<usize, String> {
    const MOST: usize = 4_096;
    text.parse().ok().filter(|count| (1..=MOST).contains(count)).ok_or_else(|| format!("use 1 to {MOST}"))
}

/// A time such as `30s`, `2m` or `1h 30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    let fits = |time: &Duration| !time.is_zero() && *time <= DURATION_MAX;
    parsed.filter(fits).ok_or_else(|| "use a time up to 24h, such as 30s or 2m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_bounds() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("1m 500ms"), Ok(Duration::from_millis(60_500)));
        for bad in ["", "30", "-1s", "0s", "25h", "soon"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}

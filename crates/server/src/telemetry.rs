//! Logging: what is written, where, in which form; and the exporter of what the process measures of itself.

use std::{io::IsTerminal as _, time::Duration};

use anyhow::Context as _;
use clap::ValueEnum;
use leadscore_store::telemetry::{self, STAGE_BUCKETS_S, STAGE_DURATION};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, fmt::time::SystemTime};

/// How often observations are sorted into their buckets; until then each takes 8 bytes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// A line for a person.
    Text,
    /// A JSON object a line.
    Json,
}

/// Starts logging to standard error. `filter` is a list such as `info` or `warn,leadscore_store=debug`.
///
/// # Errors
/// Where `filter` is not understood.
pub fn start(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|e| crate::failure::bad_input(format_args!("log.filter `{filter}`: {e}; use a level such as info")))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(SystemTime)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Installs the exporter: from now on the process measures itself.
///
/// # Errors
/// Where there is one already.
pub fn measure() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(STAGE_DURATION.to_owned()), &STAGE_BUCKETS_S)
        .and_then(PrometheusBuilder::install_recorder)
        .context("installing the exporter of metrics")?;
    telemetry::describe();
    Ok(handle)
}

/// Keeps the exporter's memory bounded though nobody asks for the metrics, until `stop`.
pub async fn upkeep(metrics: PrometheusHandle, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
        metrics.run_upkeep();
    }
}

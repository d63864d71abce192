//! What a run found, as one JSON document and as text.

use std::{collections::BTreeMap, fmt::Write as _};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{
    load::{Seen, is_success},
    stages::StageCost,
};
use crate::output::Table;

/// Statuses by which a server says that it has too much to do.
const THROTTLED: [u16; 2] = [429, 503];

/// How the requests went.
#[derive(Debug, Serialize)]
pub struct Requests {
    /// Answers of success a second.
    pub per_second: f64,
    pub succeeded: u64,
    /// Answers by status.
    pub by_status: BTreeMap<u16, u64>,
    /// Requests without an answer, by reason.
    pub unanswered: BTreeMap<&'static str, u64>,
    /// Requests that were not sent, because the server was too far behind.
    pub unsent: u64,
    pub took_s: f64,
}

/// Latencies of the answers of success.
#[derive(Debug, Serialize)]
pub struct Latency {
    pub mean_ms: f64,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    #[serde(rename = "p99_9_ms")]
    pub p999_ms: f64,
    pub max_ms: f64,
}

impl From<&Seen> for Requests {
    fn from(seen: &Seen) -> Self {
        Self {
            per_second: seen.succeeded() as f64 / seen.took.as_secs_f64(),
            succeeded: seen.succeeded(),
            by_status: seen.by_status.clone(),
            unanswered: seen.unanswered.clone(),
            unsent: seen.unsent,
            took_s: seen.took.as_secs_f64(),
        }
    }
}

impl From<&Histogram<u64>> for Latency {
    fn from(histogram: &Histogram<u64>) -> Self {
        let ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Self {
            mean_ms: histogram.mean() / 1e3,
            p50_ms: ms(0.5),
            p90_ms: ms(0.9),
            p99_ms: ms(0.99),
            p999_ms: ms(0.999),
            max_ms: ms(1.0),
        }
    }
}

impl Requests {
    /// One line, and another one for what went wrong.
    pub fn text(&self) -> String {
        let Self { per_second, succeeded, by_status, took_s, .. } = self;
        let mut text = format!("requests   {succeeded} answered in {took_s:.2} s, {per_second:.1}/s\n");
        let throttled: u64 = THROTTLED.iter().filter_map(|status| by_status.get(status)).sum();
        let failures = self.failures();
        if !failures.is_empty() {
            writeln!(text, "failed     {failures} ({throttled} throttled)").expect("a string takes everything");
        }
        text
    }

    /// Checks that there is something to report.
    ///
    /// # Errors
    /// Where no request succeeded.
    pub fn check(self) -> anyhow::Result<Self> {
        anyhow::ensure!(self.succeeded > 0, "no request succeeded: {}", self.failures());
        Ok(self)
    }

    /// What went wrong, and how often.
    fn failures(&self) -> String {
        let Self { by_status, unanswered, unsent, .. } = self;
        let by_status = by_status.iter().filter(|(status, _)| !is_success(**status));
        let mut failures: Vec<String> = by_status.map(|(status, count)| format!("{count} × {status}")).collect();
        failures.extend(unanswered.iter().map(|(reason, count)| format!("{count} × {reason}")));
        if *unsent > 0 {
            failures.push(format!("{unsent} not sent, too late"));
        }
        failures.join(", ")
    }
}

/// The latencies as a table; `what` says what is waited for.
pub fn latency_table(rows: &[(&str, &Latency)]) -> String {
    let mut table = Table::new(["latency, ms", "p50", "p90", "p99", "p99.9", "max", "mean"]);
    for (what, latency) in rows {
        let Latency { mean_ms, p50_ms, p90_ms, p99_ms, p999_ms, max_ms } = latency;
        let [p50, p90, p99, p999, max, mean] =
            [p50_ms, p90_ms, p99_ms, p999_ms, max_ms, mean_ms].map(|ms| format!("{ms:.2}"));
        table.row([(*what).to_owned(), p50, p90, p99, p999, max, mean]);
    }
    table.render()
}

/// Where the server's time went, as a table.
pub fn stage_table(stages: &[StageCost]) -> String {
    let mut table = Table::new(["stage", "count", "mean ms", "p50 ms", "p99 ms", "total s", "share"]);
    for StageCost { stage, count, mean_ms, p50_ms, p99_ms, total_s, share } in stages {
        let [mean, p50, p99, total] = [mean_ms, p50_ms, p99_ms, total_s].map(|value| format!("{value:.3}"));
        let share = format!("{:.1} %", share * 100.0);
        table.row([(*stage).to_owned(), count.to_string(), mean, p50, p99, total, share]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_is_said_in_a_line() {
        let requests = Requests {
            per_second: 10.0,
            succeeded: 5,
            by_status: BTreeMap::from([(202, 5), (429, 2), (503, 1), (400, 4)]),
            unanswered: BTreeMap::from([("timeout", 3)]),
            unsent: 6,
            took_s: 0.5,
        };
        assert_eq!(
            requests.text(),
            "requests   5 answered in 0.50 s, 10.0/s\n\
             failed     4 × 400, 2 × 429, 1 × 503, 3 × timeout, 6 not sent, too late (3 throttled)\n"
        );
    }
}

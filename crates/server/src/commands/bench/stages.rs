//! Where the time went: the server's own histograms before and after a run.
//!
//! Invariant: what is read is what one process measured; other processes of the same database have metrics of their own.

use std::collections::BTreeMap;

use leadscore_store::telemetry::{EVENTS, Fate, STAGE_DURATION, Stage};
use serde::Serialize;

/// What `/metrics` said at an instant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// By stage.
    stages: BTreeMap<String, Histogram>,
    /// Events by fate.
    fates: BTreeMap<String, f64>,
}

/// One stage's histogram: for each upper bound how many observations were at most that long.
#[derive(Debug, Clone, PartialEq, Default)]
struct Histogram {
    buckets: Vec<(f64, f64)>,
    sum_s: f64,
    count: f64,
}

/// What a stage cost during a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageCost {
    pub stage: &'static str,
    /// Observations: requests, appends or batches.
    pub count: u64,
    pub mean_ms: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub total_s: f64,
    /// Of the time of all stages.
    pub share: f64,
}

impl Snapshot {
    /// Reads Prometheus' text format, and of it the metrics that are ours.
    pub fn parse(text: &str) -> Self {
        let mut snapshot = Self::default();
        for line in text.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let (Some((name, labels)), Ok(value)) = (series.split_once('{'), value.parse::<f64>()) else { continue };
            if name == EVENTS {
                snapshot.fates.insert(label(labels, "fate").to_owned(), value);
            } else if let Some(part) = name.strip_prefix(STAGE_DURATION) {
                let stage = snapshot.stages.entry(label(labels, "stage").to_owned()).or_default();
                match part {
                    "_sum" => stage.sum_s = value,
                    "_count" => stage.count = value,
                    // The last bound, `+Inf`, reads as infinity.
                    "_bucket" => {
                        stage.buckets.extend(label(labels, "le").parse().ok().map(|bound: f64| (bound, value)))
                    }
                    _ => {}
                }
            }
        }
        snapshot
    }

    /// What was added since `before`, stage by stage.
    pub fn stages_since(&self, before: &Self) -> Vec<StageCost> {
        let nothing = Histogram::default();
        let of = |snapshot: &'_ Self, stage: Stage| snapshot.stages.get(stage.as_str()).unwrap_or(&nothing).clone();
        let grown = Stage::ALL.map(|stage| (stage, of(self, stage).since(&of(before, stage))));
        let total_s: f64 = grown.iter().map(|(_, histogram)| histogram.sum_s).sum();
        grown.iter().map(|(stage, histogram)| histogram.cost(*stage, total_s)).collect()
    }

    /// How many events met which fate since `before`.
    pub fn fates_since(&self, before: &Self) -> BTreeMap<&'static str, u64> {
        let of = |snapshot: &Self, fate: Fate| snapshot.fates.get(fate.as_str()).copied().unwrap_or(0.0);
        Fate::ALL.iter().map(|fate| (fate.as_str(), (of(self, *fate) - of(before, *fate)).max(0.0) as u64)).collect()
    }
}

/// The value of a label, in the text between the braces.
fn label<'a>(labels: &'a str, name: &str) -> &'a str {
    let rest = labels.split_once(&format!("{name}=\"")).map_or("", |(_, rest)| rest);
    rest.split('"').next().unwrap_or_default()
}

impl Histogram {
    fn since(&self, before: &Self) -> Self {
        // A stage that had never happened before has no buckets there.
        let earlier = |index: usize| before.buckets.get(index).map_or(0.0, |(_, count)| *count);
        Self {
            buckets: self.buckets.iter().enumerate().map(|(i, (bound, count))| (*bound, count - earlier(i))).collect(),
            sum_s: (self.sum_s - before.sum_s).max(0.0),
            count: (self.count - before.count).max(0.0),
        }
    }

    fn cost(&self, stage: Stage, total_s: f64) -> StageCost {
        let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        StageCost {
            stage: stage.as_str(),
            count: self.count as u64,
            mean_ms: ratio(self.sum_s, self.count) * 1e3,
            p50_ms: self.quantile_s(0.5) * 1e3,
            p99_ms: self.quantile_s(0.99) * 1e3,
            total_s: self.sum_s,
            share: ratio(self.sum_s, total_s),
        }
    }

    /// A quantile as Prometheus' `histogram_quantile` gives it: evenly spread within its bucket, and the last finite
    /// bound where it lies beyond.
    fn quantile_s(&self, quantile: f64) -> f64 {
        let rank = quantile * self.count;
        let (mut lower, mut below) = (0.0, 0.0);
        for &(bound, count) in &self.buckets {
            if count >= rank && count > below {
                return if bound.is_finite() {
                    lower + (bound - lower) * (rank - below) / (count - below)
                } else {
                    lower
                };
            }
            (lower, below) = (bound, count);
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "leadscore_stage_duration_seconds";

    fn metrics(fast: u32, slow: u32, endless: u32) -> Snapshot {
        let (both, all) = (fast + slow, fast + slow + endless);
        let sum = f64::from(fast) * 0.001 + f64::from(slow) * 0.003;
        Snapshot::parse(&format!(
            "# HELP {NAME} Duration.\n# TYPE {NAME} histogram\n\
             {NAME}_bucket{{stage=\"log\",le=\"0.002\"}} {fast}\n{NAME}_bucket{{stage=\"log\",le=\"0.004\"}} {both}\n\
             {NAME}_bucket{{stage=\"log\",le=\"+Inf\"}} {all}\n\
             {NAME}_sum{{stage=\"log\"}} {sum}\n{NAME}_count{{stage=\"log\"}} {all}\n\n\
             leadscore_events_total{{fate=\"accepted\"}} {all}\nleadscore_scores_total 12\nbroken{{ 1\n"
        ))
    }

    #[test]
    fn only_what_a_run_added_is_counted() {
        let after = metrics(150, 150, 0);
        let costs = after.stages_since(&metrics(100, 50, 0));
        let names: Vec<&str> = costs.iter().map(|cost| cost.stage).collect();
        assert_eq!(names, ["ingest", "log", "read", "fold", "infer", "write", "publish"]);
        let log = &costs[1];
        assert_eq!((log.count, log.share), (150, 1.0));
        assert!((log.total_s - 0.35).abs() < 1e-9 && (log.mean_ms - 0.35e3 / 150.0).abs() < 1e-9);
        // 50 up to 2 ms, 100 between 2 and 4: the middle one is a quarter into the second bucket.
        assert!((log.p50_ms - 2.5).abs() < 1e-9, "{log:?}");
        assert!((log.p99_ms - 3.97).abs() < 1e-9, "{log:?}");
        assert_eq!((costs[0].count, costs[0].p99_ms), (0, 0.0));
        assert_eq!(after.fates_since(&metrics(100, 50, 0))["accepted"], 150);
        assert_eq!(after.fates_since(&Snapshot::default())["dead"], 0);
    }

    #[test]
    fn what_lies_beyond_the_buckets_is_given_as_their_end() {
        let costs = metrics(1, 0, 9).stages_since(&Snapshot::default());
        assert_eq!(costs[1].p50_ms, 4.0);
    }

    #[test]
    fn a_server_that_started_anew_in_between_gives_no_negative_costs() {
        let costs = metrics(1, 0, 0).stages_since(&metrics(100, 50, 0));
        assert_eq!((costs[1].count, costs[1].total_s, costs[1].p50_ms), (0, 0.0, 0.0));
    }
}

//! What a process measures of itself: the metrics' names, labels and buckets.
//!
//! Owns: every name that `GET /metrics` shows. Invariant: label values are the words of the enums here, so that their
//! number is bounded and none is about a person. Deliberately absent: the exporter. The binary installs one; without it
//! a measurement goes nowhere and costs a few nanoseconds.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::Appended;

/// Histogram of how long the stages of an event's way take, by `stage`.
pub const STAGE_DURATION: &str = "leadscore_stage_duration_seconds";
/// Counter of events, by `fate`.
pub const EVENTS: &str = "leadscore_events_total";
/// Counter of committed scores.
pub const SCORES: &str = "leadscore_scores_total";
/// Counter of statements that the database was asked.
pub const STATEMENTS: &str = "leadscore_statements_total";
/// Gauge of the events that the scorer has still to read; NaN where the store does not say.
pub const SCORER_LAG: &str = "leadscore_scorer_lag_events";
/// Gauge of the connections that are told of scores, by `transport`.
pub const LIVE_CONNECTIONS: &str = "leadscore_live_connections";
/// Counter of what was told to these connections, or was not, by `fate`.
pub const LIVE_MESSAGES: &str = "leadscore_live_messages_total";
/// Counter of these connections that ended, by `reason`.
pub const LIVE_CLOSED: &str = "leadscore_live_closed_total";
/// Counter of the deliveries of other systems, by `vendor` and `fate`.
pub const DELIVERIES: &str = "leadscore_deliveries_total";
/// Counter of what these held and is no event, by `vendor` and `kind`.
pub const DELIVERIES_LEFT: &str = "leadscore_deliveries_left_total";

/// Upper bounds of the buckets of [`STAGE_DURATION`], in seconds: 50 µs to 10 s, five to a decade: a quantile
/// that is read from them is off by a factor of 1.6 at most.
pub const STAGE_BUCKETS_S: [f64; 28] = [
    50e-6, 80e-6, 125e-6, 200e-6, 320e-6, 500e-6, 800e-6, 1.25e-3, 2e-3, 3.2e-3, 5e-3, 8e-3, 12.5e-3, 20e-3, 32e-3,
    50e-3, 80e-3, 125e-3, 200e-3, 320e-3, 500e-3, 800e-3, 1.25, 2.0, 3.2, 5.0, 8.0, 10.0,
];

/// A stage of an event's way to its score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A request is read and validated.
    Ingest,
    /// Valid events are identified, joined and made durable; waiting for the writer included.
    Log,
    /// A batch is read from the log and opened, with the states of its leads; waiting for the log excluded.
    Read,
    /// A batch's events are folded into their leads' states; the sum over the leads.
    Fold,
    /// A batch's leads are scored; the sum over the leads.
    Infer,
    /// A batch's states, scores and position are committed; waiting for the writer included.
    Write,
    /// A batch's scores are told to readers.
    Publish,
}

impl Stage {
    /// Every stage, in the order of the way.
    pub const ALL: [Self; 7] =
        [Self::Ingest, Self::Log, Self::Read, Self::Fold, Self::Infer, Self::Write, Self::Publish];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Log => "log",
            Self::Read => "read",
            Self::Fold => "fold",
            Self::Infer => "infer",
            Self::Write => "write",
            Self::Publish => "publish",
        }
    }

    /// Begins to measure.
    pub fn start(self) -> Timer {
        Timer { stage: self, started: Instant::now() }
    }

    /// A sum of zero.
    #[must_use]
    pub const fn sum(self) -> Sum {
        Sum { stage: self, nanos: AtomicU64::new(0) }
    }

    fn observe(self, duration: Duration) {
        metrics::histogram!(STAGE_DURATION, "stage" => self.as_str()).record(duration.as_secs_f64());
    }
}

/// A stage under way. What is not stopped, because it failed, is not observed.
#[must_use = "only a timer that is stopped is observed"]
#[derive(Debug)]
pub struct Timer {
    stage: Stage,
    started: Instant,
}

impl Timer {
    /// The stage is done.
    pub fn stop(self) {
        self.stage.observe(self.started.elapsed());
    }
}

/// A stage that is done in parts, on several threads, and observed as one.
#[derive(Debug)]
pub struct Sum {
    stage: Stage,
    nanos: AtomicU64,
}

impl Sum {
    /// Adds a part.
    pub fn add(&self, part: Duration) {
        self.nanos.fetch_add(u64::try_from(part.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// All parts are done. A sum without parts is not observed.
    pub fn observe(self) {
        let nanos = self.nanos.into_inner();
        if nanos > 0 {
            self.stage.observe(Duration::from_nanos(nanos));
        }
    }
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is in the log.
    Accepted,
    /// It was in the log before.
    Duplicate,
    /// It was not taken, and its sender was told why.
    Refused,
    /// It is part of its lead's state. Merges, which the store appends itself, are counted here too.
    Applied,
    /// It was set aside.
    Dead,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Self; 5] = [Self::Accepted, Self::Duplicate, Self::Refused, Self::Applied, Self::Dead];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
            Self::Applied => "applied",
            Self::Dead => "dead",
        }
    }

    /// Counts so many events of this fate.
    pub fn count(self, events: usize) {
        metrics::counter!(EVENTS, "fate" => self.as_str()).increment(events as u64);
    }
}

impl From<&Appended> for Fate {
    fn from(appended: &Appended) -> Self {
        match appended {
            Appended::Applied { .. } => Self::Accepted,
            Appended::Duplicate { .. } => Self::Duplicate,
            Appended::Refused(_) => Self::Refused,
        }
    }
}

/// Counts committed scores.
pub fn count_scores(scores: usize) {
    metrics::counter!(SCORES).increment(scores as u64);
}

/// Counts a statement.
pub fn count_statement() {
    metrics::counter!(STATEMENTS).increment(1);
}

/// Says how many events the scorer has still to read; `None` where that is not known.
pub fn set_scorer_lag(events: Option<i64>) {
    metrics::gauge!(SCORER_LAG).set(events.map_or(f64::NAN, |events| events as f64));
}

/// What became of a delivery of another system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// Its events are in the log.
    Taken,
    /// It was not shown to be from whom it says.
    Unproven,
    /// It was not what the vendor sends.
    Malformed,
    /// The store failed; the sender repeats it.
    Failed,
}

impl Delivered {
    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Unproven => "unproven",
            Self::Malformed => "malformed",
            Self::Failed => "failed",
        }
    }

    /// Counts a delivery; `vendor` is a word of the configuration's enum.
    pub fn count(self, vendor: &'static str) {
        metrics::counter!(DELIVERIES, "vendor" => vendor, "fate" => self.as_str()).increment(1);
    }
}

/// What of a delivery is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Of a type that is not known.
    Unknown,
    /// Names a protected characteristic.
    Protected,
    /// Names nobody.
    Anonymous,
    /// Out of bounds.
    Invalid,
    /// Known, and nothing that is kept.
    Ignored,
}

impl Left {
    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Protected => "protected",
            Self::Anonymous => "anonymous",
            Self::Invalid => "invalid",
            Self::Ignored => "ignored",
        }
    }

    /// Counts some; `vendor` is a word of the configuration's enum.
    pub fn count(self, vendor: &'static str, items: u32) {
        if items > 0 {
            metrics::counter!(DELIVERIES_LEFT, "vendor" => vendor, "kind" => self.as_str()).increment(items.into());
        }
    }
}

/// How a connection is told of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A WebSocket.
    WebSocket,
    /// Server-sent events.
    EventStream,
}

impl Transport {
    /// Every transport.
    pub const ALL: [Self; 2] = [Self::WebSocket, Self::EventStream];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::EventStream => "event_stream",
        }
    }

    /// Adds so many connections to the open ones.
    pub fn add(self, connections: i32) {
        metrics::gauge!(LIVE_CONNECTIONS, "transport" => self.as_str()).increment(f64::from(connections));
    }
}

/// What became of a message to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It was sent.
    Sent,
    /// A newer one of the same lead took its place before it was sent.
    Coalesced,
}

impl Delivery {
    /// Every fate.
    pub const ALL: [Self; 2] = [Self::Sent, Self::Coalesced];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Coalesced => "coalesced",
        }
    }

    /// Counts so many messages of this fate.
    pub fn count(self, messages: usize) {
        metrics::counter!(LIVE_MESSAGES, "fate" => self.as_str()).increment(messages as u64);
    }
}

/// Counts connections that ended for a reason, one of a fixed set of words.
pub fn count_closed(reason: &'static str, connections: u64) {
    metrics::counter!(LIVE_CLOSED, "reason" => reason).increment(connections);
}

/// Explains the metrics to the exporter that was just installed, and shows the counters from 0 on: a rate needs a
/// beginning.
pub fn describe() {
    metrics::describe_histogram!(STAGE_DURATION, metrics::Unit::Seconds, "Duration of a stage of an event's way.");
    metrics::describe_counter!(EVENTS, "Events by what became of them.");
    metrics::describe_counter!(SCORES, "Scores that were committed.");
    metrics::describe_counter!(STATEMENTS, "Statements that the database was asked.");
    metrics::describe_gauge!(SCORER_LAG, "Events of the log that the scorer has still to read.");
    metrics::describe_gauge!(LIVE_CONNECTIONS, "Connections that are told of scores.");
    metrics::describe_counter!(LIVE_MESSAGES, "Messages to these connections by what became of them.");
    metrics::describe_counter!(LIVE_CLOSED, "Connections of these that ended, by the reason.");
    Fate::ALL.into_iter().for_each(|fate| fate.count(0));
    Transport::ALL.into_iter().for_each(|transport| transport.add(0));
    Delivery::ALL.into_iter().for_each(|fate| fate.count(0));
    count_scores(0);
    metrics::counter!(STATEMENTS).increment(0);
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

    use super::*;

    fn shown(measure: impl FnOnce()) -> String {
        let buckets = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(STAGE_DURATION.to_owned()), &STAGE_BUCKETS_S)
            .unwrap();
        let recorder = buckets.build_recorder();
        metrics::with_local_recorder(&recorder, measure);
        recorder.handle().render()
    }

    #[test]
    fn what_is_not_stopped_is_not_observed() {
        let text = shown(|| {
            drop(Stage::Log.start());
            Stage::Write.sum().observe();
        });
        assert!(!text.contains("stage="), "{text}");
    }

    #[test]
    fn a_sum_is_one_observation_of_all_its_parts() {
        let text = shown(|| {
            let sum = Stage::Fold.sum();
            (0..3).for_each(|_| sum.add(Duration::from_micros(100)));
            sum.observe();
        });
        let name = "leadscore_stage_duration_seconds";
        for line in [
            format!("{name}_bucket{{stage=\"fold\",le=\"0.0002\"}} 0"),
            format!("{name}_bucket{{stage=\"fold\",le=\"0.00032\"}} 1"),
            format!("{name}_sum{{stage=\"fold\"}} 0.0003"),
            format!("{name}_count{{stage=\"fold\"}} 1"),
        ] {
            assert!(text.lines().any(|shown| shown.starts_with(&line)), "{line} is not in {text}");
        }
    }

    #[test]
    fn every_counter_is_there_from_the_beginning() {
        let text = shown(|| {
            describe();
            Fate::Dead.count(2);
            set_scorer_lag(None);
        });
        for line in [
            "leadscore_events_total{fate=\"accepted\"} 0",
            "leadscore_events_total{fate=\"dead\"} 2",
            "leadscore_scores_total 0",
            "leadscore_live_connections{transport=\"websocket\"} 0",
            "leadscore_live_messages_total{fate=\"coalesced\"} 0",
            "leadscore_scorer_lag_events NaN",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in {text}");
        }
    }

    #[test]
    fn buckets_rise() {
        assert!(STAGE_BUCKETS_S.is_sorted());
        assert_eq!((STAGE_BUCKETS_S[0], STAGE_BUCKETS_S[27]), (50e-6, 10.0));
    }
}

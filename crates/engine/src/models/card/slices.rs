//! How a model did for parts of the leads.
//!
//! Owns: the parts. Invariant: no part is smaller than [`SLICE_MIN`], below which chance speaks louder than the model.
//! Deliberately absent: parts by what must not count.

use std::collections::{BTreeMap, HashMap};

use leadscore_domain::{AttributeValue, Timestamp};
use serde::Serialize;

use crate::{
    evaluate::{BacktestRow, Metrics, metrics},
    examples::Snapshot,
    features::{CHANNEL, FEATURES},
};

/// The slice that a row belongs to.
type SliceOf<'a> = &'a dyn Fn(&BacktestRow) -> String;

/// Least number of examples of a slice.
pub const SLICE_MIN: usize = 500;
/// What stands for a value that is not known.
const UNKNOWN: &str = "not known";

/// A part of the tested examples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slice {
    /// What the examples are divided by: `channel`, `market`, `age of the lead` or `score`.
    pub by: &'static str,
    /// Which part it is.
    pub value: String,
    /// Mean probability that the model gave.
    pub probability: f64,
    /// Share that converted.
    pub share: f64,
    /// The figures on the part.
    pub metrics: Metrics,
}

/// Upper ends of bands with the words for them; what lies beyond has the last word.
type Bands = (&'static [(f32, &'static str)], &'static str);

const AGES: Bands = (&[(1.0, "first day"), (7.0, "first week"), (30.0, "first month")], "older than a month");
const SUPPLY: Bands = (&[(3.0, "sellers' (supply under 3 months)"), (6.0, "balanced")], "buyers' (over 6 months)");
const SCORES: Bands = (&[(25.0, "0 to 24"), (50.0, "25 to 49"), (75.0, "50 to 74")], "75 to 100");

/// The slices of the tested examples, those of one kind together.
pub(super) fn slices(rows: &[BacktestRow], snapshots: &[Snapshot]) -> Vec<Slice> {
    let by_example: HashMap<(u64, Timestamp), &Snapshot> =
        snapshots.iter().map(|snapshot| ((snapshot.lead, snapshot.instant), snapshot)).collect();
    let mut slices = Vec::new();
    let kinds: [(&'static str, SliceOf<'_>); 4] = [
        ("channel", &|row| by_example.get(&(row.lead, row.instant)).map_or_else(unknown, |one| channel(one))),
        ("market", &|row| banded(&by_example, row, "months_of_supply", &SUPPLY)),
        ("age of the lead", &|row| banded(&by_example, row, "created_days_since", &AGES)),
        ("score", &|row| band(f32::from(row.score), &SCORES)),
    ];
    for (by, value) in kinds {
        let mut parts: BTreeMap<String, Vec<&BacktestRow>> = BTreeMap::new();
        for row in rows {
            parts.entry(value(row)).or_default().push(row);
        }
        let large = parts.into_iter().filter(|(_, part)| part.len() >= SLICE_MIN);
        slices.extend(large.map(|(value, part)| slice(by, value, &part)));
    }
    slices
}

fn slice(by: &'static str, value: String, rows: &[&BacktestRow]) -> Slice {
    let labels: Vec<bool> = rows.iter().map(|row| row.label).collect();
    let probabilities: Vec<f64> = rows.iter().map(|row| row.probability).collect();
    let metrics = metrics(&labels, &probabilities);
    let n = rows.len() as f64;
    Slice {
        by,
        value,
        probability: probabilities.iter().sum::<f64>() / n,
        share: metrics.positives as f64 / n,
        metrics,
    }
}

fn channel(snapshot: &Snapshot) -> String {
    let value = snapshot.attributes.iter().find(|(name, _)| name == CHANNEL).map(|(_, value)| value);
    match value {
        Some(AttributeValue::Category(text)) => text.clone(),
        Some(AttributeValue::Boolean(_) | AttributeValue::Number(_) | AttributeValue::Time { .. }) | None => unknown(),
    }
}

fn unknown() -> String {
    UNKNOWN.to_owned()
}

fn banded(
    by_example: &HashMap<(u64, Timestamp), &Snapshot>,
    row: &BacktestRow,
    feature: &str,
    bands: &Bands,
) -> String {
    let place = FEATURES.iter().position(|spec| spec.name == feature);
    let value = by_example.get(&(row.lead, row.instant)).zip(place).map(|(snapshot, place)| snapshot.features[place]);
    value.map_or_else(unknown, |value| band(value, bands))
}

fn band(value: f32, (ends, beyond): &Bands) -> String {
    if value.is_nan() {
        return unknown();
    }
    ends.iter().find(|(end, _)| value < *end).map_or(*beyond, |(_, name)| *name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{examples::Observed, predictions::Course};

    /// Examples alternately of two channels; one in five converts, as the model says of each.
    fn examples(count: u64) -> (Vec<BacktestRow>, Vec<Snapshot>) {
        let age = FEATURES.iter().position(|spec| spec.name == "created_days_since").unwrap();
        let one = |lead: u64| {
            let mut features = vec![f32::NAN; FEATURES.len()];
            features[age] = if lead.is_multiple_of(4) { 0.5 } else { 12.0 };
            let channel = AttributeValue::Category(["portal", "referral"][lead as usize % 2].to_owned());
            let snapshot = Snapshot {
                lead,
                instant: Timestamp::default(),
                observed: Observed::complete(1, None),
                course: Course::default(),
                features,
                attributes: vec![(CHANNEL.to_owned(), channel)],
            };
            let row = BacktestRow {
                lead,
                instant: Timestamp::default(),
                fold: 0,
                label: lead.is_multiple_of(5),
                probability: 0.2,
                score: 60,
                logistic: 0.2,
                majority: 0.2,
                truth: None,
            };
            (row, snapshot)
        };
        (0..count).map(one).unzip()
    }

    #[test]
    fn small_parts_are_left_out_and_large_ones_are_measured() {
        let (rows, snapshots) = examples(1_200);
        let found = slices(&rows, &snapshots);
        let names: Vec<(&str, &str)> = found.iter().map(|slice| (slice.by, slice.value.as_str())).collect();
        assert_eq!(
            names,
            [
                ("channel", "portal"),
                ("channel", "referral"),
                ("market", UNKNOWN),
                ("age of the lead", "first month"),
                ("score", "50 to 74")
            ]
        );
        let all = &found[4];
        assert_eq!((all.metrics.n, all.metrics.positives), (1_200, 240));
        assert!((all.share - 0.2).abs() < 1e-9 && (all.probability - 0.2).abs() < 1e-9);
        assert!(slices(&rows[..400], &snapshots).is_empty());
    }

    #[test]
    fn bands_hold_their_lower_end() {
        assert_eq!(band(25.0, &SCORES), "25 to 49");
        assert_eq!(band(100.0, &SCORES), "75 to 100");
        assert_eq!(band(f32::NAN, &AGES), UNKNOWN);
    }
}

//! Slices of the tested examples.

use std::collections::BTreeMap;

use leadscore_domain::{AttributeValue, Timestamp, time::DAY_US};
use leadscore_engine::{examples::Snapshot, models::Prediction};

use crate::sample::Sample;

/// Fewest examples of a slice.
const SLICE_MIN: usize = 1_000;
/// Bands of the probability, with equally many examples each.
const BANDS: usize = 5;

/// All examples, and every slice of at least [`SLICE_MIN`]: its name and rows.
pub fn all(sample: &Sample, predictions: &[Prediction]) -> Vec<(String, Vec<usize>)> {
    let mut first: BTreeMap<u64, Timestamp> = BTreeMap::new();
    for snapshot in &sample.snapshots {
        let known = first.entry(snapshot.lead).or_insert(snapshot.instant);
        *known = (*known).min(snapshot.instant);
    }
    let mut order: Vec<usize> = (0..predictions.len()).collect();
    order.sort_by(|&x, &y| predictions[x].probability.total_cmp(&predictions[y].probability));
    let mut band = vec![0; order.len()];
    for (place, &row) in order.iter().enumerate() {
        band[row] = place * BANDS / order.len();
    }
    let mut slices: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (row, snapshot) in sample.snapshots.iter().enumerate() {
        let age_days = snapshot.instant.since(first[&snapshot.lead]) as f64 / DAY_US as f64;
        let age = match age_days {
            days if days <= 0.0 => "at the creation",
            days if days < 3.0 => "up to 3 days",
            days if days < 14.0 => "3 to 14 days",
            days if days < 40.0 => "14 to 40 days",
            _ => "more than 40 days",
        };
        let names = [
            "all".to_owned(),
            format!("channel: {}", category(snapshot, "channel")),
            format!("interest: {}", category(snapshot, "interest")),
            format!("timeframe: {}", category(snapshot, "timeframe")),
            format!("age: {age}"),
            format!("score band {} of {BANDS}", band[row] + 1),
        ];
        for name in names {
            slices.entry(name).or_default().push(row);
        }
    }
    slices.into_iter().filter(|(_, rows)| rows.len() >= SLICE_MIN).collect()
}

fn category(snapshot: &Snapshot, name: &str) -> String {
    match snapshot.attributes.iter().find(|(known, _)| known == name) {
        Some((_, AttributeValue::Category(category))) => category.clone(),
        Some((_, AttributeValue::Number(_) | AttributeValue::Boolean(_) | AttributeValue::Time { .. })) | None => {
            "unknown".to_owned()
        }
    }
}

//! Made-up leads by which a copy of a model is compared with the model.
//!
//! Owns: their values. Invariants: they are where members change their minds, at thresholds and just below them, with
//! missing values and unknown categories; none is, or is like, a real lead. Deliberately absent: what the model says
//! of them.

use std::collections::BTreeMap;

use leadscore_domain::{AttributeValue, Timestamp, time::DAY_US};

use super::files::{Encoded, Members};
use crate::{
    examples::{Observed, Snapshot},
    features::{ATTRIBUTE_PREFIX, ColumnKind, FEATURES, FeatureView, Meaning, mix},
    predictions::Course,
};

/// Of so many values one is missing, and of so many categories one is unknown.
const MISSING_ONE_IN: u64 = 6;
const UNKNOWN_ONE_IN: u64 = 8;
/// A category that no training knows.
const UNKNOWN: &str = "never seen in training";

/// A made-up lead.
pub(super) struct Probe {
    pub(super) snapshot: Snapshot,
}

impl Probe {
    /// A present feature of the catalogue.
    pub(super) fn feature(&self, name: &str) -> Option<f32> {
        let place = FEATURES.iter().position(|spec| spec.name == name)?;
        self.snapshot.features.get(place).copied().filter(|value| !value.is_nan())
    }
}

/// Makes `count` of them.
pub(super) fn make(members: &Members, view: &FeatureView, count: usize) -> Vec<Probe> {
    let pools = pools(members);
    (0..count as u64).map(|probe| Probe { snapshot: snapshot(view, &pools, probe) }).collect()
}

fn snapshot(view: &FeatureView, pools: &BTreeMap<usize, Vec<f32>>, probe: u64) -> Snapshot {
    let instant = Timestamp::from_micros(20_500 * DAY_US).unwrap_or_default();
    let mut snapshot = Snapshot {
        lead: probe,
        instant,
        observed: Observed::complete(0, None),
        course: Course::default(),
        features: vec![f32::NAN; FEATURES.len()],
        attributes: Vec::new(),
    };
    for (place, column) in view.columns().iter().enumerate() {
        let drawn = |salt: u64| mix(mix(mix(probe) ^ place as u64) ^ salt);
        if drawn(1).is_multiple_of(MISSING_ONE_IN) {
            continue;
        }
        let pool = pools.get(&place).map_or(&[][..], Vec::as_slice);
        let number = pick(pool, drawn(2)).copied().unwrap_or_else(|| (drawn(2) % 7) as f32);
        match column.name.strip_prefix(ATTRIBUTE_PREFIX) {
            None => {
                if let Some(feature) = FEATURES.iter().position(|spec| spec.name == column.name) {
                    snapshot.features[feature] = number;
                }
            }
            Some(name) => {
                let value = match (column.kind, view.categories(place)) {
                    (ColumnKind::Categorical { .. }, known) => {
                        let known = known.unwrap_or_default();
                        let text = pick(&known, drawn(3)).filter(|_| !drawn(4).is_multiple_of(UNKNOWN_ONE_IN));
                        AttributeValue::Category(text.copied().unwrap_or(UNKNOWN).to_owned())
                    }
                    (ColumnKind::Numeric, _) if is_time(view, place) => {
                        let away = (f64::from(number) * DAY_US as f64).round() as i64;
                        AttributeValue::Time { time: instant.plus_micros(away) }
                    }
                    (ColumnKind::Numeric, _) => AttributeValue::Number(f64::from(number)),
                };
                snapshot.attributes.push((name.to_owned(), value));
            }
        }
    }
    snapshot
}

/// Whether a column holds the distance of a time to the instant.
fn is_time(view: &FeatureView, column: usize) -> bool {
    matches!(view.meaning(column), Some((_, Meaning::Days)))
}

fn pick<T>(pool: &[T], drawn: u64) -> Option<&T> {
    pool.get(usize::try_from(drawn % (pool.len() as u64).max(1)).unwrap_or_default())
}

/// By column: values at which a member changes its mind.
fn pools(members: &Members) -> BTreeMap<usize, Vec<f32>> {
    let mut pools: BTreeMap<usize, Vec<f32>> = BTreeMap::new();
    if let Some((_, logistic)) = &members.logistic {
        for (column, encoded) in logistic.columns.iter().enumerate() {
            if let Encoded::Number { mean, deviation, .. } = encoded {
                let values = [-9.0, -1.0, 0.0, 1.0, 3.0, 9.0].map(|times| (mean + times * deviation) as f32);
                pools.entry(column).or_default().extend(values);
            }
        }
    }
    for tree in members.trees.iter().flat_map(|(_, trees)| &trees.trees) {
        let sets = tree.sets();
        for (node, &left) in tree.left_children.iter().enumerate().filter(|(node, _)| !sets.contains_key(node)) {
            if left != -1 {
                let threshold = tree.split_conditions[node];
                pools.entry(tree.split_indices[node]).or_default().extend([threshold, threshold.next_down()]);
            }
        }
    }
    for column in members.net.iter().flat_map(|(_, net)| &net.columns) {
        let knots = column.knots.iter().flatten().copied();
        pools.entry(column.column).or_default().extend(knots);
    }
    for pool in pools.values_mut() {
        pool.sort_by(f32::total_cmp);
        pool.dedup();
    }
    pools
}

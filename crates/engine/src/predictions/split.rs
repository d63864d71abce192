//! Dividing examples into those that a part is fitted to, those that calibrate it and those that measure it.
//!
//! Owns: the shares and the gap. Invariant: leads are never divided, later leads come later, and no example that is
//! fitted to looks into the time of those that measure.

use crate::{examples::Snapshot, features::mix, models::folds};

/// One of so many of the earlier leads calibrates; from all of their time, for the latest would be young leads only.
const CALIBRATE_ONE_IN: u64 = 5;
/// Share of the leads that comes before those that measure.
const MEASURE_AFTER: f64 = 0.8;

/// Places of the examples of each share.
pub(super) struct Split {
    pub(super) fitted: Vec<usize>,
    pub(super) calibrated: Vec<usize>,
    pub(super) measured: Vec<usize>,
}

impl Split {
    /// Of the examples at `places`.
    pub(super) fn new(snapshots: &[Snapshot], places: &[usize], horizon_us: i64) -> Self {
        let leads: Vec<u64> = places.iter().map(|&place| snapshots[place].lead).collect();
        let instants: Vec<_> = places.iter().map(|&place| snapshots[place].instant).collect();
        let measure = folds::later(&leads, &instants, MEASURE_AFTER);
        let mut split = Self { fitted: Vec::new(), calibrated: Vec::new(), measured: Vec::new() };
        let from = (0..places.len()).filter(|&i| measure[i]).map(|i| instants[i]).min();
        for (i, &place) in places.iter().enumerate() {
            let known_in_time = from.is_none_or(|from| instants[i].plus_micros(horizon_us) <= from);
            if measure[i] {
                split.measured.push(place);
            } else if known_in_time && mix(leads[i]).is_multiple_of(CALIBRATE_ONE_IN) {
                split.calibrated.push(place);
            } else if known_in_time {
                split.fitted.push(place);
            }
        }
        split
    }
}

//! Ordered target statistics: what a category's earlier leads came to, as a number that trees can split.
//!
//! Owns: the statistic of each training row, and of each code once training is over. The smoothed mean of the targets
//! (n̄ + a p) / (n + a) over the rows of the same code; a training row sees the rows of earlier leads only
//! (Prokhorenkova et al., "CatBoost: unbiased boosting with categorical features", 2018), and p is the mean of those.
//! Invariant: a lead's own targets, and those of later leads, never change its statistics. Leads have the order of
//! their first instant; leads of one instant follow each other as the seed has it. Deliberately absent: statistics of
//! several columns together.

use std::collections::BTreeMap;

use super::Examples;
use crate::features::mix;

/// Weight of the prior, in rows.
const PRIOR_WEIGHT: f64 = 1.0;

/// Rows of each lead, the leads in their order.
pub(super) struct Order(Vec<Vec<usize>>);

impl Order {
    /// The order of the leads of `rows`.
    pub(super) fn new(examples: &Examples<'_>, rows: &[usize], seed: u64) -> Self {
        let mut leads: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (place, &row) in rows.iter().enumerate() {
            leads.entry(examples.leads[row]).or_default().push(place);
        }
        let first = |places: &[usize]| places.iter().map(|&place| examples.instants[rows[place]]).min();
        let mut deck: Vec<_> =
            leads.into_iter().map(|(lead, places)| (first(&places), mix(seed ^ mix(lead)), lead, places)).collect();
        deck.sort_unstable();
        Self(deck.into_iter().map(|(_, _, _, places)| places).collect())
    }
}

/// Sum and number of targets.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    sum: f64,
    count: f64,
}

impl Tally {
    fn add(&mut self, target: f32) {
        self.sum += f64::from(target);
        self.count += 1.0;
    }

    /// The mean, drawn towards `prior`.
    fn smoothed(self, prior: f64) -> f64 {
        (self.sum + PRIOR_WEIGHT * prior) / (self.count + PRIOR_WEIGHT)
    }
}

/// The statistic of one column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statistic {
    /// Of each training row, in the order of the rows; NaN where the category is missing.
    pub(super) of_rows: Vec<f32>,
    /// Of each code when all training rows are known; that of an unseen code is the base rate.
    pub(super) of_codes: Vec<f32>,
}

impl Statistic {
    /// The statistic of `codes` and `targets`, one of each per training row; codes are NaN or below `cardinality`.
    pub(super) fn new(codes: &[f32], targets: &[f32], cardinality: u32, order: &Order) -> Self {
        let mut of_rows = vec![f32::NAN; codes.len()];
        let mut tallies = vec![Tally::default(); cardinality as usize];
        let mut all = Tally::default();
        for places in &order.0 {
            let prior = all.smoothed(0.5);
            for &place in places {
                if !codes[place].is_nan() {
                    of_rows[place] = tallies[codes[place] as usize].smoothed(prior) as f32;
                }
            }
            for &place in places {
                all.add(targets[place]);
                if !codes[place].is_nan() {
                    tallies[codes[place] as usize].add(targets[place]);
                }
            }
        }
        let prior = all.smoothed(0.5);
        Self { of_rows, of_codes: tallies.into_iter().map(|tally| tally.smoothed(prior) as f32).collect() }
    }
}

#[cfg(test)]
mod tests {
    use leadscore_domain::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::models::Matrix;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_micros(day * 86_400_000_000).unwrap()
    }

    fn statistic(codes: &[f32], targets: &[f32], leads: &[u64], days: &[i64]) -> Statistic {
        let instants: Vec<Timestamp> = days.iter().map(|&day| at(day)).collect();
        let examples = Examples { matrix: &Matrix::default(), targets, leads, instants: &instants };
        let rows: Vec<usize> = (0..codes.len()).collect();
        Statistic::new(codes, targets, 4, &Order::new(&examples, &rows, 7))
    }

    #[test]
    fn a_row_sees_the_earlier_leads_of_its_code() {
        let codes = [1.0, 1.0, 2.0, 1.0, f32::NAN];
        // In time: lead 3 (row 3), lead 1 (rows 0 and 1), lead 2 (row 2), lead 4.
        let found = statistic(&codes, &[1.0, 1.0, 0.0, 0.25, 1.0], &[1, 1, 2, 3, 4], &[2, 9, 5, 1, 6]);
        let prior = (0.25 + 0.5) / 2.0;
        let expected = [(0.25 + prior) / 2.0, (0.25 + prior) / 2.0, (2.25 + 0.5) / 4.0, 0.5];
        assert_eq!(found.of_rows[..4], expected);
        assert!(found.of_rows[4].is_nan());
        let base: f32 = (3.25 + 0.5) / 6.0;
        assert_eq!(found.of_codes, [base, (2.25 + base) / 4.0, base / 2.0, base]);
    }

    proptest! {
        #[test]
        fn no_row_sees_itself_its_lead_or_a_later_one(
            rows in prop::collection::vec((0u8..4, 0.0f32..=1.0, 0u64..12, 0i64..3), 2..40),
            flipped in 0usize..40,
        ) {
            let flipped = flipped % rows.len();
            let codes: Vec<f32> = rows.iter().map(|row| f32::from(row.0)).collect();
            let mut targets: Vec<f32> = rows.iter().map(|row| row.1).collect();
            let leads: Vec<u64> = rows.iter().map(|row| row.2).collect();
            let days: Vec<i64> = rows.iter().map(|row| row.3).collect();
            let before = statistic(&codes, &targets, &leads, &days);
            targets[flipped] = 1.0 - targets[flipped] + 3.0;
            let after = statistic(&codes, &targets, &leads, &days);
            let first = |lead: u64| (0..rows.len()).filter(|&row| leads[row] == lead).map(|row| days[row]).min();
            for row in 0..rows.len() {
                let blind = leads[row] == leads[flipped] || first(leads[row]) < first(leads[flipped]);
                prop_assert!(!blind || before.of_rows[row] == after.of_rows[row], "row {row} saw row {flipped}");
            }
        }
    }
}

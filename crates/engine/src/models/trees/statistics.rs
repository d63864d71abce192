//! Target statistics: what the other leads of a category came to, as a number that trees can split.
//!
//! Owns: the statistic of each training row, and of each code once training is over. It is the smoothed mean of the
//! targets (n̄ + a p) / (n + a) over the rows of the same code, where p is their overall mean. A training row sees the
//! leads of the other [`PARTS`] only: its own target in its own statistic would be a target leak (Prokhorenkova et
//! al., "CatBoost: unbiased boosting with categorical features", 2018, section 3). Invariant: a lead's own targets
//! never change its statistics. Deliberately absent: statistics of several columns together.
//!
//! CatBoost shows each row the rows before it in a random order. Dividing the leads does the same with less noise, as
//! every row sees as many others as the rest; and unlike an order in time it leaves no trace of the base rate's drift
//! in the statistics, which trees would take for the category's own (see decision 6).

use super::Examples;
use crate::features::mix;

/// Parts of the leads.
const PARTS: usize = 5;
/// Weight of the prior, in rows.
const PRIOR_WEIGHT: f64 = 1.0;

/// The part of each of `rows`, 0 to [`PARTS`] − 1: that of its lead, as the seed has it.
pub(super) fn parts(examples: &Examples<'_>, rows: &[usize], seed: u64) -> Vec<usize> {
    rows.iter().map(|&row| (mix(seed ^ mix(examples.leads[row])) % PARTS as u64) as usize).collect()
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

    /// Of all parts but one; what is left out is not taken off, so that nothing of it remains in rounding.
    fn sum(parts: &[Self; PARTS], left_out: Option<usize>) -> Self {
        let counted = parts.iter().enumerate().filter(|&(part, _)| Some(part) != left_out);
        counted
            .fold(Self::default(), |total, (_, one)| Self { sum: total.sum + one.sum, count: total.count + one.count })
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
    /// The statistic of `codes` and `targets`, with their `parts`, one of each per training row; codes are NaN or below
    /// `cardinality`.
    pub(super) fn new(codes: &[f32], targets: &[f32], cardinality: u32, parts: &[usize]) -> Self {
        let mut all = [Tally::default(); PARTS];
        let mut by_code = vec![all; cardinality as usize];
        for ((code, &target), &part) in codes.iter().zip(targets).zip(parts) {
            all[part].add(target);
            if !code.is_nan() {
                by_code[*code as usize][part].add(target);
            }
        }
        let of_codes = |left_out: Option<usize>| -> Vec<f32> {
            let prior = Tally::sum(&all, left_out).smoothed(0.5);
            by_code.iter().map(|tallies| Tally::sum(tallies, left_out).smoothed(prior) as f32).collect()
        };
        let without: [Vec<f32>; PARTS] = std::array::from_fn(|part| of_codes(Some(part)));
        let of_row =
            |(code, &part): (&f32, &usize)| if code.is_nan() { f32::NAN } else { without[part][*code as usize] };
        Self { of_rows: codes.iter().zip(parts).map(of_row).collect(), of_codes: of_codes(None) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::models::Matrix;

    fn dealt(leads: &[u64]) -> Vec<usize> {
        let examples = Examples { matrix: &Matrix::default(), targets: &[], leads };
        parts(&examples, &(0..leads.len()).collect::<Vec<_>>(), 7)
    }

    #[test]
    fn a_row_sees_the_leads_of_its_code_in_the_other_parts() {
        let codes = [1.0, 1.0, 2.0, 1.0, f32::NAN];
        let found = Statistic::new(&codes, &[1.0, 1.0, 0.0, 0.25, 1.0], 4, &[0, 0, 1, 2, 3]);
        let smoothed = |sum: f64, count: f64, prior: f64| ((sum + prior) / (count + 1.0)) as f32;
        let without = |sum: f64, count: f64| (sum + 0.5) / (count + 1.0);
        let first = smoothed(0.25, 1.0, without(1.25, 3.0));
        assert_eq!(
            found.of_rows[..4],
            [first, first, smoothed(0.0, 0.0, without(3.25, 4.0)), { smoothed(2.0, 2.0, without(3.0, 4.0)) }]
        );
        assert!(found.of_rows[4].is_nan());
        let base = without(3.25, 5.0);
        let whole = [(0.0, 0.0), (2.25, 3.0), (0.0, 1.0), (0.0, 0.0)].map(|(sum, count)| smoothed(sum, count, base));
        assert_eq!(found.of_codes, whole);
    }

    #[test]
    fn leads_are_dealt_evenly_and_never_divided() {
        let leads: Vec<u64> = (0..5_000).map(|row| row / 2).collect();
        let parts = dealt(&leads);
        assert!(parts.chunks(2).all(|lead| lead[0] == lead[1]));
        for part in 0..PARTS {
            let share = parts.iter().filter(|&&one| one == part).count();
            assert!((900..1_100).contains(&share), "part {part} has {share} of 5000 rows");
        }
    }

    proptest! {
        #[test]
        fn no_row_sees_its_own_lead(
            rows in prop::collection::vec((0u8..4, 0.0f32..=1.0, 0u64..12), 2..40),
            flipped in 0usize..40,
        ) {
            let flipped = flipped % rows.len();
            let codes: Vec<f32> = rows.iter().map(|row| f32::from(row.0)).collect();
            let mut targets: Vec<f32> = rows.iter().map(|row| row.1).collect();
            let leads: Vec<u64> = rows.iter().map(|row| row.2).collect();
            let parts = dealt(&leads);
            let before = Statistic::new(&codes, &targets, 4, &parts);
            targets[flipped] = 1.0 - targets[flipped] + 3.0;
            let after = Statistic::new(&codes, &targets, 4, &parts);
            for row in (0..rows.len()).filter(|&row| leads[row] == leads[flipped]) {
                prop_assert_eq!(before.of_rows[row], after.of_rows[row], "row {} saw row {}", row, flipped);
            }
        }
    }
}

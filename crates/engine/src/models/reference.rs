//! Where a lead stands among the leads that the model learned from.
//!
//! Owns: the quantiles of the reference population, in probability and per group of columns. Invariant: the score
//! never falls when the probability rises.

use leadscore_domain::Breakdown;
use serde::{Deserialize, Serialize};

use crate::features::{Column, Group};

/// Quantiles of the probability: one per tenth of a percent, both ends included.
const SCORE_POINTS: usize = 1_001;
/// Quantiles of a group's contribution.
const GROUP_POINTS: usize = 101;

/// Place of a group among the figures of the groups.
pub(crate) const fn group_index(group: Group) -> usize {
    match group {
        Group::Behavioral => 0,
        Group::Engagement => 1,
        Group::MarketFit => 2,
        Group::Timing => 3,
    }
}

/// The group of each column, as its place in the figures.
pub(super) fn groups_of(columns: &[Column]) -> Vec<u8> {
    columns.iter().map(|column| group_index(column.group) as u8).collect()
}

/// Quantiles of the reference population.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// Ascending quantiles of the calibrated log-odds.
    log_odds: Vec<f64>,
    /// Ascending quantiles of each group's contribution, in log-odds.
    groups: [Vec<f64>; 4],
}

impl Reference {
    /// From the calibrated log-odds and the contributions per group of examples; at least one of each.
    pub(crate) fn new(log_odds: &[f64], groups: &[[f64; 4]]) -> Self {
        let group = |index: usize| {
            let values: Vec<f64> = groups.iter().map(|sums| sums[index]).collect();
            quantiles(values, GROUP_POINTS)
        };
        Self { log_odds: quantiles(log_odds.to_vec(), SCORE_POINTS), groups: [group(0), group(1), group(2), group(3)] }
    }

    /// Percentile of a probability, given as calibrated log-odds: 0 to 100.
    #[must_use]
    pub fn score(&self, log_odds: f64) -> u8 {
        percentile(&self.log_odds, log_odds)
    }

    /// Percentile of each group's contribution: 0 to 100.
    #[must_use]
    pub fn breakdown(&self, groups: &[f64; 4]) -> Breakdown {
        let place = |group: Group| {
            let index = group_index(group);
            percentile(&self.groups[index], groups[index])
        };
        Breakdown {
            behavioral: place(Group::Behavioral),
            engagement: place(Group::Engagement),
            market_fit: place(Group::MarketFit),
            timing: place(Group::Timing),
        }
    }

    /// Whether the figures can come from [`Self::new`]; files are not trusted.
    pub(crate) fn is_sound(&self) -> bool {
        let sound =
            |grid: &Vec<f64>| !grid.is_empty() && grid.iter().all(|value| value.is_finite()) && grid.is_sorted();
        sound(&self.log_odds) && self.groups.iter().all(sound)
    }
}

fn quantiles(mut values: Vec<f64>, points: usize) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    (0..points)
        .map(|point| {
            let place = last as f64 * point as f64 / (points - 1) as f64;
            let below = (place as usize).min(last);
            let above = (below + 1).min(last);
            values[below] + (place - below as f64) * (values[above] - values[below])
        })
        .collect()
}

/// Share of the grid below `value`, half of its equals counted as below, in percent.
fn percentile(grid: &[f64], value: f64) -> u8 {
    let below = grid.partition_point(|&point| point < value);
    let not_above = grid.partition_point(|&point| point <= value);
    // A value that lies between two points of the grid stands at neither end of them.
    let share = (below + not_above) as f64 / (2 * grid.len()) as f64;
    (share * 100.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uniform() -> Reference {
        let values: Vec<f64> = (0..=5_000).map(|i| f64::from(i) / 5_000.0).collect();
        let groups: Vec<[f64; 4]> = values.iter().map(|&value| [value, -value, 0.0, value * 2.0]).collect();
        Reference::new(&values, &groups)
    }

    #[test]
    fn the_score_is_the_percentile() {
        let reference = uniform();
        for (value, score) in [(-1.0, 0), (0.0, 0), (0.25, 25), (0.5, 50), (0.9, 90), (1.0, 100), (7.0, 100)] {
            assert_eq!(reference.score(value), score, "{value}");
        }
    }

    #[test]
    fn the_score_never_falls() {
        let reference = Reference::new(&[0.1, 0.1, 0.1, 0.4], &[[0.0; 4]]);
        let scores: Vec<u8> = (-10..=60).map(|i| reference.score(f64::from(i) / 100.0)).collect();
        assert!(scores.is_sorted(), "{scores:?}");
        assert_eq!((scores[0], scores[70]), (0, 100));
    }

    #[test]
    fn a_group_that_says_nothing_stands_in_the_middle() {
        let breakdown = uniform().breakdown(&[1.0, -1.0, 0.0, 1.0]);
        assert_eq!(breakdown, Breakdown { behavioral: 100, engagement: 0, market_fit: 50, timing: 50 });
    }
}

//! Whether a model treats groups of people alike.
//!
//! Owns: the figures of each group, and the bars that a model must reach before it scores. Invariants: groups come from
//! outside and are no features; a group of fewer than [`GROUP_MIN`] leads is neither shown nor held against a model;
//! what was not shown counts as not reached. Deliberately absent: where groups come from, and keeping them.

mod figures;
mod swap;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use self::figures::{Members, Rank};
pub use self::{
    figures::{Estimate, GroupFigures},
    swap::{SwapTest, swapped},
};
use super::BacktestRow;

/// Least number of leads of a group.
pub const GROUP_MIN: usize = 100;
/// Least ratio of a group's share of top grades to the most favoured group's.
pub const RATIO_MIN: f64 = 0.90;
/// Least lower end of that ratio's 95 % interval.
pub const RATIO_LOWER_MIN: f64 = 0.80;
/// Most by which a group's mean probability may differ from the share of it that converted.
pub const GAP_MAX: f64 = 0.02;

/// The groups that leads are in by one characteristic, by the leads' tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grouping {
    /// The characteristic, such as `sex`.
    pub by: String,
    /// The group of each lead of which it is known.
    pub of: HashMap<u64, String>,
}

/// What was found by one characteristic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The characteristic.
    pub by: String,
    /// Tested leads whose group is not known.
    pub unknown: usize,
    /// Groups of fewer than [`GROUP_MIN`] leads.
    pub small: usize,
    /// The others, by name.
    pub groups: Vec<GroupFigures>,
}

/// Whether a model treats groups of people alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fairness {
    /// Each characteristic.
    pub comparisons: Vec<Comparison>,
    /// What became of scores when names, languages and postal codes were exchanged.
    pub swap: SwapTest,
    /// Bars that were not reached, each in a sentence; empty where the model may score.
    pub failures: Vec<String>,
}

impl Fairness {
    /// Compares groups on examples that the model had not seen; `NaN` in no figure.
    #[must_use]
    pub fn new(rows: &[BacktestRow], groupings: &[Grouping], swap: SwapTest) -> Self {
        let comparisons: Vec<Comparison> = groupings.iter().map(|grouping| compare(rows, grouping)).collect();
        let mut failures: Vec<String> = comparisons.iter().flat_map(failures_of).collect();
        if comparisons.is_empty() {
            failures.push("no characteristic is given that groups could be compared by".to_owned());
        }
        failures.extend(swap.failure());
        Self { comparisons, swap, failures }
    }

    /// Whether every bar was reached.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

fn compare(rows: &[BacktestRow], grouping: &Grouping) -> Comparison {
    let ranks = Rank::of(rows);
    let mut groups: BTreeMap<&str, Members> = BTreeMap::new();
    let mut unknown = BTreeSet::new();
    for (row, rank) in rows.iter().zip(&ranks) {
        match grouping.of.get(&row.lead) {
            Some(group) => groups.entry(group).or_default().add(row, *rank),
            None => _ = unknown.insert(row.lead),
        }
    }
    let all = groups.len();
    groups.retain(|_, members| members.leads() >= GROUP_MIN);
    let small = all - groups.len();
    let selected = groups.iter().map(|(name, members)| (*name, members.selected()));
    let favoured = selected.max_by(|(_, a), (_, b)| a.value.total_cmp(&b.value));
    let groups = favoured.map_or_else(Vec::new, |favoured| {
        groups.iter().map(|(name, members)| members.figures(name, favoured)).collect()
    });
    Comparison { by: grouping.by.clone(), unknown: unknown.len(), small, groups }
}

fn failures_of(comparison: &Comparison) -> Vec<String> {
    let Comparison { by, groups, .. } = comparison;
    if groups.len() < 2 {
        return vec![format!("{by}: there are not two groups of {GROUP_MIN} tested leads to compare")];
    }
    groups
        .iter()
        .flat_map(|group| group.failures().into_iter().map(move |failure| format!("{by}, {failure}")))
        .collect()
}

#[cfg(test)]
mod tests;

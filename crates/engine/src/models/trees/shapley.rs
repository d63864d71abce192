//! Exact Shapley values of trees, from weights calculated when a forest is laid out.
//!
//! Owns: what each leaf gives to the columns of its path. The game is TreeSHAP's with path-dependent expectations
//! (Lundberg et al., "From local explanations to global understanding with explainable AI for trees", 2020): a column
//! that is not known is replaced by both branches of its tests, weighted by the training data that took them.
//! Invariant: the shares of a row add up to what its leaves say less what the average example's say.
//! Deliberately absent: interactions.
//!
//! A leaf counts for a row only by which columns of its path the row satisfies. With m distinct columns, column i
//! satisfied (o = 1) or not (o = 0), and z the share of the training data that takes i's tests, the share of i is
//!
//! v (o_i − z_i) ∫ Π_{j≠i} (z_j (1 − t) + o_j t) dt, t from 0 to 1,
//!
//! as |S|! (m − |S| − 1)! / m! = ∫ t^|S| (1 − t)^(m − |S| − 1) dt. The integrand is a polynomial of degree m − 1, for
//! which ⌈m/2⌉ points of Gauss and Legendre are exact. Short paths have it in a table over the subsets of satisfied
//! columns (the idea of Yang, "Fast TreeSHAP", 2021), so that a row costs one look-up per leaf; long ones, and those
//! beyond a bound on memory, calculate it for each row.

use super::{
    forest::Step,
    quadrature::{Point, Rules},
};

/// Deepest path of a tree that is served, and so most distinct columns of one.
pub(super) const MAX_DEPTH: usize = 64;
/// Most distinct columns of a path with a table.
const TABLED: usize = 6;
/// Most entries of all tables of a forest: 64 MiB.
const MAX_ENTRIES: usize = 8 << 20;

/// What a leaf gives to the columns of its path.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Leaf {
    value: f64,
    /// Start of its columns.
    first: u32,
    /// Number of its columns.
    count: u32,
    /// Start of its table, or [`NO_TABLE`].
    table: u32,
}

const NO_TABLE: u32 = u32::MAX;

/// The paths of a forest: leaves and nodes in its order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Paths {
    /// Of each node that tests, the place of its column among the columns of the paths through it; 0 of a leaf.
    slots: Vec<u8>,
    leaves: Vec<Leaf>,
    /// Distinct columns of each path, in the order of their first test.
    columns: Vec<u32>,
    /// Share of the training data that takes all tests of the column in the path; one of each of `columns`.
    taken: Vec<f64>,
    /// By leaf, by subset of failed columns (bit i = column i), the share of each column.
    tables: Vec<f64>,
    /// Sum over leaves of value times the share of the training data that comes there.
    expected: f64,
    rules: Rules,
}

impl Paths {
    /// Appends a node that tests `column` at the end of `path`.
    pub(super) fn push_test(&mut self, path: &[Step], column: u32) {
        let distinct = distinct(path);
        let place = distinct.iter().position(|step| step.column == column).unwrap_or(distinct.len());
        self.slots.push(place as u8);
    }

    /// Appends a leaf at the end of `path`.
    pub(super) fn push_leaf(&mut self, path: &[Step], value: f64) {
        self.slots.push(0);
        let distinct = distinct(path);
        self.expected += value * distinct.iter().map(|step| step.share).product::<f64>();
        let taken: Vec<f64> = distinct.iter().map(|step| step.share).collect();
        self.rules.reach(taken.len());
        let mut leaf = Leaf { value, first: self.columns.len() as u32, count: distinct.len() as u32, table: NO_TABLE };
        let entries = distinct.len() << distinct.len().min(TABLED);
        if distinct.len() <= TABLED && self.tables.len() + entries <= MAX_ENTRIES {
            leaf.table = self.tables.len() as u32;
            for failed in 0..1_u64 << distinct.len() {
                shares(value, &taken, failed, self.rules.of(taken.len()), |_, share| self.tables.push(share));
            }
        }
        self.columns.extend(distinct.iter().map(|step| step.column));
        self.taken.extend(taken);
        self.leaves.push(leaf);
    }

    /// Sum over leaves of value times the share of the training data that comes there.
    pub(super) fn expected(&self) -> f64 {
        self.expected
    }

    /// Place of the column that node `at` tests among the columns of the paths through it.
    #[inline]
    pub(super) fn slot(&self, at: usize) -> u8 {
        self.slots[at]
    }

    /// Calls `add(column, share)` for each column of the path to leaf number `leaf`, of which a row fails those whose
    /// bits are set in `failed`.
    #[inline]
    pub(super) fn explain(&self, leaf: usize, failed: u64, add: &mut impl FnMut(usize, f64)) {
        let leaf = self.leaves[leaf];
        let (first, count) = (leaf.first as usize, leaf.count as usize);
        let columns = &self.columns[first..first + count];
        if leaf.table == NO_TABLE {
            let taken = &self.taken[first..first + count];
            shares(leaf.value, taken, failed, self.rules.of(count), |i, share| add(columns[i] as usize, share));
        } else {
            let start = leaf.table as usize + failed as usize * count;
            for (&column, &share) in columns.iter().zip(&self.tables[start..start + count]) {
                add(column as usize, share);
            }
        }
    }

    /// Bytes held in memory.
    #[cfg(test)]
    pub(super) fn size_bytes(&self) -> usize {
        size_of_val(&self.slots[..])
            + size_of_val(&self.leaves[..])
            + size_of_val(&self.columns[..])
            + size_of_val(&self.taken[..])
            + size_of_val(&self.tables[..])
    }
}

/// The distinct columns of a path in the order of their first step, each with the product of its steps' shares.
fn distinct(path: &[Step]) -> Vec<Step> {
    let mut distinct: Vec<Step> = Vec::with_capacity(path.len());
    for step in path {
        match distinct.iter_mut().find(|known| known.column == step.column) {
            Some(known) => known.share *= step.share,
            None => distinct.push(*step),
        }
    }
    distinct
}

/// Calls `give(i, share)` for each column of a path with leaf `value`, in order.
fn shares(value: f64, taken: &[f64], failed: u64, rule: &[Point], mut give: impl FnMut(usize, f64)) {
    let count = taken.len();
    let satisfied = |i: usize| if failed >> i & 1 == 0 { 1.0 } else { 0.0 };
    let mut weights = [0.0; MAX_DEPTH];
    // Products over the columns before each.
    let mut before = [0.0; MAX_DEPTH];
    for &Point { at, weight } in rule {
        let factor = |i: usize| taken[i] + (satisfied(i) - taken[i]) * at;
        let mut product = weight;
        for i in 0..count {
            before[i] = product;
            product *= factor(i);
        }
        let mut after = 1.0;
        for i in (0..count).rev() {
            weights[i] += before[i] * after;
            after *= factor(i);
        }
    }
    for i in 0..count {
        give(i, value * (satisfied(i) - taken[i]) * weights[i]);
    }
}

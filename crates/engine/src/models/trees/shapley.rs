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
        for (i, before) in before[..count].iter_mut().enumerate() {
            *before = product;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::forest::{Branch, Forest, Source, Test};

    /// A node: column, threshold, whether missing goes first, children; or a leaf's value. Each with its cover.
    enum Node {
        Test(usize, f32, bool, [usize; 2]),
        Leaf(f32),
    }

    struct Tree(Vec<(Node, f64)>);

    impl Source for Tree {
        fn branch(&self, id: usize) -> Branch<'_> {
            match &self.0[id].0 {
                Node::Leaf(value) => Branch::Leaf(*value),
                Node::Test(column, threshold, missing_first, children) => Branch::Test {
                    column: *column,
                    test: Test::Below(*threshold),
                    missing_first: *missing_first,
                    children: *children,
                },
            }
        }

        fn cover(&self, id: usize) -> f64 {
            self.0[id].1
        }
    }

    impl Tree {
        /// A tree of `depth` over `columns` columns, drawn from `next`, which gives numbers from 0 to 1.
        fn drawn(depth: usize, columns: usize, next: &mut impl FnMut() -> f64) -> Self {
            let mut tree = Self(Vec::new());
            tree.grow(depth, columns, 1_000.0, next);
            tree
        }

        fn grow(&mut self, depth: usize, columns: usize, cover: f64, next: &mut impl FnMut() -> f64) -> usize {
            let id = self.0.len();
            self.0.push((Node::Leaf((next() * 2.0 - 1.0) as f32), cover));
            if depth > 0 && next() < 0.9 {
                let column = (next() * columns as f64) as usize;
                let (threshold, missing_first, share) = (next() as f32, next() < 0.5, next());
                let first = self.grow(depth - 1, columns, cover * share, next);
                let second = self.grow(depth - 1, columns, cover * (1.0 - share), next);
                self.0[id].0 = Node::Test(column, threshold, missing_first, [first, second]);
            }
            id
        }

        /// What the tree says below `id` where only the columns of `known` are.
        fn expectation(&self, id: usize, row: &[f32], known: u32) -> f64 {
            match &self.0[id].0 {
                Node::Leaf(value) => f64::from(*value),
                Node::Test(column, threshold, missing_first, children) if known >> column & 1 == 1 => {
                    let value = row[*column];
                    let first = if value.is_nan() { *missing_first } else { value < *threshold };
                    self.expectation(children[usize::from(!first)], row, known)
                }
                Node::Test(.., children) => {
                    let [first, second] = children.map(|child| self.0[child].1);
                    let [of_first, of_second] = children.map(|child| self.expectation(child, row, known));
                    (first * of_first + second * of_second) / (first + second)
                }
            }
        }

        /// The Shapley values by their definition: a column's mean gain over the orders in which columns come to be
        /// known.
        fn brute_force(&self, row: &[f32]) -> Vec<f64> {
            let n = row.len();
            let values: Vec<f64> = (0..1_u32 << n).map(|known| self.expectation(0, row, known)).collect();
            let weight = |size: u32| {
                let chosen: f64 = (0..size).map(|k| (n as f64 - 1.0 - f64::from(k)) / f64::from(k + 1)).product();
                1.0 / (n as f64 * chosen)
            };
            let gain = |i: usize| {
                let without = (0..1_usize << n).filter(|known| known >> i & 1 == 0);
                without.map(|known| weight(known.count_ones()) * (values[known | 1 << i] - values[known])).sum()
            };
            (0..n).map(gain).collect()
        }
    }

    fn generator(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed;
        move || {
            state = crate::features::mix(state);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    fn check(seed: u64, trees: usize, depth: usize, columns: usize) {
        let mut next = generator(seed);
        let trees: Vec<Tree> = (0..trees).map(|_| Tree::drawn(depth, columns, &mut next)).collect();
        let mut forest = Forest::new(0.5, 0);
        for tree in &trees {
            forest.push(tree).unwrap();
        }
        let expected_bias = 0.5 + trees.iter().map(|tree| tree.expectation(0, &[], 0)).sum::<f64>();
        assert!((forest.bias() - expected_bias).abs() < 1e-12);
        for _ in 0..3 {
            let row: Vec<f32> = (0..columns).map(|_| if next() < 0.2 { f32::NAN } else { next() as f32 }).collect();
            let mut found = vec![0.0; columns];
            forest.explain(&row, |column, share| found[column] += share);
            let mut expected = vec![0.0; columns];
            for tree in &trees {
                tree.brute_force(&row).iter().zip(&mut expected).for_each(|(share, sum)| *sum += share);
            }
            for (column, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert!((found - expected).abs() < 1e-12, "column {column}: {found} is not {expected}");
            }
            let sum = forest.bias() + found.iter().sum::<f64>();
            assert!((sum - forest.log_odds(&row)).abs() < 1e-12);
        }
    }

    proptest! {
        #[test]
        fn short_paths_give_shapley_values(seed in any::<u64>(), depth in 0usize..6, columns in 1usize..6) {
            check(seed, 3, depth, columns);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

        #[test]
        fn long_paths_give_shapley_values(seed in any::<u64>()) {
            check(seed, 1, 9, 11);
        }
    }

    #[test]
    fn data_that_never_took_a_branch_is_borne() {
        let tree = Tree(vec![
            (Node::Test(0, 0.5, true, [1, 2]), 10.0),
            (Node::Test(0, 0.2, true, [3, 4]), 10.0),
            (Node::Leaf(2.0), 0.0),
            (Node::Leaf(1.0), 10.0),
            (Node::Leaf(-1.0), 0.0),
        ]);
        let mut forest = Forest::new(0.0, 0);
        forest.push(&tree).unwrap();
        assert_eq!(forest.bias(), 1.0);
        for (row, expected) in [([0.1], 0.0), ([0.3], -2.0), ([0.9], 1.0)] {
            let mut found = 0.0;
            forest.explain(&row, |_, share| found += share);
            assert!((found - expected).abs() < 1e-12, "{row:?}: {found}");
        }
    }

    #[test]
    fn tables_take_little_memory() {
        let mut next = generator(1);
        let mut forest = Forest::new(0.0, 0);
        for _ in 0..100 {
            forest.push(&Tree::drawn(6, 100, &mut next)).unwrap();
        }
        assert!(forest.size_bytes() < 100 * 64 * (64 * 6 * 8 + 200), "{}", forest.size_bytes());
    }
}

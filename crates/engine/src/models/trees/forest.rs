//! Boosted trees laid out for serving: one flat array, walked without allocation.
//!
//! Owns: prediction of one row. Invariant: routes every row, missing values and unknown categories included, exactly
//! as the trees that it was built from. Deliberately absent: training, files, the shares of the columns (see
//! `shapley`).

use super::shapley::{MAX_DEPTH, Paths};

/// Set in [`Node::split`] where the test is membership in a set of categories.
const CATEGORICAL: u32 = 1 << 31;
/// Set in [`Node::split`] where a missing value goes to the first child.
const MISSING_FIRST: u32 = 1 << 30;
/// The column in [`Node::split`].
const COLUMN: u32 = MISSING_FIRST - 1;
/// [`Node::split`] of a leaf.
const LEAF: u32 = u32::MAX;

/// A node in pre-order: its first child is the next node.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Node {
    /// Column and flags, or [`LEAF`].
    split: u32,
    /// Bits of the threshold (first child below it) or of the leaf's value, or the number of the set.
    test: u32,
    /// Index of the second child.
    second: u32,
}

/// A node as the source of the trees describes it.
pub(crate) enum Branch<'a> {
    /// The end of a path, with its log-odds.
    Leaf(f32),
    /// A test; the first child takes the rows for which it holds.
    Test {
        /// Tested column.
        column: usize,
        /// The test.
        test: Test<'a>,
        /// Whether a missing value goes to the first child.
        missing_first: bool,
        /// Source's ids of the children.
        children: [usize; 2],
    },
}

/// A test of a present value.
pub(crate) enum Test<'a> {
    /// Holds below the threshold.
    Below(f32),
    /// Holds for these categories.
    In(&'a [u32]),
}

/// A tree to be laid out: its nodes by id, 0 the root, each with its cover (sum of second derivatives).
pub(crate) trait Source {
    /// What node `id` does.
    fn branch(&self, id: usize) -> Branch<'_>;
    /// How much training data passed node `id`.
    fn cover(&self, id: usize) -> f64;
}

/// A path of a tree is longer than any that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooDeep;

/// Trees whose leaves add up to the log-odds of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Forest {
    nodes: Vec<Node>,
    roots: Vec<u32>,
    /// Sets of categories, `words_per_set` words each.
    sets: Vec<u64>,
    words_per_set: usize,
    intercept: f64,
    paths: Paths,
}

/// A step of a path from the root, while a tree is laid out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Tested column.
    pub(super) column: u32,
    /// Share of the node's training data that takes the step.
    pub(super) share: f64,
}

impl Forest {
    /// An empty forest that says `intercept` of every row, for categories below `categories`.
    pub(crate) fn new(intercept: f64, categories: u32) -> Self {
        Self {
            nodes: Vec::new(),
            roots: Vec::new(),
            sets: Vec::new(),
            words_per_set: (categories as usize).div_ceil(64).max(1),
            intercept,
            paths: Paths::default(),
        }
    }

    /// Appends a tree.
    pub(crate) fn push(&mut self, tree: &impl Source) -> Result<(), TooDeep> {
        self.roots.push(self.nodes.len() as u32);
        // Children are laid out depth first; a second child tells its parent where it landed.
        let mut open: Vec<(usize, Option<usize>, Vec<Step>)> = vec![(0, None, Vec::new())];
        while let Some((id, parent, path)) = open.pop() {
            let at = self.nodes.len();
            if let Some(parent) = parent {
                self.nodes[parent].second = at as u32;
            }
            let node = match tree.branch(id) {
                Branch::Leaf(value) => {
                    self.paths.push_leaf(&path, f64::from(value));
                    Node { split: LEAF, test: value.to_bits(), second: 0 }
                }
                Branch::Test { column, test, missing_first, children } => {
                    if path.len() == MAX_DEPTH {
                        return Err(TooDeep);
                    }
                    let column = column as u32;
                    self.paths.push_test(&path, column);
                    let [first, second] = shares(tree, children);
                    open.push((children[1], Some(at), extended(&path, Step { column, share: second })));
                    open.push((children[0], None, extended(&path, Step { column, share: first })));
                    let missing = if missing_first { MISSING_FIRST } else { 0 };
                    match test {
                        Test::Below(threshold) => {
                            Node { split: column | missing, test: threshold.to_bits(), second: 0 }
                        }
                        Test::In(categories) => {
                            let set = self.push_set(categories);
                            Node { split: column | missing | CATEGORICAL, test: set, second: 0 }
                        }
                    }
                }
            };
            self.nodes.push(node);
        }
        Ok(())
    }

    fn push_set(&mut self, categories: &[u32]) -> u32 {
        let set = self.sets.len() / self.words_per_set;
        self.sets.resize(self.sets.len() + self.words_per_set, 0);
        for &category in categories {
            let word = category as usize / 64;
            if word < self.words_per_set {
                self.sets[set * self.words_per_set + word] |= 1 << (category % 64);
            }
        }
        set as u32
    }

    /// Log-odds of the average training example, as the trees' covers have it; see [`Self::explain`].
    pub(crate) fn bias(&self) -> f64 {
        self.intercept + self.paths.expected()
    }

    /// Log-odds of a row; `row` covers every column of the forest.
    pub(crate) fn log_odds(&self, row: &[f32]) -> f64 {
        let mut sum = self.intercept;
        for &root in &self.roots {
            let mut at = root as usize;
            loop {
                let node = self.nodes[at];
                if node.split == LEAF {
                    sum += f64::from(f32::from_bits(node.test));
                    break;
                }
                at = if self.takes_first(node, row) { at + 1 } else { node.second as usize };
            }
        }
        sum
    }

    /// Calls `add(column, log_odds)` for the share of each column in each leaf. With [`Self::bias`] they add up to
    /// [`Self::log_odds`]; the sums by column are the exact path-dependent Shapley values, see `shapley`.
    pub(crate) fn explain(&self, row: &[f32], mut add: impl FnMut(usize, f64)) {
        let mut leaf = 0;
        // What of each open second child's path the row fails, innermost last.
        let mut open = [0_u64; MAX_DEPTH];
        for &root in &self.roots {
            let mut at = root as usize;
            let (mut failed, mut depth) = (0_u64, 0);
            loop {
                let node = self.nodes[at];
                if node.split == LEAF {
                    self.paths.explain(leaf, failed, &mut add);
                    leaf += 1;
                    if depth == 0 {
                        break;
                    }
                    depth -= 1;
                    failed = open[depth];
                } else {
                    let slot = self.paths.slot(at);
                    let first = u64::from(self.takes_first(node, row));
                    open[depth] = failed | first << slot;
                    failed |= (1 - first) << slot;
                    depth += 1;
                }
                // In pre-order the next node is the first child, or after a leaf the innermost open second one.
                at += 1;
            }
        }
    }

    /// Bytes that the forest holds in memory.
    #[cfg(test)]
    pub(crate) fn size_bytes(&self) -> usize {
        size_of_val(&self.nodes[..]) + size_of_val(&self.sets[..]) + self.paths.size_bytes()
    }

    #[inline]
    fn takes_first(&self, node: Node, row: &[f32]) -> bool {
        let value = row[(node.split & COLUMN) as usize];
        if value.is_nan() {
            node.split & MISSING_FIRST != 0
        } else if node.split & CATEGORICAL == 0 {
            value < f32::from_bits(node.test)
        } else {
            self.holds(node.test as usize, value as usize)
        }
    }

    fn holds(&self, set: usize, category: usize) -> bool {
        let word = category / 64;
        word < self.words_per_set && self.sets[set * self.words_per_set + word] & (1 << (category % 64)) != 0
    }
}

/// The parts of a node's training data that go to its children.
fn shares(tree: &impl Source, [first, second]: [usize; 2]) -> [f64; 2] {
    let (first, second) = (tree.cover(first).max(0.0), tree.cover(second).max(0.0));
    let total = first + second;
    if total > 0.0 { [first / total, second / total] } else { [0.5, 0.5] }
}

fn extended(path: &[Step], step: Step) -> Vec<Step> {
    let mut longer = Vec::with_capacity(path.len() + 1);
    longer.extend_from_slice(path);
    longer.push(step);
    longer
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Column 0 below 2 → (column 1 in {1, 70} → 3 else −1), else 0.5; missing goes second.
    struct Small;

    impl Source for Small {
        fn branch(&self, id: usize) -> Branch<'_> {
            match id {
                0 => Branch::Test { column: 0, test: Test::Below(2.0), missing_first: false, children: [1, 2] },
                1 => Branch::Test { column: 1, test: Test::In(&[1, 70]), missing_first: true, children: [4, 3] },
                2 => Branch::Leaf(0.5),
                3 => Branch::Leaf(-1.0),
                _ => Branch::Leaf(3.0),
            }
        }

        fn cover(&self, id: usize) -> f64 {
            [10.0, 6.0, 4.0, 2.0, 4.0][id]
        }
    }

    fn forest() -> Forest {
        let mut forest = Forest::new(0.25, 71);
        forest.push(&Small).unwrap();
        forest
    }

    #[test]
    fn rows_take_their_paths() {
        let forest = forest();
        for (row, expected) in [
            ([1.0, 1.0], 3.25),
            ([1.0, 70.0], 3.25),
            ([1.0, 2.0], -0.75),
            ([1.0, 500.0], -0.75),
            ([1.0, f32::NAN], 3.25),
            ([f32::NAN, 1.0], 0.75),
            ([2.0, 1.0], 0.75),
            ([f32::INFINITY, 1.0], 0.75),
        ] {
            assert_eq!(forest.log_odds(&row), expected, "{row:?}");
        }
    }

    #[test]
    fn contributions_are_shapley_values() {
        let forest = forest();
        // Node 1 expects (4·3 + 2·(−1)) / 6 = 5/3, the root (6·5/3 + 4·0.5) / 10 = 1.2.
        assert!((forest.bias() - 1.45).abs() < 1e-12);
        let mut out = [0.0; 2];
        forest.explain(&[1.0, 2.0], |column, share| out[column] += share);
        // Known: nothing 1.2; column 0 5/3; column 1 0.6·(−1) + 0.4·0.5 = −0.4; both −1.
        let expected = [((5.0 / 3.0 - 1.2) + (-1.0 + 0.4)) / 2.0, ((-0.4 - 1.2) + (-1.0 - 5.0 / 3.0)) / 2.0];
        for (found, expected) in out.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{out:?}");
        }
    }

    #[test]
    fn a_tree_of_one_leaf_is_a_constant() {
        struct Stump;
        impl Source for Stump {
            fn branch(&self, _: usize) -> Branch<'_> {
                Branch::Leaf(-2.0)
            }
            fn cover(&self, _: usize) -> f64 {
                0.0
            }
        }
        let mut forest = Forest::new(0.0, 0);
        forest.push(&Stump).unwrap();
        assert_eq!(forest.log_odds(&[]), -2.0);
        assert_eq!(forest.bias(), -2.0);
        forest.explain(&[], |_, _| panic!("there is no column"));
    }

    #[test]
    fn an_endless_path_is_refused() {
        struct Chain;
        impl Source for Chain {
            fn branch(&self, id: usize) -> Branch<'_> {
                if id % 2 == 1 {
                    return Branch::Leaf(0.0);
                }
                Branch::Test { column: 0, test: Test::Below(0.0), missing_first: false, children: [id + 1, id + 2] }
            }
            fn cover(&self, _: usize) -> f64 {
                1.0
            }
        }
        assert_eq!(Forest::new(0.0, 0).push(&Chain), Err(TooDeep));
    }
}

//! Trees as one `TreeEnsemble` (ai.onnx.ml 5) in double precision.
//!
//! Owns: tests of categories as tests of numbers: for every set that some test knows, a further column says whether
//! the row's category is in it. Runtimes differ in how they take sets and missing values together; all of them compare
//! numbers. Invariant: a missing category goes where the test sends it, which is why a set has a column for either way.
//! Deliberately absent: sums of several ensembles.

use std::collections::BTreeMap;

use super::{
    graph::{Codes, Graph, ML, Name, ROWS},
    proto::{self, Element},
};
use crate::models::interop::files::{Tree, Trees};

/// `BRANCH_LT`: the first branch takes what is below the threshold.
const BELOW: u8 = 1;
/// `SUM`.
const SUM: i64 = 1;
/// Between out of a set and in it.
const HALF: f64 = 0.5;

/// A column that says whether a category is in a set: of which column, which set, and what a missing value counts as.
type Membership = (usize, Vec<u32>, bool);

/// The largest code that a test names, by column.
pub(super) fn largest(trees: &Trees, into: &mut BTreeMap<usize, u32>) {
    for tree in &trees.trees {
        for (node, set) in tree.sets() {
            let known = into.entry(tree.split_indices[node]).or_default();
            *known = (*known).max(set.iter().copied().max().unwrap_or_default());
        }
    }
}

/// Rows × 1: the log-odds of the trees over rows of `width` columns.
pub(super) fn trees(graph: &mut Graph, codes: Option<&Codes>, member: &Trees, width: usize) -> Name {
    let mut layout = Layout { width, ..Layout::default() };
    member.trees.iter().for_each(|tree| layout.push(tree));
    let numbers = graph.cast(ROWS, Element::Double);
    let features = match codes.filter(|_| !layout.memberships.is_empty()) {
        Some(codes) => {
            let sets = memberships(graph, codes, &layout.memberships);
            graph.apply_with("Concat", "", &[&numbers, &sets], &[proto::int_attribute("axis", 1)])
        }
        None => numbers,
    };
    let attributes = layout.attributes();
    let sum = graph.apply_with("TreeEnsemble", ML, &[&features], &attributes);
    let intercept = graph.doubles(&[1], &[member.intercept]);
    graph.apply("Add", &[&sum, &intercept])
}

/// Rows × memberships: 1 where the row's category is in the set.
fn memberships(graph: &mut Graph, codes: &Codes, sets: &BTreeMap<Membership, usize>) -> Name {
    let mut in_order: Vec<(&Membership, usize)> = sets.iter().map(|(set, place)| (set, *place)).collect();
    in_order.sort_by_key(|(_, place)| *place);
    let mut table: Vec<u8> = Vec::new();
    let mut shapes = Vec::with_capacity(in_order.len());
    for ((column, set, missing), _) in in_order {
        let mut of_set = vec![0; codes.last(*column).unwrap_or_default() + 1];
        of_set[0] = u8::from(*missing);
        for &code in set {
            if let Some(entry) = of_set.get_mut(code as usize + 1) {
                *entry = 1;
            }
        }
        shapes.push((*column, of_set.len()));
        table.extend(of_set);
    }
    let stand = codes.stand(graph, shapes.into_iter());
    let table = graph.bytes(&[table.len()], &table);
    let found = graph.gather(&table, &stand, 0);
    graph.cast(&found, Element::Double)
}

/// The lists of a `TreeEnsemble`.
#[derive(Default)]
struct Layout {
    width: usize,
    memberships: BTreeMap<Membership, usize>,
    roots: Vec<i64>,
    columns: Vec<i64>,
    splits: Vec<f64>,
    missing_first: Vec<i64>,
    /// Of either branch: the number of the node or leaf, and whether it is a leaf.
    firsts: Vec<(i64, i64)>,
    seconds: Vec<(i64, i64)>,
    leaves: Vec<f64>,
}

impl Layout {
    fn push(&mut self, tree: &Tree) {
        let sets = tree.sets();
        self.roots.push(self.columns.len() as i64);
        let is_leaf = |node: usize| tree.left_children[node] == -1;
        if is_leaf(0) {
            // The format knows no tree without a test.
            let leaf = self.leaf(tree, 0);
            self.test(0, 0.0, true, [leaf, leaf]);
            return;
        }
        // The numbers that nodes and leaves will have, in the order of the file.
        let (mut tests, first) = (0, self.columns.len() as i64);
        let mut number = Vec::with_capacity(tree.left_children.len());
        for node in 0..tree.left_children.len() {
            number.push(if is_leaf(node) {
                self.leaf(tree, node)
            } else {
                tests += 1;
                (first + tests - 1, 0)
            });
        }
        for node in (0..tree.left_children.len()).filter(|&node| !is_leaf(node)) {
            let missing_first = tree.default_left[node] != 0;
            let branches = [tree.left_children[node], tree.right_children[node]].map(|child| number[child as usize]);
            let column = tree.split_indices[node];
            match sets.get(&node) {
                Some(set) => {
                    let next = self.width + self.memberships.len();
                    let of_set = (column, set.clone(), !missing_first);
                    let place = *self.memberships.entry(of_set).or_insert(next);
                    self.test(place, HALF, missing_first, branches);
                }
                None => self.test(column, f64::from(tree.split_conditions[node]), missing_first, branches),
            }
        }
    }

    fn leaf(&mut self, tree: &Tree, node: usize) -> (i64, i64) {
        self.leaves.push(f64::from(tree.split_conditions[node]));
        (self.leaves.len() as i64 - 1, 1)
    }

    fn test(&mut self, column: usize, split: f64, missing_first: bool, branches: [(i64, i64); 2]) {
        self.columns.push(column as i64);
        self.splits.push(split);
        self.missing_first.push(i64::from(missing_first));
        self.firsts.push(branches[0]);
        self.seconds.push(branches[1]);
    }

    fn attributes(&self) -> Vec<proto::Message> {
        let doubles = |values: &[f64]| {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            proto::tensor("", Element::Double, &[values.len()], &bytes)
        };
        let ids = |of: &[(i64, i64)]| of.iter().map(|branch| branch.0).collect::<Vec<_>>();
        let leaves = |of: &[(i64, i64)]| of.iter().map(|branch| branch.1).collect::<Vec<_>>();
        let modes = proto::tensor("", Element::Byte, &[self.splits.len()], &vec![BELOW; self.splits.len()]);
        vec![
            proto::int_attribute("n_targets", 1),
            proto::int_attribute("aggregate_function", SUM),
            proto::int_attribute("post_transform", 0),
            proto::ints_attribute("tree_roots", &self.roots),
            proto::ints_attribute("nodes_featureids", &self.columns),
            proto::tensor_attribute("nodes_splits", &doubles(&self.splits)),
            proto::tensor_attribute("nodes_modes", &modes),
            proto::ints_attribute("nodes_truenodeids", &ids(&self.firsts)),
            proto::ints_attribute("nodes_trueleafs", &leaves(&self.firsts)),
            proto::ints_attribute("nodes_falsenodeids", &ids(&self.seconds)),
            proto::ints_attribute("nodes_falseleafs", &leaves(&self.seconds)),
            proto::ints_attribute("nodes_missing_value_tracks_true", &self.missing_first),
            proto::ints_attribute("leaf_targetids", &vec![0; self.leaves.len()]),
            proto::tensor_attribute("leaf_weights", &doubles(&self.leaves)),
        ]
    }
}

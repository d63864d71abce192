//! Parts of the feature space in which errors are alike in size.
//!
//! Owns: one regression tree over the columns of the view. Invariant: every row, even a shorter one, is in one part.
//! Deliberately absent: what is predicted in a part.

use serde::{Deserialize, Serialize};

use crate::models::Matrix;

/// Bins of a column; missing values have one more.
const BINS: usize = 16;
/// Most tests on the way to a part.
const MAX_DEPTH: usize = 6;
/// Least gain of the log-likelihood of a split: beyond what the best of many splits gains by chance.
const MIN_GAIN: f64 = 25.0;

/// A tree whose leaves are the parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Partition {
    /// In the order in which they were split; the first is the root.
    nodes: Vec<Node>,
    /// Number of parts.
    pub(super) parts: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Node {
    Split { column: usize, at_most: f32, missing_below: bool, below: usize, above: usize },
    Part(usize),
}

impl Partition {
    /// Everything in one part.
    pub(super) fn whole() -> Self {
        Self { nodes: vec![Node::Part(0)], parts: 1 }
    }

    /// Parts the rows of `matrix` by the size of `squares`, one each, into parts of at least `least` rows: the splits
    /// that raise the likelihood of the gamma family most.
    pub(super) fn grow(matrix: &Matrix, squares: &[f64], least: usize) -> Self {
        let binned = Binned::new(matrix);
        let mut grown = Self { nodes: Vec::new(), parts: 0 };
        let mut waiting = vec![(0, (0..squares.len()).collect::<Vec<_>>(), 0)];
        grown.nodes.push(Node::Part(0));
        while let Some((place, rows, depth)) = waiting.pop() {
            let split = if depth < MAX_DEPTH { binned.best(&rows, squares, least) } else { None };
            let Some(split) = split else {
                grown.nodes[place] = Node::Part(grown.parts);
                grown.parts += 1;
                continue;
            };
            let (below, above): (Vec<usize>, Vec<usize>) =
                rows.into_iter().partition(|&row| binned.is_below(row, &split));
            let next = grown.nodes.len();
            grown.nodes.extend([Node::Part(0), Node::Part(0)]);
            grown.nodes[place] = Node::Split {
                column: split.column,
                at_most: binned.edges[split.column][split.edge],
                missing_below: split.missing_below,
                below: next,
                above: next + 1,
            };
            waiting.push((next + 1, above, depth + 1));
            waiting.push((next, below, depth + 1));
        }
        grown
    }

    /// The part of a row, without allocation.
    pub(super) fn part(&self, row: &[f32]) -> usize {
        let mut place = 0;
        loop {
            match self.nodes[place] {
                Node::Part(part) => return part,
                Node::Split { column, at_most, missing_below, below, above } => {
                    let value = row.get(column).copied().unwrap_or(f32::NAN);
                    let is_below = if value.is_nan() { missing_below } else { value <= at_most };
                    place = if is_below { below } else { above };
                }
            }
        }
    }

    /// Whether it can come from [`Self::grow`]: every way leads down to a part.
    pub(super) fn is_sound(&self) -> bool {
        let sound = |(place, node): (usize, &Node)| match *node {
            Node::Part(part) => part < self.parts,
            Node::Split { at_most, below, above, .. } => {
                at_most.is_finite() && [below, above].iter().all(|&next| next > place && next < self.nodes.len())
            }
        };
        !self.nodes.is_empty() && self.nodes.iter().enumerate().all(sound)
    }
}

struct Split {
    column: usize,
    edge: usize,
    missing_below: bool,
}

/// A table whose values are places among quantiles.
struct Binned {
    /// Upper ends of the bins of each column but the last.
    edges: Vec<Vec<f32>>,
    /// Column after column.
    bins: Vec<u8>,
    rows: usize,
}

impl Binned {
    fn new(matrix: &Matrix) -> Self {
        let rows = matrix.rows();
        let (mut edges, mut bins) = (Vec::with_capacity(matrix.width()), Vec::with_capacity(rows * matrix.width()));
        for column in 0..matrix.width() {
            let values = (0..rows).map(|row| matrix.row(row)[column]);
            let mut known: Vec<f32> = values.clone().filter(|value| value.is_finite()).collect();
            known.sort_by(f32::total_cmp);
            let mut ends: Vec<f32> = (1..BINS).filter_map(|bin| known.get(bin * known.len() / BINS).copied()).collect();
            ends.dedup();
            bins.extend(
                values.map(
                    |value| {
                        if value.is_nan() { BINS as u8 } else { ends.partition_point(|&end| end < value) as u8 }
                    },
                ),
            );
            edges.push(ends);
        }
        Self { edges, bins, rows }
    }

    fn is_below(&self, row: usize, split: &Split) -> bool {
        let bin = usize::from(self.bins[split.column * self.rows + row]);
        if bin == BINS { split.missing_below } else { bin <= split.edge }
    }

    fn best(&self, rows: &[usize], squares: &[f64], least: usize) -> Option<Split> {
        let mut best = (MIN_GAIN, None);
        for (column, edges) in self.edges.iter().enumerate() {
            let mut sums = [(0.0, 0_usize); BINS + 1];
            for &row in rows {
                let bin = &mut sums[usize::from(self.bins[column * self.rows + row])];
                bin.0 += squares[row];
                bin.1 += 1;
            }
            let total = sums.iter().fold((0.0, 0), |sum, bin| (sum.0 + bin.0, sum.1 + bin.1));
            for missing_below in [false, true] {
                let mut below = if missing_below { sums[BINS] } else { (0.0, 0) };
                for (edge, bin) in sums[..edges.len()].iter().enumerate() {
                    below = (below.0 + bin.0, below.1 + bin.1);
                    let above = (total.0 - below.0, total.1 - below.1);
                    if below.1 < least || above.1 < least {
                        continue;
                    }
                    let gain = deviance(total) - deviance(below) - deviance(above);
                    if gain > best.0 {
                        best = (gain, Some(Split { column, edge, missing_below }));
                    }
                }
            }
        }
        best.1
    }
}

/// Of a sum of squares and its count, but for what all splits have in common.
fn deviance((sum, count): (f64, usize)) -> f64 {
    let count = count as f64;
    count * (sum.max(1e-12) / count).ln()
}

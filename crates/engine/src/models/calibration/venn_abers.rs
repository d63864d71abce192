//! Venn–Abers predictors: for every score the two probabilities between which a calibrated one lies.
//!
//! Owns: the inductive form, computed once so that a prediction is two binary searches. Invariant: for every score
//! 0 ≤ p0 ≤ p1 ≤ 1, and neither falls when the score rises. Deliberately absent: the merging of the two into one
//! probability; that of a score comes from the calibration map, which rises strictly.
//!
//! V. Vovk, I. Petej, "Venn–Abers predictors", UAI 2014; V. Vovk, I. Petej, V. Fedorova, "Large-scale probabilistic
//! predictors with and without guarantees of validity", NIPS 2015, algorithms 1 to 4.

use serde::{Deserialize, Serialize};

/// The pairs (p0, p1) of all scores.
///
/// p0 is the isotonic regression at the score of the calibration examples and one more that did not convert, p1 with
/// one more that did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VennAbers {
    /// Where p0 changes: from this score on, ascending.
    lower_from: Vec<f64>,
    /// p0 from there on; 0 before the first.
    lower: Vec<f64>,
    /// Where p1 changes: up to and with this score, ascending.
    upper_to: Vec<f64>,
    /// p1 up to there; 1 after the last.
    upper: Vec<f64>,
}

impl VennAbers {
    /// Fits to calibration examples: a finite score and a label between 0 and 1 of each. Without examples every pair
    /// is (0, 1).
    #[must_use]
    pub fn fit(scores: &[f64], labels: &[f32]) -> Self {
        let groups = grouped(scores, labels);
        let upper_values = with_one_more_converted(&groups);
        let mirrored: Vec<Group> = groups.iter().rev().map(Group::mirrored).collect();
        let mut lower_values = with_one_more_converted(&mirrored);
        lower_values.reverse();
        let mut fitted = Self { lower_from: Vec::new(), lower: Vec::new(), upper_to: Vec::new(), upper: Vec::new() };
        for (index, group) in groups.iter().enumerate() {
            let lower = 1.0 - lower_values[index];
            if lower > fitted.lower.last().copied().unwrap_or(0.0) {
                fitted.lower_from.push(group.score);
                fitted.lower.push(lower);
            }
            let upper = upper_values[index];
            if fitted.upper.last().is_some_and(|last| *last >= upper) {
                fitted.upper_to.pop();
                fitted.upper_to.push(group.score);
            } else {
                fitted.upper_to.push(group.score);
                fitted.upper.push(upper);
            }
        }
        fitted
    }

    /// The pair [p0, p1] of a score, without allocation.
    #[must_use]
    pub fn pair(&self, score: f64) -> [f64; 2] {
        let below = self.lower_from.partition_point(|&from| from <= score);
        let above = self.upper_to.partition_point(|&to| to < score);
        let lower = below.checked_sub(1).map_or(0.0, |index| self.lower[index]);
        let upper = self.upper.get(above).copied().unwrap_or(1.0);
        [lower, upper.max(lower)]
    }

    /// Whether the figures can come from [`Self::fit`]; files are not trusted.
    pub(crate) fn is_sound(&self) -> bool {
        let steps = |scores: &[f64], values: &[f64]| {
            scores.len() == values.len()
                && scores.iter().all(|score| score.is_finite())
                && scores.is_sorted()
                && values.iter().all(|value| (0.0..=1.0).contains(value))
                && values.is_sorted()
        };
        steps(&self.lower_from, &self.lower) && steps(&self.upper_to, &self.upper)
    }
}

/// The examples of one score.
#[derive(Debug, Clone, Copy)]
struct Group {
    score: f64,
    count: f64,
    /// Sum of the labels.
    converted: f64,
}

impl Group {
    /// The same with scores and labels turned round.
    fn mirrored(&self) -> Self {
        Self { score: -self.score, count: self.count, converted: self.count - self.converted }
    }
}

/// By score, ascending.
fn grouped(scores: &[f64], labels: &[f32]) -> Vec<Group> {
    let mut pairs: Vec<(f64, f32)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    // Sums of labels other than 0 and 1 depend on the order, so it is fixed.
    pairs.sort_by(|x, y| x.0.total_cmp(&y.0).then(x.1.total_cmp(&y.1)));
    let mut groups: Vec<Group> = Vec::new();
    for (score, label) in pairs {
        match groups.last_mut() {
            Some(last) if last.score == score => {
                last.count += 1.0;
                last.converted += f64::from(label);
            }
            _ => groups.push(Group { score, count: 1.0, converted: f64::from(label) }),
        }
    }
    groups
}

/// A corner of the cumulative sum diagram: examples so far, and how many of them converted.
type Corner = (f64, f64);

/// Isotonic regression at each group, had it one more example that converted: slopes of the greatest convex minorant
/// of the cumulative sum diagram, in which the additional example moves up group by group.
fn with_one_more_converted(groups: &[Group]) -> Vec<f64> {
    let mut points: Vec<Corner> = Vec::with_capacity(groups.len() + 2);
    points.extend([(-1.0, -1.0), (0.0, 0.0)]);
    for group in groups {
        let (count, converted) = points[points.len() - 1];
        points.push((count + group.count, converted + group.converted));
    }
    // The minorant's corners from left to right, then the other way round: its left end is on top.
    let mut corners: Vec<Corner> = Vec::new();
    for &point in &points {
        push_corner(&mut corners, point, |next, top, new| turn(next, top, new) > 0.0);
    }
    corners.reverse();
    let mut values = Vec::with_capacity(groups.len());
    for index in 2..points.len() {
        let (top, next) = (corners[corners.len() - 1], corners[corners.len() - 2]);
        values.push(((next.1 - top.1) / (next.0 - top.0)).clamp(0.0, 1.0));
        // The additional example passes this group.
        let (from, to, before) = (points[index - 1], points[index], points[index - 2]);
        let moved = (before.0 + to.0 - from.0, before.1 + to.1 - from.1);
        points[index - 1] = moved;
        if turn(top, next, moved) < 0.0 {
            corners.pop();
            push_corner(&mut corners, moved, |next, top, new| turn(new, top, next) > 0.0);
        }
    }
    values
}

/// Pushes a corner after removing those with which the diagram would no longer be convex.
fn push_corner(corners: &mut Vec<Corner>, new: Corner, convex: impl Fn(Corner, Corner, Corner) -> bool) {
    while corners.len() > 1 && !convex(corners[corners.len() - 2], corners[corners.len() - 1], new) {
        corners.pop();
    }
    corners.push(new);
}

/// Above 0 where the way from `a` over `b` to `c` turns left, that is, where `c` lies above the line.
fn turn(a: Corner, b: Corner, c: Corner) -> f64 {
    (b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0)
}

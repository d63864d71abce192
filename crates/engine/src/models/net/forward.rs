//! The network's arithmetic for one row.
//!
//! Owns: the forward pass and the slopes that attributions are made of. Invariant: nothing is allocated, all loops
//! have a length known at compile time, and the log-odds equal those of the training but for rounding.

use leadscore_neural::{HEADS, HIDDEN, SECOND, Weights};

/// Points and weights of the Gauss–Legendre rule on [0, 1] with as many points.
const POINTS: [(f32, f32); 4] = [
    (0.069_431_84, 0.173_927_42),
    (0.330_009_5, 0.326_072_58),
    (0.669_990_5, 0.326_072_58),
    (0.930_568_16, 0.173_927_42),
];

/// Weights, laid out for one row at a time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layers {
    pub(super) weights: Weights,
    /// `weights.matrix`, transposed.
    transposed: [[f32; HIDDEN]; SECOND],
}

impl Layers {
    pub(super) fn new(weights: Weights) -> Self {
        let transposed = std::array::from_fn(|j| std::array::from_fn(|h| weights.matrix[h][j]));
        Self { weights, transposed }
    }

    /// Log-odds of each head for the sum of the columns' vectors.
    pub(super) fn heads(&self, sums: &[f32; HIDDEN]) -> [f64; HEADS] {
        std::array::from_fn(|head| {
            let first = self.first(head, sums);
            let second = self.second(head, &first).map(|value| value.max(0.0));
            let w = &self.weights;
            let log_odds = dot(&second, &w.output[head]) + dot(sums, &w.skip[head]) + w.intercept[head];
            f64::from(log_odds)
        })
    }

    /// Slopes of the mean of the heads' log-odds by each element of the sums, averaged along the straight way from
    /// the average example to this one.
    pub(super) fn slopes(&self, sums: &[f32; HIDDEN]) -> [f32; HIDDEN] {
        let mut slopes = [0.0; HIDDEN];
        for (at, weight) in POINTS {
            let point = sums.map(|sum| at * sum);
            for head in 0..HEADS {
                self.add_slope(head, &point, weight / HEADS as f32, &mut slopes);
            }
        }
        for skip in &self.weights.skip {
            add(&mut slopes, skip, 1.0 / HEADS as f32);
        }
        slopes
    }

    /// Adds `weight` times the gradient of one head, without the skip, at `point`.
    fn add_slope(&self, head: usize, point: &[f32; HIDDEN], weight: f32, slopes: &mut [f32; HIDDEN]) {
        let w = &self.weights;
        let first = self.first(head, point);
        let second = self.second(head, &first);
        let mut back = [0.0; HIDDEN];
        for (j, value) in second.iter().enumerate() {
            if *value > 0.0 {
                add(&mut back, &self.transposed[j], w.output[head][j] * w.scale_2[head][j]);
            }
        }
        for h in 0..HIDDEN {
            let open = if first[h] > 0.0 { weight } else { 0.0 };
            slopes[h] += open * back[h] * w.scale_1[head][h];
        }
    }

    /// The first layer of a head.
    fn first(&self, head: usize, sums: &[f32; HIDDEN]) -> [f32; HIDDEN] {
        let (scale, shift) = (&self.weights.scale_1[head], &self.weights.shift_1[head]);
        std::array::from_fn(|h| (sums[h] * scale[h] + shift[h]).max(0.0))
    }

    /// The second layer of a head, before what is below 0 is cut off.
    fn second(&self, head: usize, first: &[f32; HIDDEN]) -> [f32; SECOND] {
        let mut second = [0.0; SECOND];
        for (&value, row) in first.iter().zip(&self.weights.matrix) {
            add(&mut second, row, value);
        }
        let (scale, shift) = (&self.weights.scale_2[head], &self.weights.shift_2[head]);
        std::array::from_fn(|j| second[j] * scale[j] + shift[j])
    }
}

/// Adds `factor` times `row`.
#[inline]
pub(super) fn add<const N: usize>(to: &mut [f32; N], row: &[f32; N], factor: f32) {
    for (to, value) in to.iter_mut().zip(row) {
        *to += factor * value;
    }
}

/// Sum of the products; in eight sums, so that it is computed eight at a time.
#[inline]
pub(super) fn dot<const N: usize>(a: &[f32; N], b: &[f32; N]) -> f32 {
    const { assert!(N.is_multiple_of(8), "computed eight at a time") };
    let mut sums = [0.0; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

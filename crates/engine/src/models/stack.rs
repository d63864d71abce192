//! How the members' log-odds become one.
//!
//! Owns: the weights. Invariant: no weight is negative, and a member that does not earn its place has weight zero, so
//! that it need not be evaluated. Deliberately absent: the members, and which examples weigh them: they must be ones
//! that no member was fitted on (D. Wolpert, "Stacked generalization", 1992; non-negative weights after L. Breiman,
//! "Stacked regressions", 1996).

use serde::{Deserialize, Serialize};

use super::numeric::{sigmoid, softplus};

/// What a member must add to the log-likelihood of all examples to be kept, in nats: the price of a parameter by
/// Akaike's criterion.
const WORTH_NATS: f64 = 1.0;
/// Weight of the prior that all members are equally good, in squared units of a weight.
const EQUAL_PRIOR: f64 = 1.0;
/// Newton steps.
const MAX_STEPS: usize = 100;
/// Halvings of a step that does not lower the loss.
const MAX_HALVINGS: usize = 30;
/// Change of every coefficient below which the fit has settled.
const SETTLED: f64 = 1e-10;

/// `log-odds = intercept + Σ weight · member's log-odds`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// One weight per member, at least 0; 0 where the member does not help.
    pub weights: Vec<f64>,
    /// Intercept, in log-odds.
    pub intercept: f64,
}

impl Stack {
    /// Weighs members by their log-odds of examples that they were not fitted on: `members[m][i]` is what member `m`
    /// says of example `i`, `targets` are from 0 to 1. At least one member; all lists are of one length.
    ///
    /// The log-loss is minimised under weights of at least 0; then the least useful members are dropped as long as
    /// that costs less than [`WORTH_NATS`].
    pub(super) fn fit(members: &[Vec<f64>], targets: &[f32]) -> Self {
        let mut kept: Vec<usize> = (0..members.len()).collect();
        let mut best = Fit::new(members, targets, &kept);
        while kept.len() > 1 {
            let without = |left_out: usize| -> Vec<usize> { kept.iter().copied().filter(|&m| m != left_out).collect() };
            let next = kept.iter().map(|&m| (Fit::new(members, targets, &without(m)), m));
            let Some((cheaper, left_out)) = next.min_by(|(x, _), (y, _)| x.loss.total_cmp(&y.loss)) else { break };
            if cheaper.loss - best.loss >= WORTH_NATS {
                break;
            }
            kept.retain(|&m| m != left_out);
            best = cheaper;
        }
        let mut weights = vec![0.0; members.len()];
        for (&m, &weight) in kept.iter().zip(&best.at) {
            weights[m] = weight;
        }
        Self { weights, intercept: best.at[kept.len()] }
    }

    /// The stacked log-odds; `member(m)` is asked only for members of weight above 0.
    pub(super) fn log_odds(&self, mut member: impl FnMut(usize) -> f64) -> f64 {
        let used = self.weights.iter().enumerate().filter(|&(_, &weight)| weight > 0.0);
        used.map(|(m, &weight)| weight * member(m)).sum::<f64>() + self.intercept
    }

    /// Whether the figures can come from [`Self::fit`]; files are not trusted.
    pub(super) fn is_sound(&self) -> bool {
        self.intercept.is_finite()
            && self.weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0)
            && self.weights.iter().any(|weight| *weight > 0.0)
    }
}

/// A fit of some of the members.
struct Fit {
    /// A weight for each member, then the intercept.
    at: Vec<f64>,
    /// Summed log-loss with the prior's penalty.
    loss: f64,
}

impl Fit {
    fn new(members: &[Vec<f64>], targets: &[f32], kept: &[usize]) -> Self {
        let problem = Problem { members: kept.iter().map(|&m| members[m].as_slice()).collect(), targets };
        let equal = 1.0 / kept.len() as f64;
        let mut at = vec![equal; kept.len()];
        at.push(0.0);
        let mut loss = problem.loss(&at);
        for _ in 0..MAX_STEPS {
            let Some((next, next_loss)) = problem.step(&at, loss) else { break };
            let moved = at.iter().zip(&next).map(|(old, new)| (old - new).abs()).fold(0.0, f64::max);
            (at, loss) = (next, next_loss);
            if moved < SETTLED {
                break;
            }
        }
        // A lone member must count, however useless: without any there is no model.
        if kept.len() == 1 && at[0] <= 0.0 {
            at[0] = f64::MIN_POSITIVE;
        }
        Self { at, loss }
    }
}

struct Problem<'a> {
    members: Vec<&'a [f64]>,
    targets: &'a [f32],
}

impl Problem<'_> {
    fn value(&self, at: &[f64], example: usize) -> f64 {
        let weighted = self.members.iter().zip(at).map(|(member, weight)| member[example] * weight);
        weighted.sum::<f64>() + at[self.members.len()]
    }

    fn loss(&self, at: &[f64]) -> f64 {
        let fit: f64 = self
            .targets
            .iter()
            .enumerate()
            .map(|(example, &target)| {
                let value = self.value(at, example);
                softplus(value) - f64::from(target) * value
            })
            .sum();
        let equal = 1.0 / self.members.len() as f64;
        let away: f64 = at[..self.members.len()].iter().map(|weight| (weight - equal).powi(2)).sum();
        fit + EQUAL_PRIOR / 2.0 * away
    }

    /// One Newton step over the coefficients that are free to move, cut at 0; `None` where none lowers the loss.
    fn step(&self, at: &[f64], loss: f64) -> Option<(Vec<f64>, f64)> {
        let (gradient, hessian) = self.derivatives(at);
        let count = self.members.len();
        let free: Vec<usize> = (0..=count).filter(|&j| j == count || at[j] > 0.0 || gradient[j] < 0.0).collect();
        let system = free.iter().map(|&i| free.iter().map(|&j| hessian[i][j]).collect()).collect();
        let direction = solve(system, free.iter().map(|&j| gradient[j]).collect())?;
        let mut scale = 1.0;
        for _ in 0..MAX_HALVINGS {
            let mut next = at.to_vec();
            for (&j, step) in free.iter().zip(&direction) {
                next[j] -= scale * step;
                if j < count {
                    next[j] = next[j].max(0.0);
                }
            }
            let next_loss = self.loss(&next);
            if next_loss < loss {
                return Some((next, next_loss));
            }
            scale /= 2.0;
        }
        None
    }

    fn derivatives(&self, at: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
        let count = self.members.len();
        let equal = 1.0 / count as f64;
        let mut gradient: Vec<f64> = at.iter().map(|weight| EQUAL_PRIOR * (weight - equal)).collect();
        gradient[count] = 0.0;
        let mut hessian = vec![vec![0.0; count + 1]; count + 1];
        for (j, line) in hessian.iter_mut().enumerate().take(count) {
            line[j] = EQUAL_PRIOR;
        }
        for (example, &target) in self.targets.iter().enumerate() {
            let probability = sigmoid(self.value(at, example));
            let residual = probability - f64::from(target);
            let curvature = probability * (1.0 - probability);
            let input = |j: usize| if j == count { 1.0 } else { self.members[j][example] };
            for i in 0..=count {
                gradient[i] += residual * input(i);
                for (j, entry) in hessian[i].iter_mut().enumerate() {
                    *entry += curvature * input(i) * input(j);
                }
            }
        }
        (gradient, hessian)
    }
}

/// Solves a positive definite system by elimination; `None` where it is not positive definite.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let n = right.len();
    for pivot in 0..n {
        if !(matrix[pivot][pivot] > 1e-12 && matrix[pivot][pivot].is_finite()) {
            return None;
        }
        for row in pivot + 1..n {
            let factor = matrix[row][pivot] / matrix[pivot][pivot];
            let (above, below) = matrix.split_at_mut(row);
            for (entry, known) in below[0].iter_mut().zip(&above[pivot]).skip(pivot) {
                *entry -= factor * known;
            }
            right[row] -= factor * right[pivot];
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|column| matrix[row][column] * right[column]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Log-odds of a truth, and outcomes drawn from it.
    fn world(n: usize, seed: u64) -> (Vec<f64>, Vec<f32>, ChaCha8Rng) {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let truth: Vec<f64> = (0..n).map(|_| generator.random_range(-4.0..1.0)).collect();
        let targets = truth.iter().map(|&z| f32::from(u8::from(generator.random::<f64>() < sigmoid(z)))).collect();
        (truth, targets, generator)
    }

    #[test]
    fn noise_and_contradiction_get_no_weight() {
        let (truth, targets, mut generator) = world(4_000, 1);
        let noise = (0..truth.len()).map(|_| generator.random_range(-2.0..2.0)).collect();
        let contrary = truth.iter().map(|z| -z).collect();
        let stack = Stack::fit(&[noise, truth, contrary], &targets);
        assert_eq!((stack.weights[0], stack.weights[2]), (0.0, 0.0));
        assert!((stack.weights[1] - 1.0).abs() < 0.1 && stack.intercept.abs() < 0.2, "{stack:?}");
        assert!(stack.is_sound());
        let mut asked = Vec::new();
        stack.log_odds(|member| {
            asked.push(member);
            0.0
        });
        assert_eq!(asked, [1]);
    }

    #[test]
    fn two_views_of_the_truth_share_the_weight() {
        let (truth, targets, mut generator) = world(20_000, 2);
        let mut view = || -> Vec<f64> { truth.iter().map(|z| z + generator.random_range(-1.5..1.5)).collect() };
        let (left, right) = (view(), view());
        let stack = Stack::fit(&[left, right], &targets);
        assert!(stack.weights.iter().all(|weight| (0.25..0.75).contains(weight)), "{stack:?}");
    }

    #[test]
    fn a_lone_useless_member_still_makes_a_model() {
        let targets: Vec<f32> = (0..100).map(|i| f32::from(u8::from(i % 4 == 0))).collect();
        let contrary: Vec<f64> = targets.iter().map(|&target| f64::from(-target)).collect();
        let stack = Stack::fit(&[contrary], &targets);
        assert!(stack.is_sound());
        assert!((sigmoid(stack.log_odds(|_| 0.0)) - 0.25).abs() < 0.01, "{stack:?}");
    }

    proptest! {
        /// Whatever is stacked, no better point lies near by.
        #[test]
        fn the_fit_is_the_constrained_minimum(seed in 0_u64..50, mix in -1.0..1.0_f64) {
            let (truth, targets, mut generator) = world(300, seed);
            let other: Vec<f64> = truth.iter().map(|z| mix * z + generator.random_range(-1.0..1.0)).collect();
            let members = [truth, other];
            let fit = Fit::new(&members, &targets, &[0, 1]);
            let problem = Problem { members: members.iter().map(Vec::as_slice).collect(), targets: &targets };
            for j in 0..3 {
                for step in [-1e-3, 1e-3] {
                    let mut near = fit.at.clone();
                    near[j] += step;
                    if j < 2 { near[j] = near[j].max(0.0); }
                    prop_assert!(problem.loss(&near) >= fit.loss - 1e-9);
                }
            }
        }
    }
}

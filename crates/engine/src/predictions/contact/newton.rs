//! One damped Newton step of a penalised logistic likelihood on counts.

use crate::models::numeric::{sigmoid, softplus};

/// Attempts and answers, both weighted, whose log-odds are `offset` plus the parameters at `places`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell<const P: usize> {
    pub(super) places: [usize; P],
    pub(super) offset: f64,
    pub(super) attempts: f64,
    pub(super) answers: f64,
}

/// Adds up to half the square of `weight · Σ factor · parameter`.
#[derive(Debug, Clone)]
pub(super) struct Penalty {
    pub(super) weight: f64,
    pub(super) terms: Vec<(usize, f64)>,
}

/// Halvings of a step that does not help.
const HALVINGS: usize = 20;

/// Moves `at` towards the maximum of the penalised likelihood; never away from it.
pub(super) fn improve<const P: usize>(at: &mut [f64], cells: &[Cell<P>], penalties: &[Penalty]) {
    let n = at.len();
    let mut slope = vec![0.0; n];
    let mut curvature = vec![0.0; n * n];
    for cell in cells.iter().filter(|cell| cell.attempts > 0.0) {
        let rate = sigmoid(log_odds(at, cell));
        let residual = cell.attempts * rate - cell.answers;
        let weight = cell.attempts * rate * (1.0 - rate);
        for &i in &cell.places {
            slope[i] += residual;
            for &j in &cell.places {
                curvature[i * n + j] += weight;
            }
        }
    }
    for penalty in penalties {
        let value = sum(at, penalty);
        for &(i, factor) in &penalty.terms {
            slope[i] += penalty.weight * value * factor;
            for &(j, other) in &penalty.terms {
                curvature[i * n + j] += penalty.weight * factor * other;
            }
        }
    }
    let Some(step) = solve(curvature, slope) else { return };
    let before = loss(at, cells, penalties);
    let mut scale = 1.0;
    for _ in 0..HALVINGS {
        let next: Vec<f64> = at.iter().zip(&step).map(|(value, step)| value - scale * step).collect();
        if loss(&next, cells, penalties) <= before {
            at.copy_from_slice(&next);
            return;
        }
        scale /= 2.0;
    }
}

fn log_odds<const P: usize>(at: &[f64], cell: &Cell<P>) -> f64 {
    cell.offset + cell.places.iter().map(|&place| at[place]).sum::<f64>()
}

fn sum(at: &[f64], penalty: &Penalty) -> f64 {
    penalty.terms.iter().map(|&(place, factor)| factor * at[place]).sum()
}

fn loss<const P: usize>(at: &[f64], cells: &[Cell<P>], penalties: &[Penalty]) -> f64 {
    let fit = cells.iter().filter(|cell| cell.attempts > 0.0).map(|cell| {
        let value = log_odds(at, cell);
        cell.answers * softplus(-value) + (cell.attempts - cell.answers) * softplus(value)
    });
    fit.sum::<f64>() + penalties.iter().map(|penalty| penalty.weight / 2.0 * sum(at, penalty).powi(2)).sum::<f64>()
}

/// Solves a positive definite system by Cholesky's method; `None` where it is not positive definite.
fn solve(mut matrix: Vec<f64>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let n = right.len();
    for i in 0..n {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| matrix[i * n + k] * matrix[j * n + k]).sum();
            let rest = matrix[i * n + j] - known;
            matrix[i * n + j] = if i == j {
                if rest <= 1e-10 || !rest.is_finite() {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / matrix[j * n + j]
            };
        }
    }
    for i in 0..n {
        let known: f64 = (0..i).map(|k| matrix[i * n + k] * right[k]).sum();
        right[i] = (right[i] - known) / matrix[i * n + i];
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|k| matrix[k * n + i] * right[k]).sum();
        right[i] = (right[i] - known) / matrix[i * n + i];
    }
    Some(right)
}

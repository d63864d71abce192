//! Limited-memory BFGS for smooth convex functions: D. Liu, J. Nocedal, "On the limited memory BFGS method for large
//! scale optimization", 1989, with step halving to sufficient decrease.

use std::collections::VecDeque;

/// Corrections kept.
const MEMORY: usize = 10;
/// Largest derivative at the minimum, relative to the function's value.
pub(super) const TOLERANCE: f64 = 1e-7;
/// Steps in a row with less than the least decrease that end a search.
const IDLE: usize = 3;
/// Share of the predicted decrease that a step must bring.
const SUFFICIENT: f64 = 1e-4;

/// One correction: step, change of the gradient, and the inverse of their product.
type Correction = (Vec<f64>, Vec<f64>, f64);

/// Divides a vector by the curvature.
pub(crate) type Divide<'a> = &'a dyn Fn(&mut [f64]);

/// When a search ends before the minimum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Until {
    /// Most steps.
    pub(crate) steps: usize,
    /// Decrease of the value, relative to it, below which a step brought hardly anything.
    pub(crate) least_decrease: f64,
}

impl Default for Until {
    fn default() -> Self {
        Self { steps: 300, least_decrease: 0.0 }
    }
}

/// Minimises `function(at, gradient) -> value`, which fills `gradient`, from `start`. Where the curvature is known
/// roughly, `divide` divides a vector by it.
pub(crate) fn minimise(
    start: Vec<f64>,
    until: Until,
    divide: Option<Divide<'_>>,
    function: impl Fn(&[f64], &mut [f64]) -> f64,
) -> Vec<f64> {
    let mut at = start;
    let mut gradient = vec![0.0; at.len()];
    let mut value = function(&at, &mut gradient);
    let mut corrections: VecDeque<Correction> = VecDeque::new();
    let mut idle = 0;
    for _ in 0..until.steps {
        let steepest = gradient.iter().fold(0.0_f64, |most, slope| most.max(slope.abs()));
        if steepest <= TOLERANCE * value.abs().max(1.0) {
            break;
        }
        let direction = descent(&gradient, &corrections, divide);
        let slope = dot(&direction, &gradient);
        let mut scale =
            if corrections.is_empty() && divide.is_none() { 1.0 / dot(&gradient, &gradient).sqrt() } else { 1.0 };
        let mut next_gradient = vec![0.0; at.len()];
        let (next, next_value) = loop {
            let next: Vec<f64> = at.iter().zip(&direction).map(|(x, d)| x + scale * d).collect();
            let next_value = function(&next, &mut next_gradient);
            if next_value <= value + SUFFICIENT * scale * slope {
                break (next, next_value);
            }
            scale /= 2.0;
            if scale < 1e-12 {
                return at;
            }
        };
        let step: Vec<f64> = next.iter().zip(&at).map(|(x, y)| x - y).collect();
        let change: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(x, y)| x - y).collect();
        let product = dot(&step, &change);
        if product > 1e-12 * dot(&change, &change) {
            if corrections.len() == MEMORY {
                corrections.pop_front();
            }
            corrections.push_back((step, change, 1.0 / product));
        }
        idle = if value - next_value < until.least_decrease * value.abs() { idle + 1 } else { 0 };
        (at, gradient, value) = (next, next_gradient, next_value);
        if idle == IDLE {
            break;
        }
    }
    at
}

/// Minus the gradient times the inverse Hessian as the corrections describe it (two-loop recursion), starting from the
/// curvature that is known.
fn descent(gradient: &[f64], corrections: &VecDeque<Correction>, divide: Option<Divide<'_>>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
    let mut weights = Vec::with_capacity(corrections.len());
    for (step, change, inverse) in corrections.iter().rev() {
        let weight = inverse * dot(step, &direction);
        add(&mut direction, -weight, change);
        weights.push(weight);
    }
    if let Some(divide) = divide {
        divide(&mut direction);
    } else if let Some((_, change, inverse)) = corrections.back() {
        let scale = 1.0 / (inverse * dot(change, change));
        direction.iter_mut().for_each(|value| *value *= scale);
    }
    for ((step, change, inverse), weight) in corrections.iter().zip(weights.into_iter().rev()) {
        let back = inverse * dot(change, &direction);
        add(&mut direction, weight - back, step);
    }
    direction
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn add(to: &mut [f64], scale: f64, what: &[f64]) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += scale * what;
    }
}

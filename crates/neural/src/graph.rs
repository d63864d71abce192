//! The network as tensors of `burn`.
//!
//! Owns: the parameters, their initial values and the forward pass. Invariant: nothing random comes from `burn`: the
//! initial values and the dropout are drawn here and handed in.

use std::f32::consts::TAU;

use burn::tensor::{Device, Tensor, TensorData, activation::relu};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

use crate::{HEADS, HIDDEN, MAX_WEIGHT, SECOND, Weights, input::Basis};

/// Number of parameter tensors.
pub(crate) const PARAMETERS: usize = 11;
/// Dense columns of numbers → first layer.
const NUMBERS: usize = 0;
/// Categories → their low-rank factor.
const CODES: usize = 1;
/// Low-rank factor → first layer.
const PROJECTION: usize = 2;
const MATRIX: usize = 3;
const OUTPUT: usize = 4;
const SKIP: usize = 5;
const SCALE_1: usize = 6;
const SHIFT_1: usize = 7;
const SCALE_2: usize = 8;
const SHIFT_2: usize = 9;
const INTERCEPT: usize = 10;

/// Parameters below this are weights, which decay towards 0; the others are factors and addends, which do not.
pub(crate) const DECAYING: usize = SCALE_1;

/// All parameters, each a matrix.
pub(crate) type Parameters = [Tensor<2>; PARAMETERS];

/// Dense rows on the device.
pub(crate) struct Batch {
    pub(crate) numbers: Tensor<2>,
    pub(crate) codes: Tensor<2>,
}

/// A matrix from row-major values.
pub(crate) fn matrix(values: Vec<f32>, width: usize, device: &Device) -> Tensor<2> {
    let rows = values.len() / width;
    Tensor::from_data(TensorData::new(values, [rows, width]), device)
}

/// Initial parameters: normal weights, random signs as the heads' factors, the log-odds of the mean target.
pub(crate) fn initial(basis: &Basis, log_odds: f32, generator: &mut ChaCha8Rng, device: &Device) -> Parameters {
    let mut normal = |rows: usize, width: usize, deviation: f32| {
        matrix((0..rows * width).map(|_| deviation * gaussian(generator)).collect(), width, device)
    };
    let rank = basis.rank();
    let weights = [
        normal(basis.numbers(), HIDDEN, 1.0),
        normal(basis.codes(), rank, 1.0),
        normal(rank, HIDDEN, 1.0 / (rank as f32).sqrt()),
        normal(HIDDEN, SECOND, (2.0 / HIDDEN as f32).sqrt()),
        normal(HEADS, SECOND, (1.0 / SECOND as f32).sqrt()),
        matrix(vec![0.0; HIDDEN * HEADS], HEADS, device),
    ];
    let mut signs = |width: usize| {
        let sign = |_| if generator.random_bool(0.5) { 1.0 } else { -1.0 };
        matrix((0..HEADS * width).map(sign).collect(), width, device)
    };
    let zeros = |width: usize| matrix(vec![0.0; HEADS * width], width, device);
    let [numbers, codes, projection, matrix_12, output, skip] = weights;
    let intercept = matrix(vec![log_odds; HEADS], HEADS, device);
    let (scale_1, scale_2) = (signs(HIDDEN), signs(SECOND));
    let (shift_1, shift_2) = (zeros(HIDDEN), zeros(SECOND));
    [numbers, codes, projection, matrix_12, output, skip, scale_1, shift_1, scale_2, shift_2, intercept]
}

/// Divides the first layer by the deviation of its sums over `batch`, so that it starts at 1 whatever the columns are
/// (Mishkin, Matas 2016, "All you need is a good init").
pub(crate) fn rescale(parameters: &mut Parameters, mask: &Tensor<2>, batch: &Batch) {
    let sums = sums(parameters, mask, batch).into_data().try_into_vec::<f32>().unwrap_or_default();
    let squares: f64 = sums.iter().map(|&sum| f64::from(sum).powi(2)).sum();
    let deviation = (squares / sums.len().max(1) as f64).sqrt();
    if deviation > 0.0 && deviation.is_finite() {
        for index in [NUMBERS, PROJECTION] {
            parameters[index] = parameters[index].clone().div_scalar(deviation as f32);
        }
    }
}

/// Vectors of the categories: codes × hidden.
fn categories(parameters: &Parameters, mask: &Tensor<2>) -> Tensor<2> {
    (parameters[CODES].clone() * mask.clone()).matmul(parameters[PROJECTION].clone())
}

/// Sum of the columns' vectors: rows × hidden.
fn sums(parameters: &Parameters, mask: &Tensor<2>, batch: &Batch) -> Tensor<2> {
    let numbers = batch.numbers.clone().matmul(parameters[NUMBERS].clone());
    numbers + batch.codes.clone().matmul(categories(parameters, mask))
}

/// Log-odds of each row by head: rows × heads. `dropout` holds factors on the first layer: rows × 1 × hidden.
pub(crate) fn forward(
    parameters: &Parameters,
    mask: &Tensor<2>,
    batch: &Batch,
    dropout: Option<Tensor<3>>,
) -> Tensor<2> {
    let by_head = |index: usize| parameters[index].clone().unsqueeze_dim::<3>(0);
    let sums = sums(parameters, mask, batch);
    let rows = sums.dims()[0];
    let skipped = sums.clone().matmul(parameters[SKIP].clone()) + parameters[INTERCEPT].clone();
    let mut first = relu(sums.unsqueeze_dim::<3>(1) * by_head(SCALE_1) + by_head(SHIFT_1));
    if let Some(dropout) = dropout {
        first = first * dropout;
    }
    let second = first.reshape([rows * HEADS, HIDDEN]).matmul(parameters[MATRIX].clone());
    let second = relu(second.reshape([rows, HEADS, SECOND]) * by_head(SCALE_2) + by_head(SHIFT_2));
    (second * by_head(OUTPUT)).sum_dim(2).reshape([rows, HEADS]) + skipped
}

/// The parameters as plain numbers; `None` where one is not finite or too large.
pub(crate) fn weights(parameters: &Parameters, mask: &Tensor<2>, basis: &Basis) -> Option<Weights> {
    let plain = |tensor: Tensor<2>| {
        let values = tensor.into_data().try_into_vec::<f32>().ok()?;
        values.iter().all(|value| value.abs() <= MAX_WEIGHT).then_some(values)
    };
    let take = |index: usize| plain(parameters[index].clone());
    Some(Weights {
        tables: basis.tables(&take(NUMBERS)?, &plain(categories(parameters, mask))?),
        scale_1: grid(&take(SCALE_1)?),
        shift_1: grid(&take(SHIFT_1)?),
        matrix: grid(&take(MATRIX)?),
        scale_2: grid(&take(SCALE_2)?),
        shift_2: grid(&take(SHIFT_2)?),
        output: grid(&take(OUTPUT)?),
        skip: grid(&plain(parameters[SKIP].clone().transpose())?),
        intercept: std::array::from_fn({
            let values = take(INTERCEPT)?;
            move |head| values[head]
        }),
    })
}

fn grid<const ROWS: usize, const WIDTH: usize>(values: &[f32]) -> [[f32; WIDTH]; ROWS] {
    std::array::from_fn(|row| std::array::from_fn(|column| values[row * WIDTH + column]))
}

/// A standard normal number (Box, Muller 1958).
fn gaussian(generator: &mut impl Rng) -> f32 {
    let radius = (-2.0 * (1.0 - generator.random::<f32>()).ln()).sqrt();
    radius * (TAU * generator.random::<f32>()).cos()
}

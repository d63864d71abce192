//! The optimisation: AdamW on batches, an average of the weights, early stopping.
//!
//! Owns: the order of the examples, dropout, steps, when to stop. Invariant: a batch is always divided into the same
//! shards, whose gradients are added in the same order, and within a shard one thread computes, so that the number
//! of threads changes nothing. Deliberately absent: a schedule of the learning rate, because a refit for a given
//! number of epochs must go the same way as the training that found it; the average of the weights takes its place.

use std::array::from_fn;

use burn::{
    optim::{AdamW, AdamWConfig, Optimizer},
    tensor::{Device, Tensor, TensorData, activation::sigmoid},
};
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::{
    Examples, HEADS, HIDDEN, Options, TrainError, Trained, Weights,
    graph::{self, Batch, DECAYING, PARAMETERS, Parameters},
    input::Basis,
};

const LEARNING_RATE: f64 = 8e-3;
/// Decoupled weight decay (Loshchilov, Hutter 2019); a step takes this times the learning rate off a weight.
const WEIGHT_DECAY: f32 = 0.5;
/// Share of the first layer that is dropped, in 256ths.
const DROPPED: u8 = 38;
/// Weight of the past in the average of the weights, once there is a past.
const AVERAGING: f64 = 0.99;
/// Batches of an epoch that are aimed at; batches are a power of two within the bounds.
const BATCHES: usize = 64;
const MIN_BATCH: usize = 32;
const MAX_BATCH: usize = 512;
/// Parts of a batch that are computed independently.
const SHARDS: usize = 2;
/// Most epochs where nothing else ends the training.
const MAX_EPOCHS: usize = 60;
/// Epochs without a better one after which the training ends.
const PATIENCE: usize = 2;
/// Most watched rows that decide when to stop.
const MAX_DECIDING: usize = 10_000;
/// Rows of one piece where nothing is learned.
const EVALUATED: usize = 1_024;

type Moments = [Option<<AdamW as Optimizer>::State<2>>; PARAMETERS];

struct Training<'a> {
    examples: &'a Examples<'a>,
    basis: Basis,
    mask: Tensor<2>,
    device: Device,
    seed: u64,
    threads: usize,
}

/// See [`crate::train`]; the examples have been checked.
pub(crate) fn run(
    examples: &Examples<'_>,
    fitted: &[usize],
    watched: &[usize],
    options: &Options,
) -> Result<Trained, TrainError> {
    let device = Device::flex();
    let basis = Basis::new(examples, fitted);
    let mask = graph::matrix(basis.mask(), basis.rank(), &device);
    let training = Training { examples, basis, mask, device, seed: options.seed, threads: options.threads };
    training.run(fitted, watched, options.epochs)
}

impl Training<'_> {
    fn run(&self, fitted: &[usize], watched: &[usize], epochs: Option<usize>) -> Result<Trained, TrainError> {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        let mut order = fitted.to_vec();
        order.shuffle(&mut generator);
        let mut parameters = self.initial(&order, &mut generator);
        let mut average = parameters.clone();
        let mut moments: Moments = from_fn(|_| None);
        let batch = (fitted.len() / BATCHES).next_power_of_two().clamp(MIN_BATCH, MAX_BATCH);
        let deciding: Vec<usize> =
            watched.iter().copied().step_by(watched.len().div_ceil(MAX_DECIDING).max(1)).collect();
        let mut step = 0;
        let mut best: Option<(f64, usize, Parameters)> = None;
        for epoch in 1..=epochs.unwrap_or(MAX_EPOCHS) {
            order.shuffle(&mut generator);
            for rows in order.chunks(batch) {
                let gradients = self.gradients(&parameters, rows, step);
                parameters = descend(parameters, gradients, &mut moments);
                step += 1;
                let past = AVERAGING.min(step as f64 / (step as f64 + 10.0)) as f32;
                average =
                    from_fn(|i| average[i].clone().mul_scalar(past) + parameters[i].clone().mul_scalar(1.0 - past));
            }
            if epochs.is_some() {
                continue;
            }
            let loss = self.loss(&average, &deciding);
            if !loss.is_finite() {
                return Err(TrainError::Diverged { epoch });
            }
            if best.as_ref().is_none_or(|(least, ..)| loss < *least) {
                best = Some((loss, epoch, average.clone()));
            } else if best.as_ref().is_some_and(|(_, at, _)| epoch - at >= PATIENCE) {
                break;
            }
        }
        let last = epochs.unwrap_or(MAX_EPOCHS);
        let (_, epochs, parameters) = best.unwrap_or((0.0, last, average));
        let weights = self.weights(&parameters).ok_or(TrainError::Diverged { epoch: epochs })?;
        Ok(Trained { weights, epochs, watched: self.log_odds(&parameters, watched) })
    }

    fn weights(&self, parameters: &Parameters) -> Option<Weights> {
        graph::weights(parameters, &self.mask, &self.basis)
    }

    fn initial(&self, order: &[usize], generator: &mut ChaCha8Rng) -> Parameters {
        let sum: f64 = order.iter().map(|&row| f64::from(self.examples.targets[row])).sum();
        let mean = (sum + 0.5) / (order.len() as f64 + 1.0);
        let log_odds = (mean / (1.0 - mean)).ln() as f32;
        let mut parameters = graph::initial(&self.basis, log_odds, generator, &self.device);
        let sample = self.batch(&order[..order.len().min(EVALUATED)]);
        graph::rescale(&mut parameters, &self.mask, &sample);
        parameters
    }

    fn batch(&self, rows: &[usize]) -> Batch {
        let (numbers, codes) = self.basis.dense(self.examples, rows);
        Batch {
            numbers: graph::matrix(numbers, self.basis.numbers(), &self.device),
            codes: graph::matrix(codes, self.basis.codes(), &self.device),
        }
    }

    /// Gradient of the mean loss of a batch.
    fn gradients(&self, parameters: &Parameters, rows: &[usize], step: usize) -> Vec<Tensor<2>> {
        let share = 1.0 / (rows.len() * HEADS) as f32;
        let shards: Vec<&[usize]> = rows.chunks(rows.len().div_ceil(SHARDS)).collect();
        let compute = |shard: usize| self.shard_gradients(parameters, shards[shard], share, step * SHARDS + shard);
        let parts: Vec<Vec<Tensor<2>>> = if self.threads > 1 && shards.len() > 1 {
            std::thread::scope(|scope| {
                let compute = &compute;
                let others: Vec<_> = (1..shards.len()).map(|shard| scope.spawn(move || compute(shard))).collect();
                let mut parts = vec![compute(0)];
                parts.extend(others.into_iter().map(|other| match other.join() {
                    Ok(part) => part,
                    Err(panic) => std::panic::resume_unwind(panic),
                }));
                parts
            })
        } else {
            (0..shards.len()).map(compute).collect()
        };
        let add = |sum: Vec<Tensor<2>>, part: Vec<Tensor<2>>| sum.into_iter().zip(part).map(|(a, b)| a + b).collect();
        parts.into_iter().reduce(add).unwrap_or_default()
    }

    fn shard_gradients(&self, parameters: &Parameters, rows: &[usize], share: f32, stream: usize) -> Vec<Tensor<2>> {
        let tracked: Parameters = from_fn(|i| parameters[i].clone().autodiff().require_grad());
        let batch = self.batch(rows);
        let log_odds = graph::forward(&tracked, &self.mask, &batch, Some(self.dropout(rows.len(), stream)));
        // The derivative of the cross-entropy by the log-odds is probability − target.
        let targets: Vec<f32> = rows.iter().map(|&row| self.examples.targets[row]).collect();
        let targets = graph::matrix(targets, 1, &self.device);
        let slope = (sigmoid(log_odds.clone().inner()) - targets).mul_scalar(share);
        let mut gradients = (log_odds * slope).sum().backward();
        tracked
            .iter()
            .map(|tensor| tensor.grad_remove(&mut gradients).unwrap_or_else(|| tensor.clone().inner().zeros_like()))
            .collect()
    }

    /// Factors on the first layer, the same for all heads: 0 for what is dropped, and what keeps the mean for the rest.
    fn dropout(&self, rows: usize, stream: usize) -> Tensor<3> {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        // Stream 0 orders the examples.
        generator.set_stream(stream as u64 + 1);
        let mut bytes = vec![0_u8; rows * HIDDEN];
        generator.fill_bytes(&mut bytes);
        let kept = 256.0 / (256.0 - f32::from(DROPPED));
        let factors = bytes.into_iter().map(|byte| if byte < DROPPED { 0.0 } else { kept }).collect();
        Tensor::from_data(TensorData::new::<f32, _>(factors, [rows, 1, HIDDEN]), &self.device)
    }

    /// Log-odds of each row by head.
    fn log_odds(&self, parameters: &Parameters, rows: &[usize]) -> Vec<[f32; HEADS]> {
        let chunks: Vec<&[usize]> = rows.chunks(EVALUATED).collect();
        let evaluate = |chunk: &[usize]| -> Vec<[f32; HEADS]> {
            let out = graph::forward(parameters, &self.mask, &self.batch(chunk), None);
            let values = out.into_data().try_into_vec::<f32>().unwrap_or_default();
            values.chunks_exact(HEADS).map(|heads| from_fn(|head| heads[head])).collect()
        };
        if self.threads < 2 || chunks.len() < 2 {
            return chunks.into_iter().flat_map(evaluate).collect();
        }
        let (front, back) = chunks.split_at(chunks.len() / 2);
        std::thread::scope(|scope| {
            let back = scope.spawn(|| back.iter().flat_map(|chunk| evaluate(chunk)).collect::<Vec<_>>());
            let mut all: Vec<_> = front.iter().flat_map(|chunk| evaluate(chunk)).collect();
            match back.join() {
                Ok(back) => all.extend(back),
                Err(panic) => std::panic::resume_unwind(panic),
            }
            all
        })
    }

    /// Mean cross-entropy of the mean of the heads' log-odds.
    fn loss(&self, parameters: &Parameters, rows: &[usize]) -> f64 {
        let of_row = |(heads, &row): (&[f32; HEADS], &usize)| {
            let log_odds = heads.iter().map(|&head| f64::from(head)).sum::<f64>() / HEADS as f64;
            log_odds.max(0.0) + (-log_odds.abs()).exp().ln_1p() - log_odds * f64::from(self.examples.targets[row])
        };
        self.log_odds(parameters, rows).iter().zip(rows).map(of_row).sum::<f64>() / rows.len() as f64
    }
}

/// One step of AdamW.
fn descend(parameters: Parameters, gradients: Vec<Tensor<2>>, moments: &mut Moments) -> Parameters {
    let mut gradients = gradients.into_iter();
    let mut index = 0;
    parameters.map(|parameter| {
        let Some(gradient) = gradients.next() else { return parameter };
        let decay = if index < DECAYING { WEIGHT_DECAY } else { 0.0 };
        let optimiser = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(decay).build();
        let (parameter, state) = optimiser.step(LEARNING_RATE, parameter, gradient, moments[index].take());
        moments[index] = state;
        index += 1;
        parameter
    })
}

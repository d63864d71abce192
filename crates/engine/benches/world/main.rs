//! How close a model comes to the best that can be known of the simulated world: `make world`.
//!
//! Owns: the observer's optimum, the model's distance from it, and whether 90 % intervals cover it 90 % of the time,
//! overall and in every slice of at least 1,000 examples, over several trainings. Invariant: the tested leads were seen by neither the model
//! nor the observer. Deliberately absent: real data; see `make quality`.
//! Prints a table, writes `target/reports/world.json`, and fails where a bar does not hold.

#![expect(clippy::print_stdout, reason = "the table is the result")]

use std::{collections::BTreeMap, ops::Range, process::ExitCode, time::Instant};

use leadscore_engine::{
    evaluate::metrics,
    features::{FeatureView, Market},
    models::{Prediction, TrainOptions, TrainingSet, train},
};
use leadscore_simulator::{SimulationOptions, World};

mod observer;
mod sample;
mod slices;

use observer::Observer;
use sample::Sample;

/// Leads that the model learns from whose log-loss is set beside the optimum's.
const TRAINED: u64 = 50_000;
/// Trainings over which coverage is counted, each on leads of its own: an interval of 90 % promises that 90 % of all
/// that could have been learned from would have led to one that holds, not that a given one holds for 90 % of a slice.
const TRAININGS: u64 = 16;
/// Leads of each of them.
const TRAINED_EACH: u64 = 10_000;
/// Leads that all are tested on.
const TESTED: u64 = 20_000;
/// Leads that one estimate of the optimum learns from; there are two.
const OBSERVED: u64 = 100_000;
/// How far the model's log-loss may be from the observer's optimum, as a ratio.
const RATIO_BAR: f64 = 1.02;
/// How far the coverage of 90 % intervals may be from 90 %.
const COVERAGE_BAR: f64 = 0.015;

fn main() -> ExitCode {
    let started = Instant::now();
    let told = |what: &str| println!("{:>6.1} s  {what}", started.elapsed().as_secs_f64());
    let trained = TRAINED + TRAININGS * TRAINED_EACH;
    let leads = trained + TESTED + 2 * OBSERVED;
    let world = World::new(SimulationOptions { leads, seed: 5, ..SimulationOptions::default() }).expect("in range");
    let market = Market::new(world.market());
    let tested = draw(&world, &market, trained..trained + TESTED);
    let estimates = [0, 1].map(|nth| {
        let from = trained + TESTED + nth * OBSERVED;
        let sample = draw(&world, &market, from..from + OBSERVED);
        let view = FeatureView::learn(&sample.snapshots);
        let matrix = view.encode(&sample.snapshots);
        let Sample { truth, snapshots } = sample;
        drop(snapshots);
        let estimate = Observer::fit(&matrix, &truth, nth).log_odds(&view.encode(&tested.snapshots));
        told("an estimate of the observer's optimum");
        estimate
    });
    let optimum: Vec<f64> = estimates[0].iter().zip(&estimates[1]).map(|(x, y)| sigmoid((x + y) / 2.0)).collect();
    let model = trained_on(&draw(&world, &market, 0..TRAINED), &tested);
    told("the model is trained");
    let ratio = against_optimum(&tested, &model, &estimates, &optimum);
    let mut coverage = Coverage::default();
    for nth in 0..TRAININGS {
        let from = TRAINED + nth * TRAINED_EACH;
        let predictions = trained_on(&draw(&world, &market, from..from + TRAINED_EACH), &tested);
        coverage.count(&tested, &predictions, &optimum);
        told("a model of fewer leads is trained");
    }
    let holds = coverage.report();
    coverage.write(&ratio);
    if holds && ratio.value() <= RATIO_BAR { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a model that learned from `sample` says of `tested`.
fn trained_on(sample: &Sample, tested: &Sample) -> Vec<Prediction> {
    let view = FeatureView::learn(&sample.snapshots);
    let set = TrainingSet::new(view.clone(), &sample.snapshots);
    let bundle = train(&set, &TrainOptions::default(), &|_| {}).expect("enough outcomes").bundle;
    bundle.predict_matrix(&view.encode(&tested.snapshots))
}

/// Examples whose horizon is over at the world's end.
fn draw(world: &World, market: &Market, numbers: Range<u64>) -> Sample {
    let drawn = Sample::draw(world, market, numbers, world.options().end);
    let complete = drawn.snapshots.into_iter().zip(drawn.truth).filter(|(one, _)| one.observed.complete);
    let (snapshots, truth) = complete.unzip();
    Sample { snapshots, truth }
}

/// Log-losses over all outcomes that the truth allows.
struct Ratio {
    optimum: f64,
    model: f64,
}

impl Ratio {
    fn value(&self) -> f64 {
        self.model / self.optimum
    }
}

fn against_optimum(tested: &Sample, model: &[Prediction], estimates: &[Vec<f64>; 2], optimum: &[f64]) -> Ratio {
    let labels: Vec<bool> = tested.snapshots.iter().map(|one| one.observed.label() == Some(true)).collect();
    let count = labels.len() as f64;
    let base = vec![labels.iter().filter(|&&label| label).count() as f64 / count; labels.len()];
    let model: Vec<f64> = model.iter().map(|one| one.probability).collect();
    let tell = |name: &str, of: &[f64]| {
        let loss = expected_loss(&tested.truth, of);
        println!("{name:<20} log-loss {loss:.5}  AUC {:.4}", metrics(&labels, of).auc);
        loss
    };
    tell("base rate", &base);
    tell("the truth", &tested.truth);
    let ratio = Ratio { optimum: tell("observer's optimum", optimum), model: tell("model", &model) };
    let own: f64 = estimates[0].iter().zip(&estimates[1]).map(|(x, y)| (x - y).powi(2)).sum::<f64>() / 4.0;
    println!("error of the optimum's estimate {:.4} in log-odds (root mean square)", (own / count).sqrt());
    println!("log-loss of the model over the optimum's {:.4}, bar {RATIO_BAR}", ratio.value());
    ratio
}

/// What is known of one slice: coverage by training, examples and widths of all.
#[derive(Default)]
struct Tally {
    coverage: Vec<f64>,
    examples: usize,
    width: f64,
}

/// Slices by name.
#[derive(Default)]
struct Coverage(BTreeMap<String, Tally>);

impl Coverage {
    fn count(&mut self, tested: &Sample, predictions: &[Prediction], optimum: &[f64]) {
        for (name, rows) in slices::all(tested, predictions) {
            let inside = |row: &&usize| (predictions[**row].lower..=predictions[**row].upper).contains(&optimum[**row]);
            let tally = self.0.entry(name).or_default();
            tally.coverage.push(rows.iter().filter(inside).count() as f64 / rows.len() as f64);
            tally.examples = rows.len();
            tally.width += rows.iter().map(|&row| predictions[row].upper - predictions[row].lower).sum::<f64>()
                / (rows.len() as f64 * TRAININGS as f64);
        }
    }

    /// Prints every slice; whether the bar holds in all.
    fn report(&self) -> bool {
        let mut holds = true;
        for (name, tally) in &self.0 {
            let (coverage, error) = tally.mean();
            let within = (coverage - 0.9).abs() <= COVERAGE_BAR;
            let verdict = if within { "holds" } else { "DOES NOT HOLD" };
            println!(
                "{name:<30} n {:>6}  coverage {coverage:.4} ± {error:.4}  width {:.4}  {verdict}",
                tally.examples, tally.width
            );
            holds &= within;
        }
        holds
    }

    fn write(&self, ratio: &Ratio) {
        let slices: BTreeMap<&String, f64> = self.0.iter().map(|(name, tally)| (name, tally.mean().0)).collect();
        let report = serde_json::json!({
            "ratio": ratio.value(), "optimum_log_loss": ratio.optimum, "model_log_loss": ratio.model, "coverage": slices,
        });
        let folder = std::path::Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo bench sets it"))
            .join("../../target/reports");
        std::fs::create_dir_all(&folder).expect("the reports' folder can be made");
        std::fs::write(folder.join("world.json"), format!("{report:#}\n")).expect("the report can be written");
    }
}

impl Tally {
    /// Mean over the trainings, and its standard error.
    fn mean(&self) -> (f64, f64) {
        let count = self.coverage.len() as f64;
        let mean = self.coverage.iter().sum::<f64>() / count;
        let squares: f64 = self.coverage.iter().map(|one| (one - mean).powi(2)).sum();
        (mean, (squares / (count * (count - 1.0))).sqrt())
    }
}

/// Mean log-loss over all outcomes that the truth allows: without the noise of those that happened.
fn expected_loss(truth: &[f64], probabilities: &[f64]) -> f64 {
    let loss = |(t, p): (&f64, &f64)| {
        let p = p.clamp(1e-12, 1.0 - 1e-12);
        -t * p.ln() - (1.0 - t) * (1.0 - p).ln()
    };
    truth.iter().zip(probabilities).map(loss).sum::<f64>() / truth.len() as f64
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

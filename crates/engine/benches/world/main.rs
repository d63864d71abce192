//! How close a model comes to the best that can be known of the simulated world: `make world`.
//!
//! Owns: the observer's optimum, the model's distance from it, and whether 90 % intervals cover it 90 % of the time,
//! overall and in every slice of at least 1,000 examples. Invariant: the tested leads were seen by neither the model
//! nor the observer. Deliberately absent: real data; see `make quality`.
//! Prints a table, writes `target/reports/world.json`, and fails where a bar does not hold.

#![expect(clippy::print_stdout, reason = "the table is the result")]

use std::{fmt::Write as _, ops::Range, process::ExitCode, time::Instant};

use leadscore_engine::{
    evaluate::metrics,
    features::{FeatureView, Market},
    models::{Bundle, Matrix, Prediction, TrainOptions, TrainingSet, train},
};
use leadscore_simulator::{SimulationOptions, World};

mod observer;
mod sample;
mod slices;

use observer::Observer;
use sample::Sample;

/// Leads that the model learns from.
const TRAINED: u64 = 50_000;
/// Leads that both are tested on.
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
    let leads = TRAINED + TESTED + 2 * OBSERVED;
    let world = World::new(SimulationOptions { leads, seed: 3, ..SimulationOptions::default() }).expect("in range");
    let market = Market::new(world.market());
    let (view, bundle) = {
        let trained = draw(&world, &market, 0..TRAINED);
        told("the leads of the model are drawn");
        let view = FeatureView::learn(&trained.snapshots);
        let bundle = train(&TrainingSet::new(view.clone(), &trained.snapshots), &TrainOptions::default(), &|_| {})
            .expect("enough outcomes")
            .bundle;
        (view, bundle)
    };
    told("the model is trained");
    let tested = draw(&world, &market, TRAINED..TRAINED + TESTED);
    let test = view.encode(&tested.snapshots);
    let estimates = [0, 1].map(|nth| {
        let from = TRAINED + TESTED + nth * OBSERVED;
        let sample = draw(&world, &market, from..from + OBSERVED);
        let matrix = view.encode(&sample.snapshots);
        let Sample { truth, snapshots } = sample;
        drop(snapshots);
        let estimate = Observer::fit(&matrix, &truth, nth).log_odds(&test);
        told("an estimate of the observer's optimum");
        estimate
    });
    let optimum: Vec<f64> = estimates[0].iter().zip(&estimates[1]).map(|(x, y)| (x + y) / 2.0).collect();
    report(&tested, &test, &bundle, &estimates, &optimum)
}

/// Examples whose horizon is over at the world's end.
fn draw(world: &World, market: &Market, numbers: Range<u64>) -> Sample {
    let drawn = Sample::draw(world, market, numbers, world.options().end);
    let complete = drawn.snapshots.into_iter().zip(drawn.truth).filter(|(one, _)| one.observed.complete);
    let (snapshots, truth) = complete.unzip();
    Sample { snapshots, truth }
}

fn report(tested: &Sample, test: &Matrix, bundle: &Bundle, estimates: &[Vec<f64>; 2], optimum: &[f64]) -> ExitCode {
    let labels: Vec<bool> = tested.snapshots.iter().map(|one| one.observed.label() == Some(true)).collect();
    let optimum: Vec<f64> = optimum.iter().map(|&log_odds| sigmoid(log_odds)).collect();
    let predictions = bundle.predict_matrix(test);
    let model: Vec<f64> = predictions.iter().map(|one| one.probability).collect();
    let base = vec![labels.iter().filter(|&&label| label).count() as f64 / labels.len() as f64; labels.len()];
    let mut losses = Vec::new();
    for (name, of) in
        [("base rate", &base), ("the truth", &tested.truth), ("observer's optimum", &optimum), ("model", &model)]
    {
        let loss = expected_loss(&tested.truth, of);
        println!("{name:<20} log-loss {loss:.5}  AUC {:.4}", metrics(&labels, of).auc);
        losses.push(loss);
    }
    let ratio = losses[3] / losses[2];
    let own: f64 = estimates[0].iter().zip(&estimates[1]).map(|(x, y)| (x - y).powi(2)).sum::<f64>() / 4.0;
    println!(
        "error of the optimum's estimate {:.4} in log-odds (root mean square)",
        (own / labels.len() as f64).sqrt()
    );
    println!("log-loss of the model over the optimum's {ratio:.4}, bar {RATIO_BAR}");
    let slices = slices::all(tested, test, &predictions);
    let mut holds = ratio <= RATIO_BAR;
    let mut rows = Vec::new();
    for (name, members) in &slices {
        let coverage = covered(members, &predictions, &optimum);
        let width = members.iter().map(|&row| predictions[row].upper - predictions[row].lower).sum::<f64>();
        let verdict = if (coverage - 0.9).abs() <= COVERAGE_BAR { "holds" } else { "DOES NOT HOLD" };
        let width = width / members.len() as f64;
        println!("{name:<40} n {:>6}  coverage {coverage:.4}  width {width:.4}  {verdict}", members.len());
        holds &= (coverage - 0.9).abs() <= COVERAGE_BAR;
        rows.push((name, coverage));
    }
    write_report(ratio, &losses, &rows);
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn write_report(ratio: f64, losses: &[f64], coverage: &[(&String, f64)]) {
    let mut slices = String::new();
    for (name, share) in coverage {
        let _ = write!(slices, "{}\n    \"{name}\": {share:.4}", if slices.is_empty() { "" } else { "," });
    }
    let text = format!(
        "{{\n  \"ratio\": {ratio:.4},\n  \"optimum_log_loss\": {:.5},\n  \"model_log_loss\": {:.5},\n  \"coverage\": {{{slices}\n  }}\n}}\n",
        losses[2], losses[3],
    );
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/reports");
    std::fs::create_dir_all(&folder).expect("the reports' folder can be made");
    std::fs::write(folder.join("world.json"), text).expect("the report can be written");
}

fn covered(rows: &[usize], predictions: &[Prediction], optimum: &[f64]) -> f64 {
    let inside = |row: &&usize| (predictions[**row].lower..=predictions[**row].upper).contains(&optimum[**row]);
    rows.iter().filter(inside).count() as f64 / rows.len() as f64
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

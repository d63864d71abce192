//! Open labels on the simulated brokerage: what the weeks that are not over yet will have brought.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "../benches/world/sample.rs"]
mod sample;

use std::{collections::HashMap, convert::Infallible};

use leadscore_engine::{
    examples::Observed,
    features::{FeatureView, Market},
    models::{
        Matrix,
        censoring::{DelayCurve, estimate},
        logistic::{Logistic, PENALTY},
    },
};
use leadscore_simulator::{HORIZON_US, SimulationOptions, World};
use sample::Sample;

const LEADS: u64 = 40_000;
/// A short history, of which the last month is 30 % of the examples.
const DAYS: u32 = 110;
const TOLERANCE: f64 = 0.02;

/// What was observed of each example at the end, and whether it converted when all had matured.
fn followed() -> (Sample, Vec<bool>) {
    let options = SimulationOptions { leads: LEADS, days: DAYS, seed: 5, ..SimulationOptions::default() };
    let world = World::new(options).unwrap();
    let market = Market::new(world.market());
    let numbers = || 0..LEADS;
    let later = Sample::draw(&world, &market, numbers(), world.options().stop());
    let outcomes: HashMap<_, Observed> =
        later.snapshots.into_iter().map(|one| ((one.lead, one.instant), one.observed)).collect();
    let now = Sample::draw(&world, &market, numbers(), world.options().end);
    // Deals that were on their way to the brokerage at the end had closed some leads before.
    let outcome = |one: &leadscore_engine::examples::Snapshot| outcomes.get(&(one.lead, one.instant))?.label();
    let pairs = now.snapshots.into_iter().zip(now.truth);
    let known: Vec<_> = pairs.filter_map(|(one, truth)| Some((outcome(&one)?, one, truth))).collect();
    let (mut sample, mut converted) = (Sample { snapshots: Vec::new(), truth: Vec::new() }, Vec::new());
    for (outcome, one, truth) in known {
        converted.push(outcome);
        sample.snapshots.push(one);
        sample.truth.push(truth);
    }
    (sample, converted)
}

/// What the lead came with: enough for a first guess, and quickly fitted.
fn with_attributes_alone(matrix: &Matrix) -> Matrix {
    let kept: Vec<usize> =
        (0..matrix.width()).filter(|&column| matrix.columns[column].name.starts_with("attributes.")).collect();
    let values = (0..matrix.rows()).flat_map(|row| kept.iter().map(move |&column| matrix.row(row)[column])).collect();
    Matrix { columns: kept.iter().map(|&column| matrix.columns[column].clone()).collect(), values }
}

#[test]
fn the_conversion_rate_of_unfinished_months_is_recovered() {
    let (sample, converted) = followed();
    let observed: Vec<Observed> = sample.snapshots.iter().map(|one| one.observed).collect();
    let count = observed.len() as f64;
    let open = observed.iter().filter(|one| !one.complete).count() as f64 / count;
    assert!((0.27..0.33).contains(&open), "{open} of the labels are open");

    let view = FeatureView::learn(&sample.snapshots);
    let matrix = with_attributes_alone(&view.encode(&sample.snapshots));
    let curve = DelayCurve::fit(&observed, HORIZON_US);
    let targets = estimate(&observed, &curve, |rows, targets| {
        let model = Logistic::fit(&matrix.select(rows), targets, PENALTY);
        let probability = |row| 1.0 / (1.0 + (-model.log_odds(matrix.row(row))).exp());
        Ok::<_, Infallible>((0..matrix.rows()).map(probability).collect())
    })
    .unwrap();

    let matured = converted.iter().filter(|&&converted| converted).count() as f64 / count;
    let off = |rate: f64| rate / matured - 1.0;
    let ours = off(targets.iter().map(|&target| f64::from(target)).sum::<f64>() / count);
    // A label that is not known yet taken for a negative.
    let naive = off(observed.iter().filter(|one| one.converted_after_us.is_some()).count() as f64 / count);
    // Only labels that are known: the latest weeks are missing, and with them what is different in them.
    let labels: Vec<bool> = observed.iter().filter_map(Observed::label).collect();
    let dropped = off(labels.iter().filter(|&&label| label).count() as f64 / labels.len() as f64);
    println!(
        "{count} examples, {open:.3} open, {matured:.4} converted; off by {ours:+.4}, naive {naive:+.4}, dropped {dropped:+.4}"
    );
    assert!(ours.abs() < TOLERANCE, "off by {ours:+.4}");
    assert!(naive.abs() > TOLERANCE, "as negatives: off by {naive:+.4}");
}

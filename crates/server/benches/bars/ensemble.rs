//! What the full ensemble costs: training, one score with and without its attributions, many scores.
//!
//! The leads are simulated; what they cost does not depend on how well they are predicted.

use std::{hint::black_box, path::Path, process::Command, sync::Arc, time::Instant};

use leadscore_domain::{AttributeValue, Event, EventId, LeadId, Timestamp, time::DAY_US};
use leadscore_engine::{
    examples::{ExampleOptions, Observed, Snapshot, snapshots},
    explain::ActionRates,
    features::{FEATURES, FeatureView, LeadState, Market},
    models::{Bundle, TrainOptions, TrainingSet, train},
    predictions::{Course, Parts},
    score::{Learned, Model, Scorer, ScoringPolicy},
};
use leadscore_simulator::{SimulationOptions, World};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::report::{Report, median, percentile};

/// Leads that the model learns from.
const TRAINED_LEADS: u64 = 10_000;
/// Leads of a batch.
const BATCH: usize = 10_000;
/// Leads scored one by one.
const SINGLES: usize = 2_000;
/// Runs of which the median counts.
const RUNS: usize = 5;
/// Rows and columns of the made-up table that training is timed on.
const TABLE: (usize, usize) = (50_000, 100);

/// Measures scores by a full ensemble on one processor, and batches on all.
pub fn measure(report: &mut Report) {
    let world = World::new(SimulationOptions { leads: TRAINED_LEADS, ..SimulationOptions::default() })
        .expect("options in range");
    let at = world.options().end;
    let market = Market::new(world.market());
    let histories: Vec<Vec<Event>> = (0..TRAINED_LEADS)
        .into_par_iter()
        .filter_map(|number| world.lead(number))
        .map(|lead| super::engine::events(lead, at))
        .collect();
    let bundle = trained(&histories, at, &market);
    for (name, weight) in bundle.manifest().training.weights() {
        report.figure(&format!("weight of the member {name}"), weight, "");
    }
    let policy = ScoringPolicy { profile_without_statement: true, ..ScoringPolicy::default() };
    let model = Arc::new(Model::Learned(Box::new(Learned {
        bundle,
        parts: Parts::default(),
        action_rates: ActionRates::default(),
    })));
    let scorer = Scorer::new(model, "bench".to_owned(), Arc::new(market), policy);
    let states: Vec<LeadState> = histories.iter().map(|events| super::engine::fold(events)).collect();
    let id = LeadId(EventId::derive("bench", "lead").0);

    let figures = singles(&states, |state| _ = black_box(scorer.predict(state, at)));
    report.below("features, ensemble, interval: median", percentile(&figures, 0.5), "µs", 60.0);
    report.below("features, ensemble, interval: p99", percentile(&figures, 0.99), "µs", 300.0);
    let explained = singles(&states, |state| drop(black_box(scorer.score(id, state, at, 1))));
    report.below("the same with attributions: median", percentile(&explained, 0.5), "µs", 300.0);
    report.figure("the same with attributions: p99", percentile(&explained, 0.99), "µs");

    let batch: Vec<&LeadState> = states.iter().cycle().take(BATCH).collect();
    let many = millis(|| batch.par_iter().for_each(|state| _ = black_box(scorer.predict(state, at))));
    report.below("10,000 leads without attributions", many, "ms", 300.0);
    let many = millis(|| batch.par_iter().for_each(|state| drop(black_box(scorer.score(id, state, at, 1)))));
    report.below("10,000 leads with attributions", many, "ms", 2_000.0);
}

/// Measures training on a made-up table, and beside it what Python's libraries need for the same table.
pub fn measure_training(folder: &Path, report: &mut Report) {
    let set = table();
    let options = TrainOptions { shuffle_alarm: false, ..TrainOptions::default() };
    let started = Instant::now();
    black_box(train(&set, &options, &|_| {}).expect("the table can be learned from"));
    let ours = started.elapsed().as_secs_f64();
    report.figure("ensemble trained on 50,000 × 100", ours, "s");
    let peers = peers(&folder.join("table.f32"), &set);
    report.figure("xgboost and MLP of scikit-learn on the same table", peers, "s");
    report.below("ensemble over xgboost and MLP", ours / peers, "×", 1.0);
}

/// Seconds that XGBoost and scikit-learn's MLP take together, by the script that `make bench` gives a Python for.
fn peers(file: &Path, set: &TrainingSet) -> f64 {
    let mut bytes = Vec::with_capacity((set.matrix.values.len() + set.leads.len()) * 4);
    for (row, observed) in set.observed.iter().enumerate() {
        let label = f32::from(u8::from(observed.converted_after_us.is_some()));
        bytes.extend(set.matrix.row(row).iter().chain([&label]).flat_map(|value| value.to_le_bytes()));
    }
    std::fs::write(file, bytes).expect("the table can be written");
    let python = std::env::var("LEADSCORE_PYTHON").expect("`make bench` sets LEADSCORE_PYTHON");
    let script = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo bench sets it"))
        .join("../../quality/training_speed.py");
    let done = Command::new(python).arg(script).arg(file).arg(TABLE.1.to_string()).output();
    let done = done.expect("Python runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let seconds: serde_json::Value = serde_json::from_slice(&done.stdout).expect("the script prints JSON");
    ["xgboost_s", "mlp_s"].iter().map(|name| seconds[name].as_f64().expect("seconds")).sum()
}

/// Numbers of which a fifth is missing, and labels that hang on a few of them and on two of their products.
fn table() -> TrainingSet {
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    let mut uniform = move || generator.random_range(-1.0_f64..1.0);
    let snapshots: Vec<Snapshot> = (0..TABLE.0 as u64)
        .map(|lead| {
            let values: Vec<f64> = (0..TABLE.1).map(|_| uniform()).collect();
            let log_odds: f64 =
                -1.6 + values[0] - 1.5 * values[1] + 2.0 * values[2] * values[3] + values[4] * values[5];
            let won = (uniform() + 1.0) / 2.0 < 1.0 / (1.0 + (-log_odds).exp());
            let known = values.iter().enumerate().filter(|_| uniform() < 0.6);
            Snapshot {
                lead,
                instant: Timestamp::from_micros(lead as i64 * DAY_US / 100).expect("in range"),
                observed: Observed::complete(30 * DAY_US, won.then_some(DAY_US)),
                features: vec![f32::NAN; FEATURES.len()],
                course: Course::default(),
                attributes: known.map(|(n, value)| (format!("c{n:02}"), AttributeValue::Number(*value))).collect(),
            }
        })
        .collect();
    TrainingSet::new(FeatureView::learn(&snapshots), &snapshots)
}

fn trained(histories: &[Vec<Event>], at: Timestamp, market: &Market) -> Bundle {
    let options = ExampleOptions::new(at);
    let drawn: Vec<Snapshot> = histories
        .par_iter()
        .enumerate()
        .flat_map_iter(|(token, events)| snapshots(token as u64, events, market, &options))
        .collect();
    train(&TrainingSet::new(FeatureView::learn(&drawn), &drawn), &TrainOptions::default(), &|_| {})
        .expect("the simulated leads can be learned from")
        .bundle
}

/// Time of each of the first leads, in microseconds, best of the runs: what the machine does besides is not ours.
fn singles(states: &[LeadState], mut work: impl FnMut(&LeadState)) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; SINGLES.min(states.len())];
    for _ in 0..RUNS {
        for (state, best) in states.iter().zip(&mut best) {
            let started = Instant::now();
            work(state);
            *best = best.min(started.elapsed().as_secs_f64() * 1e6);
        }
    }
    best
}

fn millis(mut work: impl FnMut()) -> f64 {
    let runs = (0..RUNS).map(|_| {
        let started = Instant::now();
        work();
        started.elapsed().as_secs_f64() * 1e3
    });
    median(runs.collect())
}

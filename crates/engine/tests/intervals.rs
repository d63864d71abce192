//! Whether 90 % intervals cover the true probability of 90 % of the leads.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use leadscore_domain::{AttributeValue, Timestamp, time::DAY_US};
use leadscore_engine::{
    examples::{Observed, Snapshot},
    features::{FEATURES, FeatureView},
    models::{TrainOptions, TrainingSet, train},
    predictions::Course,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const TRAINED: usize = 52_000;
const TESTED: usize = 10_000;
const NUMBERS: usize = 12;
const SOURCES: usize = 5;
/// How far the coverage of all may be from 90 % in one training: what an interval promises holds over many, between
/// which it varies by about two points. `make world` counts it over sixteen, within 1.5 points.
const TOLERANCE: f64 = 0.03;
/// Least coverage of a slice of about 2,000 examples, which share more of what one training got wrong: the members find
/// only a part of the column that counts for leads of source 1 alone, and the interval does not know.
const LEAST_OF_SLICE: f64 = 0.75;

/// A lead whose probability is a function of what is visible, and of nothing else.
struct Known {
    snapshot: Snapshot,
    probability: f64,
    source: usize,
    first: f64,
}

fn uniform(generator: &mut ChaCha8Rng) -> f64 {
    f64::from(generator.next_u32()) / 4_294_967_296.0
}

/// Bends, jumps and interactions of some of the numbers; the others say nothing.
fn log_odds(x: &[f64], source: usize) -> f64 {
    let liked = [0.7, -0.6, 0.0, 0.3, -0.3][source];
    let wave = (6.0 * x[0]).sin() * 0.6 + 1.2 * (x[1] - 0.5);
    let step = if x[2] > 0.6 { 0.8 } else { -0.2 };
    let pair = 2.5 * (x[3] - 0.5) * (x[4] - 0.5) + if source == 1 { 1.5 * x[5] } else { -0.4 * x[5] };
    -2.2 + liked + wave + step + pair + 0.5 * x[6] * x[7]
}

fn draw(count: usize, seed: u64) -> Vec<Known> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let one = |index: usize| {
        let x: Vec<f64> = (0..NUMBERS).map(|_| uniform(&mut generator)).collect();
        let source = ((uniform(&mut generator) * SOURCES as f64) as usize).min(SOURCES - 1);
        let probability = 1.0 / (1.0 + (-log_odds(&x, source)).exp());
        let converted = uniform(&mut generator) < probability;
        let mut attributes: Vec<(String, AttributeValue)> =
            x.iter().enumerate().map(|(n, &value)| (format!("figure_{n:02}"), AttributeValue::Number(value))).collect();
        attributes.push(("source".to_owned(), AttributeValue::Category(format!("source {source}"))));
        let snapshot = Snapshot {
            lead: index as u64,
            instant: Timestamp::from_micros(index as i64 * DAY_US / 200).unwrap(),
            observed: Observed::complete(30 * DAY_US, converted.then_some(DAY_US)),
            course: Course::default(),
            features: vec![f32::NAN; FEATURES.len()],
            attributes,
        };
        Known { snapshot, probability, source, first: x[0] }
    };
    (0..count).map(one).collect()
}

#[test]
fn ninety_in_a_hundred_intervals_contain_the_true_probability() {
    let trained: Vec<Snapshot> = draw(TRAINED, 1).into_iter().map(|one| one.snapshot).collect();
    let view = FeatureView::learn(&trained);
    let set = TrainingSet::new(view.clone(), &trained);
    let bundle = train(&set, &TrainOptions::default(), &|_| {}).unwrap().bundle;
    let tested = draw(TESTED, 2);
    let matrix = view.encode(&tested.iter().map(|one| one.snapshot.clone()).collect::<Vec<_>>());
    let predictions = bundle.predict_matrix(&matrix);
    let mut order: Vec<usize> = (0..TESTED).collect();
    order.sort_by(|&x, &y| predictions[x].probability.total_cmp(&predictions[y].probability));
    let mut band = vec![0; TESTED];
    order.iter().enumerate().for_each(|(place, &row)| band[row] = place * 5 / TESTED);

    let coverage = |name: &str, belongs: &dyn Fn(usize) -> bool| {
        let rows: Vec<usize> = (0..TESTED).filter(|&row| belongs(row)).collect();
        let inside = |row: &&usize| {
            let found = &predictions[**row];
            (found.lower..=found.upper).contains(&tested[**row].probability)
        };
        let share = rows.iter().filter(inside).count() as f64 / rows.len() as f64;
        println!("{name}: {share:.4} of {}", rows.len());
        share
    };
    let all = coverage("all", &|_| true);
    assert!((all - 0.9).abs() <= TOLERANCE, "{all}");
    for part in 0..5 {
        let shares = [
            coverage(&format!("source {part}"), &|row| tested[row].source == part),
            coverage(&format!("band {part}"), &|row| band[row] == part),
            coverage(&format!("figure {part}"), &|row| (tested[row].first * 5.0) as usize == part),
        ];
        for share in shares {
            assert!(share >= LEAST_OF_SLICE, "{share} in part {part}");
        }
    }
}

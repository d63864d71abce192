//! Calibration at its boundary: maps, Venn–Abers pairs, intervals.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::{
    path::Path,
    process::{Command, Output},
};

use leadscore_engine::models::calibration::{
    Calibration, CalibrationEvidence, CalibrationKind, CalibrationMap, Disagreement, Slice, VennAbers,
};
use proptest::{collection::vec, prelude::*};
use serde::Deserialize;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// What PyPI's `venn-abers` 1.5.4 says: written by `tests/python/venn_abers_fixture.py`.
#[derive(Deserialize)]
struct Case {
    name: String,
    scores: Vec<f64>,
    labels: Vec<f32>,
    asked: Vec<f64>,
    pairs: Vec<[f64; 2]>,
}

#[test]
fn venn_abers_pairs_are_those_of_the_python_package() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/venn_abers.json")).unwrap();
    assert!(cases.len() >= 10);
    for case in cases {
        let fitted = VennAbers::fit(&case.scores, &case.labels);
        for (&score, expected) in case.asked.iter().zip(&case.pairs) {
            let found = fitted.pair(score);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-9, "{}: {found} is not {expected} at {score}", case.name);
            }
        }
    }
}

#[test]
fn the_python_package_still_says_what_is_known_of_it() {
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../..");
    let run = |command: &mut Command| {
        let Output { status, stdout, stderr } = command.output().unwrap();
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    };
    let environment = root.join("tests/python/requirements.txt");
    let python = run(Command::new(root.join("scripts/python-venv")).arg(environment));
    let said = run(Command::new(python.trim()).arg(root.join("tests/python/venn_abers_fixture.py")).arg("--check"));
    assert!(said.contains("cases agree"), "{said}");
}

#[test]
fn without_examples_a_pair_says_nothing() {
    let fitted = VennAbers::fit(&[], &[]);
    for score in [f64::NEG_INFINITY, 0.0, f64::INFINITY] {
        assert_eq!(fitted.pair(score), [0.0, 1.0]);
    }
}

/// Isotonic regression at `score`, by pooling adjacent violators, after an example of that score and label is added.
fn isotonic(scores: &[f64], labels: &[f32], score: f64, label: f64) -> f64 {
    let mut all: Vec<(f64, f64)> = scores.iter().zip(labels).map(|(&s, &l)| (s, f64::from(l))).collect();
    all.push((score, label));
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    // Blocks: sum, count, highest score.
    let mut blocks: Vec<(f64, f64, f64)> = Vec::new();
    for tied in all.chunk_by(|x, y| x.0 == y.0) {
        blocks.push((tied.iter().map(|one| one.1).sum(), tied.len() as f64, tied[0].0));
        while let [.., before, last] = blocks[..]
            && before.0 * last.1 >= last.0 * before.1
        {
            blocks.truncate(blocks.len() - 2);
            blocks.push((before.0 + last.0, before.1 + last.1, last.2));
        }
    }
    let block = blocks.iter().find(|block| score <= block.2).unwrap();
    block.0 / block.1
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn venn_abers_pairs_are_two_isotonic_regressions(
        examples in vec((-6_i8..6, 0_u8..=4), 1..60),
        asked in -14_i8..14,
    ) {
        let scores: Vec<f64> = examples.iter().map(|one| f64::from(one.0)).collect();
        // Soft targets too.
        let labels: Vec<f32> = examples.iter().map(|one| f32::from(one.1) / 4.0).collect();
        let score = f64::from(asked) / 2.0;
        let [p0, p1] = VennAbers::fit(&scores, &labels).pair(score);
        prop_assert!((p0 - isotonic(&scores, &labels, score, 0.0)).abs() < 1e-9);
        prop_assert!((p1 - isotonic(&scores, &labels, score, 1.0)).abs() < 1e-9);
    }

    #[test]
    fn venn_abers_pairs_are_ordered_and_rise(examples in vec((-3.0..3.0_f64, any::<bool>()), 0..200)) {
        let (scores, labels): (Vec<f64>, Vec<f32>) =
            examples.into_iter().map(|(score, label)| (score, f32::from(u8::from(label)))).unzip();
        let fitted = VennAbers::fit(&scores, &labels);
        let pairs: Vec<[f64; 2]> = (-70..=70).map(|at| fitted.pair(f64::from(at) / 20.0)).collect();
        for [p0, p1] in &pairs {
            prop_assert!(0.0 <= *p0 && p0 <= p1 && *p1 <= 1.0);
        }
        prop_assert!(pairs.windows(2).all(|two| two[0][0] <= two[1][0] && two[0][1] <= two[1][1]));
    }
}

fn sample(n: usize) -> (Vec<f64>, Vec<f32>, Vec<u64>) {
    let log_odds: Vec<f64> = (0..n).map(|i| -3.0 + 6.0 * ((i * 977) % 3_001) as f64 / 3_001.0).collect();
    let converts = |(i, z): (usize, &f64)| (((i * 1_009 + 3) % 2_999) as f64 / 2_999.0) < sigmoid(0.7 * z - 0.4);
    let labels = log_odds.iter().enumerate().map(|one| f32::from(u8::from(converts(one)))).collect();
    (log_odds, labels, (0..n as u64).collect())
}

fn slice<'a>((log_odds, targets, leads): &'a (Vec<f64>, Vec<f32>, Vec<u64>)) -> Slice<'a> {
    Slice { log_odds, targets, leads }
}

/// scikit-learn 1.9.1, logistic regression on ln p and −ln(1 − p) without penalty.
#[test]
fn beta_calibration_agrees_with_scikit_learn() {
    let fitted = CalibrationMap::fit(&slice(&sample(3_000)));
    assert_eq!(fitted.kind, CalibrationKind::Beta);
    // Our weak prior moves the slopes a little.
    for (value, expected) in [(fitted.a, 0.804_220_6), (fitted.b, 0.618_514_2), (fitted.c, -0.244_955_5)] {
        assert!((value - expected).abs() < 0.01, "{value} is not {expected}");
    }
    for (z, expected) in [(-3.0, 0.064_970_77), (0.066_977_67, 0.419_181_14)] {
        assert!((sigmoid(fitted.log_odds(z)) - expected).abs() < 1e-3);
    }
}

#[test]
fn soft_targets_give_the_map_of_the_probabilities_themselves() {
    let (log_odds, _, leads) = sample(3_000);
    let targets: Vec<f32> = log_odds.iter().map(|z| sigmoid(0.7 * z - 0.4) as f32).collect();
    let fitted = CalibrationMap::fit(&Slice { log_odds: &log_odds, targets: &targets, leads: &leads });
    for (value, expected) in [(fitted.a, 0.7), (fitted.b, 0.7), (fitted.c, -0.4)] {
        assert!((value - expected).abs() < 0.01, "{value} is not {expected}");
    }
}

#[test]
fn a_small_later_slice_adds_no_noise_and_a_large_drift_is_followed() {
    let earlier = CalibrationMap::fit(&slice(&sample(20_000)));
    let (log_odds, labels, leads) = sample(20_000);
    let places = (0..60).map(|i| i * 331);
    let few = (
        places.clone().map(|i| log_odds[i]).collect(),
        places.clone().map(|i| labels[i]).collect(),
        places.map(|i| leads[i]).collect(),
    );
    let noisy = CalibrationMap::fit(&slice(&few));
    let kept = CalibrationMap::fit_from(&earlier, &slice(&few));
    let off = |map: &CalibrationMap| {
        (-30..=30)
            .map(|at| f64::from(at) / 10.0)
            .map(|z| (map.log_odds(z) - earlier.log_odds(z)).abs())
            .fold(0.0, f64::max)
    };
    assert!(off(&kept) < 0.25 * off(&noisy), "{} of {}", off(&kept), off(&noisy));
    // Twice the odds ever since.
    let (log_odds, mut labels, leads) = sample(4_000);
    let shifted = |z: f64| sigmoid(0.7 * z + 0.3);
    for (i, label) in labels.iter_mut().enumerate() {
        *label = f32::from(u8::from((((i * 1_009 + 3) % 2_999) as f64 / 2_999.0) < shifted(log_odds[i])));
    }
    let followed = CalibrationMap::fit_from(&earlier, &slice(&(log_odds, labels, leads)));
    for z in [-2.0, 0.0, 2.0] {
        assert!((sigmoid(followed.log_odds(z)) - shifted(z)).abs() < 0.02, "{} at {z}", followed.log_odds(z));
    }
}

fn fit(data: &(Vec<f64>, Vec<f32>, Vec<u64>), folds: &[Vec<f64>], spread: f64) -> Calibration {
    Calibration::fit(&CalibrationEvidence {
        earlier: None,
        later: slice(data),
        folds,
        disagreement: &vec![Disagreement { members: spread, heads: 0.0 }; data.0.len()],
    })
}

#[test]
fn the_probability_rises_strictly_inside_its_interval_whatever_it_is_fitted_to() {
    let (log_odds, labels, leads) = sample(1_000);
    let upside_down: Vec<f32> = labels.iter().map(|label| 1.0 - label).collect();
    let separable: Vec<f32> = log_odds.iter().map(|&z| f32::from(u8::from(z > 0.0))).collect();
    let one_won: Vec<f32> = (0..1_000).map(|i| f32::from(u8::from(i == 500))).collect();
    for labels in [labels, upside_down, separable, one_won] {
        let data = (log_odds.clone(), labels, leads.clone());
        let folds = [0.1, -0.1].map(|off| log_odds.iter().map(|z| z + off).collect::<Vec<_>>());
        let fitted = fit(&data, &folds, 0.3);
        let mut last = 0.0;
        for step in -800..=800 {
            let log_odds = f64::from(step) / 100.0;
            let [probability, lower, upper] = fitted.probability(log_odds, Disagreement { members: 0.2, heads: 0.1 });
            let [p0, p1] = fitted.venn_abers().pair(log_odds);
            assert!(probability > last || fitted.log_odds(log_odds).abs() == 20.0, "{:?} at {step}", fitted.map());
            assert!(0.0 <= lower && lower <= probability && probability <= upper && upper <= 1.0);
            assert!(lower <= p0 && p1 <= upper);
            last = probability;
        }
    }
}

#[test]
fn an_interval_is_as_wide_as_the_fold_models_differ() {
    let data = sample(6_000);
    let width = |off: f64| {
        // Fold models that differ by a random amount around the mean.
        let noise = |i: usize| off * if (i * 7_919) % 13 < 6 { 1.0 } else { -1.0 };
        let folds = [1.0, -1.0].map(|sign| data.0.iter().enumerate().map(|(i, z)| z + sign * noise(i)).collect());
        let [_, lower, upper] = fit(&data, &folds, 0.3).probability(0.0, Disagreement { members: 0.3, heads: 0.0 });
        upper - lower
    };
    assert!(width(0.6) > 2.0 * width(0.2), "{} {}", width(0.6), width(0.2));
}

#[test]
fn a_calibration_survives_its_file() {
    let fitted = fit(&sample(500), &[], 0.0);
    let read: Calibration = serde_json::from_slice(&serde_json::to_vec(&fitted).unwrap()).unwrap();
    assert_eq!(read, fitted);
}

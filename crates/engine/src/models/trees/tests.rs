use proptest::prelude::*;

use super::*;
use crate::{
    features::{Column, ColumnKind, Group},
    models::{hard_targets, numeric::sigmoid},
};

fn columns() -> Vec<Column> {
    let kinds = [
        ColumnKind::Numeric,
        ColumnKind::Categorical { cardinality: 3 },
        ColumnKind::Categorical { cardinality: 200 },
        ColumnKind::Numeric,
    ];
    let name = |i: usize| format!("column {i}");
    kinds.into_iter().enumerate().map(|(i, kind)| Column { name: name(i), group: Group::Timing, kind }).collect()
}

/// A table with missing values and both kinds of categories, and labels that depend on it.
fn table(rows: usize, seed: u64) -> (Matrix, Vec<bool>) {
    let mut state = seed.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(3_037_000_493) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let mut values = Vec::new();
    let mut labels = Vec::new();
    for _ in 0..rows {
        let number = next() * 4.0 - 2.0;
        let small = (next() * 3.0).floor();
        let large = (next() * next() * 200.0).floor();
        labels.push(next() < (0.2 + 0.2 * (number > 0.0) as u8 as f32 + 0.3 * (large % 3.0 == 1.0) as u8 as f32));
        for value in [number, small, large, next()] {
            values.push(if next() < 0.15 { f32::NAN } else { value });
        }
    }
    (Matrix { columns: columns(), values }, labels)
}

const ROUNDS: usize = 25;

fn work(seed: u64) -> Work {
    Work { seed, threads: 1, examples: 700 }
}

fn all(examples: &Examples<'_>) -> Vec<usize> {
    (0..examples.targets.len()).collect()
}

/// Fits with a lead for each row, all at one instant.
fn fit(matrix: &Matrix, targets: &[f32], work: Work) -> Fitted {
    let leads: Vec<u64> = (0..targets.len() as u64).collect();
    let examples = Examples { matrix, targets, leads: &leads };
    Trees::fit(&examples, &all(&examples), ROUNDS, work).unwrap()
}

fn fitted(seed: u64) -> (Fitted, Matrix) {
    let (matrix, labels) = table(700, seed);
    (fit(&matrix, &hard_targets(&labels), work(seed)), matrix)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_trees_predict_what_the_library_predicts_from_their_file(
        seed in 0u64..1_000,
        rows in prop::collection::vec((
            prop_oneof![Just(f32::NAN), -3.0f32..3.0],
            prop_oneof![Just(f32::NAN), (0u8..5).prop_map(f32::from)],
            prop_oneof![Just(f32::NAN), (0u16..300).prop_map(f32::from)],
            prop_oneof![Just(f32::NAN), 0.0f32..1.0],
        ), 40),
    ) {
        let (Fitted { trees, file, rounds }, matrix) = fitted(seed);
        prop_assert_eq!(rounds, ROUNDS);
        let library = BoostedModel::decode(&file, ModelFormat::XgboostJson).unwrap();
        let drawn = rows.iter().map(|row| vec![row.0, row.1, row.2, row.3]);
        for row in drawn.chain((0..100).map(|i| matrix.row(i).to_vec())) {
            let ours = trees.log_odds(&row);
            let theirs = f64::from(library.predict_margin_row(&row, ..).unwrap());
            prop_assert!((sigmoid(ours) - sigmoid(theirs)).abs() < 1e-6, "{row:?}: {ours} is not {theirs}");
            let mut sum = trees.bias();
            trees.explain(&row, |_, share| sum += share);
            prop_assert!((sum - ours).abs() < 1e-9);
        }
    }
}

#[test]
fn a_file_read_back_predicts_the_same() {
    let (Fitted { trees, file, .. }, matrix) = fitted(5);
    let read = Trees::from_json(&file, 4).unwrap();
    assert_eq!(read, trees);
    assert!(read.log_odds(matrix.row(0)).is_finite());
}

#[test]
fn threads_do_not_change_a_byte() {
    let (matrix, labels) = table(700, 3);
    let file = |threads| fit(&matrix, &hard_targets(&labels), Work { threads, ..work(3) }).file;
    assert!(file(1) == file(2));
}

#[test]
fn children_of_a_file_stand_side_by_side() {
    let json: serde_json::Value = serde_json::from_slice(&fitted(5).0.file).unwrap();
    let trees = json.pointer("/learner/gradient_booster/model/trees").unwrap().as_array().unwrap();
    for tree in trees {
        let children = |name: &str| -> Vec<i64> { serde_json::from_value(tree[name].clone()).unwrap() };
        for (left, right) in children("left_children").into_iter().zip(children("right_children")) {
            assert!(left == -1 || right == left + 1);
        }
    }
}

#[test]
fn a_foreign_file_is_refused() {
    let bytes = fitted(5).0.file;
    assert!(matches!(Trees::from_json(&bytes, 7), Err(TreesError::Foreign { columns: 7 })));
    assert!(matches!(Trees::from_json(b"{}", 4), Err(TreesError::Library(_))));
}

/// Columns with a direction and others, and targets that often go the other way.
fn directed(rows: usize, seed: u64) -> (Matrix, Vec<f32>) {
    let (mut matrix, labels) = table(rows, seed);
    matrix.columns[0].name = "sentiment_mean".to_owned();
    matrix.columns[3].name = "disinterest".to_owned();
    let noise = |row: usize| (row * 2_654_435_761 % 97) as f32 / 97.0;
    let target = |row: usize| {
        let wave = (matrix.row(row)[0] * 3.0).sin() + matrix.row(row)[3] * (noise(row) - 0.3);
        if labels[row] { 1.0 } else { noise(row) * if wave > 0.0 { wave.min(1.0) } else { 0.0 } }
    };
    let targets = (0..rows).map(target).collect();
    (matrix, targets)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_column_never_moves_the_log_odds_against_its_direction(
        seed in 0u64..1_000,
        rows in prop::collection::vec((
            -3.0f32..3.0,
            0.0f32..3.0,
            prop_oneof![Just(f32::NAN), (0u8..5).prop_map(f32::from)],
            prop_oneof![Just(f32::NAN), (0u16..300).prop_map(f32::from)],
            0.0f32..1.0,
        ), 60),
    ) {
        let (matrix, targets) = directed(700, seed);
        let trees = fit(&matrix, &targets, work(seed)).trees;
        let logistic = crate::models::logistic::Logistic::fit(&matrix, &targets, 1.0);
        for (number, rise, small, large, other) in rows {
            let row = [number, small, large, other];
            let better = [number + rise, small, large, other];
            let worse = [number, small, large, other + rise];
            prop_assert!(trees.log_odds(&better) >= trees.log_odds(&row) - 1e-6);
            prop_assert!(trees.log_odds(&worse) <= trees.log_odds(&row) + 1e-6);
            prop_assert!(logistic.log_odds(&better) >= logistic.log_odds(&row));
            prop_assert!(logistic.log_odds(&worse) <= logistic.log_odds(&row));
        }
    }
}

#[test]
fn without_a_name_that_has_a_direction_the_wave_is_learned() {
    let (mut matrix, targets) = directed(700, 3);
    matrix.columns[0].name = "attributes.sentiment_mean".to_owned();
    let trees = fit(&matrix, &targets, work(3)).trees;
    let of = |number: f32| trees.log_odds(&[number, 1.0, 1.0, 0.5]);
    assert!((-30..30).any(|tenth| of((tenth + 1) as f32 / 10.0) < of(tenth as f32 / 10.0) - 0.01));
}

#[test]
fn soft_targets_are_learned_as_probabilities() {
    let (matrix, _) = table(700, 4);
    let targets: Vec<f32> = (0..700).map(|row| if matrix.row(row)[0] > 0.0 { 0.7 } else { 0.2 }).collect();
    let leads: Vec<u64> = (0..700).collect();
    let examples = Examples { matrix: &matrix, targets: &targets, leads: &leads };
    let (watched, fitted): (Vec<usize>, Vec<usize>) = (0..700).partition(|row| row % 5 == 0);
    let found = Trees::fit_watched(&examples, &fitted, &watched, work(4)).unwrap();
    assert!(found.rounds > 20, "{}", found.rounds);
    for (number, expected) in [(1.0, 0.7), (-1.0, 0.2)] {
        let probability = sigmoid(found.trees.log_odds(&[number, 1.0, 1.0, 0.5]));
        assert!((probability - expected).abs() < 0.05, "{probability} is not {expected}");
    }
}

#[test]
fn watching_keeps_the_best_rounds() {
    let (matrix, labels) = table(700, 8);
    let targets = hard_targets(&labels);
    let leads: Vec<u64> = (0..700).collect();
    let examples = Examples { matrix: &matrix, targets: &targets, leads: &leads };
    let (watched, fitted): (Vec<usize>, Vec<usize>) = (0..700).partition(|row| row % 4 == 0);
    let found = Trees::fit_watched(&examples, &fitted, &watched, work(8)).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&found.file).unwrap();
    let trees = json.pointer("/learner/gradient_booster/model/trees").unwrap().as_array().unwrap();
    assert_eq!(trees.len(), found.rounds);
    // As many rounds on the same rows give the same trees: nothing of the watched rows is in them.
    let rows: Vec<u64> = fitted.iter().map(|&row| row as u64).collect();
    let part = matrix.select(&fitted);
    let of_part: Vec<f32> = fitted.iter().map(|&row| targets[row]).collect();
    let examples = Examples { matrix: &part, targets: &of_part, leads: &rows };
    assert!(Trees::fit(&examples, &all(&examples), found.rounds, work(8)).unwrap().file == found.file);
}

#[test]
fn a_category_of_many_is_told_by_its_statistic() {
    // 120 codes of about 12 examples each: too few for a test of their own.
    let rows = 1_500;
    let (mut matrix, _) = table(rows, 1);
    for row in 0..rows {
        matrix.values[row * 4 + 2] = (row % 120) as f32;
    }
    let targets: Vec<f32> = (0..rows).map(|row| f32::from(u8::from((row % 120) % 2 == 1))).collect();
    let trees = fit(&matrix, &targets, work(1)).trees;
    let of = |code: f32| trees.log_odds(&[0.5, 1.0, code, 0.5]);
    assert!(of(7.0) > of(8.0) + 1.0 && of(55.0) > of(90.0) + 1.0, "{} {}", of(7.0), of(8.0));
    let mut shares = [0.0; 4];
    trees.explain(&[0.5, 1.0, 7.0, 0.5], |column, share| shares[column] += share);
    assert!(shares[2] > 0.5, "{shares:?}");
}

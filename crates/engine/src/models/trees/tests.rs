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

/// Fits with a lead for each row, all at one instant.
fn fit(matrix: &Matrix, targets: &[f32], work: Work) -> Fitted {
    let leads: Vec<u64> = (0..targets.len() as u64).collect();
    let instants = vec![Timestamp::default(); targets.len()];
    let examples = Examples { matrix, targets, leads: &leads, instants: &instants };
    Trees::fit(&examples, ROUNDS, work).unwrap()
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

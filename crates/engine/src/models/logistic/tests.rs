use super::*;
use crate::features::{Column, ColumnKind, Group};

fn hard(labels: &[bool]) -> Vec<f32> {
    labels.iter().map(|&label| f32::from(u8::from(label))).collect()
}

fn matrix(rows: impl Iterator<Item = [f32; 3]>) -> Matrix {
    let kinds = [ColumnKind::Numeric, ColumnKind::Numeric, ColumnKind::Categorical { cardinality: 4 }];
    let column = |kind| Column { name: "column".to_owned(), group: Group::Timing, kind };
    Matrix { columns: kinds.into_iter().map(column).collect(), values: rows.flatten().collect() }
}

/// scikit-learn 1.9.1, `LogisticRegression(C=1)` on the same encoding.
#[test]
fn probabilities_agree_with_scikit_learn() {
    let row = |i: i32| {
        let (a, b) = (f64::from((i * 29) % 83) / 83.0, (f64::from(i) * 0.7).sin());
        (a, b, i % 3)
    };
    let labels: Vec<bool> = (0..120)
        .map(|i| {
            let (a, b, c) = row(i);
            f64::from((i * 41 + 5) % 89) / 89.0 < sigmoid(2.0 * a - 1.0 + b + f64::from(u8::from(c == 1)))
        })
        .collect();
    let table = matrix((0..120).map(|i| {
        let (a, b, c) = row(i);
        [a as f32, b as f32, c as f32]
    }));
    assert_eq!(labels.iter().filter(|&&label| label).count(), 66);
    let fitted = Logistic::fit(&table, &hard(&labels), PENALTY);
    for (i, expected) in [
        (0, 0.453_222_664_189_404_77),
        (1, 0.774_700_529_340_071_2),
        (2, 0.610_690_630_626_926_7),
        (50, 0.452_066_736_123_832_7),
        (119, 0.616_827_634_588_945_1),
    ] {
        let found = fitted.predict(table.row(i));
        assert!((found - expected).abs() < 1e-4, "row {i}: {found} is not {expected}");
    }
}

#[test]
fn missing_constant_and_unseen_values_are_borne() {
    let table = matrix((0..100).map(|i| {
        let known = if i % 4 == 0 { f32::NAN } else { i as f32 };
        [known, 7.0, if i % 5 == 0 { f32::NAN } else { (i % 2) as f32 }]
    }));
    let labels: Vec<bool> = (0..100).map(|i| i % 4 == 0).collect();
    let fitted = Logistic::fit(&table, &hard(&labels), PENALTY);
    // That the number is missing is all there is to know.
    assert!(fitted.predict(&[f32::NAN, 7.0, 0.0]) > 0.7);
    assert!(fitted.predict(&[50.0, 7.0, 1.0]) < 0.3);
    for row in [[f32::NAN; 3], [1e30, -1e30, 3.0]] {
        let probability = fitted.predict(&row);
        assert!((0.0..=1.0).contains(&probability), "{row:?}");
    }
}

#[test]
fn nothing_to_learn_from_gives_the_share() {
    let table = matrix((0..100).map(|_| [f32::NAN, 1.0, f32::NAN]));
    let labels: Vec<bool> = (0..100).map(|i| i % 10 == 0).collect();
    assert!((Logistic::fit(&table, &hard(&labels), PENALTY).predict(table.row(0)) - 0.1).abs() < 0.01);
}

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

fn named(names: [&str; 3], rows: impl Iterator<Item = [f32; 3]>) -> Matrix {
    let mut matrix = matrix(rows);
    for (column, name) in matrix.columns.iter_mut().zip(names) {
        column.name = name.to_owned();
    }
    matrix
}

#[test]
fn soft_targets_count_as_shares_of_both_outcomes() {
    let row = |i: i32| [(i % 7) as f32, (i % 3) as f32, (i % 2) as f32];
    let target = |i: i32| ((i * 37) % 101) as f32 / 100.0;
    let soft: Vec<f32> = (0..80).map(target).collect();
    let fitted = Logistic::fit(&matrix((0..80).map(row)), &soft, 1.0);
    // The same as a hundred examples of either outcome in that proportion, at a hundredfold penalty.
    let each = || (0..80).flat_map(|i| (0..100).map(move |k| (i, k)));
    let hard: Vec<f32> = each().map(|(i, k)| f32::from(u8::from((k as f32) < target(i) * 100.0 - 0.5))).collect();
    let copied = Logistic::fit(&matrix(each().map(|(i, _)| row(i))), &hard, 100.0);
    for i in 0..42 {
        let (found, expected) = (fitted.log_odds(&row(i)), copied.log_odds(&row(i)));
        assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
    }
}

#[test]
fn a_stronger_penalty_gives_smaller_differences() {
    let table = matrix((0..200).map(|i| [(i % 10) as f32, 0.0, 0.0]));
    let labels: Vec<f32> = (0..200).map(|i| f32::from(u8::from(i % 10 > 4))).collect();
    let spread = |penalty| {
        let fitted = Logistic::fit(&table, &labels, penalty);
        fitted.log_odds(&[9.0, 0.0, 0.0]) - fitted.log_odds(&[0.0, 0.0, 0.0])
    };
    assert!(spread(100.0) < spread(1.0) * 0.7);
}

#[test]
fn a_coefficient_never_has_the_forbidden_sign() {
    // A better sentiment converts less here, which no score may say; an uncertain column may say it.
    let rows = |i: i32| [(i % 10) as f32 / 10.0, ((i * 7) % 11) as f32, 1.0];
    let labels: Vec<f32> =
        (0..400).map(|i| f32::from(u8::from(rows(i)[0] * 10.0 + rows(i)[1] < (i % 13) as f32))).collect();
    for (names, held) in [
        (["sentiment_mean", "a", "b"], true),
        (["disinterest", "a", "b"], false),
        (["attributes.sentiment_mean", "a", "b"], false),
    ] {
        let fitted = Logistic::fit(&named(names, (0..400).map(rows)), &labels, 1.0);
        let rise = fitted.log_odds(&[0.9, 5.0, 1.0]) - fitted.log_odds(&[0.0, 5.0, 1.0]);
        assert_eq!(rise == 0.0, held, "{names:?}: {rise}");
        assert!(rise <= 0.0, "{names:?}: {rise}");
    }
}

#[test]
fn what_is_held_is_let_go_where_another_column_explains_the_rest() {
    // Two copies of one column, one of them held: the free one takes the whole slope.
    let rows = |i: i32| [(i % 10) as f32, (i % 10) as f32, 0.0];
    let labels: Vec<f32> = (0..300).map(|i| f32::from(u8::from((i % 10) * 3 > i % 29))).collect();
    let with = |names| Logistic::fit(&named(names, (0..300).map(rows)), &labels, 1e-6);
    let free = with(["a", "b", "c"]);
    let held = with(["disinterest", "commitment", "c"]);
    for i in 0..10 {
        let (found, expected) = (held.log_odds(&rows(i)), free.log_odds(&rows(i)));
        assert!((found - expected).abs() < 1e-3, "{found} is not {expected}");
    }
}

#[test]
fn shares_add_up_and_are_zero_for_the_average() {
    let table = matrix((0..90).map(|i| {
        let known = if i % 4 == 0 { f32::NAN } else { i as f32 };
        [known, 7.0, if i % 5 == 0 { f32::NAN } else { (i % 3) as f32 }]
    }));
    let labels: Vec<f32> = (0..90).map(|i| f32::from(u8::from(i % 4 == 0 || i % 7 == 1))).collect();
    let fitted = Logistic::fit(&table, &labels, 1.0);
    let mut sums = [0.0; 3];
    for row in (0..90).map(|i| table.row(i)) {
        let mut shares = [0.0; 3];
        fitted.explain(row, |column, share| shares[column] += share);
        assert!((fitted.bias() + shares.iter().sum::<f64>() - fitted.log_odds(row)).abs() < 1e-12);
        assert_eq!(shares[1], 0.0);
        sums.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
    }
    assert!(sums.iter().all(|sum| sum.abs() < 1e-9), "{sums:?}");
    let mean: f64 = (0..90).map(|i| fitted.log_odds(table.row(i))).sum::<f64>() / 90.0;
    assert!((mean - fitted.bias()).abs() < 1e-9);
}

#[test]
fn a_stored_model_is_read_back_or_refused() {
    let table = matrix((0..100).map(|i| [i as f32, if i % 3 == 0 { f32::NAN } else { 1.0 }, (i % 4) as f32]));
    let labels: Vec<f32> = (0..100).map(|i| f32::from(u8::from(i % 3 == 0))).collect();
    let fitted = Logistic::fit(&table, &labels, 1.0);
    let json = serde_json::to_value(&fitted).unwrap();
    assert_eq!(serde_json::from_value::<Logistic>(json.clone()).unwrap(), fitted);
    let broken = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut json = json.clone();
        change(&mut json);
        serde_json::from_value::<Logistic>(json).unwrap_err().to_string()
    };
    assert!(broken(&|json| json["columns"][0]["number"]["coefficient"] = 99.into()).contains("column 0"));
    assert!(broken(&|json| json["columns"][0]["number"]["deviation"] = 0.0.into()).contains("column 0"));
    assert!(broken(&|json| json["averages"] = serde_json::json!([])).contains("coefficients"));
    assert!(broken(&|json| json["coefficients"] = serde_json::json!([])).contains("coefficients"));
}

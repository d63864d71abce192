use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::{
    features::{Column, ColumnKind, Group},
    models::{logistic::Logistic, numeric::softplus},
};

const OPTIONS: NetOptions = NetOptions { seed: 1, threads: 2, epochs: None };
const CATEGORIES: u32 = 6;

fn column(name: &str, kind: ColumnKind) -> Column {
    Column { name: name.to_owned(), group: Group::Timing, kind }
}

fn numbers(count: usize) -> Vec<Column> {
    (0..count).map(|i| column(&format!("number_{i}"), ColumnKind::Numeric)).collect()
}

/// Four numbers with missing values, and a category; conversion depends on products, on what is missing and on the
/// category. Targets are probabilities.
fn examples(rows: usize) -> (Matrix, Vec<f32>) {
    let mut generator = ChaCha8Rng::seed_from_u64(5);
    let mut columns = numbers(4);
    columns.push(column("category", ColumnKind::Categorical { cardinality: CATEGORIES }));
    let mut matrix = Matrix { columns, values: Vec::new() };
    let mut targets = Vec::new();
    for _ in 0..rows {
        let mut row: Vec<f32> = (0..4).map(|_| generator.random_range(-2.0..2.0)).collect();
        row[2] = row[2].exp();
        if generator.random_bool(0.2) {
            row[3] = f32::NAN;
        }
        // The last category is rare, and two are never seen.
        let category = if generator.random_bool(0.001) { 4 } else { generator.random_range(0..4) };
        let missing = if row[3].is_nan() { 1.5 } else { 0.5 * row[3] };
        let log_odds = 1.5 * row[0] * row[1] + missing + if category == 2 { 1.0 } else { -0.5 } - (row[2] - 1.0).abs();
        targets.push(1.0 / (1.0 + (-log_odds).exp()));
        row.push(category as f32);
        matrix.values.extend(row);
    }
    (matrix, targets)
}

fn split(rows: usize) -> (Vec<usize>, Vec<usize>) {
    (0..rows).partition(|row| row % 5 != 0)
}

fn fit(matrix: &Matrix, targets: &[f32]) -> (Net, usize) {
    let (fitted, watched) = split(matrix.rows());
    Net::fit(matrix, targets, &fitted, Some(&watched), OPTIONS).unwrap()
}

fn log_loss(log_odds: impl Fn(&[f32]) -> f64, matrix: &Matrix, targets: &[f32], rows: &[usize]) -> f64 {
    let of_row = |&row: &usize| {
        let log_odds = log_odds(matrix.row(row));
        softplus(log_odds) - log_odds * f64::from(targets[row])
    };
    rows.iter().map(of_row).sum::<f64>() / rows.len() as f64
}

#[test]
fn lists_that_do_not_fit_are_refused() {
    let (matrix, targets) = examples(50);
    let rows: Vec<usize> = (0..50).collect();
    let fit = |targets: &[f32], fitted: &[usize], watched, epochs| {
        Net::fit(&matrix, targets, fitted, watched, NetOptions { epochs, ..OPTIONS }).is_err()
    };
    assert!(fit(&targets[..49], &rows[..40], None, Some(1)), "a target is missing");
    assert!(fit(&targets, &[50], None, Some(1)), "a row that does not exist");
    assert!(fit(&targets, &rows, Some(&[99]), None), "a watched row that does not exist");
    assert!(fit(&targets, &[], None, Some(1)), "nothing to learn from");
    assert!(fit(&targets, &rows, None, None), "no end");
    assert!(fit(&[2.0; 50], &rows, None, Some(1)), "a target above 1");
    assert!(!fit(&targets, &rows, None, Some(1)));
}

#[test]
fn interactions_are_learned_that_no_logistic_model_sees() {
    let mut generator = ChaCha8Rng::seed_from_u64(3);
    let values: Vec<f32> = (0..6_000).map(|_| generator.random_range(-1.0..1.0)).collect();
    let targets: Vec<f32> = values.chunks(2).map(|pair| if pair[0] * pair[1] > 0.0 { 0.95 } else { 0.05 }).collect();
    let matrix = Matrix { columns: numbers(2), values };
    let (fitted, watched) = split(matrix.rows());
    let net = fit(&matrix, &targets).0;
    let logistic = Logistic::fit(&matrix.select(&fitted), &fitted.iter().map(|&i| targets[i]).collect::<Vec<_>>(), 1.0);
    let of_net = log_loss(|row| net.log_odds(row), &matrix, &targets, &watched);
    let of_logistic = log_loss(|row| logistic.log_odds(row), &matrix, &targets, &watched);
    assert!(of_logistic > 0.68, "{of_logistic}");
    // Knowing the truth gives 0.199.
    assert!(of_net < 0.25, "{of_net}");
}

#[test]
fn soft_targets_are_met_on_average() {
    let (matrix, targets) = examples(4_000);
    let net = fit(&matrix, &targets).0;
    let rows: Vec<usize> = (0..matrix.rows()).collect();
    let entropy = log_loss(|_| 0.0, &matrix, &targets, &[0]);
    assert!(entropy > 0.69);
    let truth: f64 = targets.iter().map(|&t| f64::from(t)).map(|t| -t * t.ln() - (1.0 - t) * (1.0 - t).ln()).sum();
    let found = log_loss(|row| net.log_odds(row), &matrix, &targets, &rows);
    let least = truth / rows.len() as f64;
    assert!(found < least + 0.02, "{found} is far from {least}");
}

#[test]
fn serving_equals_the_training() {
    let (matrix, targets) = examples(2_000);
    let (fitted, watched) = split(matrix.rows());
    let (net, _, traced) = Net::fit_traced(&matrix, &targets, &fitted, Some(&watched), OPTIONS).unwrap();
    for (heads, &row) in traced.iter().zip(&watched) {
        for (expected, found) in heads.iter().zip(net.heads(matrix.row(row))) {
            assert!((f64::from(*expected) - found).abs() < 1e-5, "row {row}: {found} is not {expected}");
        }
    }
}

#[test]
fn missing_unknown_and_wild_values_are_borne() {
    let (matrix, targets) = examples(2_000);
    let net = fit(&matrix, &targets).0;
    let wild = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, -1.0, 0.0, 1e9, f32::MIN_POSITIVE];
    for value in wild {
        for place in 0..matrix.width() {
            let mut row = matrix.row(7).to_vec();
            row[place] = value;
            assert!(net.log_odds(&row).is_finite(), "column {place} at {value}");
        }
        assert!(net.log_odds(&[value; 5]).is_finite());
    }
    assert_eq!(net.log_odds(&[]), net.log_odds(&[f32::NAN; 5]), "what is not there is missing");
    let with_category = |category: f32| net.log_odds(&[0.1, 0.1, 1.0, 0.0, category]);
    assert_eq!(with_category(5.0), with_category(0.0), "a category that was never seen counts as any other");
    assert_eq!(with_category(4.0), with_category(0.0), "and so does one that hardly was");
    assert!(with_category(2.0) > with_category(1.0) + 0.5);
    let with_third = |third: f32| net.log_odds(&[0.1, 0.1, 1.0, third, 1.0]);
    assert!(with_third(f32::NAN) > with_third(0.0) + 0.5, "that a value is missing says something here");
}

#[test]
fn nothing_to_learn_from_gives_the_share() {
    let rows = 400;
    let matrix = Matrix { columns: numbers(2), values: [f32::NAN, 3.0].repeat(rows) };
    let targets: Vec<f32> = (0..rows).map(|row| if row % 10 < 3 { 1.0 } else { 0.0 }).collect();
    let all: Vec<usize> = (0..rows).collect();
    let net = Net::fit(&matrix, &targets, &all, None, NetOptions { epochs: Some(2), ..OPTIONS }).unwrap().0;
    assert!((net.log_odds(matrix.row(0)) - (0.3_f64 / 0.7).ln()).abs() < 0.1);
    let mut parts = 0;
    net.explain(matrix.row(0), |_, _| parts += 1);
    assert_eq!(parts, 0, "there is no column to explain with");
    assert_eq!(net.log_odds(matrix.row(0)), net.bias());
    assert_eq!(Net::from_bytes(&net.to_bytes().unwrap()).unwrap(), net);
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let (matrix, targets) = examples(1_500);
    let (fitted, watched) = split(matrix.rows());
    let bytes = |seed, threads| {
        let options = NetOptions { seed, threads, epochs: None };
        Net::fit(&matrix, &targets, &fitted, Some(&watched), options).unwrap().0.to_bytes().unwrap()
    };
    let one = bytes(1, 1);
    assert_eq!(one, bytes(1, 2));
    assert_eq!(one, bytes(1, 4));
    assert_ne!(one, bytes(2, 1));
}

#[test]
fn training_stops_where_noise_begins_and_returns_the_best_epoch() {
    let mut generator = ChaCha8Rng::seed_from_u64(9);
    let values: Vec<f32> = (0..8_000).map(|_| generator.random()).collect();
    let targets: Vec<f32> = (0..1_000).map(|_| f32::from(u8::from(generator.random_bool(0.3)))).collect();
    let matrix = Matrix { columns: numbers(8), values };
    let (fitted, watched) = split(matrix.rows());
    let (net, epochs) = fit(&matrix, &targets);
    assert!(epochs < 10, "{epochs} epochs of noise");
    let best = log_loss(|row| net.log_odds(row), &matrix, &targets, &watched);
    for other in [epochs + 3, 20] {
        let options = NetOptions { epochs: Some(other), ..OPTIONS };
        let (later, found) = Net::fit(&matrix, &targets, &fitted, None, options).unwrap();
        assert_eq!(found, other);
        assert!(log_loss(|row| later.log_odds(row), &matrix, &targets, &watched) >= best - 1e-9, "epoch {other}");
    }
    let again = Net::fit(&matrix, &targets, &fitted, None, NetOptions { epochs: Some(epochs), ..OPTIONS }).unwrap().0;
    assert_eq!(again, net, "training for so many epochs goes the same way");
}

#[test]
fn columns_with_a_certain_direction_are_not_read() {
    let (mut matrix, targets) = examples(300);
    "sentiment_mean".clone_into(&mut matrix.columns[1].name);
    let net = fit(&matrix, &targets).0;
    let mut row = matrix.row(3).to_vec();
    let before = net.log_odds(&row);
    row[1] += 1.0;
    assert_eq!(net.log_odds(&row), before);
    net.explain(&row, |column, _| assert_ne!(column, 1));
}

/// Shapley values by sampled orders of the columns, each order also backwards.
fn shapley(net: &Net, row: &[f32], orders: usize, generator: &mut ChaCha8Rng) -> Vec<f64> {
    let mut values = vec![0.0; net.width()];
    let mut order: Vec<&Encoded> = net.columns.iter().collect();
    for _ in 0..orders {
        order.shuffle(generator);
        for backwards in [false, true] {
            if backwards {
                order.reverse();
            }
            let (mut sums, mut before) = ([0.0; HIDDEN], net.bias);
            for encoded in &order {
                add(&mut sums, &net.vector(encoded, row), 1.0);
                let after = mean(&net.layers.heads(&sums));
                values[encoded.column] += (after - before) / (2 * orders) as f64;
                before = after;
            }
        }
    }
    values
}

#[test]
fn attributions_add_up_and_are_close_to_shapley_values() {
    let (matrix, targets) = examples(4_000);
    let net = fit(&matrix, &targets).0;
    let mut generator = ChaCha8Rng::seed_from_u64(11);
    let (mut error, mut size) = (0.0, 0.0);
    for row in (0..matrix.rows()).step_by(40) {
        let row = matrix.row(row);
        let mut found = vec![0.0; matrix.width()];
        net.explain(row, |column, value| found[column] += value);
        assert!((found.iter().sum::<f64>() + net.bias() - net.log_odds(row)).abs() < 1e-9);
        for (found, expected) in found.iter().zip(shapley(&net, row, 100, &mut generator)) {
            error += (found - expected).abs();
            size += expected.abs();
        }
    }
    let share = error / size;
    println!("mean error of the attributions: {:.2} %", 100.0 * share);
    assert!(share < 0.10, "{share}");
}

#[test]
fn a_file_keeps_every_bit() {
    let (matrix, targets) = examples(500);
    let net = fit(&matrix, &targets).0;
    let bytes = net.to_bytes().unwrap();
    let read = Net::from_bytes(&bytes).unwrap();
    assert_eq!(read, net);
    assert_eq!(read.to_bytes().unwrap(), bytes);
}

#[test]
fn damaged_files_are_refused() {
    let (matrix, targets) = examples(300);
    let net = fit(&matrix, &targets).0;
    let bytes = net.to_bytes().unwrap();
    for length in (0..bytes.len()).step_by(997).chain([bytes.len() - 1]) {
        assert!(Net::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
    }
    let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    for at in 0..header {
        for flip in [1, 0x10, 0x80] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            // Some of these are still a network, none is a panic.
            if let Ok(net) = Net::from_bytes(&damaged) {
                assert!(net.log_odds(matrix.row(0)).is_finite());
            }
        }
    }
    for value in [f32::NAN, f32::INFINITY, 1e6] {
        let mut damaged = bytes.clone();
        damaged[header..header + 4].copy_from_slice(&value.to_le_bytes());
        assert!(Net::from_bytes(&damaged).is_err(), "a weight of {value}");
    }
    let replaced = |from: &str, to: &str| {
        let text = String::from_utf8(bytes[8..header].to_vec()).unwrap();
        let text = text.replacen(from, to, 1);
        let mut damaged = (text.len() as u64).to_le_bytes().to_vec();
        damaged.extend(text.as_bytes());
        damaged.extend(&bytes[header..]);
        Net::from_bytes(&damaged).is_err()
    };
    assert!(!replaced("\\\"format\\\":1", "\\\"format\\\":1"));
    assert!(replaced("\\\"format\\\":1", "\\\"format\\\":2"), "a later format");
    assert!(replaced("\\\"column\\\":4", "\\\"column\\\":5"), "a column beyond the view");
    assert!(replaced("\\\"column\\\":4", "\\\"column\\\":1"), "columns out of order");
    assert!(replaced("\\\"categories\\\":[1", "\\\"categories\\\":[9"), "categories out of order");
    assert!(replaced("\\\"categories\\\":[1", "\\\"categories\\\":[0"), "a category that is no other");
    assert!(replaced("\\\"knots\\\":[", "\\\"knots\\\":[1e9,"), "knots out of order");
    assert!(replaced("\"intercept\"", "\"intercepts\""), "a tensor less");
}

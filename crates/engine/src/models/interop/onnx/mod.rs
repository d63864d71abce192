//! A model as a graph in ONNX: from encoded rows to log-odds and calibrated probabilities.
//!
//! Owns: the sum of the members, the calibration and the folder. Invariant: everything is computed in double
//! precision; what differs from the server is the rounding of the net, which the server computes in single precision.
//! Deliberately absent: the interval, and the encoding of raw values.

mod graph;
mod members;
mod proto;
mod trees;

use std::collections::BTreeMap;

use self::graph::{Codes, Graph, Name};
use super::{column_table, files::Members};
use crate::{features::ColumnKind, models::Bundle};

/// Bound of the calibrated log-odds.
const MAX_LOG_ODDS: f64 = 20.0;

/// The folder of a graph, by path.
pub(super) fn folder(members: &Members, bundle: &Bundle, version: &str) -> BTreeMap<String, Vec<u8>> {
    let mut folder = BTreeMap::from([("model.onnx".to_owned(), model(members, bundle, version))]);
    if let Some(view) = bundle.to_files().remove("view.json") {
        folder.insert("view.json".to_owned(), view);
    }
    let readme = include_str!("README.md").replace("VERSION", version).replace("COLUMNS", &column_table(bundle));
    folder.insert("README.md".to_owned(), readme.into_bytes());
    folder.insert("check.py".to_owned(), include_bytes!("check.py").to_vec());
    folder
}

fn model(members: &Members, bundle: &Bundle, version: &str) -> Vec<u8> {
    let view = bundle.view();
    let mut graph = Graph::new();
    let has_categories = view.columns().iter().any(|column| column.kind != ColumnKind::Numeric);
    let mut largest = BTreeMap::new();
    members.trees.iter().for_each(|(_, member)| trees::largest(member, &mut largest));
    let codes = has_categories.then(|| Codes::new(&mut graph, view, &largest));
    let codes = codes.as_ref();

    let mut sum = graph.doubles(&[1], &[members.intercept]);
    if let Some((weight, member)) = &members.logistic {
        let said = members::logistic(&mut graph, codes, member);
        sum = add(&mut graph, &sum, *weight, &said);
    }
    for (weight, member) in &members.trees {
        let said = trees::trees(&mut graph, codes, member, view.width());
        sum = add(&mut graph, &sum, *weight, &said);
    }
    if let Some((weight, member)) = &members.net {
        let said = members::net(&mut graph, codes, member);
        sum = add(&mut graph, &sum, *weight, &said);
    }
    let axis = graph.integers(&[1], &[1]);
    let log_odds = graph.apply("Squeeze", &[&sum, &axis]);
    let probability = calibrated(&mut graph, &log_odds, members.map);
    graph.finish(version, view.width(), &[("log_odds", log_odds), ("probability", probability)])
}

fn add(graph: &mut Graph, sum: &str, weight: f64, said: &str) -> Name {
    let weight = graph.doubles(&[1], &[weight]);
    let weighed = graph.apply("Mul", &[said, &weight]);
    graph.apply("Add", &[sum, &weighed])
}

/// Beta calibration: `a·ln p − b·ln(1 − p) + c` with p the uncalibrated probability.
fn calibrated(graph: &mut Graph, log_odds: &str, [a, b, c]: [f64; 3]) -> Name {
    let negated = graph.apply("Neg", &[log_odds]);
    let [of_failure, of_success] = [softplus(graph, &negated), softplus(graph, log_odds)];
    let mut number = |value: f64| graph.doubles(&[1], &[value]);
    let [a, b, c] = [number(-a), number(b), number(c)];
    let rising = graph.apply("Mul", &[&a, &of_failure]);
    let falling = graph.apply("Mul", &[&b, &of_success]);
    let both = graph.apply("Add", &[&rising, &falling]);
    let mapped = graph.apply("Add", &[&both, &c]);
    let [least, most] = [-MAX_LOG_ODDS, MAX_LOG_ODDS].map(|bound| graph.doubles(&[], &[bound]));
    let held = graph.apply("Clip", &[&mapped, &least, &most]);
    graph.apply("Sigmoid", &[&held])
}

/// max(x, 0) + ln(1 + e^−|x|).
fn softplus(graph: &mut Graph, of: &str) -> Name {
    let size = graph.apply("Abs", &[of]);
    let negated = graph.apply("Neg", &[&size]);
    let small = graph.apply("Exp", &[&negated]);
    let one = graph.doubles(&[1], &[1.0]);
    let more = graph.apply("Add", &[&small, &one]);
    let tail = graph.apply("Log", &[&more]);
    let positive = graph.apply("Relu", &[of]);
    graph.apply("Add", &[&positive, &tail])
}

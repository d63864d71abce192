//! The logistic member and the net as plain operators, in double precision.
//!
//! Owns: their layout as matrices. Invariant: missing values and unknown categories go where the served members send
//! them. Deliberately absent: trees.

use std::collections::BTreeMap;

use super::graph::{Codes, Graph, Name, ROWS};
use super::proto::Element;
use crate::models::interop::files::{Encoded, Logistic, Net, NetColumn};

/// Standardised numbers are held within this range, as they are where they are served.
const MAX_STANDARDISED: f64 = 8.0;

/// Numbers of some columns: rows × columns of doubles, and where they are missing.
struct Numbers {
    values: Name,
    absent: Name,
}

fn numbers(graph: &mut Graph, columns: impl IntoIterator<Item = usize>) -> Numbers {
    let places = graph.places(columns);
    let picked = graph.gather(ROWS, &places, 1);
    let absent = graph.apply("IsNaN", &[&picked]);
    Numbers { values: graph.cast(&picked, Element::Double), absent }
}

/// Rows × 1: the log-odds of the logistic member.
pub(super) fn logistic(graph: &mut Graph, codes: Option<&Codes>, member: &Logistic) -> Name {
    let coefficient = |place: usize| member.coefficients.get(place).copied().unwrap_or_default();
    let intercept = member.coefficients.last().copied().unwrap_or_default();
    let mut sum = graph.doubles(&[1], &[intercept]);
    let (mut of_numbers, mut figures) = (Vec::new(), Vec::new());
    let (mut of_codes, mut tables) = (Vec::new(), Vec::new());
    let (mut of_absence, mut absences) = (Vec::new(), Vec::new());
    for (column, encoded) in member.columns.iter().enumerate() {
        match encoded {
            Encoded::Dropped => {}
            Encoded::Number { median, mean, deviation, coefficient: place, missing } => {
                of_numbers.push(column);
                figures.push([*median, *mean, *deviation, coefficient(*place), missing.map_or(0.0, coefficient)]);
            }
            Encoded::Category { coefficients, missing } => {
                let absence = missing.map_or(0.0, coefficient);
                // A number that never varies speaks by its absence alone.
                let Some(last) = codes.and_then(|codes| codes.last(column)) else {
                    of_absence.push(column);
                    absences.push(absence);
                    continue;
                };
                let mut table = vec![0.0; last + 1];
                table[0] = absence;
                for (&code, &place) in coefficients {
                    if let Some(entry) = table.get_mut(code as usize + 1) {
                        *entry = coefficient(place);
                    }
                }
                of_codes.push((column, table.len()));
                tables.extend(table);
            }
        }
    }
    if !of_numbers.is_empty() {
        let part = standardised(graph, &of_numbers, &figures);
        sum = graph.apply("Add", &[&sum, &part]);
    }
    if !of_absence.is_empty() {
        let absent = numbers(graph, of_absence).absent;
        let part = weighed(graph, &absent, &absences);
        sum = graph.apply("Add", &[&sum, &part]);
    }
    if let Some(codes) = codes.filter(|_| !of_codes.is_empty()) {
        let part = looked_up(graph, codes, &of_codes, &tables);
        sum = graph.apply("Add", &[&sum, &part]);
    }
    sum
}

/// Rows × 1: what numbers and their absence say. `figures`: median, mean, deviation and both coefficients.
fn standardised(graph: &mut Graph, columns: &[usize], figures: &[[f64; 5]]) -> Name {
    let Numbers { values, absent } = numbers(graph, columns.iter().copied());
    let mut list = |of: usize| {
        let values: Vec<f64> = figures.iter().map(|one| one[of]).collect();
        graph.doubles(&[values.len()], &values)
    };
    let [median, mean, deviation] = [list(0), list(1), list(2)];
    let filled = graph.apply("Where", &[&absent, &median, &values]);
    let centred = graph.apply("Sub", &[&filled, &mean]);
    let divided = graph.apply("Div", &[&centred, &deviation]);
    let [least, most] = [-MAX_STANDARDISED, MAX_STANDARDISED].map(|bound| graph.doubles(&[], &[bound]));
    let held = graph.apply("Clip", &[&divided, &least, &most]);
    let coefficients: Vec<f64> = figures.iter().map(|one| one[3]).collect();
    let coefficients = graph.doubles(&[figures.len(), 1], &coefficients);
    let of_values = graph.apply("MatMul", &[&held, &coefficients]);
    let of_absence: Vec<f64> = figures.iter().map(|one| one[4]).collect();
    let of_absence = weighed(graph, &absent, &of_absence);
    graph.apply("Add", &[&of_values, &of_absence])
}

/// Rows × 1: the sum of the weights of what is so.
fn weighed(graph: &mut Graph, so: &str, weights: &[f64]) -> Name {
    let so = graph.cast(so, Element::Double);
    let weights = graph.doubles(&[weights.len(), 1], weights);
    graph.apply("MatMul", &[&so, &weights])
}

/// Rows × 1: the sum of what tables laid end to end say of the codes.
fn looked_up(graph: &mut Graph, codes: &Codes, columns: &[(usize, usize)], tables: &[f64]) -> Name {
    let stand = codes.stand(graph, columns.iter().copied());
    let tables = graph.doubles(&[tables.len()], tables);
    let found = graph.gather(&tables, &stand, 0);
    graph.reduce("ReduceSum", &found, 1, true)
}

/// Rows × 1: the log-odds of the net, the mean of its heads.
pub(super) fn net(graph: &mut Graph, codes: Option<&Codes>, member: &Net) -> Name {
    let sums = sums(graph, codes, member);
    let mut tensor = |name: &str| {
        let (shape, values) = member.tensor(name);
        graph.doubles(shape, values)
    };
    let [scale_1, shift_1, matrix] = ["scale_1", "shift_1", "matrix"].map(&mut tensor);
    let [scale_2, shift_2, output, intercept] = ["scale_2", "shift_2", "output", "intercept"].map(&mut tensor);
    let skip = tensor("skip");
    let one = graph.integers(&[1], &[1]);
    // Rows × 1 × hidden, then a copy for each head.
    let apart = graph.apply("Unsqueeze", &[&sums, &one]);
    let first = layer(graph, &apart, &scale_1, &shift_1);
    let second = graph.apply("MatMul", &[&first, &matrix]);
    let second = layer(graph, &second, &scale_2, &shift_2);
    let weighed = graph.apply("Mul", &[&second, &output]);
    let deep = graph.reduce("ReduceSum", &weighed, -1, false);
    let turned = graph.apply("Transpose", &[&skip]);
    let shallow = graph.apply("MatMul", &[&sums, &turned]);
    let heads = graph.apply("Add", &[&deep, &shallow]);
    let heads = graph.apply("Add", &[&heads, &intercept]);
    graph.reduce("ReduceMean", &heads, 1, true)
}

fn layer(graph: &mut Graph, of: &str, scale: &str, shift: &str) -> Name {
    let scaled = graph.apply("Mul", &[of, scale]);
    let shifted = graph.apply("Add", &[&scaled, shift]);
    graph.apply("Relu", &[&shifted])
}

/// Rows × hidden: the sum of the columns' vectors. A number lies on a broken line: the vector of its first knot, and
/// of each piece as much as the number has passed of it.
fn sums(graph: &mut Graph, codes: Option<&Codes>, member: &Net) -> Name {
    let (shape, tables) = member.tensor("tables");
    let hidden = shape.last().copied().unwrap_or_default();
    let vector = |slot: usize| &tables[slot * hidden..][..hidden];
    let difference = |slot: usize, from: usize| -> Vec<f64> {
        vector(slot).iter().zip(vector(from)).map(|(value, from)| value - from).collect()
    };
    let mut start = vec![0.0; hidden];
    let (mut pieces, mut of_pieces) = (Vec::new(), Vec::new());
    let (mut of_numbers, mut of_absence) = (Vec::new(), Vec::new());
    let (mut of_codes, mut slots) = (Vec::new(), Vec::new());
    let mut first = 0;
    for NetColumn { column, knots, categories } in &member.columns {
        if let Some(knots) = knots {
            start.iter_mut().zip(vector(first)).for_each(|(sum, value)| *sum += value);
            for (place, ends) in knots.windows(2).enumerate() {
                pieces.push((*column, f64::from(ends[0]), f64::from(ends[1])));
                of_pieces.extend(difference(first + place + 1, first + place));
            }
            of_numbers.push(*column);
            of_absence.extend(difference(first + knots.len(), first));
            first += knots.len() + 1;
        }
        if let (Some(own), Some(last)) = (categories, codes.and_then(|codes| codes.last(*column))) {
            of_codes.push((*column, last + 1));
            slots.extend(slots_of(own, last).into_iter().map(|slot| (first + slot) as i64));
            first += own.len() + 2;
        }
    }
    let mut sum = graph.doubles(&[1, hidden], &start);
    if !of_numbers.is_empty() {
        let part = broken_lines(graph, &pieces, &of_pieces, hidden);
        sum = graph.apply("Add", &[&sum, &part]);
        let count = of_numbers.len();
        let absent = numbers(graph, of_numbers).absent;
        let absent = graph.cast(&absent, Element::Double);
        let vectors = graph.doubles(&[count, hidden], &of_absence);
        let part = graph.apply("MatMul", &[&absent, &vectors]);
        sum = graph.apply("Add", &[&sum, &part]);
    }
    if let Some(codes) = codes.filter(|_| !of_codes.is_empty()) {
        let stand = codes.stand(graph, of_codes.into_iter());
        let slots = graph.integers(&[slots.len()], &slots);
        let rows = graph.gather(&slots, &stand, 0);
        let vectors = graph.doubles(shape, tables);
        let found = graph.gather(&vectors, &rows, 0);
        let part = graph.reduce("ReduceSum", &found, 1, false);
        sum = graph.apply("Add", &[&sum, &part]);
    }
    sum
}

/// The slot of each place of a table: rare ones, the net's own, the missing value.
fn slots_of(own: &[u32], last: usize) -> Vec<usize> {
    let slot: BTreeMap<u32, usize> = own.iter().enumerate().map(|(place, &code)| (code, place + 1)).collect();
    let of_code = (1..=last).map(|place| slot.get(&(place as u32 - 1)).copied().unwrap_or_default());
    std::iter::once(own.len() + 1).chain(of_code).collect()
}

/// Rows × hidden: how far each piece is passed, times its vector. A missing number passes none.
fn broken_lines(graph: &mut Graph, pieces: &[(usize, f64, f64)], vectors: &[f64], hidden: usize) -> Name {
    let Numbers { values, absent } = numbers(graph, pieces.iter().map(|&(column, ..)| column));
    let lows: Vec<f64> = pieces.iter().map(|&(_, low, _)| low).collect();
    let widths: Vec<f64> = pieces.iter().map(|&(_, low, high)| high - low).collect();
    let [lows, widths] = [lows, widths].map(|list| graph.doubles(&[list.len()], &list));
    let above = graph.apply("Sub", &[&values, &lows]);
    let share = graph.apply("Div", &[&above, &widths]);
    let zero = graph.doubles(&[], &[0.0]);
    let share = graph.apply("Where", &[&absent, &zero, &share]);
    let one = graph.doubles(&[], &[1.0]);
    let held = graph.apply("Clip", &[&share, &zero, &one]);
    let vectors = graph.doubles(&[pieces.len(), hidden], vectors);
    graph.apply("MatMul", &[&held, &vectors])
}

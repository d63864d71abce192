//! A graph as it grows: operators, constants, and the codes of categories.
//!
//! Owns: names, and how a category is looked up in a table. Invariant: a name is given once. Deliberately absent: what
//! is computed.

use std::collections::BTreeMap;

use super::proto::{self, Element, Message};
use crate::features::{ColumnKind, FeatureView};

/// Name of the input: encoded rows.
pub(super) const ROWS: &str = "rows";
/// Operators of the standard, and those for machine learning.
const OPERATORS: [(&str, i64); 2] = [("", 18), (ML, 5)];
/// The domain of the operators for machine learning.
pub(super) const ML: &str = "ai.onnx.ml";
/// Version of the representation that knows these operators.
const IR_VERSION: i64 = 10;

/// Name of a value in the graph.
pub(super) type Name = String;

/// Operators and constants so far.
pub(super) struct Graph {
    nodes: Vec<Message>,
    constants: Vec<Message>,
    names: usize,
}

impl Graph {
    pub(super) fn new() -> Self {
        Self { nodes: Vec::new(), constants: Vec::new(), names: 0 }
    }

    fn name(&mut self, of: &str) -> Name {
        self.names += 1;
        format!("{}_{}", of.to_lowercase(), self.names)
    }

    /// Applies a standard operator; its one output.
    pub(super) fn apply(&mut self, op: &str, inputs: &[&str]) -> Name {
        self.apply_with(op, "", inputs, &[])
    }

    pub(super) fn apply_with(&mut self, op: &str, domain: &str, inputs: &[&str], attributes: &[Message]) -> Name {
        let output = self.name(op);
        self.nodes.push(proto::node(op, domain, inputs, &[&output], attributes));
        output
    }

    /// Picks places of `of` along an axis.
    pub(super) fn gather(&mut self, of: &str, places: &str, axis: i64) -> Name {
        self.apply_with("Gather", "", &[of, places], &[proto::int_attribute("axis", axis)])
    }

    /// Converts the elements of a value.
    pub(super) fn cast(&mut self, of: &str, to: Element) -> Name {
        self.apply_with("Cast", "", &[of], &[proto::int_attribute("to", to as i64)])
    }

    /// Sums (or another reduction) along one axis, which goes away unless it is kept.
    pub(super) fn reduce(&mut self, op: &str, of: &str, axis: i64, keep: bool) -> Name {
        let axes = self.integers(&[1], &[axis]);
        self.apply_with(op, "", &[of, &axes], &[proto::int_attribute("keepdims", i64::from(keep))])
    }

    pub(super) fn doubles(&mut self, shape: &[usize], values: &[f64]) -> Name {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(Element::Double, shape, &bytes)
    }

    pub(super) fn integers(&mut self, shape: &[usize], values: &[i64]) -> Name {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(Element::Integer, shape, &bytes)
    }

    pub(super) fn places(&mut self, values: impl IntoIterator<Item = usize>) -> Name {
        let values: Vec<i64> = values.into_iter().map(|value| value as i64).collect();
        self.integers(&[values.len()], &values)
    }

    pub(super) fn bytes(&mut self, shape: &[usize], values: &[u8]) -> Name {
        self.constant(Element::Byte, shape, values)
    }

    fn constant(&mut self, element: Element, shape: &[usize], bytes: &[u8]) -> Name {
        let name = self.name("constant");
        self.constants.push(proto::tensor(&name, element, shape, bytes));
        name
    }

    /// The finished model. `outputs` are values of one double a row, by the names that they get outside.
    pub(super) fn finish(mut self, name: &str, width: usize, outputs: &[(&str, Name)]) -> Vec<u8> {
        for (outside, inside) in outputs {
            self.nodes.push(proto::node("Identity", "", &[inside], &[outside], &[]));
        }
        let graph = self.nodes.iter().fold(Message::default(), |graph, node| graph.message(1, node)).text(2, name);
        let graph = self.constants.iter().fold(graph, |graph, constant| graph.message(5, constant));
        let graph = graph.message(11, &proto::value(ROWS, Element::Float, Some(width)));
        let graph = outputs
            .iter()
            .fold(graph, |graph, (outside, _)| graph.message(12, &proto::value(outside, Element::Double, None)));
        let model = Message::default()
            .int(1, IR_VERSION)
            .text(2, "leadscore")
            .text(3, env!("CARGO_PKG_VERSION"))
            .message(7, &graph);
        let operators = OPERATORS.map(|(domain, version)| proto::operators(domain, version));
        operators.iter().fold(model, |model, set| model.message(8, set)).into_bytes()
    }
}

/// The categories of a row as places in tables: 0 where it is missing, 1 + code, and a last place for codes beyond.
pub(super) struct Codes {
    /// Rows × columns of categories.
    places: Name,
    /// Place among them and last place in the tables, by column of the view.
    columns: BTreeMap<usize, (usize, usize)>,
}

impl Codes {
    /// `largest` names columns with codes beyond those of the view.
    pub(super) fn new(graph: &mut Graph, view: &FeatureView, largest: &BTreeMap<usize, u32>) -> Self {
        let mut columns = BTreeMap::new();
        for (column, described) in view.columns().iter().enumerate() {
            if let ColumnKind::Categorical { cardinality } = described.kind {
                let codes = cardinality.max(largest.get(&column).map_or(0, |code| code + 1));
                columns.insert(column, (columns.len(), codes as usize + 1));
            }
        }
        let of_columns = graph.places(columns.keys().copied());
        let values = graph.gather(ROWS, &of_columns, 1);
        let absent = graph.apply("IsNaN", &[&values]);
        let zero = graph.doubles(&[1], &[0.0]);
        let numbers = graph.cast(&values, Element::Double);
        let present = graph.apply("Where", &[&absent, &zero, &numbers]);
        let codes = graph.cast(&present, Element::Integer);
        let one = graph.integers(&[1], &[1]);
        let shifted = graph.apply("Add", &[&codes, &one]);
        let last: Vec<i64> = columns.values().map(|&(_, last)| last as i64).collect();
        let last = graph.integers(&[last.len()], &last);
        let held = graph.apply("Min", &[&shifted, &last]);
        let none = graph.integers(&[1], &[0]);
        let places = graph.apply("Where", &[&absent, &none, &held]);
        Self { places, columns }
    }

    /// Last place in the tables of a column of the view; `None` where it holds numbers.
    pub(super) fn last(&self, column: usize) -> Option<usize> {
        self.columns.get(&column).map(|&(_, last)| last)
    }

    /// Rows × tables: where each row stands in `tables` laid end to end, each given by its column and length.
    pub(super) fn stand(&self, graph: &mut Graph, tables: impl Iterator<Item = (usize, usize)>) -> Name {
        let (mut of_codes, mut starts, mut next) = (Vec::new(), Vec::new(), 0);
        for (column, length) in tables {
            of_codes.push(self.columns[&column].0);
            starts.push(next);
            next += length;
        }
        let of_codes = graph.places(of_codes);
        let places = graph.gather(&self.places, &of_codes, 1);
        let starts = graph.places(starts);
        graph.apply("Add", &[&places, &starts])
    }
}

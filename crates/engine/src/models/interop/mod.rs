//! A trained model for other programs: a Python package, or a graph in ONNX.
//!
//! Owns: what is written into either folder, and the examples by which a reader can check it. Invariant: everything
//! is derived from the bundle's own files as docs/BUNDLE.md describes them, so what is said there suffices to read a
//! bundle. Deliberately absent: where the folder is, and leads: the examples are made up from the members' own
//! thresholds.

mod files;
mod onnx;
mod probes;
mod python;

use std::{collections::BTreeMap, fmt::Write as _};

use leadscore_domain::AttributeValue;
use serde_json::{Map, Value, json};
use thiserror::Error;

use self::{files::Members, probes::Probe};
use super::{Bundle, Prediction};

/// Examples that are written with a model.
const PROBES: usize = 200;

/// A form in which a model leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A Python package that reads the bundle's files with NumPy.
    Python,
    /// A graph of ONNX operators from encoded rows to log-odds and probabilities.
    Onnx,
}

/// A file of the bundle is not as it is documented.
#[derive(Debug, Error)]
#[error("`{file}` of the model cannot be exported: {problem}")]
pub struct InteropError {
    file: &'static str,
    problem: String,
}

/// The files of a folder that gives the same figures elsewhere, by their paths in it. `version` names the model.
///
/// # Errors
/// Where a file of the bundle is not as it is documented.
pub fn export(bundle: &Bundle, version: &str, form: Form) -> Result<BTreeMap<String, Vec<u8>>, InteropError> {
    let files = bundle.to_files();
    let members = Members::read(&files)?;
    let probes = probes::make(&members, bundle.view(), PROBES);
    let mut folder = match form {
        Form::Python => python::package(&files, version),
        Form::Onnx => onnx::folder(&members, bundle, version),
    };
    folder.insert("examples.json".to_owned(), examples(bundle, &probes));
    Ok(folder)
}

/// Examples with our figures for them.
fn examples(bundle: &Bundle, probes: &[Probe]) -> Vec<u8> {
    let described: Vec<Value> = probes
        .iter()
        .map(|probe| {
            let row = bundle.view().encode(std::slice::from_ref(&probe.snapshot));
            let Prediction { log_odds, probability, lower, upper, score } = bundle.predict(row.row(0));
            // JSON knows no NaN: what is missing is null.
            let values: Vec<Value> =
                row.row(0).iter().map(|&value| json!(Some(value).filter(|v| !v.is_nan()))).collect();
            json!({
                "values": raw(probe, bundle), "at": probe.snapshot.instant, "row": values, "log_odds": log_odds,
                "probability": probability, "lower": lower, "upper": upper, "score": score,
            })
        })
        .collect();
    let columns: Vec<&str> = bundle.view().columns().iter().map(|column| column.name.as_str()).collect();
    let mut bytes = serde_json::to_vec(&json!({ "columns": columns, "examples": described })).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// The present values of an example by column, as a source would send them.
fn raw(probe: &Probe, bundle: &Bundle) -> Value {
    let mut values = Map::new();
    for column in bundle.view().columns() {
        let found = match column.name.strip_prefix(crate::features::ATTRIBUTE_PREFIX) {
            Some(name) => {
                probe.snapshot.attributes.iter().find(|(held, _)| held == name).map(|(_, value)| match value {
                    AttributeValue::Time { time } => json!({ "time": time }),
                    AttributeValue::Boolean(_) | AttributeValue::Number(_) | AttributeValue::Category(_) => {
                        json!(value)
                    }
                })
            }
            None => probe.feature(&column.name).map(|value| json!(value)),
        };
        values.extend(found.map(|value| (column.name.clone(), value)));
    }
    Value::Object(values)
}

/// The columns of a row as a table in Markdown.
fn column_table(bundle: &Bundle) -> String {
    let mut text = "| place | column | values |\n|---|---|---|\n".to_owned();
    for (place, column) in bundle.view().columns().iter().enumerate() {
        let values = bundle.view().categories(place).map_or_else(
            || "number".to_owned(),
            |known| format!("category: 0 any other, 1 to {} as in `view.json`", known.len()),
        );
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {place} | `{}` | {values} |", column.name);
    }
    text
}

//! The files of a bundle's members, read as they are documented.
//!
//! Owns: the shapes of the files as seen from outside. Invariant: what was read holds together as far as it is used.
//! Deliberately absent: the served forms of the members.

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::InteropError;
use crate::models::ensemble::MEMBERS;

/// Files of one bundle.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// Every member that counts, with its weight.
pub(super) struct Members {
    pub(super) intercept: f64,
    pub(super) logistic: Option<(f64, Logistic)>,
    /// Those that were trained here, and imported ones.
    pub(super) trees: Vec<(f64, Trees)>,
    pub(super) net: Option<(f64, Net)>,
    /// Beta calibration: slopes and intercept.
    pub(super) map: [f64; 3],
}

#[derive(Deserialize)]
struct Stack {
    weights: Vec<f64>,
    intercept: f64,
}

#[derive(Deserialize)]
struct Calibration {
    map: CalibrationMap,
}

#[derive(Deserialize)]
struct CalibrationMap {
    a: f64,
    b: f64,
    c: f64,
}

/// `logistic.json`.
#[derive(Deserialize)]
pub(super) struct Logistic {
    pub(super) columns: Vec<Encoded>,
    pub(super) coefficients: Vec<f64>,
}

/// How one column becomes coefficients.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Encoded {
    Dropped,
    Number { median: f64, mean: f64, deviation: f64, coefficient: usize, missing: Option<usize> },
    Category { coefficients: BTreeMap<u32, usize>, missing: Option<usize> },
}

/// A file of trees.
pub(super) struct Trees {
    pub(super) intercept: f64,
    pub(super) trees: Vec<Tree>,
}

/// A tree; lists have one entry per node unless said otherwise.
#[derive(Deserialize)]
pub(super) struct Tree {
    pub(super) left_children: Vec<i64>,
    pub(super) right_children: Vec<i64>,
    pub(super) split_indices: Vec<usize>,
    /// The threshold, or the value of a leaf.
    pub(super) split_conditions: Vec<f32>,
    /// 0 or 1.
    pub(super) default_left: Vec<u8>,
    /// Nodes that test a category.
    categories_nodes: Vec<usize>,
    categories_segments: Vec<usize>,
    categories_sizes: Vec<usize>,
    categories: Vec<u32>,
}

impl Tree {
    /// The categories that each test of a category sends right, by node.
    pub(super) fn sets(&self) -> BTreeMap<usize, Vec<u32>> {
        let places = self.categories_segments.iter().zip(&self.categories_sizes);
        let set = |(start, size): (&usize, &usize)| self.categories.iter().skip(*start).take(*size).copied().collect();
        self.categories_nodes.iter().copied().zip(places.map(set)).collect()
    }
}

/// `net.safetensors`.
pub(super) struct Net {
    pub(super) columns: Vec<NetColumn>,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
}

/// A column that the net reads.
#[derive(Deserialize)]
pub(super) struct NetColumn {
    pub(super) column: usize,
    pub(super) knots: Option<Vec<f32>>,
    pub(super) categories: Option<Vec<u32>>,
}

#[derive(Deserialize)]
struct NetDescription {
    columns: Vec<NetColumn>,
}

impl Members {
    pub(super) fn read(files: &Files) -> Result<Self, InteropError> {
        let Stack { weights, intercept } = json(files, "stack.json")?;
        let CalibrationMap { a, b, c } = json::<Calibration>(files, "calibration.json")?.map;
        let weight = |name: &str| {
            let place = MEMBERS.iter().position(|member| *member == name)?;
            weights.get(place).copied().filter(|weight| *weight > 0.0)
        };
        let logistic = weight("logistic").map(|weight| Ok((weight, json(files, "logistic.json")?)));
        let net = weight("net").map(|weight| Ok((weight, Net::read(files, "net.safetensors")?)));
        let mut trees = Vec::new();
        for (member, file) in [("trees", "trees.json"), ("imported", "imported.json")] {
            if let Some(weight) = weight(member) {
                trees.push((weight, Trees::read(files, file)?));
            }
        }
        Ok(Self { intercept, logistic: logistic.transpose()?, trees, net: net.transpose()?, map: [a, b, c] })
    }
}

impl Trees {
    fn read(files: &Files, file: &'static str) -> Result<Self, InteropError> {
        let document: Value = json(files, file)?;
        let broken = |problem: &str| InteropError { file, problem: problem.to_owned() };
        let base = document.pointer("/learner/learner_model_param/base_score").and_then(Value::as_str);
        // A probability, in brackets since XGBoost 3.
        let base = base.and_then(|text| text.trim_matches(['[', ']']).parse::<f64>().ok());
        let base = base.ok_or_else(|| broken("it has no base score"))?;
        let trees = document.pointer("/learner/gradient_booster/model/trees").cloned();
        let trees: Vec<Tree> = serde_json::from_value(trees.ok_or_else(|| broken("it has no trees"))?)
            .map_err(|error| broken(&error.to_string()))?;
        Ok(Self { intercept: f64::from(crate::models::numeric::logit(base) as f32), trees })
    }
}

impl Net {
    fn read(files: &Files, file: &'static str) -> Result<Self, InteropError> {
        Self::parse(bytes(files, file)?).ok_or_else(|| InteropError {
            file,
            problem: "it is no safetensors file with the entry `leadscore.net`".to_owned(),
        })
    }

    /// Eight bytes of length, a JSON header, the tensors.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let (header, data) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let header: BTreeMap<String, Value> = serde_json::from_slice(header).ok()?;
        let entry = header.get("__metadata__")?.get("leadscore.net")?.as_str()?;
        let NetDescription { columns } = serde_json::from_str(entry).ok()?;
        let mut tensors = BTreeMap::new();
        for (name, described) in header.iter().filter(|(name, _)| *name != "__metadata__") {
            let shape: Vec<usize> = serde_json::from_value(described.get("shape")?.clone()).ok()?;
            let [start, end]: [usize; 2] = serde_json::from_value(described.get("data_offsets")?.clone()).ok()?;
            let values = data.get(start..end)?.as_chunks::<4>().0.iter().map(|&b| f64::from(f32::from_le_bytes(b)));
            tensors.insert(name.clone(), (shape, values.collect()));
        }
        Some(Self { columns, tensors })
    }

    /// Shape and values of a tensor; empty where there is none of that name.
    pub(super) fn tensor(&self, name: &str) -> (&[usize], &[f64]) {
        self.tensors.get(name).map_or((&[], &[]), |(shape, values)| (shape, values))
    }
}

fn bytes<'files>(files: &'files Files, file: &'static str) -> Result<&'files [u8], InteropError> {
    let missing = || InteropError { file, problem: "it is missing".to_owned() };
    files.get(file).map(Vec::as_slice).ok_or_else(missing)
}

fn json<T: DeserializeOwned>(files: &Files, file: &'static str) -> Result<T, InteropError> {
    serde_json::from_slice(bytes(files, file)?).map_err(|error| InteropError { file, problem: error.to_string() })
}

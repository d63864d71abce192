//! Boosted trees that were trained elsewhere, as trees of ours.
//!
//! Owns: which models can serve here, and whose column and category is whose. Invariant: an imported model says of a
//! row of the view what it said where it was trained, to rounding; what cannot be said is refused by name. The columns
//! are found by name: the training table's are those of the view. Categories are the view's codes, or, where the file
//! lists values (a data frame's categories), those values: numbers are codes, texts are looked up in the view, and what
//! is not listed is missing, as it was there. All rounds of a file count, whatever round it calls the best.
//! Deliberately absent: reading folders, choosing a format.

use std::collections::HashSet;

use hessboost::{
    error::HessboostError,
    model::{BoostedModel, ModelFormat},
};
use serde_json::Value;
use thiserror::Error;

use super::{
    Trees, TreesError,
    interchange::{self, Boosted, Categories},
    ubj,
};
use crate::features::{ColumnKind, FeatureView, OTHER};

/// The objective of every model of a binary outcome, by XGBoost's name.
pub(super) const OBJECTIVE: &str = "binary:logistic";

const WEIGHTED: &str = "its trees have weights (dart)";
const LINEAR: &str = "it has linear parts";

/// The form of a file with foreign trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignFormat {
    /// XGBoost's JSON: `booster.save_model("model.json")`.
    XgboostJson,
    /// XGBoost's binary JSON: `booster.save_model("model.ubj")`.
    XgboostUbj,
    /// LightGBM 4's text: `booster.save_model("model.txt")`.
    LightgbmText,
}

impl ForeignFormat {
    /// The format that bytes look like, if any.
    #[must_use]
    pub fn detect(bytes: &[u8]) -> Option<Self> {
        let found = ModelFormat::detect(bytes)?;
        let ours = [
            (ModelFormat::XgboostJson, Self::XgboostJson),
            (ModelFormat::XgboostUbjson, Self::XgboostUbj),
            (ModelFormat::LightgbmText, Self::LightgbmText),
        ];
        ours.into_iter().find(|(theirs, _)| *theirs == found).map(|(_, ours)| ours)
    }
}

/// Why foreign trees cannot serve.
#[derive(Debug, Error)]
pub enum ImportError {
    /// Not a file of that format, or one that the library does not read.
    #[error("the model cannot be read: {0}")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Not a file of that format.
    #[error("the file is not a model in the format that it should have")]
    Malformed,
    /// The file names no columns.
    #[error("the model names no columns: train it on a table whose columns are named like the training set's")]
    Unnamed,
    /// A column that the view does not have.
    #[error("the model uses the column `{0}`, which the training set does not have")]
    UnknownColumn(String),
    /// Two columns that cannot be told apart.
    #[error("the model has the column `{0}` twice, or the training set has two columns of such a name")]
    AmbiguousColumn(String),
    /// A test by category of a column of numbers.
    #[error("the model tests `{0}` by category; in the training set it is a number")]
    NotCategorical(String),
    /// A test by number of a column whose categories have numbers of the file's own.
    #[error("the model tests `{0}` by number, but lists categories for it")]
    NotNumeric(String),
    /// XGBoost 3.2 counts letters where it should count bytes, so that such a list is cut off.
    #[error("the categories of `{0}` that the model lists are not plain ASCII text: train it on their codes")]
    Categories(String),
    /// The outcome is not binary, or the loss not the logistic one.
    #[error("the objective of the model is `{0}`; only `binary:logistic` (LightGBM: `binary`) can serve")]
    Objective(String),
    /// Another model than a plain sum of trees.
    #[error("the model is not a plain sum of trees: {0}")]
    NotPlain(&'static str),
}

impl From<HessboostError> for ImportError {
    fn from(error: HessboostError) -> Self {
        Self::Unreadable(Box::new(error))
    }
}

impl From<TreesError> for ImportError {
    fn from(error: TreesError) -> Self {
        Self::Unreadable(Box::new(error))
    }
}

/// A column of the file.
#[derive(Debug, Default)]
struct Named {
    name: String,
    /// Listed values of its categories, by the file's code.
    values: Vec<Value>,
}

/// Where a column of the file is in the view.
struct Place {
    column: usize,
    /// The view's code of each of the file's, where the file lists them.
    codes: Option<Vec<Option<u32>>>,
}

/// Reads foreign trees and gives them as a file of ours over the columns of `view`, in XGBoost's JSON model format.
///
/// # Errors
/// See [`ImportError`].
pub fn import(bytes: &[u8], format: ForeignFormat, view: &FeatureView) -> Result<Vec<u8>, ImportError> {
    let (columns, model) = match format {
        ForeignFormat::XgboostJson => {
            let document: Value = serde_json::from_slice(bytes).map_err(|_| ImportError::Malformed)?;
            read_xgboost(&document)?
        }
        ForeignFormat::XgboostUbj => read_xgboost(&ubj::read(bytes).ok_or(ImportError::Malformed)?)?,
        ForeignFormat::LightgbmText => {
            let text = std::str::from_utf8(bytes).map_err(|_| ImportError::Malformed)?;
            (lightgbm_columns(text)?, BoostedModel::decode(bytes, ModelFormat::LightgbmText)?)
        }
    };
    check(&model)?;
    // A column that never varied is in no view; a model that never tests it does not need it.
    let tested = tested(&model);
    let place = |(index, column): (usize, &Named)| match find(column, view) {
        Ok(place) => Ok(Some(place)),
        Err(ImportError::UnknownColumn(_)) if !tested.contains(&index) => Ok(None),
        Err(error) => Err(error),
    };
    let places = columns.iter().enumerate().map(place).collect::<Result<Vec<_>, _>>()?;
    let mut used = HashSet::new();
    let is_twice = |place: &Option<Place>| place.as_ref().is_some_and(|place| !used.insert(place.column));
    if let Some(twice) = places.iter().position(is_twice) {
        return Err(ImportError::AmbiguousColumn(columns[twice].name.clone()));
    }
    let encoded = model.encode(ModelFormat::XgboostJson)?;
    let mut document: Value = serde_json::from_slice(&encoded).map_err(|_| ImportError::Malformed)?;
    let trees = document.pointer_mut("/learner/gradient_booster/model/trees").and_then(Value::as_array_mut);
    for tree in trees.ok_or(ImportError::Malformed)? {
        move_tests(tree, &places, view)?;
    }
    let of_view = view.columns().iter().map(|column| match column.kind {
        ColumnKind::Numeric => Boosted::Number,
        ColumnKind::Categorical { .. } => Boosted::Category(Categories::default()),
    });
    interchange::settle(&mut document, &of_view.collect::<Vec<_>>()).ok_or(ImportError::Malformed)?;
    let file = document.to_string().into_bytes();
    // What is handed on is known to serve.
    Trees::from_json(&file, view.width())?;
    Ok(file)
}

/// The file's columns that some tree tests.
fn tested(model: &BoostedModel) -> HashSet<usize> {
    let nodes = model.trees().iter().flat_map(|tree| (0..tree.num_nodes()).map(|id| tree.node(id)));
    nodes.filter(|node| !node.is_leaf()).map(|node| node.split_feature as usize).collect()
}

fn read_xgboost(document: &Value) -> Result<(Vec<Named>, BoostedModel), ImportError> {
    match document.pointer("/learner/gradient_booster/name").and_then(Value::as_str) {
        Some("dart") => return Err(ImportError::NotPlain(WEIGHTED)),
        Some("gblinear") => return Err(ImportError::NotPlain(LINEAR)),
        _ => {}
    }
    let names = document.pointer("/learner/feature_names").and_then(Value::as_array);
    let names = names.filter(|names| !names.is_empty()).ok_or(ImportError::Unnamed)?;
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let name = name.as_str().ok_or(ImportError::Malformed)?.to_owned();
        columns.push(Named { name, values: Vec::new() });
    }
    let lists = document.pointer("/learner/gradient_booster/model/cats/enc").and_then(Value::as_array);
    for (column, list) in columns.iter_mut().zip(lists.into_iter().flatten()) {
        column.values = listed_values(list).ok_or_else(|| ImportError::Categories(column.name.clone()))?;
    }
    let model = BoostedModel::decode(document.to_string().as_bytes(), ModelFormat::XgboostJson)?;
    if model.n_features() == columns.len() { Ok((columns, model)) } else { Err(ImportError::Malformed) }
}

/// The values of a column's categories as XGBoost lists them: numbers, or texts as bytes with their starts.
fn listed_values(list: &Value) -> Option<Vec<Value>> {
    let values = list.get("values")?.as_array()?;
    let Some(starts) = list.get("offsets") else { return Some(values.clone()) };
    let ascii = |value: &Value| u8::try_from(value.as_i64()?).ok().filter(u8::is_ascii);
    let bytes: Option<Vec<u8>> = values.iter().map(ascii).collect();
    let (bytes, starts) = (bytes?, starts.as_array()?);
    let text = |ends: &[Value]| {
        let (start, end) = (usize::try_from(ends[0].as_u64()?).ok()?, usize::try_from(ends[1].as_u64()?).ok()?);
        Some(Value::from(std::str::from_utf8(bytes.get(start..end)?).ok()?))
    };
    starts.windows(2).map(text).collect()
}

fn lightgbm_columns(text: &str) -> Result<Vec<Named>, ImportError> {
    let line = |prefix: &str| text.lines().find_map(|line| line.strip_prefix(prefix));
    let names = line("feature_names=").ok_or(ImportError::Unnamed)?;
    let mut columns: Vec<Named> =
        names.split(' ').map(|name| Named { name: name.to_owned(), values: Vec::new() }).collect();
    // What LightGBM calls columns without names.
    if columns.iter().enumerate().all(|(index, column)| column.name == format!("Column_{index}")) {
        return Err(ImportError::Unnamed);
    }
    let lists = line("pandas_categorical:").and_then(|list| serde_json::from_str::<Vec<Vec<Value>>>(list).ok());
    let ranges = line("feature_infos=").unwrap_or_default();
    let lists = lists.unwrap_or_default();
    // The lists are those of the categorical columns in their order; a column that never varied has no range.
    let is_number = |range: &str| range.starts_with('[') || lists.is_empty();
    let categorical = columns.iter_mut().zip(ranges.split(' ')).filter(|(_, range)| !is_number(range));
    let categorical: Vec<&mut Named> = categorical.map(|(column, _)| column).collect();
    if categorical.len() != lists.len() {
        return Err(ImportError::NotPlain("a column that never varied hides which columns its categories are of"));
    }
    categorical.into_iter().zip(lists).for_each(|(column, values)| column.values = values);
    Ok(columns)
}

fn check(model: &BoostedModel) -> Result<(), ImportError> {
    let objective = model.objective().name();
    if objective != OBJECTIVE {
        return Err(ImportError::Objective(objective.to_owned()));
    }
    let problem = if model.linear().is_some() || model.trees().iter().any(|tree| tree.linear_leaves().is_some()) {
        LINEAR
    } else if model.n_outputs() != 1 {
        "it has several outputs"
    } else if model.num_parallel_tree() != 1 {
        "a round has several trees"
    } else if model.tree_weights().any(|weight| weight != 1.0) {
        WEIGHTED
    } else {
        return Ok(());
    };
    Err(ImportError::NotPlain(problem))
}

/// Finds a column by its name, or by its name as LightGBM writes it, with `_` for white space.
fn find(named: &Named, view: &FeatureView) -> Result<Place, ImportError> {
    let columns = view.columns();
    let written = |name: &str| name.replace(char::is_whitespace, "_");
    let column = columns.iter().position(|column| column.name == named.name);
    let column = match column {
        Some(column) => column,
        None => {
            let mut alike = (0..columns.len()).filter(|&index| written(&columns[index].name) == named.name);
            match (alike.next(), alike.next()) {
                (Some(column), None) => column,
                (Some(_), Some(_)) => return Err(ImportError::AmbiguousColumn(named.name.clone())),
                (None, _) => return Err(ImportError::UnknownColumn(named.name.clone())),
            }
        }
    };
    let code = |value: &Value| match value {
        Value::String(text) if text == OTHER => Some(0),
        Value::String(text) => view.code(column, text),
        // A data frame may hold codes as floating-point numbers.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.as_f64().filter(|code| (0.0..f64::from(u32::MAX)).contains(code)).map(|code| code as u32)
        }
    };
    let codes = (!named.values.is_empty()).then(|| named.values.iter().map(code).collect());
    Ok(Place { column, codes })
}

/// Moves a tree's tests to the columns and codes of the view.
fn move_tests(tree: &mut Value, places: &[Option<Place>], view: &FeatureView) -> Result<(), ImportError> {
    let integers = |tree: &Value, list: &str| -> Result<Vec<i64>, ImportError> {
        let list = tree.get(list).and_then(Value::as_array).ok_or(ImportError::Malformed)?;
        list.iter().map(|value| value.as_i64().ok_or(ImportError::Malformed)).collect()
    };
    let left = integers(tree, "left_children")?;
    let split = integers(tree, "split_indices")?;
    let by_category = integers(tree, "split_type")?;
    let missing_left = integers(tree, "default_left")?;
    let mut moved = split.clone();
    for (node, (&split, &left)) in split.iter().zip(&left).enumerate() {
        if left == -1 {
            continue;
        }
        let place =
            usize::try_from(split).ok().and_then(|split| places.get(split)?.as_ref()).ok_or(ImportError::Malformed)?;
        let column = &view.columns()[place.column];
        match (by_category.get(node), column.kind) {
            (Some(1), ColumnKind::Numeric) => return Err(ImportError::NotCategorical(column.name.clone())),
            (Some(0), _) if place.codes.is_some() => return Err(ImportError::NotNumeric(column.name.clone())),
            _ => moved[node] = place.column as i64,
        }
    }
    let (nodes, sizes) = (integers(tree, "categories_nodes")?, integers(tree, "categories_sizes")?);
    let mut rest = integers(tree, "categories")?.into_iter();
    let (mut sets, mut starts, mut new_sizes) = (Vec::new(), Vec::new(), Vec::new());
    for (&node, &size) in nodes.iter().zip(&sizes) {
        let set: Vec<i64> = rest.by_ref().take(usize::try_from(size).unwrap_or_default()).collect();
        let split = usize::try_from(node).ok().and_then(|node| split.get(node)).ok_or(ImportError::Malformed)?;
        let place =
            usize::try_from(*split).ok().and_then(|split| places.get(split)?.as_ref()).ok_or(ImportError::Malformed)?;
        let cardinality = cardinality(view.columns()[place.column].kind);
        let missing_right = usize::try_from(node).is_ok_and(|node| missing_left.get(node) == Some(&0));
        let mut codes = match &place.codes {
            None => set,
            Some(listed) => listed_codes(&set, listed, missing_right, cardinality),
        };
        if codes.is_empty() {
            // The format knows no empty set; this code is of no category.
            codes.push(cardinality);
        }
        starts.push(sets.len() as i64);
        new_sizes.push(codes.len() as i64);
        sets.extend(codes);
    }
    for (list, values) in [
        ("split_indices", moved),
        ("categories", sets),
        ("categories_segments", starts),
        ("categories_sizes", new_sizes),
    ] {
        tree[list] = values.into();
    }
    Ok(())
}

/// The view's codes that a set of the file's stands for. What the file does not list was missing to it.
fn listed_codes(set: &[i64], listed: &[Option<u32>], with_missing: bool, cardinality: i64) -> Vec<i64> {
    let of = |code: &i64| listed.get(usize::try_from(*code).ok()?).copied().flatten().map(i64::from);
    let mut codes: Vec<i64> = set.iter().filter_map(of).collect();
    if with_missing {
        let known: HashSet<i64> = listed.iter().flatten().map(|&code| i64::from(code)).collect();
        codes.extend((0..cardinality).filter(|code| !known.contains(code)));
    }
    codes
}

fn cardinality(kind: ColumnKind) -> i64 {
    match kind {
        ColumnKind::Numeric => 0,
        ColumnKind::Categorical { cardinality } => i64::from(cardinality),
    }
}

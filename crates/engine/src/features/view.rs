//! Columns of a model: the fixed features that vary, and custom attributes as they were found in the examples.
//!
//! Owns: which columns there are, what their values mean, and the row of a lead. Invariant: the same examples give the
//! same view, and a row of an example equals the row of the state that it was taken of. Deliberately absent:
//! attributes whose name stands for a protected characteristic or its proxy; they never become columns (`survey`).

use std::collections::BTreeMap;

use leadscore_domain::{AttributeValue, Timestamp, time::DAY_US};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    LeadState, Market,
    catalogue::{FEATURES, Group},
    compute::compute,
    survey::Survey,
};
use crate::{examples::Snapshot, models::Matrix};

/// Most columns of custom attributes: those present in most examples.
pub const MAX_ATTRIBUTE_COLUMNS: usize = 256;
/// Most columns of a view.
pub const MAX_WIDTH: usize = FEATURES.len() + MAX_ATTRIBUTE_COLUMNS;
/// What any other category is written as where codes are written as texts.
pub const OTHER: &str = "(other)";
/// What a column of an attribute is called before the attribute's name.
pub const ATTRIBUTE_PREFIX: &str = "attributes.";
/// The attribute under which a lead's channel appears, unless it has one of that name.
pub(crate) const CHANNEL: &str = "channel";

/// A column of a training matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Unique name: a feature's, or `attributes.` and the attribute's.
    pub name: String,
    /// Part of the breakdown.
    pub group: Group,
    /// What the values mean.
    pub kind: ColumnKind,
}

/// What a column's values mean. NaN is missing in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Ordered numbers.
    Numeric,
    /// Codes `0..cardinality` without order; 0 is any value that training did not know.
    Categorical {
        /// Number of codes.
        cardinality: u32,
    },
}

/// A view that was stored names a feature that this program does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// Trained by another version.
    #[error("the model uses the feature {0}, which this program does not know; train it anew")]
    UnknownFeature(String),
    /// More columns than any view has.
    #[error("the model has {0} attribute columns, more than any that this program writes")]
    TooWide(usize),
}

/// How an attribute becomes a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Encoding {
    /// The number itself; yes is 1 and no is 0.
    Number,
    /// Days from the instant to the attribute's time; negative for the past.
    Days,
    /// Code by category, from 1, the most frequent first.
    Category(BTreeMap<String, u32>),
}

/// What the numbers of an attribute's column mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A number; yes is 1 and no is 0.
    Number,
    /// Days from the instant.
    Days,
    /// A category by its code.
    Categories(BTreeMap<u32, String>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AttributeColumn {
    pub(super) name: String,
    pub(super) encoding: Encoding,
}

/// The form in which a view is stored: features by name, as their places change from version to version.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredView {
    features: Vec<String>,
    attributes: Vec<AttributeColumn>,
}

/// The columns of a model and how a lead becomes a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredView", into = "StoredView")]
pub struct FeatureView {
    /// Places in [`FEATURES`], ascending.
    fixed: Vec<usize>,
    /// In the order of the alphabet.
    attributes: Vec<AttributeColumn>,
    columns: Vec<Column>,
}

impl From<FeatureView> for StoredView {
    fn from(view: FeatureView) -> Self {
        let features = view.fixed.iter().map(|place| FEATURES[*place].name.to_owned()).collect();
        Self { features, attributes: view.attributes }
    }
}

impl TryFrom<StoredView> for FeatureView {
    type Error = ViewError;

    fn try_from(stored: StoredView) -> Result<Self, ViewError> {
        if stored.attributes.len() > MAX_ATTRIBUTE_COLUMNS {
            return Err(ViewError::TooWide(stored.attributes.len()));
        }
        let place =
            |name: String| FEATURES.iter().position(|spec| spec.name == name).ok_or(ViewError::UnknownFeature(name));
        let mut fixed = stored.features.into_iter().map(place).collect::<Result<Vec<_>, _>>()?;
        fixed.sort_unstable();
        fixed.dedup();
        Ok(Self::with_columns(fixed, stored.attributes))
    }
}

impl FeatureView {
    /// Learns the columns from examples: fixed features that differ between any two of them, and attributes that do.
    /// With fewer than two examples all fixed features are kept.
    ///
    /// An attribute's type is the most frequent one among its values; its categories are the most frequent 255 of
    /// two leads or more, ties by name.
    #[must_use]
    pub fn learn(snapshots: &[Snapshot]) -> Self {
        let mut survey = Survey::default();
        snapshots.iter().for_each(|snapshot| survey.add(snapshot));
        survey.view()
    }

    pub(super) fn with_columns(fixed: Vec<usize>, attributes: Vec<AttributeColumn>) -> Self {
        let of_features = fixed.iter().map(|place| {
            let spec = &FEATURES[*place];
            Column { name: spec.name.to_owned(), group: spec.group, kind: ColumnKind::Numeric }
        });
        let of_attributes = attributes.iter().map(|attribute| Column {
            name: format!("{ATTRIBUTE_PREFIX}{}", attribute.name),
            group: Group::MarketFit,
            kind: match &attribute.encoding {
                Encoding::Number | Encoding::Days => ColumnKind::Numeric,
                Encoding::Category(codes) => {
                    ColumnKind::Categorical { cardinality: 1 + codes.values().copied().max().unwrap_or(0) }
                }
            },
        });
        let columns = of_features.chain(of_attributes).collect();
        Self { fixed, attributes, columns }
    }

    /// The columns, fixed features first.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The attribute behind a column, and what its values mean; `None` for a fixed feature.
    pub(crate) fn meaning(&self, column: usize) -> Option<(&str, Meaning)> {
        let attribute = self.attributes.get(column.checked_sub(self.fixed.len())?)?;
        let meaning = match &attribute.encoding {
            Encoding::Number => Meaning::Number,
            Encoding::Days => Meaning::Days,
            Encoding::Category(codes) => {
                Meaning::Categories(codes.iter().map(|(text, code)| (*code, text.clone())).collect())
            }
        };
        Some((&attribute.name, meaning))
    }

    /// The code of a category of column `column`; `None` where that is no category of it.
    pub(crate) fn code(&self, column: usize, category: &str) -> Option<u32> {
        match &self.attributes.get(column.checked_sub(self.fixed.len())?)?.encoding {
            Encoding::Category(codes) => codes.get(category).copied(),
            Encoding::Number | Encoding::Days => None,
        }
    }

    /// The categories of a column by code, from 1; `None` where it holds numbers. Code 0 is any other.
    ///
    /// # Panics
    /// Where there is no such column.
    #[must_use]
    pub fn categories(&self, column: usize) -> Option<Vec<&str>> {
        assert!(column < self.width(), "the view has {} columns", self.width());
        let attribute = &self.attributes[column.checked_sub(self.fixed.len())?];
        let Encoding::Category(codes) = &attribute.encoding else { return None };
        let mut by_code: Vec<(u32, &str)> = codes.iter().map(|(text, code)| (*code, text.as_str())).collect();
        by_code.sort_unstable();
        Some(by_code.into_iter().map(|(_, text)| text).collect())
    }

    /// Number of columns, at most [`MAX_WIDTH`].
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// SHA-256 over names, groups, kinds, formulas, windows and dictionaries, hexadecimal.
    #[must_use]
    pub fn schema_hash(&self) -> String {
        let mut hash = Sha256::new();
        for place in &self.fixed {
            hash_feature(&mut hash, *place);
        }
        for attribute in &self.attributes {
            hash_field(&mut hash, &attribute.name);
            match &attribute.encoding {
                Encoding::Number => hash_field(&mut hash, "number"),
                Encoding::Days => hash_field(&mut hash, "days"),
                Encoding::Category(codes) => {
                    for (category, code) in codes {
                        hash_field(&mut hash, category);
                        hash.update(code.to_le_bytes());
                    }
                }
            }
        }
        to_hex(hash)
    }

    /// The row of a lead at an instant.
    ///
    /// # Panics
    /// Where `row` is not as long as [`Self::width`].
    pub fn fill(&self, state: &LeadState, at: Timestamp, market: &Market, row: &mut [f32]) {
        let state = &*state.during(at);
        let mut fixed = [f32::NAN; FEATURES.len()];
        compute(state, at, market, &mut fixed);
        self.project(&fixed, state, at, row);
    }

    /// The row of a lead whose fixed features are already calculated.
    ///
    /// # Panics
    /// Where `fixed` is not as long as [`FEATURES`], or `row` not as long as [`Self::width`].
    pub fn project(&self, fixed: &[f32], state: &LeadState, at: Timestamp, row: &mut [f32]) {
        self.write(fixed, at, row, |name| Attribute::of(state, name));
    }

    /// The rows of examples.
    #[must_use]
    pub fn encode(&self, snapshots: &[Snapshot]) -> Matrix {
        let mut values = vec![f32::NAN; snapshots.len() * self.width()];
        for (snapshot, row) in snapshots.iter().zip(values.chunks_mut(self.width().max(1))) {
            let found = |name: &str| snapshot.attributes.iter().find(|(held, _)| held == name);
            self.write(&snapshot.features, snapshot.instant, row, |name| {
                found(name).map(|(_, value)| Attribute::from(value))
            });
        }
        Matrix { columns: self.columns.clone(), values }
    }

    fn write<'a>(
        &self,
        fixed: &[f32],
        at: Timestamp,
        row: &mut [f32],
        look_up: impl Fn(&str) -> Option<Attribute<'a>>,
    ) {
        assert_eq!(row.len(), self.width(), "a row has one place for each column");
        let (features, attributes) = row.split_at_mut(self.fixed.len());
        for (out, place) in features.iter_mut().zip(&self.fixed) {
            *out = fixed[*place];
        }
        for (out, column) in attributes.iter_mut().zip(&self.attributes) {
            *out = look_up(&column.name).map_or(f32::NAN, |value| column.encoding.encode(value, at));
        }
    }
}

/// Hash of the whole fixed catalogue, hexadecimal.
#[must_use]
pub fn schema_hash() -> String {
    let mut hash = Sha256::new();
    for place in 0..FEATURES.len() {
        hash_feature(&mut hash, place);
    }
    to_hex(hash)
}

fn hash_feature(hash: &mut Sha256, place: usize) {
    let spec = &FEATURES[place];
    for field in [spec.name, spec.group.as_str(), spec.unit, spec.formula, spec.window] {
        hash_field(hash, field);
    }
}

/// Hashes a text so that no two lists of texts look the same.
fn hash_field(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}

fn to_hex(hash: Sha256) -> String {
    use std::fmt::Write;
    hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// An attribute's value without its owner.
#[derive(Clone, Copy)]
enum Attribute<'a> {
    Number(f64),
    Boolean(bool),
    Category(&'a str),
    Time(Timestamp),
}

impl<'a> Attribute<'a> {
    fn of(state: &'a LeadState, name: &str) -> Option<Self> {
        let own = state.attribute(name).map(Self::from);
        own.or_else(|| state.channel().filter(|_| name == CHANNEL).map(Self::Category))
    }
}

impl<'a> From<&'a AttributeValue> for Attribute<'a> {
    fn from(value: &'a AttributeValue) -> Self {
        match value {
            AttributeValue::Boolean(value) => Self::Boolean(*value),
            AttributeValue::Number(value) => Self::Number(*value),
            AttributeValue::Category(text) => Self::Category(text),
            AttributeValue::Time { time } => Self::Time(*time),
        }
    }
}

impl Encoding {
    /// A value of another type than the column's is missing, except that any value is some category.
    fn encode(&self, value: Attribute<'_>, at: Timestamp) -> f32 {
        match (self, value) {
            (Self::Number, Attribute::Number(value)) => value as f32,
            (Self::Number, Attribute::Boolean(value)) => f32::from(u8::from(value)),
            (Self::Days, Attribute::Time(time)) => (time.since(at) as f64 / DAY_US as f64) as f32,
            (Self::Category(codes), Attribute::Category(text)) => codes.get(text).copied().unwrap_or(0) as f32,
            (Self::Category(_), Attribute::Number(_) | Attribute::Boolean(_) | Attribute::Time(_)) => 0.0,
            (Self::Number, Attribute::Category(_) | Attribute::Time(_))
            | (Self::Days, Attribute::Number(_) | Attribute::Boolean(_) | Attribute::Category(_)) => f32::NAN,
        }
    }
}

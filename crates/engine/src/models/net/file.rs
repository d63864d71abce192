//! The network's file: safetensors with the encoding of a row in its metadata.
//!
//! Owns: the format. Invariant: a network that was read computes what the written one did, bit by bit; bytes that are
//! not a whole network within the bounds are refused and never make a panic.
//!
//! # Format
//! Tensors, all `F32` and named like the fields of [`Weights`]: `tables` \[slots, 96\], `scale_1`, `shift_1`, `skip`
//! \[8, 96\], `matrix` \[96, 48\], `scale_2`, `shift_2`, `output` \[8, 48\], `intercept` \[8\]. The metadata has one
//! entry, `leadscore.net`, a JSON object:
//!
//! ```json
//! {"format": 1, "width": 3, "columns": [
//!   {"column": 0, "knots": [0.0, 1.5, 7.0]},
//!   {"column": 2, "categories": [1, 4]}]}
//! ```
//!
//! `width` is the number of columns of the view, `column` one of them, ascending. The rows of `tables` belong to the
//! columns in their order: for a number one row per knot and one for a missing value, for categories one for all that
//! are not named, one for each named code, one for a missing value.

use std::{array::from_fn, collections::HashMap};

use leadscore_neural::{HEADS, HIDDEN, MAX_WEIGHT, SECOND, Weights};
use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    Net,
    encoding::{Encoded, Kind, MAX_CODE, MAX_KNOTS, MAX_OWN},
    forward::Layers,
};

/// The format that is written, and the only one that is read.
const FORMAT: u32 = 1;
/// Name of the entry in the metadata.
const ENTRY: &str = "leadscore.net";
/// Most columns of a view.
const MAX_WIDTH: usize = 4_096;

/// Why bytes are not a network.
#[derive(Debug, Error)]
pub enum NetFileError {
    /// Not a whole safetensors file.
    #[error("not a safetensors file: {0}")]
    Safetensors(#[source] SafeTensorError),
    /// The metadata cannot be read.
    #[error("the metadata entry `{ENTRY}` cannot be read: {0}")]
    Metadata(#[source] serde_json::Error),
    /// Something is missing, has the wrong shape or is out of range.
    #[error("{what} is missing, misshapen or out of range")]
    Invalid {
        /// What.
        what: &'static str,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    format: u32,
    width: usize,
    columns: Vec<ColumnDescription>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnDescription {
    column: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    knots: Option<Vec<f32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    categories: Option<Vec<u32>>,
}

impl Net {
    /// The network as a file.
    ///
    /// # Errors
    /// Where it cannot be written, which does not happen to a network that was fitted or read.
    pub fn to_bytes(&self) -> Result<Vec<u8>, NetFileError> {
        let columns = self.columns.iter().map(describe).collect();
        let description = Description { format: FORMAT, width: self.width, columns };
        let entry = serde_json::to_string(&description).map_err(NetFileError::Metadata)?;
        let tensors: Vec<(&str, Vec<usize>, Vec<u8>)> = tensors(&self.layers.weights)
            .into_iter()
            .map(|(name, shape, values)| (name, shape, values.into_iter().flat_map(f32::to_le_bytes).collect()))
            .collect();
        let views = tensors
            .iter()
            .map(|(name, shape, bytes)| Ok((*name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(NetFileError::Safetensors)?;
        let metadata = HashMap::from([(ENTRY.to_owned(), entry)]);
        safetensors::serialize(views, Some(metadata)).map_err(NetFileError::Safetensors)
    }

    /// Reads a file written by [`Net::to_bytes`].
    ///
    /// # Errors
    /// Where the bytes are damaged, of another format, or hold numbers that no training gives.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NetFileError> {
        let file = SafeTensors::deserialize(bytes).map_err(NetFileError::Safetensors)?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(NetFileError::Safetensors)?;
        let entry = header.metadata().as_ref().and_then(|metadata| metadata.get(ENTRY));
        let entry = entry.ok_or(NetFileError::Invalid { what: "the metadata entry" })?;
        let description: Description = serde_json::from_str(entry).map_err(NetFileError::Metadata)?;
        if description.format != FORMAT {
            return Err(NetFileError::Invalid { what: "the format's number" });
        }
        let width = description.width;
        let columns = columns(description)?;
        let slots = columns.iter().map(|encoded| encoded.kind.slots().count()).sum();
        let reader = Reader { file };
        let weights = Weights {
            tables: reader.rows("tables", slots)?,
            scale_1: reader.grid("scale_1")?,
            shift_1: reader.grid("shift_1")?,
            matrix: reader.grid("matrix")?,
            scale_2: reader.grid("scale_2")?,
            shift_2: reader.grid("shift_2")?,
            output: reader.grid("output")?,
            skip: reader.grid("skip")?,
            intercept: {
                let values = reader.values("intercept", &[HEADS])?;
                from_fn(|head| values[head])
            },
        };
        Ok(Self::assemble(columns, width, Layers::new(weights)))
    }
}

fn describe(encoded: &Encoded) -> ColumnDescription {
    let (knots, categories) = match &encoded.kind {
        Kind::Number(knots) => (Some(knots.clone()), None),
        Kind::Category { codes, .. } => (None, Some(codes.clone())),
    };
    ColumnDescription { column: encoded.column, knots, categories }
}

/// Name, shape and values of every tensor.
fn tensors(weights: &Weights) -> [(&'static str, Vec<usize>, Vec<f32>); 9] {
    let Weights { tables, scale_1, shift_1, matrix, scale_2, shift_2, output, skip, intercept } = weights;
    let wide = |grid: &[[f32; HIDDEN]]| (vec![grid.len(), HIDDEN], grid.as_flattened().to_vec());
    let narrow = |grid: &[[f32; SECOND]]| (vec![grid.len(), SECOND], grid.as_flattened().to_vec());
    [
        ("tables", wide(tables)),
        ("scale_1", wide(scale_1)),
        ("shift_1", wide(shift_1)),
        ("matrix", narrow(matrix)),
        ("scale_2", narrow(scale_2)),
        ("shift_2", narrow(shift_2)),
        ("output", narrow(output)),
        ("skip", wide(skip)),
        ("intercept", (vec![HEADS], intercept.to_vec())),
    ]
    .map(|(name, (shape, values))| (name, shape, values))
}

fn columns(description: Description) -> Result<Vec<Encoded>, NetFileError> {
    let invalid = |what| Err(NetFileError::Invalid { what });
    if description.width > MAX_WIDTH {
        return invalid("the number of columns");
    }
    let (mut first_slot, mut next) = (0, 0);
    let mut columns = Vec::with_capacity(description.columns.len().min(MAX_WIDTH));
    for ColumnDescription { column, knots, categories } in description.columns {
        if column < next || column >= description.width {
            return invalid("a column's number");
        }
        next = column + 1;
        let kind = match (knots, categories) {
            (Some(knots), None) => {
                let ascending = knots.windows(2).all(|pair| pair[0] < pair[1]);
                if knots.is_empty() || knots.len() > MAX_KNOTS || !ascending || !knots.iter().all(|k| k.is_finite()) {
                    return invalid("a list of knots");
                }
                Kind::Number(knots)
            }
            (None, Some(codes)) => {
                let ascending = codes.windows(2).all(|pair| pair[0] < pair[1]);
                if codes.len() > MAX_OWN || !ascending || !codes.iter().all(|code| (1..=MAX_CODE).contains(code)) {
                    return invalid("a list of categories");
                }
                Kind::category(codes)
            }
            (Some(_), Some(_)) | (None, None) => return invalid("what a column holds"),
        };
        let slots = kind.slots().count();
        columns.push(Encoded { column, first_slot, kind });
        first_slot += slots;
    }
    Ok(columns)
}

struct Reader<'a> {
    file: SafeTensors<'a>,
}

impl Reader<'_> {
    fn values(&self, name: &'static str, shape: &[usize]) -> Result<Vec<f32>, NetFileError> {
        let tensor = self.file.tensor(name).map_err(NetFileError::Safetensors)?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
            return Err(NetFileError::Invalid { what: name });
        }
        let values: Vec<f32> =
            tensor.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        let whole = values.len() == shape.iter().product::<usize>();
        if whole && values.iter().all(|value| value.abs() <= MAX_WEIGHT) {
            Ok(values)
        } else {
            Err(NetFileError::Invalid { what: name })
        }
    }

    fn rows<const WIDTH: usize>(&self, name: &'static str, rows: usize) -> Result<Vec<[f32; WIDTH]>, NetFileError> {
        Ok(self.values(name, &[rows, WIDTH])?.as_chunks::<WIDTH>().0.to_vec())
    }

    fn grid<const ROWS: usize, const WIDTH: usize>(
        &self,
        name: &'static str,
    ) -> Result<[[f32; WIDTH]; ROWS], NetFileError> {
        let rows = self.rows(name, ROWS)?;
        Ok(from_fn(|row| rows[row]))
    }
}

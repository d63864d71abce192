//! How the rows of one file are read: the mapping bound to the positions of its columns, or the native form.

use std::path::Path;

use super::{
    events::EventPlan,
    leads::{LeadPlan, OutcomesPlan},
    market::MarketPlan,
    native,
    rejects::{RejectedRow, SHOWN_BYTES},
    row::{Context, Output, Positions, Reject},
};
use crate::ingest::files::{
    ImportError, Kind,
    mapping::{FileFormat, Format, Mapping},
    table::{Batch, Decoder, RawRow, Table},
};

/// How rows are read. Shared by the threads that read them.
pub(super) struct Plan {
    context: Context,
    form: Form,
}

enum Form {
    Native(Kind),
    Mapped(Box<(Decoder, Rows)>),
}

enum Rows {
    Leads(Box<LeadPlan>),
    Events(EventPlan),
    Outcomes(OutcomesPlan),
    Market(MarketPlan),
}

impl Plan {
    /// The form of native files: JSON lines.
    pub fn native_format() -> Format {
        Format { form: FileFormat::Jsonl, ..Format::default() }
    }

    /// Rows in the native form.
    pub const fn native(kind: Kind, context: Context) -> Self {
        Self { context, form: Form::Native(kind) }
    }

    /// Binds a mapping to the columns of a table.
    ///
    /// # Errors
    /// Where columns are missing.
    pub fn mapped(mapping: &Mapping, table: &Table, path: &Path, context: Context) -> Result<Self, ImportError> {
        let decoder = table.decoder(&mapping.format, &mapping.columns());
        let mut positions = Positions::new(&decoder.names);
        let rows = match mapping.kind {
            Kind::Leads => Rows::Leads(Box::new(LeadPlan::new(mapping, &mut positions)?)),
            Kind::Events => Rows::Events(EventPlan::new(mapping, &mut positions)?),
            Kind::Outcomes => Rows::Outcomes(OutcomesPlan::new(mapping, &mut positions)?),
            Kind::Market => {
                let missing = missing_columns(&mapping.columns(), &decoder.names);
                if !missing.is_empty() {
                    return Err(columns_missing(path, missing, &decoder.names, &mapping.format));
                }
                Rows::Market(MarketPlan::new(mapping, &mut positions, &decoder.names)?)
            }
        };
        if !positions.missing.is_empty() {
            return Err(columns_missing(path, positions.missing, &decoder.names, &mapping.format));
        }
        Ok(Self { context, form: Form::Mapped(Box::new((decoder, rows))) })
    }

    /// Reads one row.
    pub fn read(&self, batch: &Batch, row: &RawRow) -> Result<Output, RejectedRow> {
        let read = match &self.form {
            Form::Native(kind) => match batch.bytes(row) {
                Ok(bytes) => native::read(*kind, bytes, &self.context),
                Err(problem) => Err(Reject::new("", problem)),
            },
            Form::Mapped(mapped) => match mapped.0.decode(batch, row) {
                Ok(cells) => match &mapped.1 {
                    Rows::Leads(plan) => plan.read(&cells, row.number, &self.context),
                    Rows::Events(plan) => plan.read(&cells, row.number, &self.context),
                    Rows::Outcomes(plan) => plan.read(&cells, row.number, &self.context),
                    Rows::Market(plan) => plan.read(&cells, &self.context),
                },
                Err(problem) => Err(Reject::new("", problem)),
            },
        };
        read.map_err(|reject| RejectedRow {
            number: row.number,
            line: row.line,
            reject,
            shown: batch.shown(row, SHOWN_BYTES),
        })
    }
}

fn missing_columns(wanted: &[String], names: &[String]) -> Vec<String> {
    wanted.iter().filter(|name| !names.iter().any(|n| n.trim() == name.trim())).cloned().collect()
}

fn columns_missing(path: &Path, missing: Vec<String>, names: &[String], format: &Format) -> ImportError {
    const SHOWN: usize = 6;
    let mut found = names.iter().take(SHOWN).map(|n| n.chars().take(60).collect()).collect::<Vec<String>>().join(", ");
    if names.len() > SHOWN {
        found = format!("{found} and {} more", names.len() - SHOWN);
    }
    let other =
        [';', ',', '\t', '|'].into_iter().find(|c| *c != format.delimiter && names.iter().any(|n| n.contains(*c)));
    let hint = match other {
        Some(delimiter) if names.len() < 3 => format!("; is it parted by {delimiter:?} instead? See format.delimiter"),
        Some(_) | None => String::new(),
    };
    ImportError::ColumnsMissing { path: path.to_owned(), missing, found, hint }
}

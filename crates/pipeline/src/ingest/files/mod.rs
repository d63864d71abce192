//! Files: CSV and its relatives, JSON lines and Parquet, gzipped or not, drafted into a mapping and imported.
//!
//! Owns: reading foreign files in bounded memory, drafting a [`Mapping`] from one ([`inspect`]), and importing one
//! ([`import`]).
//! Invariant: every record of a file is imported, a duplicate, or a reject with its line and reason; the place reached
//! is committed together with the rows, so that a broken import goes on where it was.
//! Deliberately absent: any knowledge of a particular data set.

mod cells;
mod columns;
mod error;
mod import;
mod inspect;
mod mapping;
mod records;
mod source;
mod table;
mod time;
mod values;

pub use columns::{Columns, columns};
pub use error::ImportError;
pub use import::{ImportOptions, ImportProgress, Summary, import};
pub use inspect::{InspectOptions, Inspection, Warning, WarningKind, inspect};
pub use mapping::{
    Attribute, AttributeType, ConsentPolicy, Encoding, EventMapping, EventType, Field, FileFormat, FilterRule, Format,
    Ignored, Kind, LeadColumns, Mapping, MarketLayout, MarketMapping, Measure, OutcomeMapping, RowOrder,
    RowOrderSource, TimeColumn, TimeSource, ZoneSource,
};
pub use time::TimeFormat;

//! The mapping: which column of a file means what. TOML, drafted by `inspect`, edited by people.
//!
//! Owns: its shape, its check, and its commented form.
//! Invariant: what [`Mapping::to_toml`] writes, [`Mapping::from_toml`] reads back equal.
//! Deliberately absent: the file itself; whether the columns exist is seen when it is opened.

mod check;
mod write;

use std::collections::BTreeMap;

pub(super) use check::{MARKET_FIELDS, word_of};
use leadscore_domain::{AttributeName, ConsentState, EventKind, LegalBasis, Purpose, Timestamp};
use serde::{Deserialize, Serialize};

/// What a file's rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One lead a row, perhaps with its outcome.
    Leads,
    /// One event a row.
    Events,
    /// One outcome of a known lead a row.
    Outcomes,
    /// One area and month a row, or one area a row with a column per month.
    Market,
}

impl Kind {
    /// The word used on the command line and in checkpoints.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leads => "leads",
            Self::Events => "events",
            Self::Outcomes => "outcomes",
            Self::Market => "market",
        }
    }
}

/// How a file of one shape becomes events or market snapshots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// What the rows are.
    pub kind: Kind,
    /// Name of the system that the file comes from: the `source` of every event, 1 to 64 bytes.
    pub source: String,
    /// How the bytes are read.
    #[serde(default)]
    pub format: Format,
    /// Which columns name the lead. Not for market files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<LeadColumns>,
    /// When the row's event happened; for leads, when the lead came into being.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<TimeSource>,
    /// When it was known to the brokerage; absent: when it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<TimeSource>,
    /// Columns that become attributes of the lead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
    /// How it ended: part of a leads file, the matter of an outcomes file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeMapping>,
    /// Consent that is recorded with each lead, by purpose. Without one for `profiling` a lead has no score.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub consent: BTreeMap<Purpose, ConsentPolicy>,
    /// What happened: for event files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventMapping>,
    /// Areas, months and measures: for market files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<MarketMapping>,
    /// Columns left out, with the reason. Read by people only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<Ignored>,
}

/// How the bytes of a file are read. Compression is recognised by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Format {
    /// The file's form.
    pub form: FileFormat,
    /// Between the fields of a delimited file: one ASCII character.
    pub delimiter: char,
    /// `utf-8` or `windows-1252` (of which Latin-1's letters are a part).
    pub encoding: Encoding,
    /// Whether the first row names the columns; else they are `column_1`, `column_2`, …
    pub header: bool,
    /// The decimal sign of numbers: `.` or `,`.
    pub decimal: char,
    /// Fields that mean nothing is known, compared without case and outer blanks.
    pub missing: Vec<String>,
}

impl Default for Format {
    fn default() -> Self {
        Self {
            form: FileFormat::Delimited,
            delimiter: ',',
            encoding: Encoding::Utf8,
            header: true,
            decimal: '.',
            missing: ["", "NA", "N/A", "null"].map(String::from).to_vec(),
        }
    }
}

/// Form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// Fields between delimiters, quoted where needed (RFC 4180).
    Delimited,
    /// One JSON object a line; members of inner objects are named `outer.inner`.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

/// Encoding of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// UTF-8, with or without byte-order mark.
    #[serde(rename = "utf-8")]
    Utf8,
    /// Windows-1252.
    #[serde(rename = "windows-1252")]
    Windows1252,
}

/// Which columns name the lead. Every one that is present in a row joins it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeadColumns {
    /// Column with the lead's id in the CRM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crm_id: Option<String>,
    /// Column with a telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Column with an e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Column with an anonymous id of a web browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_id: Option<String>,
    /// Where no column names the lead: the file's fingerprint and the row's number do.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub row_number: bool,
    /// Column with the person's name: kept encrypted, shown to agents, never a feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Column that says where the lead came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The lead's time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<ZoneSource>,
}

/// Where a lead's time zone stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZoneSource {
    /// A column of IANA names.
    Column(String),
    /// One zone for all.
    All(String),
}

/// Where an instant stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, try_from = "RawTimeSource")]
pub enum TimeSource {
    /// In a column.
    Column(TimeColumn),
    /// Nowhere, but the rows are in order of time.
    RowOrder(RowOrderSource),
}

/// The form of [`TimeSource::RowOrder`] in TOML: `{ row_order = { start, step_seconds } }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowOrderSource {
    /// Evenly spaced instants.
    pub row_order: RowOrder,
}

/// Every member that a [`TimeSource`] may have: read first, so that an error names the member.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTimeSource {
    column: Option<String>,
    format: Option<super::time::TimeFormat>,
    time_zone: Option<String>,
    row_order: Option<RowOrder>,
}

impl TryFrom<RawTimeSource> for TimeSource {
    type Error = &'static str;

    fn try_from(raw: RawTimeSource) -> Result<Self, &'static str> {
        match (raw.column, raw.format, raw.row_order) {
            (Some(column), Some(format), None) => {
                Ok(Self::Column(TimeColumn { column, format, time_zone: raw.time_zone.unwrap_or_else(utc) }))
            }
            (None, None, Some(row_order)) => Ok(Self::RowOrder(RowOrderSource { row_order })),
            _ => Err("needs column and format, or row_order = { start, step_seconds } alone"),
        }
    }
}

/// A column of instants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeColumn {
    /// The column.
    pub column: String,
    /// `rfc3339`, `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`, or a pattern such as `%Y-%m-%d %H:%M:%S`.
    pub format: super::time::TimeFormat,
    /// Zone of times without an offset, as an IANA name.
    #[serde(default = "utc", skip_serializing_if = "is_utc")]
    pub time_zone: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn is_utc(zone: &str) -> bool {
    zone == "UTC"
}

/// Instants of rows that have none but are in order: row n (from 0) is at `start` + n × `step_seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowOrder {
    /// Instant of the first row.
    pub start: Timestamp,
    /// Seconds between rows, at least 1.
    pub step_seconds: u32,
}

/// A column that becomes an attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// The column.
    pub column: String,
    /// Name of the attribute; absent: the column's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<AttributeName>,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: AttributeType,
    /// How its times are written; for `time` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<super::time::TimeFormat>,
    /// Fields that mean nothing is known in this column, beside those of the format.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Why a column that looks like a protected characteristic may be used under its new name; recorded with the
    /// import and with every model that is trained from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge_protected: Option<String>,
}

/// Type of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeType {
    /// A finite number.
    Number,
    /// Yes or no.
    Boolean,
    /// A word out of a set.
    Category,
    /// An instant.
    Time,
}

/// How a row's lead ended. Where neither list holds the value, the lead is still open.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutcomeMapping {
    /// Column that says how it ended; absent: every row was won.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Values that mean won, compared without case and outer blanks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub positive: Vec<String>,
    /// Values that mean lost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub negative: Vec<String>,
    /// Values that mean never reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_answer: Vec<String>,
    /// When it ended. An empty field means that it has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeColumn>,
    /// Where no column says when: hours after the lead came into being, above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_hours: Option<u32>,
    /// Column with the reason, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Column with the deal's worth in whole units of currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// A consent that is recorded with each lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentPolicy {
    /// Granted or withdrawn.
    pub state: ConsentState,
    /// On which legal basis.
    pub basis: LegalBasis,
    /// Where the proof is.
    pub evidence: String,
}

/// How a row becomes an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventMapping {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// Column with the event's own id; absent: a hash of the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Members of the event's `data`, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Field>,
}

/// Where the kind of a row's event stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a kind of event, or { column, values = { word = kind } }")]
pub enum EventType {
    /// The same for every row.
    All(EventKind),
    /// In a column.
    Column {
        /// The column.
        column: String,
        /// What its words mean; a row with another word is rejected.
        values: BTreeMap<String, EventKind>,
    },
}

/// Where a member of an event's `data` comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// A column …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// … or one value for all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<toml::Value>,
    /// What its numbers are multiplied by, such as 1000 for seconds into `duration_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// What its words mean, compared without case and outer blanks, such as `{ "Yes" = true }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub words: BTreeMap<String, toml::Value>,
}

/// How rows become market snapshots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarketMapping {
    /// Column with the area's name.
    pub area: String,
    /// Other names of areas, by the name in the file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub area_names: BTreeMap<String, String>,
    /// Where months and measures stand.
    pub layout: MarketLayout,
    /// Days from the end of a month until its figures are published: nothing earlier may see them.
    pub published_after_days: u32,
    /// Rows to use; others are passed over and counted. Every rule must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterRule>,
}

/// Layout of a market file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MarketLayout {
    /// One row per area and month.
    Long {
        /// Column with any day of the month.
        period: TimeColumn,
        /// Columns with measures.
        measures: Vec<Measure>,
    },
    /// One row per area; every column whose name is a date is a month of one measure.
    Wide {
        /// Which measure, a field of a market snapshot.
        field: String,
        /// What its numbers are multiplied by.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        scale: f64,
        /// How the dates in the columns' names are written.
        format: super::time::TimeFormat,
    },
}

/// A column with a measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// The column.
    pub column: String,
    /// Field of a market snapshot, such as `median_price`.
    pub field: String,
    /// What its numbers are multiplied by, such as 0.01 for percent into a share.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub scale: f64,
}

fn one() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
#[expect(clippy::float_cmp, reason = "only the exact default is left out")]
fn is_one(scale: &f64) -> bool {
    *scale == 1.0
}

/// A row is used where the column holds one of the values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterRule {
    /// The column.
    pub column: String,
    /// Its accepted values, compared without case and outer blanks.
    pub values: Vec<String>,
}

/// A column that is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ignored {
    /// The column.
    pub column: String,
    /// Why.
    pub reason: String,
}

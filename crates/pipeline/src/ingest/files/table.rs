//! A file as rows with named columns, whatever its form.
//!
//! Owns: the header, the rows in batches of bounded size, and turning a row's bytes into its fields.
//! Invariant: reading (in order, one thread) and decoding (any order, many threads) are apart; neither holds more
//! than a batch.
//! Deliberately absent: what the columns mean.

use std::{
    borrow::Cow,
    fs::File,
    io::Read,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use leadscore_domain::Timestamp;
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::{Field, Row, reader::RowIter},
};

use super::{
    ImportError,
    cells::{Cells, decode},
    mapping::{Encoding, FileFormat, Format},
    records::Records,
    source::{self, Content},
};

/// Most bytes of records in one batch; a batch always takes at least one record.
const BATCH_MAX_BYTES: usize = 8 << 20;
/// Most columns of a file.
pub(super) const COLUMNS_MAX: usize = 4_096;

/// An opened file of rows.
pub(super) struct Table {
    path: PathBuf,
    body: Body,
    /// Names of the columns; empty for JSON lines, whose rows name their members themselves.
    pub columns: Vec<String>,
    /// Bytes of the file on disk.
    pub size_bytes: u64,
    read_bytes: Arc<AtomicU64>,
    /// Rows read so far.
    pub row: u64,
}

enum Body {
    Lines(Records<Box<dyn Read + Send>>),
    Parquet(RowIter<'static>),
}

/// Rows as they were read.
#[derive(Default)]
pub(super) struct Batch {
    arena: Vec<u8>,
    /// The rows in order.
    pub rows: Vec<RawRow>,
    /// The file broke off behind these rows, for this reason.
    pub broken: Option<String>,
    /// Bytes of the file that were read by now.
    pub read_bytes: u64,
}

/// A row as it was read.
pub(super) struct RawRow {
    /// Its number among the rows, from 1, without the header.
    pub number: u64,
    /// The line of the file on which it begins; for Parquet the row's number.
    pub line: u64,
    body: RawBody,
}

enum RawBody {
    Bytes(Range<usize>, Option<&'static str>),
    Cells(Cells),
}

/// How to decode rows of a table.
#[derive(Debug, Clone)]
pub(super) struct Decoder {
    form: FileFormat,
    delimiter: u8,
    encoding: Encoding,
    /// Names of the fields that [`Self::decode`] yields, in order.
    pub names: Vec<String>,
}

impl Table {
    /// Opens `path` and reads the header.
    ///
    /// # Errors
    /// Where the file cannot be read, is empty, or is of another form than `format` says.
    pub fn open(path: &Path, format: &Format) -> Result<Self, ImportError> {
        let source = source::open(path)?;
        let form = |problem: &str, remedy: &str| ImportError::Form {
            path: path.to_owned(),
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        };
        let (body, columns) = match (source.content, format.form) {
            (Content::Parquet(file), FileFormat::Parquet) => open_parquet(path, file)?,
            (Content::Parquet(_), FileFormat::Delimited | FileFormat::Jsonl) => {
                return Err(form("is a Parquet file", "write form = \"parquet\" into the mapping"));
            }
            (Content::Text(_), FileFormat::Parquet) => {
                return Err(form("is not a Parquet file", "let `import inspect` draft the mapping again"));
            }
            (Content::Text(reader), FileFormat::Jsonl) => {
                (Body::Lines(Records::new(reader, None).map_err(|e| broken(path, 0, &e))?), Vec::new())
            }
            (Content::Text(reader), FileFormat::Delimited) => open_delimited(path, reader, format)?,
        };
        Ok(Self {
            path: path.to_owned(),
            body,
            columns,
            size_bytes: source.size_bytes,
            read_bytes: source.read_bytes,
            row: 0,
        })
    }

    /// How to decode its rows; `names` says which members JSON lines are asked for.
    pub fn decoder(&self, format: &Format, names: &[String]) -> Decoder {
        Decoder {
            form: format.form,
            delimiter: u8::try_from(format.delimiter).unwrap_or(b','),
            encoding: format.encoding,
            names: if format.form == FileFormat::Jsonl { names.to_vec() } else { self.columns.clone() },
        }
    }

    /// The next rows, at most `max_rows`; an empty batch at the end.
    pub fn next_batch(&mut self, max_rows: usize) -> Batch {
        let mut batch = Batch::default();
        while batch.rows.len() < max_rows && batch.arena.len() < BATCH_MAX_BYTES {
            match self.read_row(&mut batch.arena) {
                Ok(Some((line, body))) => {
                    self.row += 1;
                    batch.rows.push(RawRow { number: self.row, line, body });
                }
                Ok(None) => break,
                Err(problem) => {
                    batch.broken = Some(problem);
                    break;
                }
            }
        }
        batch.read_bytes = self.read_bytes.load(Ordering::Relaxed);
        batch
    }

    /// Passes over rows that were done before.
    ///
    /// # Errors
    /// Where the file breaks off before.
    pub fn skip(&mut self, rows: u64) -> Result<(), ImportError> {
        let mut unused = Vec::new();
        while self.row < rows {
            match self.read_row(&mut unused) {
                Ok(Some(_)) => self.row += 1,
                Ok(None) => return Ok(()),
                Err(problem) => {
                    return Err(ImportError::BrokenOff { path: self.path.clone(), row: self.row, problem });
                }
            }
            unused.clear();
        }
        Ok(())
    }

    fn read_row(&mut self, arena: &mut Vec<u8>) -> Result<Option<(u64, RawBody)>, String> {
        match &mut self.body {
            Body::Lines(records) => {
                let Some(raw) = records.next().map_err(|e| e.to_string())? else { return Ok(None) };
                let start = arena.len();
                arena.extend_from_slice(raw.bytes);
                Ok(Some((raw.line, RawBody::Bytes(start..arena.len(), raw.problem))))
            }
            Body::Parquet(rows) => {
                // The reader panics on types that it does not know and on some damaged pages.
                let row = catch_unwind(AssertUnwindSafe(|| rows.next())).map_err(|_| "damaged page".to_owned())?;
                match row {
                    Some(row) => {
                        let cells = parquet_cells(&row.map_err(|e| e.to_string())?);
                        Ok(Some((self.row + 1, RawBody::Cells(cells))))
                    }
                    None => Ok(None),
                }
            }
        }
    }
}

impl Batch {
    /// The row's bytes, shortened, to show in the rejects file.
    pub fn shown(&self, row: &RawRow, max_bytes: usize) -> String {
        match &row.body {
            RawBody::Bytes(range, _) => {
                let bytes = &self.arena[range.clone()];
                String::from_utf8_lossy(&bytes[..bytes.len().min(max_bytes)]).into_owned()
            }
            RawBody::Cells(cells) => {
                let mut text = cells.iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join(",");
                let cut = (0..=max_bytes.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
                text.truncate(cut);
                text
            }
        }
    }

    /// The row's bytes.
    ///
    /// # Errors
    /// Where they are no whole record.
    pub fn bytes(&self, row: &RawRow) -> Result<&[u8], &'static str> {
        match &row.body {
            RawBody::Bytes(range, None) => Ok(&self.arena[range.clone()]),
            RawBody::Bytes(_, Some(problem)) => Err(problem),
            RawBody::Cells(_) => Ok(&[]),
        }
    }
}

impl Decoder {
    /// The row's fields, in the order of `names`.
    ///
    /// # Errors
    /// Why the row cannot be read.
    pub fn decode<'a>(&self, batch: &'a Batch, row: &'a RawRow) -> Result<Cow<'a, Cells>, String> {
        if let RawBody::Cells(cells) = &row.body {
            return Ok(Cow::Borrowed(cells));
        }
        let bytes = batch.bytes(row)?;
        match self.form {
            FileFormat::Delimited | FileFormat::Parquet => {
                let cells = Cells::split(&decode(bytes, self.encoding)?, self.delimiter);
                if cells.len() != self.names.len() {
                    return Err(format!("has {} fields, the header has {}", cells.len(), self.names.len()));
                }
                Ok(Cow::Owned(cells))
            }
            FileFormat::Jsonl => {
                let object = json_object(bytes)?;
                let mut cells = Cells::default();
                for name in &self.names {
                    push_json(&mut cells, json_member(&object, name));
                }
                Ok(Cow::Owned(cells))
            }
        }
    }

    /// The members of a JSON line by their names, for a draft.
    ///
    /// # Errors
    /// Why the row cannot be read.
    pub fn members(batch: &Batch, row: &RawRow) -> Result<Vec<(String, Option<String>)>, String> {
        let mut members = Vec::new();
        flatten("", json_object(batch.bytes(row)?)?, &mut members);
        Ok(members)
    }
}

type Object = serde_json::Map<String, serde_json::Value>;

fn json_object(bytes: &[u8]) -> Result<Object, String> {
    serde_json::from_slice(bytes).map_err(|e| format!("is not a JSON object: {e}"))
}

fn json_member<'a>(object: &'a Object, name: &str) -> Option<&'a serde_json::Value> {
    if let Some(value) = object.get(name) {
        return Some(value);
    }
    name.match_indices('.').find_map(|(i, _)| json_member(object.get(&name[..i])?.as_object()?, &name[i + 1..]))
}

fn push_json(cells: &mut Cells, value: Option<&serde_json::Value>) {
    match value.and_then(json_text) {
        Some(text) => cells.push(&text),
        None => cells.push_absent(),
    }
}

fn json_text(value: &serde_json::Value) -> Option<Cow<'_, str>> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(Cow::Borrowed(text)),
        serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => Some(Cow::Owned(value.to_string())),
    }
}

fn flatten(prefix: &str, object: Object, members: &mut Vec<(String, Option<String>)>) {
    for (name, value) in object {
        let name = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        if let serde_json::Value::Object(inner) = value {
            flatten(&name, inner, members);
        } else {
            let text = json_text(&value).map(Cow::into_owned);
            members.push((name, text));
        }
    }
}

fn broken(path: &Path, row: u64, error: &dyn std::error::Error) -> ImportError {
    ImportError::BrokenOff { path: path.to_owned(), row, problem: error.to_string() }
}

fn open_delimited(
    path: &Path,
    reader: Box<dyn Read + Send>,
    format: &Format,
) -> Result<(Body, Vec<String>), ImportError> {
    let delimiter = u8::try_from(format.delimiter).unwrap_or(b',');
    let mut records = Records::new(reader, Some(delimiter)).map_err(|e| broken(path, 0, &e))?;
    if !format.header {
        let width = first_width(path, format)?;
        return Ok((Body::Lines(records), (1..=width).map(|i| format!("column_{i}")).collect()));
    }
    let Some(raw) = records.next().map_err(|e| broken(path, 0, &e))? else {
        return Err(ImportError::Empty { path: path.to_owned(), hint: "" });
    };
    let header = raw.problem.map_or_else(|| decode(raw.bytes, format.encoding), Err).map_err(|problem| {
        let remedy = "is this a table? Let `import inspect` look at it".to_owned();
        ImportError::Form { path: path.to_owned(), problem: format!("its first line {problem}"), remedy }
    })?;
    let columns = names_of(&Cells::split(&header, delimiter));
    if columns.len() > COLUMNS_MAX {
        let problem = format!("has {} columns", columns.len());
        return Err(ImportError::Form {
            path: path.to_owned(),
            problem,
            remedy: format!("keep {COLUMNS_MAX} at most"),
        });
    }
    Ok((Body::Lines(records), columns))
}

/// Number of fields of the first row of a file without a header.
fn first_width(path: &Path, format: &Format) -> Result<usize, ImportError> {
    let first = Table::open(path, &Format { header: true, ..format.clone() })?;
    Ok(first.columns.len())
}

/// The names of a header: trimmed; unnamed columns by their position, repeated names numbered.
fn names_of(header: &Cells) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(header.len());
    let mut seen = std::collections::HashMap::<String, usize>::new();
    for (i, name) in header.iter().enumerate() {
        let name = name.unwrap_or_default().trim();
        let name = if name.is_empty() { format!("column_{}", i + 1) } else { name.to_owned() };
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        names.push(if *count == 1 { name } else { format!("{name}_{count}") });
    }
    names
}

fn open_parquet(path: &Path, file: File) -> Result<(Body, Vec<String>), ImportError> {
    let form = |problem: String| ImportError::Form {
        path: path.to_owned(),
        problem,
        remedy: "write the file again, or export it as CSV".to_owned(),
    };
    // The reader panics on some damaged footers.
    let opened = catch_unwind(AssertUnwindSafe(|| SerializedFileReader::new(file)));
    let reader = opened
        .map_err(|_| form("is a damaged Parquet file".to_owned()))?
        .map_err(|e| form(format!("is a Parquet file that cannot be read ({e})")))?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let columns = schema.root_schema().get_fields().iter().map(|field| field.name().to_owned()).collect();
    let rows = catch_unwind(AssertUnwindSafe(|| RowIter::from_file_into(Box::new(reader))))
        .map_err(|_| form("is a damaged Parquet file".to_owned()))?;
    Ok((Body::Parquet(rows), columns))
}

fn parquet_cells(row: &Row) -> Cells {
    let mut cells = Cells::default();
    for (_, field) in row.get_column_iter() {
        match parquet_text(field) {
            Some(text) => cells.push(&text),
            None => cells.push_absent(),
        }
    }
    cells
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other type is written as its reader writes it")]
fn parquet_text(field: &Field) -> Option<Cow<'_, str>> {
    let instant = |micros: i64| Timestamp::from_micros(micros).map_or(micros.to_string(), |t| t.to_string());
    Some(match field {
        Field::Null => return None,
        Field::Str(text) => Cow::Borrowed(text),
        Field::Float(number) => Cow::Owned(number.to_string()),
        Field::Double(number) => Cow::Owned(number.to_string()),
        Field::TimestampMillis(millis) => Cow::Owned(instant(millis.saturating_mul(1_000))),
        Field::TimestampMicros(micros) => Cow::Owned(instant(*micros)),
        Field::Date(days) => {
            let date = jiff::civil::date(1970, 1, 1)
                .checked_add(jiff::Span::new().days(i64::from(*days).clamp(-4_000_000, 4_000_000)));
            Cow::Owned(date.map_or_else(|_| days.to_string(), |date| date.to_string()))
        }
        other => Cow::Owned(other.to_string()),
    })
}

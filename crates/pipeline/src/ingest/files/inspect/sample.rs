//! A sample of a file: its first rows and rows spread evenly over the rest, in one pass and bounded memory.

use std::{collections::HashMap, path::Path};

use crate::ingest::files::{
    ImportError,
    cells::Cells,
    mapping::{Encoding, FileFormat, Format},
    table::{Batch, COLUMNS_MAX, Decoder, RawRow, Table},
};

/// Share of the sample that is taken from the file's beginning.
const HEAD_SHARE: usize = 10;
/// Rows read at once.
const BATCH_ROWS: usize = 2_000;
/// Longest text of one field that is kept: enough to tell what it is.
const FIELD_MAX_BYTES: usize = 200;
/// Most bytes of a sample.
const SAMPLE_MAX_BYTES: usize = 256 << 20;

/// The sample.
pub(super) struct Sample {
    pub names: Vec<String>,
    /// Rows in the order of the file.
    pub rows: Vec<Cells>,
    /// Rows of the file that can be read.
    pub total: u64,
    /// Rows that cannot, and why the first one cannot.
    pub bad: u64,
    pub first_bad: Option<(u64, String)>,
    /// Rows that are not of the encoding.
    pub misencoded: u64,
    /// Rows with letters beyond ASCII that are.
    pub accented: u64,
    /// Why the file breaks off, if it does.
    pub broken: Option<String>,
}

/// Draws numbers for the reservoir: the same file gives the same sample (SplitMix64, Steele et al. 2014).
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

struct Collector {
    sample: Sample,
    places: HashMap<String, usize>,
    /// The rows with their numbers.
    kept: Vec<(u64, Cells)>,
    bytes: usize,
    max_rows: usize,
    draws: Draws,
}

/// Draws a sample of about `max_rows` rows.
pub(super) fn draw(path: &Path, format: &Format, max_rows: usize) -> Result<Sample, ImportError> {
    let mut table = Table::open(path, format)?;
    let decoder = table.decoder(format, &[]);
    let mut collector = Collector::new(table.columns.clone(), max_rows.max(100));
    loop {
        let batch = table.next_batch(BATCH_ROWS);
        for row in &batch.rows {
            match collector.cells(&decoder, format, &batch, row) {
                Ok(cells) => collector.keep(row.number, cells),
                Err(problem) => collector.bad(row.line, &batch, row, format, problem),
            }
        }
        if batch.rows.is_empty() || batch.broken.is_some() {
            collector.sample.broken = batch.broken;
            break;
        }
    }
    Ok(collector.finish())
}

impl Collector {
    fn new(names: Vec<String>, max_rows: usize) -> Self {
        let sample = Sample {
            names,
            rows: Vec::new(),
            total: 0,
            bad: 0,
            first_bad: None,
            misencoded: 0,
            accented: 0,
            broken: None,
        };
        Self { sample, places: HashMap::new(), kept: Vec::new(), bytes: 0, max_rows, draws: Draws(1) }
    }

    fn cells(&mut self, decoder: &Decoder, format: &Format, batch: &Batch, row: &RawRow) -> Result<Cells, String> {
        if format.form != FileFormat::Jsonl {
            let cells = decoder.decode(batch, row)?;
            self.sample.accented += u64::from(!batch.bytes(row).unwrap_or_default().is_ascii());
            return Ok(shortened(&cells));
        }
        let mut fields: Vec<Option<String>> = vec![None; self.sample.names.len()];
        for (name, text) in Decoder::members(batch, row)? {
            // A member without a name cannot be mapped.
            if name.trim().is_empty() {
                continue;
            }
            let place = match self.places.get(&name) {
                Some(place) => *place,
                None if self.sample.names.len() >= COLUMNS_MAX => continue,
                None => {
                    self.places.insert(name.clone(), self.sample.names.len());
                    self.sample.names.push(name);
                    fields.push(None);
                    fields.len() - 1
                }
            };
            fields[place] = text;
        }
        let mut cells = Cells::default();
        for field in fields {
            match field {
                Some(text) => cells.push(cut(&text)),
                None => cells.push_absent(),
            }
        }
        Ok(cells)
    }

    /// The first rows stay; later ones replace each other so that every row has the same chance (algorithm R,
    /// Vitter 1985).
    fn keep(&mut self, number: u64, cells: Cells) {
        self.sample.total += 1;
        let head = self.max_rows / HEAD_SHARE;
        if self.kept.len() < self.max_rows && self.bytes < SAMPLE_MAX_BYTES {
            self.bytes += cells.iter().flatten().map(str::len).sum::<usize>() + 8 * cells.len();
            self.kept.push((number, cells));
            return;
        }
        let head = head.min(self.kept.len() / 2);
        let places = (self.kept.len() - head) as u64;
        let draw = self.draws.below(self.sample.total - head as u64);
        if draw < places {
            self.kept[head + draw as usize] = (number, cells);
        }
    }

    fn bad(&mut self, line: u64, batch: &Batch, row: &RawRow, format: &Format, problem: String) {
        self.sample.bad += 1;
        let bytes = batch.bytes(row).unwrap_or_default();
        let misencoded = format.encoding == Encoding::Utf8 && std::str::from_utf8(bytes).is_err();
        self.sample.misencoded += u64::from(misencoded);
        self.sample.first_bad.get_or_insert((line, problem));
    }

    fn finish(mut self) -> Sample {
        self.kept.sort_unstable_by_key(|(number, _)| *number);
        self.sample.rows = self.kept.into_iter().map(|(_, cells)| cells).collect();
        self.sample
    }
}

fn shortened(cells: &Cells) -> Cells {
    let mut short = Cells::default();
    for cell in cells.iter() {
        match cell {
            Some(text) => short.push(cut(text)),
            None => short.push_absent(),
        }
    }
    short
}

fn cut(text: &str) -> &str {
    let end = (0..=FIELD_MAX_BYTES.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    &text[..end]
}

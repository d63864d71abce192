//! One Parquet file per month, and what waits to be written into each.
//!
//! Owns: which examples are in memory. Invariants: never more than [`WAITING_MAX`]; within a month the examples stand
//! in the order in which they came. Deliberately absent: what the columns are.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
    sync::Arc,
};

use leadscore_engine::features::FeatureView;
use parquet::{
    basic::{Compression, ZstdLevel},
    file::{
        properties::{WriterProperties, WriterPropertiesPtr},
        writer::SerializedFileWriter,
    },
};

use super::{
    ExportError,
    columns::{Example, Schema},
};

/// Most examples that wait; then those of the month with most of them become a row group.
const WAITING_MAX: usize = 32_768;

/// The files of an export.
pub(super) struct Partitions {
    folder: PathBuf,
    schema: Schema,
    properties: WriterPropertiesPtr,
    months: BTreeMap<String, Month>,
    waiting: usize,
}

/// A month's file.
struct Month {
    path: PathBuf,
    file: SerializedFileWriter<BufWriter<File>>,
    waiting: Vec<Example>,
}

impl Partitions {
    pub(super) fn new(folder: &Path, view: &FeatureView) -> Self {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(concat!("leadscore ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        Self {
            folder: folder.to_owned(),
            schema: Schema::new(view),
            properties: Arc::new(properties),
            months: BTreeMap::new(),
            waiting: 0,
        }
    }

    /// Takes an example of a month, such as `2026-03`.
    pub(super) fn add(&mut self, month: &str, example: Example) -> Result<(), ExportError> {
        if !self.months.contains_key(month) {
            let opened = self.open(month)?;
            self.months.insert(month.to_owned(), opened);
        }
        if let Some(month) = self.months.get_mut(month) {
            month.waiting.push(example);
            self.waiting += 1;
        }
        if self.waiting == WAITING_MAX
            && let Some(fullest) = self.months.values_mut().max_by_key(|month| month.waiting.len())
        {
            self.waiting -= fullest.waiting.len();
            fullest.write(&self.schema)?;
        }
        Ok(())
    }

    /// Writes what waits and closes every file.
    pub(super) fn finish(self) -> Result<(), ExportError> {
        for mut month in self.months.into_values() {
            month.write(&self.schema)?;
            let Month { path, file, .. } = month;
            file.close().map_err(|source| ExportError::Parquet { path, source })?;
        }
        Ok(())
    }

    fn open(&self, month: &str) -> Result<Month, ExportError> {
        let folder = self.folder.join(format!("month={month}"));
        let path = folder.join("part-0.parquet");
        let io = |source| ExportError::Io { path: path.clone(), source };
        fs::create_dir_all(&folder).map_err(io)?;
        let sink = BufWriter::new(File::create(&path).map_err(io)?);
        let (schema, properties) = (Arc::clone(&self.schema.parquet), Arc::clone(&self.properties));
        match SerializedFileWriter::new(sink, schema, properties) {
            Ok(file) => Ok(Month { path, file, waiting: Vec::new() }),
            Err(source) => Err(ExportError::Parquet { path, source }),
        }
    }
}

impl Month {
    fn write(&mut self, schema: &Schema) -> Result<(), ExportError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let written = schema.write(&mut self.file, &self.waiting);
        self.waiting.clear();
        written.map_err(|source| ExportError::Parquet { path: self.path.clone(), source })
    }
}

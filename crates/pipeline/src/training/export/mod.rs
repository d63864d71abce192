//! Examples as a folder of Parquet files, for training elsewhere.
//!
//! Owns: the layout of the folder and what it says of itself. Invariants: the examples are those that a training run
//! with the same options would see, encoded by the same code; leads are pseudonyms; memory is bounded, however many
//! examples there are. Deliberately absent: names, handles, free text (a category of one lead alone is "other"), and
//! attributes whose name stands for a protected characteristic or its proxy.

mod columns;
mod partitions;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use leadscore_domain::{Clock, Timestamp, time::SECOND_US};
use leadscore_engine::features::{Column, ColumnKind, FEATURES, FeatureView, OTHER, Survey};
use leadscore_store::{Store, StoreError};
use parquet::errors::ParquetError;
use serde::Serialize;
use serde_json::{Value, json};

use self::{columns::Example, partitions::Partitions};
use super::{
    ProgressFn, TrainingOptions,
    build::{Part, Recipe, walk},
};

/// Name of the file that describes the others; readers of partitioned folders pass over names that begin so. Written
/// last: a folder without it is not whole.
const DESCRIPTION_FILE: &str = "_examples.json";

/// Why examples were not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Leads or events cannot be read.
    #[error("the examples cannot be read: {0}")]
    Store(#[from] StoreError),
    /// There is something where the folder should be.
    #[error("{}: is not an empty folder; name another", .0.display())]
    NotEmpty(PathBuf),
    /// The folder or a file in it cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written as Parquet.
    #[error("{}: cannot be written: {source}", path.display())]
    Parquet {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: ParquetError,
    },
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Examples, unfinished ones too.
    pub examples: u64,
    /// Examples whose horizon was not over.
    pub unfinished: u64,
    /// Finished examples that converted.
    pub positives: u64,
    /// Leads with an example.
    pub leads: u64,
    /// Leads that were left out for want of a lawful basis for profiling.
    pub withheld: u64,
    /// Columns, those that are no inputs included.
    pub columns: usize,
    /// Until when everything is known.
    pub known_until: Timestamp,
    /// Examples by the month of their instants.
    pub months: BTreeMap<String, u64>,
}

/// Writes the examples of all leads into `folder`, which is made where it is missing and must be empty:
/// `month=2026-03/part-0.parquet` and so on, and `_examples.json`, which describes the columns and holds the
/// dictionaries of the categories.
///
/// The leads are read twice: once for the columns, once for the examples. Memory: one page of leads, the dictionaries,
/// and up to 32,768 examples.
///
/// # Errors
/// See [`ExportError`]; what was written until then stays.
pub async fn export_training_set(
    store: &Store,
    clock: &dyn Clock,
    options: &TrainingOptions,
    folder: &Path,
    progress: &ProgressFn,
) -> Result<Exported, ExportError> {
    make_empty(folder)?;
    let recipe = Arc::new(Recipe::new(store, clock, options).await?);
    let survey = walk(store, &recipe, "reading columns", progress, Survey::default(), look_at).await?;
    let view = survey.whole();
    let handle = store.clone();
    let writing = Writing {
        partitions: Partitions::new(folder, &view),
        counts: Exported {
            examples: 0,
            unfinished: 0,
            positives: 0,
            leads: 0,
            withheld: 0,
            columns: columns::count(&view),
            known_until: recipe.known_until(),
            months: BTreeMap::new(),
        },
        view,
        store: handle,
    };
    let writing = walk(store, &recipe, "writing examples", progress, writing, Writing::add).await?;
    writing.finish(folder, options)
}

fn make_empty(folder: &Path) -> Result<(), ExportError> {
    let failed = |source| ExportError::Io { path: folder.to_owned(), source };
    if folder.exists() && (!folder.is_dir() || fs::read_dir(folder).map_err(failed)?.next().is_some()) {
        return Err(ExportError::NotEmpty(folder.to_owned()));
    }
    fs::create_dir_all(folder).map_err(failed)
}

fn look_at(survey: &mut Survey, part: Part) -> Result<(), ExportError> {
    let snapshots = part.examples.iter().flat_map(|(snapshots, ..)| snapshots);
    snapshots.for_each(|snapshot| survey.add(snapshot));
    Ok(())
}

/// Everything that is open while examples are written.
struct Writing {
    view: FeatureView,
    partitions: Partitions,
    store: Store,
    counts: Exported,
}

impl Writing {
    fn add(&mut self, part: Part) -> Result<(), ExportError> {
        let Some((snapshots, ..)) = part.examples else {
            self.counts.withheld += 1;
            return Ok(());
        };
        if snapshots.is_empty() {
            return Ok(());
        }
        self.counts.leads += 1;
        let lead = self.store.pseudonym(part.lead);
        let rows = self.view.encode(&snapshots);
        for (index, snapshot) in snapshots.iter().enumerate() {
            let (observed, label) = (snapshot.observed, snapshot.observed.label());
            let month = snapshot.instant.to_string()[..7].to_owned();
            self.counts.examples += 1;
            self.counts.unfinished += u64::from(label.is_none());
            self.counts.positives += u64::from(label == Some(true));
            *self.counts.months.entry(month.clone()).or_default() += 1;
            let example = Example {
                lead: lead.clone(),
                instant: snapshot.instant,
                followed_s: seconds(observed.followed_us),
                converted_after_s: observed.converted_after_us.map(seconds),
                label,
                row: rows.row(index).to_vec(),
            };
            self.partitions.add(&month, example)?;
        }
        Ok(())
    }

    fn finish(self, folder: &Path, options: &TrainingOptions) -> Result<Exported, ExportError> {
        let Self { view, partitions, counts, .. } = self;
        partitions.finish()?;
        let description = json!({
            "examples": &counts,
            "horizon_seconds": seconds(options.horizon_us),
            "seed": options.seed,
            "columns": describe(&view),
            "view": &view,
        });
        let path = folder.join(DESCRIPTION_FILE);
        let write = || fs::write(&path, format!("{description:#}\n"));
        write().map_err(|source| ExportError::Io { path: path.clone(), source })?;
        Ok(counts)
    }
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / SECOND_US as f64
}

/// What each column is. The first of `categories` is what all others are written as; their places are the codes that
/// a model's tests of categories go by.
fn describe(view: &FeatureView) -> Value {
    let own = columns::OWN.iter().map(|own| json!({ "name": own.name, "meaning": own.meaning, "input": false }));
    let inputs = view.columns().iter().enumerate().map(|(index, Column { name, group, kind })| {
        let mut described = json!({ "name": name, "group": group, "input": true });
        if let Some(spec) = FEATURES.iter().find(|spec| spec.name == name) {
            described["meaning"] = spec.formula.into();
            described["unit"] = spec.unit.into();
            described["window"] = spec.window.into();
        }
        described["kind"] = match kind {
            ColumnKind::Numeric => "number".into(),
            ColumnKind::Categorical { .. } => "category".into(),
        };
        if let Some(categories) = view.categories(index) {
            described["categories"] = [OTHER].into_iter().chain(categories).collect();
        }
        described
    });
    own.chain(inputs).collect()
}

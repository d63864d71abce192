//! Importing a file: batches of rows become events or market snapshots, committed together with the place reached.
//!
//! Owns: the flow from the file to the store, the count of what became of the rows, and going on after a break.
//! Invariant: at most [`BATCHES_WAITING`] batches wait between reading and storing; a batch's rows and the checkpoint
//! behind them are one transaction.
//! Deliberately absent: finding leads and dropping duplicates, which the store does.

mod events;
mod leads;
mod market;
mod native;
mod plan;
mod rejects;
mod row;
mod sink;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub(super) use events::known_field;
use leadscore_domain::{Clock, Region};
use leadscore_store::{Checkpoint, Store};
use plan::Plan;
use rayon::prelude::*;
use rejects::{RejectedRow, Rejects};
use row::{Context, Output};
use sha2::{Digest, Sha256};
use sink::Sink;
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinHandle},
};

use super::{
    ImportError, Kind, Mapping,
    source::{fingerprint, hex},
    table::Table,
};

/// Read batches that wait for the store.
const BATCHES_WAITING: usize = 2;
/// Most rows in one transaction.
const BATCH_MAX_ROWS: usize = 4_000;

/// How an import is carried out.
#[derive(Clone)]
pub struct ImportOptions {
    /// Country of telephone numbers without a prefix.
    pub region: Region,
    /// The present: nothing may lie after it.
    pub clock: Arc<dyn Clock>,
    /// Where rejected rows are written; absent: beside the file, as `<file>.rejects.csv`.
    pub rejects: Option<PathBuf>,
    /// Rows in one transaction, 1 to 4,000.
    pub batch_rows: usize,
}

impl ImportOptions {
    /// Numbers of the United States, rejects beside the file, 2,000 rows in a transaction.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { region: Region::default(), clock, rejects: None, batch_rows: 2_000 }
    }
}

/// How far an import has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportProgress {
    /// Bytes of the file that were read.
    pub read_bytes: u64,
    /// Bytes of the file.
    pub total_bytes: u64,
    /// Rows done, with those of earlier runs.
    pub rows: u64,
    /// Rows rejected, with those of earlier runs.
    pub rejected: u64,
}

/// What became of a file's rows: `rows` = `imported` + `duplicates` + `rejected` + `passed_over`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Rows of the file.
    pub rows: u64,
    /// Rows that became events or snapshots.
    pub imported: u64,
    /// Rows whose id was there already, with the same or another content.
    pub duplicates: u64,
    /// Rows that were refused; each stands in the rejects file.
    pub rejected: u64,
    /// Rows that a filter of the mapping leaves out, and rows of an outcomes file that tell of no outcome.
    pub passed_over: u64,
    /// Lines of the first duplicates of this run, at most 20.
    pub duplicate_lines: Vec<u64>,
    /// Where the rejected rows are, if there are any.
    pub rejects_file: Option<PathBuf>,
    /// Row after which this run went on; `None` where it began at the first.
    pub resumed_from: Option<u64>,
    /// Protected characteristics that the mapping uses under another name, with the reasons.
    pub acknowledged: Vec<String>,
}

/// A batch that was read and checked, on its way to the store.
struct ReadBatch {
    rows: Vec<(u64, Result<Output, RejectedRow>)>,
    last_row: u64,
    read_bytes: u64,
    broken: Option<String>,
}

/// Imports a file. Without a mapping it must be in the native form: JSON lines of event envelopes, each with an
/// optional further member `received_at`, or of market snapshots.
///
/// Ids of events are derived from the source and the lead's handles (leads, outcomes) or the event's id or the whole
/// row (events): importing a file again changes nothing. An import that was cut short goes on behind the last batch
/// that was committed, as long as file and mapping are the same.
///
/// # Errors
/// See [`ImportError`]; a bad row is no error but a reject.
pub async fn import(
    store: &Store,
    kind: Kind,
    path: &Path,
    mapping: Option<&Mapping>,
    options: &ImportOptions,
    progress: &(dyn Fn(ImportProgress) + Send + Sync),
) -> Result<Summary, ImportError> {
    if let Some(mapping) = mapping {
        mapping.check()?;
        if mapping.kind != kind {
            let remedy = format!("import it as {}, or use another mapping", mapping.kind.as_str());
            return Err(ImportError::mapping("kind", format_args!("is not {}", kind.as_str()), remedy));
        }
    }
    let file = path.to_owned();
    let fingerprint = blocking(move || fingerprint(&file)).await?;
    let key = checkpoint_key(kind, &fingerprint, mapping, options.region)?;
    let before = store.import_checkpoint(&key).await?;
    let start =
        before.clone().unwrap_or(Checkpoint { key, row: 0, imported: 0, duplicates: 0, rejected: 0, done: false });
    let rejects_path = options.rejects.clone().unwrap_or_else(|| Rejects::default_path(path));
    let acknowledged = mapping.map(Mapping::acknowledgements).unwrap_or_default();
    if !acknowledged.is_empty() {
        store.record_acknowledgements(acknowledged.clone()).await?;
    }
    let resumed_from = before.as_ref().map(|before| before.row);
    if start.done {
        let rejects_file = (start.rejected > 0 && rejects_path.exists()).then_some(rejects_path);
        let summary = Summary { rejects_file, resumed_from, acknowledged, ..Summary::default() };
        return Ok(sink::count(summary, &start, kind));
    }
    let context = Context::new(
        mapping.map_or("", |mapping| &mapping.source),
        &fingerprint,
        options.region,
        options.clock.now(),
        mapping.map_or(&Plan::native_format(), |mapping| &mapping.format),
    );
    let (table, plan) = prepare(kind, path, mapping, context, start.row).await?;
    let total_bytes = table.size_bytes;
    let mut sink = Sink::new(store, kind, start, Rejects::open(rejects_path, resumed_from.unwrap_or(0))?).await?;
    let (mut batches, reader) = read_ahead(table, plan, options.batch_rows.clamp(1, BATCH_MAX_ROWS));
    while let Some(batch) = batches.recv().await {
        let (read_bytes, broken) = (batch.read_bytes, batch.broken.clone());
        sink.take(batch).await?;
        progress(ImportProgress { read_bytes, total_bytes, rows: sink.row(), rejected: sink.rejected() });
        if let Some(problem) = broken {
            return Err(ImportError::BrokenOff { path: path.to_owned(), row: sink.row(), problem });
        }
    }
    // The batches end with the file, or with a panic of the thread that reads it.
    finished(reader.await);
    if sink.row() == 0 {
        return Err(ImportError::Empty { path: path.to_owned(), hint: "" });
    }
    let summary = sink.finish().await?;
    Ok(Summary { resumed_from, acknowledged, ..summary })
}

/// Opens the file on a thread for blocking work, binds the mapping, and passes over rows that were done.
async fn prepare(
    kind: Kind,
    path: &Path,
    mapping: Option<&Mapping>,
    context: Context,
    done: u64,
) -> Result<(Table, Plan), ImportError> {
    let (path, mapping) = (path.to_owned(), mapping.cloned());
    blocking(move || {
        let (mut table, plan) = match &mapping {
            Some(mapping) => {
                let table = Table::open(&path, &mapping.format)?;
                let plan = Plan::mapped(mapping, &table, &path, context)?;
                (table, plan)
            }
            None => {
                refuse_other_than_json(&path)?;
                (Table::open(&path, &Plan::native_format())?, Plan::native(kind, context))
            }
        };
        table.skip(done)?;
        Ok((table, plan))
    })
    .await
}

/// A file without a mapping whose first rows are no JSON objects is of another form altogether.
fn refuse_other_than_json(path: &Path) -> Result<(), ImportError> {
    const LOOKED_AT: usize = 10;
    let head = Table::open(path, &Plan::native_format())?.next_batch(LOOKED_AT);
    let mut starts = head.rows.iter().filter_map(|row| head.bytes(row).ok());
    if head.rows.is_empty() || starts.any(|bytes| bytes.trim_ascii_start().starts_with(b"{")) {
        return Ok(());
    }
    Err(ImportError::Form {
        path: path.to_owned(),
        problem: "is not in the native form (one JSON object a line)".to_owned(),
        remedy: "draft a mapping with `leadscore import inspect` and hand it in with --mapping".to_owned(),
    })
}

/// Reads and checks rows on other threads, while the store writes those before.
fn read_ahead(mut table: Table, plan: Plan, batch_rows: usize) -> (mpsc::Receiver<ReadBatch>, JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
    // Ends by itself: at the end of the file, or when the receiver is gone.
    let reader = tokio::task::spawn_blocking(move || {
        loop {
            let raw = table.next_batch(batch_rows);
            let rows: Vec<_> = raw.rows.par_iter().map(|row| (row.line, plan.read(&raw, row))).collect();
            let ended = raw.broken.is_some() || rows.is_empty();
            let batch = ReadBatch { rows, last_row: table.row, read_bytes: raw.read_bytes, broken: raw.broken };
            if (!batch.rows.is_empty() || batch.broken.is_some()) && sender.blocking_send(batch).is_err() || ended {
                return;
            }
        }
    });
    (receiver, reader)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImportError> + Send + 'static,
) -> Result<T, ImportError> {
    finished(tokio::task::spawn_blocking(work).await)
}

/// What a thread returned; its panic goes on here.
fn finished<T>(joined: Result<T, JoinError>) -> T {
    joined.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
}

/// What identifies an import: the same file, read the same way.
fn checkpoint_key(
    kind: Kind,
    fingerprint: &str,
    mapping: Option<&Mapping>,
    region: Region,
) -> Result<String, ImportError> {
    let mapping = mapping.map(toml::to_string).transpose();
    let mapping = mapping.map_err(|e| ImportError::mapping("mapping", e, "correct it"))?;
    let mut hash = Sha256::new();
    for part in [kind.as_str(), fingerprint, mapping.as_deref().unwrap_or("native"), &format!("{region:?}")] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    Ok(hex(&hash.finalize()))
}

//! The examples that a model is trained on, for training elsewhere.

use std::path::Path;

use leadscore_domain::Timestamp;
use leadscore_pipeline::training::{self, ExportError, TrainingOptions};
use serde_json::json;

use crate::{
    commands::train::{progress_of, training_options},
    context::Context,
    failure::bad_input,
    folder::Folder,
};

/// Writes the examples as they were known at `until` into the folder `out`.
pub async fn export(until: Option<Timestamp>, out: &Path, folder: &Folder, context: &Context) -> anyhow::Result<()> {
    let options = TrainingOptions { known_until: until, ..training_options(context)? };
    let (told, bar) = progress_of(context);
    let written = training::export_training_set(&folder.store, context.clock.as_ref(), &options, out, &told).await;
    bar.finish_and_clear();
    let exported = written.map_err(|error| match error {
        ExportError::NotEmpty(_) => bad_input(error),
        ExportError::Store(_) | ExportError::Io { .. } | ExportError::Parquet { .. } => error.into(),
    })?;
    let place = out.display().to_string();
    context.output.result(&json!({ "folder": place, "exported": exported }), || {
        format!(
            "{place}: {} examples of {} leads in {} months, {} of them not over; {} columns",
            exported.examples,
            exported.leads,
            exported.months.len(),
            exported.unfinished,
            exported.columns
        )
    })?;
    Ok(())
}

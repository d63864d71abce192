//! `leadscore export`: scores, their features, leads or events a line each; training examples; models for other programs.

mod features;
mod lines;
mod model;
mod training_set;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use leadscore_domain::Timestamp;
use leadscore_engine::models::interop::Form;

use self::lines::{Lined, What};
use crate::{context::Context, failure::bad_input, folder::Folder};

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore export scores --format csv --out scores.csv
  leadscore export features --out features.jsonl
  leadscore export leads | jq .lead_id
  leadscore export events --out events.jsonl
  leadscore export --training-set parquet --out examples
  leadscore export --training-set parquet --until 2026-06-01T00:00:00Z --out examples
  leadscore export --format python --out model && pip install ./model
  leadscore export --format onnx --model v2 --out model

Leads, features and events hold personal data, in the clear. Features are named by the model that read them; what was
missing is left out, and categories are the model's codes. A training set holds pseudonyms: examples of leads at
instants, with only what had been received by then, in files by month and described by _examples.json.")]
pub struct Options {
    /// What to export, a line each
    what: Option<What>,
    /// Form of what is written; python and onnx write a model, and need --out [default: jsonl]
    #[arg(long)]
    format: Option<Format>,
    /// Export the examples that a model is trained on, in this form; needs --out
    #[arg(long, value_name = "FORM", conflicts_with_all = ["what", "format"])]
    training_set: Option<TableForm>,
    /// Leave out what was received later (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME", requires = "training_set")]
    until: Option<Timestamp>,
    /// Which model python and onnx write, such as v2 [default: the one that scores]
    #[arg(long, value_name = "VERSION", requires = "format")]
    model: Option<String>,
    /// File to write, or folder for training sets and models [default: standard output]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

/// Forms of what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A JSON object a line
    Jsonl,
    /// Comma-separated values; what is nested stands in its cell as JSON
    Csv,
    /// A Python package of the model, with NumPy
    Python,
    /// The model as a graph for ONNX Runtime and the like
    Onnx,
}

/// Forms of tables.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum TableForm {
    /// Parquet files by month
    Parquet,
}

/// What was asked for, with what it needs.
enum Wanted<'a> {
    Lines(What, Lined),
    TrainingSet(Option<Timestamp>, &'a Path),
    Model(Form, &'a Path),
}

/// Runs the command.
pub async fn run(options: Options, context: &Context) -> anyhow::Result<()> {
    let wanted = options.wanted()?;
    let folder = Folder::open_settled(context).await?;
    match &wanted {
        Wanted::Lines(..) => folder.record(context, "export", None).await?,
        Wanted::TrainingSet(..) => folder.record(context, "export training-set", None).await?,
        Wanted::Model(..) => {}
    }
    let done = match wanted {
        Wanted::Lines(what, form) => lines::export(what, form, options.out.as_deref(), &folder, context).await,
        Wanted::TrainingSet(until, out) => training_set::export(until, out, &folder, context).await,
        Wanted::Model(form, out) => model::export(options.model.as_deref(), form, out, &folder, context),
    };
    folder.store.close().await;
    done
}

impl Options {
    fn wanted(&self) -> anyhow::Result<Wanted<'_>> {
        let out = || self.out.as_deref().ok_or_else(|| bad_input("name the folder to write with --out"));
        let lines = |form| match (self.what, &self.model) {
            (Some(what), None) => Ok(Wanted::Lines(what, form)),
            (Some(_), Some(_)) => Err(bad_input("--model goes with --format python or onnx")),
            (None, _) => Err(bad_input(
                "say what to export: scores, features, leads, events, --training-set parquet, or a model by --format python or onnx",
            )),
        };
        let model = |form| match self.what {
            None => Ok(Wanted::Model(form, out()?)),
            Some(_) => Err(bad_input("--format python and onnx write a model; leave out what else to export")),
        };
        match (self.training_set, self.format) {
            (Some(TableForm::Parquet), _) => Ok(Wanted::TrainingSet(self.until, out()?)),
            (None, None | Some(Format::Jsonl)) => lines(Lined::Json),
            (None, Some(Format::Csv)) => lines(Lined::Csv),
            (None, Some(Format::Python)) => model(Form::Python),
            (None, Some(Format::Onnx)) => model(Form::Onnx),
        }
    }
}

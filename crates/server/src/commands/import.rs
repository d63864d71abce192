//! `leadscore import`: files read in, and mappings drafted for them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use leadscore_pipeline::ingest::files::{
    self, ImportOptions, ImportProgress, InspectOptions, Inspection, Kind, Mapping, Summary, Warning,
};
use serde_json::{Value, json};

use crate::{context::Context, failure::bad_input, folder::Folder, output::Table, progress};

/// What can be asked of it.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  leadscore import inspect leads.csv --out mapping.toml
  leadscore import leads leads.csv --mapping mapping.toml
  leadscore import market market.jsonl

CSV, TSV, JSON lines and Parquet, gzipped or not. An import that was broken off goes on where it was, and a row that
is imported twice counts once.")]
pub enum Command {
    /// Draft a mapping from a file, and say what in it to look at
    Inspect(Inspect),
    /// Import leads, one a row, perhaps with their outcomes
    #[command(
        after_help = "Examples:\n  leadscore import leads leads.csv --mapping mapping.toml --rejects bad-rows.csv"
    )]
    Leads(Import),
    /// Import events, one a row
    #[command(
        after_help = "Examples:\n  leadscore import events brokerage/events.jsonl\n  leadscore import events calls.csv.gz --mapping calls.toml"
    )]
    Events(Import),
    /// Import outcomes of leads that are known, one a row
    #[command(after_help = "Examples:\n  leadscore import outcomes deals.csv --mapping deals.toml")]
    Outcomes(Import),
    /// Import supply and demand of homes by area and month
    #[command(
        after_help = "Examples:\n  leadscore import market brokerage/market.jsonl\n  leadscore import market redfin.tsv.gz --mapping market.toml"
    )]
    Market(Import),
}

/// Which file to look at.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore import inspect leads.csv
  leadscore import inspect leads.csv.gz --outcome Converted --out mapping.toml

Read the draft before you import: it names columns that look like leaks, ids and protected characteristics.")]
pub struct Inspect {
    /// The file
    file: PathBuf,
    /// Write the mapping to this file [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What the rows are [default: guessed]
    #[arg(long)]
    kind: Option<KindName>,
    /// The column that says how it ended [default: guessed]
    #[arg(long, value_name = "COLUMN")]
    outcome: Option<String>,
}

/// Words for what rows are.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindName {
    Leads,
    Events,
    Outcomes,
    Market,
}

impl From<KindName> for Kind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Leads => Self::Leads,
            KindName::Events => Self::Events,
            KindName::Outcomes => Self::Outcomes,
            KindName::Market => Self::Market,
        }
    }
}

/// Which file to import.
#[derive(Debug, Args)]
pub struct Import {
    /// The file
    file: PathBuf,
    /// How it is to be read; not needed for JSON lines in this program's own form, as `simulate` writes them
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// Where rows that cannot be read go, with line and reason [default: beside the file, as FILE.rejects.csv]
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    match command {
        Command::Inspect(options) => inspect(&options, context),
        Command::Leads(options) => import(Kind::Leads, &options, context).await,
        Command::Events(options) => import(Kind::Events, &options, context).await,
        Command::Outcomes(options) => import(Kind::Outcomes, &options, context).await,
        Command::Market(options) => import(Kind::Market, &options, context).await,
    }
}

fn inspect(options: &Inspect, context: &Context) -> anyhow::Result<()> {
    let how = InspectOptions {
        kind: options.kind.map(Kind::from),
        outcome: options.outcome.clone(),
        ..InspectOptions::default()
    };
    let inspection = files::inspect(&options.file, &how)?;
    let draft = inspection.to_toml();
    if let Some(out) = &options.out {
        std::fs::write(out, &draft).with_context(|| format!("writing {}", out.display()))?;
    }
    let out = options.out.as_deref();
    context.output.result(&document(&inspection, &draft, out), || text(&inspection, &draft, &options.file, out))?;
    Ok(())
}

fn document(inspection: &Inspection, draft: &str, out: Option<&Path>) -> Value {
    let warnings: Vec<Value> = inspection
        .warnings
        .iter()
        .map(|Warning { column, kind, text }| json!({ "column": column, "kind": format!("{kind:?}"), "text": text }))
        .collect();
    json!({
        "kind": inspection.mapping.kind.as_str(),
        "rows": inspection.rows,
        "bad_rows": inspection.bad_rows,
        "warnings": warnings,
        "mapping": draft,
        "written_to": out.map(|path| path.display().to_string()),
    })
}

fn text(inspection: &Inspection, draft: &str, file: &Path, out: Option<&Path>) -> String {
    let kind = inspection.mapping.kind.as_str();
    let mut warnings = Table::new(["look at", "column", ""]);
    for Warning { column, kind, text } in &inspection.warnings {
        warnings.row([format!("{kind:?}"), column.clone().unwrap_or_default(), text.clone()]);
    }
    let bad = match inspection.bad_rows {
        0 => String::new(),
        bad => format!(", and {bad} that cannot be read"),
    };
    let head = format!("{}: {kind}, {} rows{bad}\n\n{}\n", file.display(), inspection.rows, warnings.render());
    match out {
        None => format!("{head}{draft}"),
        Some(out) => format!(
            "{head}mapping written to {out}; read it, then:\n  leadscore import {kind} {file} --mapping {out}\n",
            out = out.display(),
            file = file.display(),
        ),
    }
}

async fn import(kind: Kind, options: &Import, context: &Context) -> anyhow::Result<()> {
    let mapping = options.mapping.as_deref().map(read_mapping).transpose()?;
    let region = context.config.import.region()?;
    let folder = Folder::open(context).await?;
    folder.record(context, "import", None).await?;
    let how = ImportOptions {
        region,
        clock: context.clock.clone(),
        rejects: options.rejects.clone(),
        batch_rows: context.config.import.batch_rows,
    };
    let bar = progress::bytes(context.output, &format!("import {}", kind.as_str()));
    let told = |so_far: ImportProgress| {
        bar.set_length(so_far.total_bytes);
        bar.set_position(so_far.read_bytes);
    };
    let summary = files::import(&folder.store, kind, &options.file, mapping.as_ref(), &how, &told).await;
    bar.finish_and_clear();
    folder.store.close().await;
    report(&summary?, context)
}

fn read_mapping(path: &Path) -> anyhow::Result<Mapping> {
    let text = std::fs::read_to_string(path).map_err(|e| bad_input(format_args!("{}: {e}", path.display())))?;
    Mapping::from_toml(&text).with_context(|| path.display().to_string())
}

fn report(summary: &Summary, context: &Context) -> anyhow::Result<()> {
    let Summary {
        rows,
        imported,
        duplicates,
        rejected,
        passed_over,
        duplicate_lines: _,
        rejects_file,
        resumed_from,
        acknowledged,
    } = summary;
    let rejects = rejects_file.as_ref().map(|path| path.display().to_string());
    let document = json!({
        "rows": rows, "imported": imported, "duplicates": duplicates, "rejected": rejected,
        "passed_over": passed_over, "rejects_file": rejects, "resumed_from": resumed_from, "acknowledged": acknowledged,
    });
    context.output.result(&document, || {
        let resumed = resumed_from.map(|row| format!("went on after row {row}\n")).unwrap_or_default();
        let rejects = rejects.map(|file| format!(" (see {file})")).unwrap_or_default();
        let passed_over = match passed_over {
            0 => String::new(),
            count => format!(", {count} that say nothing"),
        };
        let on_record: String = acknowledged.iter().map(|note| format!("\non the record: {note}")).collect();
        format!(
            "{resumed}{rows} rows: {imported} imported, {duplicates} known already, \
             {rejected} rejected{rejects}{passed_over}{on_record}"
        )
    })?;
    Ok(())
}

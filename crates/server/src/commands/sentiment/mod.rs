//! `leadscore sentiment`: models of sentiment trained and evaluated, texts judged, calls read.

mod calls;
mod labels;

use std::{
    fs,
    io::{self, BufRead as _, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use leadscore_engine::conversation::{self, Evaluation, Judged, Label, SentimentModel, SentimentOptions};
use serde_json::json;

use crate::{context::Context, failure::bad_input, output::Table};

/// What can be asked of it.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  leadscore sentiment evaluate --texts reviews.csv --text text --label sentiment
  leadscore sentiment train --texts reviews.csv --text text --label sentiment --out sentiment.bin
  echo \"we love the kitchen\" | leadscore sentiment score
  leadscore sentiment calls calls.jsonl

Labels are negative, neutral and positive, or their beginnings; or numbers: 0 and 1, 0 to 2, or −1 to 1.")]
pub enum Command {
    /// Fit a model to labelled texts, and write it to a file
    Train(Train),
    /// Measure in folds how well such a model judges texts that it has not seen
    Evaluate(Evaluate),
    /// Judge texts, one a line
    Score(Score),
    /// Read calls, one a line as JSON: sentiment turn by turn, speech, pauses, questions, topics
    Calls(calls::Options),
}

/// Labelled texts, and how a model is fitted to them.
#[derive(Debug, Args)]
struct Texts {
    /// Files of texts: CSV and its relatives, JSON lines or Parquet, gzipped or not
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    texts: Vec<PathBuf>,
    /// Column with the text
    #[arg(long, value_name = "COLUMN", default_value = "text")]
    text: String,
    /// Column with the label
    #[arg(long, value_name = "COLUMN", default_value = "label")]
    label: String,
    /// Size of the model's table, as a power of two
    #[arg(long, default_value_t = SentimentOptions::default().bits, value_parser = clap::value_parser!(u32).range(8..=22))]
    bits: u32,
    /// How strongly large weights are held down
    #[arg(long, default_value_t = SentimentOptions::default().penalty)]
    penalty: f64,
    /// Let each label count the same, however many texts have it
    #[arg(long)]
    balanced: bool,
}

/// What to train on, and where to.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore sentiment train --texts reviews.csv --text text --label sentiment --out sentiment.bin
  leadscore sentiment train --texts a.csv b.csv --balanced --out sentiment.bin")]
pub struct Train {
    #[command(flatten)]
    texts: Texts,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What to evaluate on, and how.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore sentiment evaluate --texts reviews.csv --text text --label sentiment
  leadscore sentiment evaluate --texts reviews.csv --folds 10 --seed 3 --out judged.csv

Texts that are the same are in one fold; every fold has its share of each label.")]
pub struct Evaluate {
    #[command(flatten)]
    texts: Texts,
    /// Folds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=100))]
    folds: u32,
    /// The division into folds follows from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write every text's fold, label, judgement and score to this file, as CSV in the order of the texts
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What to judge, and by which model.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  echo \"we love the kitchen\" | leadscore sentiment score
  leadscore sentiment score --model sentiment.bin < lines.txt")]
pub struct Score {
    /// A model that `train` wrote [default: the one that is built in]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

/// Runs the command.
pub fn run(command: &Command, context: &Context) -> anyhow::Result<()> {
    match command {
        Command::Train(options) => train(options, context),
        Command::Evaluate(options) => evaluate(options, context),
        Command::Score(options) => score(options),
        Command::Calls(options) => calls::run(options),
    }
}

impl Texts {
    const fn options(&self) -> SentimentOptions {
        SentimentOptions { bits: self.bits, penalty: self.penalty, balanced: self.balanced }
    }
}

fn train(options: &Train, context: &Context) -> anyhow::Result<()> {
    let (texts, labels) = labels::read(&options.texts)?;
    let model = SentimentModel::fit(&texts, &labels, options.texts.options()).map_err(bad_input)?;
    let bytes = model.to_bytes();
    fs::write(&options.out, &bytes).with_context(|| format!("writing {}", options.out.display()))?;
    let file = options.out.display().to_string();
    context.output.result(&json!({ "texts": texts.len(), "bytes": bytes.len(), "file": file }), || {
        format!("{file}: a model of {} texts, {} bytes", texts.len(), bytes.len())
    })?;
    Ok(())
}

fn evaluate(options: &Evaluate, context: &Context) -> anyhow::Result<()> {
    let (texts, labels) = labels::read(&options.texts)?;
    let folds = options.folds as usize;
    let (evaluation, judged) =
        conversation::evaluate(&texts, &labels, folds, options.seed, options.texts.options()).map_err(bad_input)?;
    if let Some(path) = &options.out {
        write_judged(path, &judged).with_context(|| format!("writing {}", path.display()))?;
    }
    context.output.result(&evaluation, || table(&evaluation))?;
    Ok(())
}

fn write_judged(path: &Path, judged: &[Judged]) -> io::Result<()> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    writeln!(file, "fold,label,predicted,score")?;
    for text in judged {
        writeln!(file, "{},{},{},{}", text.fold, word(text.label), word(text.predicted), text.score)?;
    }
    file.flush()
}

const fn word(label: Label) -> &'static str {
    match label {
        Label::Negative => "negative",
        Label::Neutral => "neutral",
        Label::Positive => "positive",
    }
}

fn table(evaluation: &Evaluation) -> String {
    let mut table = Table::new(["labelled", "negative", "neutral", "positive"]);
    for (label, row) in Label::ALL.into_iter().zip(evaluation.confusion) {
        let [negative, neutral, positive] = row.map(|count| count.to_string());
        table.row([word(label).to_owned(), negative, neutral, positive]);
    }
    format!(
        "{} texts: accuracy {:.4}, macro-F1 {:.4}\n\n{}",
        evaluation.texts,
        evaluation.accuracy,
        evaluation.macro_f1,
        table.render()
    )
}

/// The model of a file, or the one that is built in.
fn model(file: Option<&Path>) -> anyhow::Result<SentimentModel> {
    let Some(path) = file else { return Ok(SentimentModel::compiled_in().clone()) };
    let bytes = fs::read(path).map_err(|error| bad_input(format!("{}: {error}", path.display())))?;
    SentimentModel::from_bytes(&bytes).map_err(|error| bad_input(format!("{} {error}", path.display())))
}

fn score(options: &Score) -> anyhow::Result<()> {
    let model = model(options.model.as_deref())?;
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let line = line?;
        let [negative, neutral, positive] = model.probabilities(&line);
        let judged = json!({
            "text": line, "score": model.score(&line), "label": model.label(&line),
            "negative": negative, "neutral": neutral, "positive": positive,
        });
        writeln!(out, "{judged}")?;
    }
    out.flush()?;
    Ok(())
}

//! `leadscore evaluate`: how well a model that knows only the past predicts what came after.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use anyhow::Context as _;
use clap::Args;
use leadscore_domain::{Identity, Timestamp};
use leadscore_engine::evaluate::{Backtest, Metrics, Split};
use leadscore_pipeline::training::{self, EvaluateOptions, Evaluated, Evaluation, ProgressFn, Truth, Written};
use leadscore_simulator::{FILE_NAMES, World, lead_number};
use serde_json::{Value, json};

use super::train::{progress_of, training_options};
use crate::{context::Context, failure::bad_input, folder::Folder, output::Table};

/// Folder of the report in the data folder, unless another is named.
const REPORT_FOLDER: &str = "evaluation";

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore evaluate
  leadscore evaluate --split kfold:5 --report report/
  leadscore evaluate --split time:0.75 --predictions predictions.csv --json
  leadscore evaluate --champion

Splits never share a lead. Of a simulated brokerage the optimum is known and stands beside the model.")]
pub struct Options {
    /// time:SHARE trains on that share of the leads, the earliest, and tests on the rest; kfold:N takes N random parts
    #[arg(long, default_value = "time:0.8", value_name = "SPLIT")]
    split: Split,
    /// Test the model that scores now, on what came after it was trained, instead of training one on a split
    #[arg(long, conflicts_with = "split")]
    champion: bool,
    /// Also write the predictions of the test to this file, as CSV
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Folder of the report: a page with plots, the figures as JSON, the predictions [default: evaluation in the data folder]
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Folder that `simulate` wrote, to set the known optimum beside the model [default: the data folder, if it is simulated]
    #[arg(long, value_name = "DIR")]
    simulation: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(options: Options, context: &Context) -> anyhow::Result<()> {
    let truth = truth(&options, context)?;
    let how = EvaluateOptions {
        training: training_options(context)?,
        split: (!options.champion).then_some(options.split),
        truth,
        title: format!("Leads of {}", context.data.display()),
    };
    let folder = Folder::open_settled(context).await?;
    let (told, bar) = progress_of(context);
    let clock = context.clock.as_ref();
    let stopwatch = Arc::new(Stopwatch::default());
    let told = stopwatch.listening(told);
    let evaluated = training::evaluate(&folder.store, &folder.registry, clock, &how, &told).await;
    let seconds = stopwatch.stop();
    bar.finish_and_clear();
    folder.store.close().await;
    match evaluated? {
        Evaluated::Measured(evaluation) => measured(&evaluation, &seconds, &options, context),
        Evaluated::NoChampion => Err(bad_input("no model scores yet; run `leadscore train`, or evaluate a split")),
        Evaluated::NothingNew { version, learned_until, stored } => {
            nothing_new(&version, learned_until, stored, context)
        }
    }
}

/// The simulated world's own probabilities, where the data are simulated.
fn truth(options: &Options, context: &Context) -> anyhow::Result<Option<Truth>> {
    let folder = match &options.simulation {
        Some(folder) => folder,
        None if context.data.join(FILE_NAMES[2]).exists() => &context.data,
        None => return Ok(None),
    };
    let world = World::open(folder)?;
    Ok(Some(Arc::new(move |lead: &Identity, at: Timestamp| world.truth(lead_number(lead.value())?, at))))
}

/// What each step took, by the name under which the work tells of it.
#[derive(Default)]
struct Stopwatch(Mutex<Laps>);

#[derive(Default)]
struct Laps {
    running: Option<(&'static str, Instant)>,
    seconds: BTreeMap<&'static str, f64>,
}

impl Laps {
    fn turn(&mut self, next: Option<&'static str>) {
        if let Some((step, since)) = self.running.take() {
            *self.seconds.entry(step).or_default() += since.elapsed().as_secs_f64();
        }
        self.running = next.map(|step| (step, Instant::now()));
    }
}

impl Stopwatch {
    /// Listens, and hands what it hears on to `told`.
    fn listening(self: &Arc<Self>, told: ProgressFn) -> ProgressFn {
        let stopwatch = Arc::clone(self);
        Arc::new(move |so_far| {
            stopwatch.0.lock().unwrap_or_else(PoisonError::into_inner).turn(Some(so_far.step));
            told(so_far);
        })
    }

    /// Ends the last step.
    fn stop(&self) -> BTreeMap<&'static str, f64> {
        let mut laps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        laps.turn(None);
        std::mem::take(&mut laps.seconds)
    }
}

fn measured(
    evaluation: &Evaluation,
    seconds: &BTreeMap<&'static str, f64>,
    options: &Options,
    context: &Context,
) -> anyhow::Result<()> {
    let folder = options.report.clone().unwrap_or_else(|| context.data.join(REPORT_FOLDER));
    let written = evaluation.write(&folder)?;
    if let Some(copy) = &options.predictions {
        std::fs::copy(&written.predictions, copy).with_context(|| format!("writing {}", copy.display()))?;
    }
    let backtest = &evaluation.report.backtest;
    let document = json!({
        "version": evaluation.version,
        "split": (!options.champion).then(|| split_name(options.split)),
        "model": backtest.model, "logistic": backtest.logistic, "majority": backtest.majority,
        "optimum": backtest.truth, "seconds": seconds,
        "report": files(&written),
    });
    context.output.result(&document, || format!("{}\nreport: {}", table(backtest), written.html.display()))?;
    Ok(())
}

fn split_name(split: Split) -> String {
    match split {
        Split::Time { train_share } => format!("time:{train_share}"),
        Split::KFold { folds } => format!("kfold:{folds}"),
    }
}

fn files(written: &Written) -> Value {
    let Written { html, json, predictions } = written;
    json!({ "html": html, "json": json, "predictions": predictions })
}

fn table(backtest: &Backtest) -> String {
    let mut columns: Vec<(&str, &Metrics)> =
        vec![("model", &backtest.model), ("logistic", &backtest.logistic), ("majority", &backtest.majority)];
    columns.extend(backtest.truth.as_ref().map(|truth| ("optimum", truth)));
    let mut table =
        Table::new(["", "AUC", "avg. precision", "log-loss", "Brier", "ECE", "accuracy", "F1", "lift at 10 %"]);
    for (name, metrics) in columns {
        let Metrics { auc, average_precision, log_loss, brier, ece, accuracy, f1, lift_at_10, .. } = *metrics;
        let figures = [auc, average_precision, log_loss, brier, ece, accuracy, f1, lift_at_10].map(figure);
        let [auc, average_precision, log_loss, brier, ece, accuracy, f1, lift] = figures;
        table.row([name.to_owned(), auc, average_precision, log_loss, brier, ece, accuracy, f1, lift]);
    }
    let Metrics { n, positives, ece_noise_floor, .. } = backtest.model;
    format!(
        "{n} test examples, {positives} converted; chance alone gives an ECE of {}\n\n{}",
        figure(ece_noise_floor),
        table.render()
    )
}

/// A figure of merit for a table.
pub fn figure(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { "-".to_owned() }
}

fn nothing_new(
    version: &str,
    learned_until: Timestamp,
    stored: Option<Value>,
    context: &Context,
) -> anyhow::Result<()> {
    let document = json!({ "version": version, "learned_until": learned_until, "backtest": stored });
    context.output.result(&document, || {
        format!(
            "{version} has learned from everything up to {learned_until}; nothing has come to an end since.\n\
             Its back test: leadscore models show {version}; a fresh one: leadscore evaluate"
        )
    })?;
    Ok(())
}

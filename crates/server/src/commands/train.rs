//! `leadscore train`: a new model from everything that the folder holds.

use std::sync::Arc;

use clap::Args;
use leadscore_pipeline::training::{
    self, ProgressFn, PromotePolicy, Trained, TrainingOptions, TrainingOutcome, TrainingProgress,
};
use leadscore_simulator::FILE_NAMES;
use serde_json::{Value, json};

use super::{evaluate::figure, fairness};
use crate::{context::Context, folder::Folder, member, output::Table, progress};

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore train
  leadscore train --no-promote && leadscore models show v2

A new model scores at once, in a running server too, unless --no-promote is given.")]
pub struct Options {
    /// Keep the new model without letting it score
    #[arg(long)]
    no_promote: bool,
}

/// Runs the command.
pub async fn run(options: Options, context: &Context) -> anyhow::Result<()> {
    let folder = Folder::open_settled(context).await?;
    folder.record(context, "train", None).await?;
    let promote = if options.no_promote { PromotePolicy::Never } else { PromotePolicy::Always };
    let outcome = train(&folder, promote, context).await;
    folder.store.close().await;
    let outcome = outcome?;
    context.output.result(&document(&outcome), || text(&outcome))?;
    Ok(())
}

/// Trains on everything in the folder.
///
/// # Errors
/// Where training fails; too few outcomes are no failure.
pub async fn train(folder: &Folder, promote: PromotePolicy, context: &Context) -> anyhow::Result<TrainingOutcome> {
    let options = training_options(context)?;
    let (store, registry, clock) = (&folder.store, &folder.registry, context.clock.as_ref());
    let (told, bar) = progress_of(context);
    let outcome = training::train(store, registry, clock, &options, promote, &told).await;
    bar.finish_and_clear();
    Ok(outcome?)
}

/// How the configuration wants models to be trained.
///
/// # Errors
/// Where the configured policy is bad.
pub fn training_options(context: &Context) -> anyhow::Result<TrainingOptions> {
    let training = &context.config.training;
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(TrainingOptions {
        seed: training.seed,
        per_lead: training.examples_per_lead,
        threads: if training.threads == 0 { available } else { training.threads },
        policy: context.config.scoring.policy()?,
        simulated: context.data.join(FILE_NAMES[2]).exists(),
        imported: member::kept(&context.data)?.map(Arc::new),
        groups: context
            .config
            .training
            .groups_file()
            .map(|file| fairness::read(&file, context))
            .transpose()?
            .map(Arc::new),
        ..TrainingOptions::default()
    })
}

/// A bar, and what moves it.
pub fn progress_of(context: &Context) -> (ProgressFn, indicatif::ProgressBar) {
    let bar = progress::bar(context.output, "", Some(0));
    let shown = bar.clone();
    let told = move |so_far: TrainingProgress| {
        shown.set_message(so_far.step);
        shown.set_length(so_far.total);
        shown.set_position(so_far.done);
    };
    (Arc::new(told), bar)
}

fn document(outcome: &TrainingOutcome) -> Value {
    match outcome {
        TrainingOutcome::Trained(trained) => {
            let Trained {
                version,
                promoted,
                fairness,
                backtest,
                metrics,
                examples,
                positives,
                leads,
                events,
                withheld,
            } = &**trained;
            json!({
                "version": version, "promoted": promoted, "examples": examples, "positives": positives,
                "leads": leads, "events": events, "withheld": withheld, "metrics": metrics, "fairness": fairness,
                "backtest": backtest.as_ref().map(|backtest| json!({
                    "model": backtest.model, "logistic": backtest.logistic, "majority": backtest.majority,
                })),
            })
        }
        TrainingOutcome::TooFewOutcomes(few) => {
            json!({ "version": null, "won": few.won, "lost": few.lost, "needed": few.needed, "reason": few.to_string() })
        }
    }
}

fn text(outcome: &TrainingOutcome) -> String {
    let trained = match outcome {
        TrainingOutcome::Trained(trained) => trained,
        TrainingOutcome::TooFewOutcomes(few) => return few.to_string(),
    };
    let Trained { version, promoted, fairness, backtest, examples, positives, leads, withheld, .. } = &**trained;
    let state = if *promoted { "scores from now on" } else { "is kept; `leadscore models promote` lets it score" };
    let mut text = format!("{version} {state}\n{examples} examples of {leads} leads, {positives} converted\n");
    if *withheld > 0 {
        text.push_str(&format!("{withheld} leads were left out: no consent to profiling is known of them\n"));
    }
    for failure in fairness.iter().flat_map(|fairness| &fairness.failures) {
        text.push_str(&format!("it does not treat groups alike: {failure}\n"));
    }
    let Some(backtest) = backtest else {
        return text + "too few outcomes for a back test\n";
    };
    let mut table = Table::new(["on later leads", "AUC", "average precision", "Brier", "lift at 10 %"]);
    for (name, metrics) in
        [("this model", &backtest.model), ("logistic", &backtest.logistic), ("majority", &backtest.majority)]
    {
        table.row([
            name.to_owned(),
            figure(metrics.auc),
            figure(metrics.average_precision),
            figure(metrics.brier),
            figure(metrics.lift_at_10),
        ]);
    }
    text + "\n" + &table.render()
}

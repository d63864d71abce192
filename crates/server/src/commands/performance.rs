//! `leadscore models performance`: how predictions fared against what came afterwards, week by week.

use clap::Args;
use leadscore_store::{PeriodPerformance, Store};
use serde_json::json;

use crate::{context::Context, output::Table};

/// Which model.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore models performance
  leadscore models performance v3 --json

Of each week, each lead's first prediction counts, against a win within 30 days of it. A running server measures a week
once these 30 days are over for all of its predictions. --json adds the calibration: tenths of the leads by probability,
with their mean prediction and the share that converted.")]
pub struct Options {
    /// The version, such as v3 [default: every version]
    #[arg(value_name = "VERSION")]
    model: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// Where the store fails.
pub async fn run(store: &Store, options: &Options, context: &Context) -> anyhow::Result<()> {
    let periods = store.periods(options.model.as_deref()).await?;
    context.output.result(&json!({ "periods": periods }), || table(&periods))?;
    Ok(())
}

fn table(periods: &[PeriodPerformance]) -> String {
    if periods.is_empty() {
        return "no week is over yet: predictions meet their outcomes after 30 days, while a server runs".to_owned();
    }
    let mut table = Table::new([
        "week of",
        "model",
        "leads",
        "won",
        "accuracy",
        "precision",
        "recall",
        "F1",
        "AUC",
        "log-loss",
        "ECE",
    ]);
    let figure = |value: f64| format!("{value:.3}");
    let defined = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), figure);
    for period in periods {
        table.row([
            period.period_start.to_string().chars().take_while(|c| *c != 'T').collect(),
            period.model_version.clone(),
            period.n.to_string(),
            period.positives.to_string(),
            figure(period.accuracy),
            figure(period.precision),
            figure(period.recall),
            figure(period.f1),
            defined(period.auc),
            defined(period.log_loss),
            defined(period.ece),
        ]);
    }
    table.render()
}

//! `leadscore fairness`: whether scores treat groups of people alike.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use clap::Args;
use leadscore_engine::evaluate::{
    Split,
    fairness::{Comparison, Estimate, Fairness, GROUP_MIN, GroupFigures},
};
use leadscore_pipeline::training::{FAIRNESS_FILE, Groups, compare_groups};
use leadscore_store::Registry;
use serde_json::json;

use super::train::{progress_of, training_options};
use crate::{context::Context, failure::bad_input, folder::Folder, output::Table};

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore fairness --groups groups.csv
  leadscore fairness --groups groups.csv --split kfold:5 --json

The file is CSV, readable by its owner alone. Its first column names leads, by lead_id, crm, email, phone or web; each
further one is a characteristic with the lead's group, such as `sex`, empty where it is not known. It is read and
forgotten: nothing in it is kept, or seen by a model.

Exit code 1 where a group's ratio of top grades is below 0.90 or may be below 0.80, where its mean probability is off by
more than 0.02, or where another name, language or postal code changes a probability. With `training.groups_file` no
model scores that misses one of these.")]
pub struct Options {
    /// Who belongs to which group [default: training.groups_file]
    #[arg(long, value_name = "FILE")]
    groups: Option<PathBuf>,
    /// time:SHARE trains on that share of the leads, the earliest, and tests on the rest; kfold:N takes N random parts
    #[arg(long, default_value = "time:0.8", value_name = "SPLIT")]
    split: Split,
}

/// Runs the command.
///
/// # Errors
/// Where leads or groups cannot be read; a bar that is missed is no error, and exit code 1.
pub async fn run(options: Options, context: &Context) -> anyhow::Result<ExitCode> {
    let file = options.groups.or_else(|| context.config.training.groups_file());
    let file = file.ok_or_else(|| bad_input("no groups are given; name their file with --groups"))?;
    let groups = Arc::new(read(&file, context)?);
    let folder = Folder::open_settled(context).await?;
    folder.record(context, "fairness", None).await?;
    let (told, bar) = progress_of(context);
    let training = training_options(context)?;
    let (store, registry, clock) = (&folder.store, &folder.registry, context.clock.as_ref());
    let compared = compare_groups(store, registry, clock, &training, &groups, options.split, &told).await;
    bar.finish_and_clear();
    folder.store.close().await;
    let Some((version, fairness)) = compared? else {
        return Err(bad_input("no model scores yet; run `leadscore train`"));
    };
    let document = json!({ "version": version, "passed": fairness.passed(), "fairness": fairness });
    context.output.result(&document, || text(&version, &fairness))?;
    Ok(if fairness.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The groups of a file.
///
/// # Errors
/// Where it is no such file.
pub fn read(file: &Path, context: &Context) -> anyhow::Result<Groups> {
    Groups::read(file, context.config.import.region()?).map_err(bad_input)
}

/// That a model may score, as far as groups are to be compared before.
///
/// # Errors
/// Where it missed a bar, or was trained without groups though `training.groups_file` names some.
pub fn check(registry: &Registry, version: &str, context: &Context) -> anyhow::Result<()> {
    let Some(bytes) = registry.file(version, FAIRNESS_FILE)? else {
        return match context.config.training.groups_file() {
            None => Ok(()),
            Some(_) => Err(bad_input(format_args!(
                "{version} was trained without groups, and training.groups_file asks for their comparison; train anew"
            ))),
        };
    };
    let fairness: Fairness = serde_json::from_slice(&bytes).context("reading how groups compare")?;
    match &fairness.failures[..] {
        [] => Ok(()),
        [first, ..] => Err(bad_input(format_args!(
            "{version} does not treat groups alike ({first}); see {FAIRNESS_FILE} in its folder, and train anew"
        ))),
    }
}

fn text(version: &str, fairness: &Fairness) -> String {
    let mut text: String = fairness.comparisons.iter().map(compared).collect();
    let swap = &fairness.swap;
    text.push_str(&format!(
        "another name, language and postal code: {} of {} leads changed\n\n",
        swap.changed, swap.leads
    ));
    match &fairness.failures[..] {
        [] => text.push_str(&format!("{version}: every bar is reached")),
        failures => {
            text.push_str("missed:");
            failures.iter().for_each(|failure| text.push_str(&format!("\n  {failure}")));
        }
    }
    text
}

fn compared(comparison: &Comparison) -> String {
    let Comparison { by, unknown, small, groups } = comparison;
    let mut table =
        Table::new([by, "leads", "top grade", "ratio (95 %)", "probability", "converted", "off by", "exposure"]);
    for group in groups {
        let GroupFigures {
            group,
            leads,
            top_grade,
            impact_ratio,
            probability,
            converted,
            calibration_gap,
            exposure,
            ..
        } = group;
        let Estimate { value, lower, upper } = impact_ratio;
        table.row([
            group.clone(),
            leads.to_string(),
            format!("{:.3}", top_grade.value),
            format!("{value:.2} ({lower:.2}–{upper:.2})"),
            format!("{probability:.3}"),
            format!("{converted:.3}"),
            format!("{:+.3}", calibration_gap.value),
            format!("{exposure:.2}"),
        ]);
    }
    format!(
        "{}{unknown} leads of unknown group; {small} groups of fewer than {GROUP_MIN} leads are not shown\n\n",
        table.render()
    )
}

//! `leadscore replay`: what was derived, compared with the log or written anew from it.

use std::{process::ExitCode, time::Instant};

use clap::Args;
use leadscore_domain::LeadId;
use leadscore_pipeline::replay::{ReplayOptions, Report, replay};
use leadscore_store::audit::Object;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{context::Context, failure::bad_input, folder::Folder, lifecycle::StopSignals, output::Table, progress};

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore replay --check
  leadscore replay
  leadscore replay --lead 01890a5d-ac96-774b-bcce-b302099a8057 --check --json

Every lead's state is folded from the event log and compared byte by byte; its score is calculated again by the model,
at the instant and position that it names, and must be equal. Without --check, what differs is written anew; while a
server runs on the same data, it is the server that does so. With --check, exit code 1 says that something differs.")]
pub struct Options {
    /// Only compare
    #[arg(long)]
    check: bool,
    /// Only this lead
    #[arg(long, value_name = "ID")]
    lead: Option<LeadId>,
}

/// Runs the command.
pub async fn run(options: &Options, context: &Context) -> anyhow::Result<ExitCode> {
    let signals = StopSignals::listen()?;
    let folder = Folder::open_settled(context).await?;
    if !options.check {
        folder.record(context, "replay", options.lead.map(Object::Lead)).await?;
    }
    let stop = CancellationToken::new();
    let done = tokio::select! {
        done = compare(options, &folder, context, stop.clone()) => done,
        insisted = signals.insisted(stop) => Err(insisted.err().map_or_else(
            || anyhow::anyhow!("stopped; what was written so far stays"), anyhow::Error::from,
        )),
    };
    folder.store.close().await;
    done
}

async fn compare(
    options: &Options,
    folder: &Folder,
    context: &Context,
    shutdown: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let lead = match options.lead {
        Some(id) => {
            let unknown = || bad_input(format_args!("there is no lead {id}"));
            let lead = folder.store.lead(id).await?.ok_or_else(unknown)?;
            Some(lead.merged_into.unwrap_or(lead.id))
        }
        None => None,
    };
    let replayed = ReplayOptions {
        store: folder.store.clone(),
        registry: folder.registry.clone(),
        policy: context.config.scoring.policy()?,
        clock: context.clock.clone(),
        check: options.check,
        lead,
        shutdown,
    };
    let bar = progress::bar(context.output, "replaying", Some(folder.store.counts().await?.leads));
    let started = Instant::now();
    let report = replay(replayed, &|report| bar.set_position(report.leads)).await?;
    let seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let events_per_second = (report.events as f64 / seconds.max(1e-9)).round();
    let mut document = serde_json::to_value(&report)?;
    document["seconds"] = json!(seconds);
    document["events_per_second"] = json!(events_per_second);
    context.output.result(&document, || text(&report, events_per_second))?;
    let wrong = options.check && report.differing > 0;
    Ok(if wrong || report.stopped { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn text(report: &Report, events_per_second: f64) -> String {
    let Report { leads, events, scores, unchecked, differing, written, handed_over, stopped, differences, .. } = report;
    let mut text = format!("{leads} leads, {events} events, {scores} scores, {events_per_second} events a second\n");
    if *unchecked > 0 {
        text.push_str(&format!("{unchecked} scores could not be compared: their model is gone\n"));
    }
    if *stopped {
        text.push_str("stopped before the end\n");
    }
    if *differing == 0 {
        return text + "everything is what the log gives\n";
    }
    text.push_str(&format!(
        "{differing} leads differ: {written} written anew, {handed_over} left to the running server\n"
    ));
    let mut table = Table::new(["lead", "what"]);
    for difference in differences {
        let what = serde_json::to_value(difference.what).ok();
        let what = what.as_ref().and_then(|word| word.as_str()).unwrap_or_default().replace('_', " ");
        table.row([difference.lead_id.to_string(), what]);
    }
    text + &table.render()
}

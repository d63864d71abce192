//! `leadscore jobs`: long work in the background, looked at, cancelled and resumed.

use std::time::Duration;

use clap::{Args, Subcommand};
use leadscore_pipeline::{presence, topology};
use leadscore_store::{Job, JobState, audit::Object};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{context::Context, failure::bad_input, folder::Folder, lifecycle::StopSignals, output::Table, progress};

/// How often a job that somebody else does is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Most jobs that are listed.
const LISTED_MAX: usize = 100;

/// What can be asked of it.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  leadscore score --all
  leadscore jobs list
  leadscore jobs cancel 0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2
  leadscore jobs resume 0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2")]
pub enum Command {
    /// List jobs, the newest first
    #[command(after_help = "Examples:\n  leadscore jobs list\n  leadscore jobs list --json")]
    List,
    /// Show where a job stands
    #[command(after_help = "Examples:\n  leadscore jobs show 0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2")]
    Show(Which),
    /// Stop a job; what it did stays done
    #[command(after_help = "Examples:\n  leadscore jobs cancel 0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2")]
    Cancel(Which),
    /// Go on with a job that was cancelled or failed, where it was; here, where no server runs
    #[command(after_help = "Examples:\n  leadscore jobs resume 0198c2c4-9d3f-7a44-8a55-64f0f8d3a1c2")]
    Resume(Which),
}

/// A job.
#[derive(Debug, Args)]
pub struct Which {
    /// The job's id
    id: Uuid,
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let signals = StopSignals::listen()?;
    let folder = Folder::open(context).await?;
    match &command {
        Command::List | Command::Show(_) => {}
        Command::Cancel(Which { id }) => folder.record(context, "jobs cancel", Some(Object::Job(*id))).await?,
        Command::Resume(Which { id }) => folder.record(context, "jobs resume", Some(Object::Job(*id))).await?,
    }
    let done = match command {
        Command::List => list(&folder, context).await,
        Command::Show(Which { id }) => show(&folder, id, context).await,
        Command::Cancel(Which { id }) => cancel(&folder, id, context).await,
        Command::Resume(Which { id }) => resume(&folder, id, signals, context).await,
    };
    folder.store.close().await;
    done
}

async fn list(folder: &Folder, context: &Context) -> anyhow::Result<()> {
    let jobs = folder.store.jobs(LISTED_MAX).await?;
    context.output.result(&json!({ "jobs": jobs }), || {
        if jobs.is_empty() { "no jobs yet; `leadscore score --all` starts one".to_owned() } else { table(&jobs) }
    })?;
    Ok(())
}

async fn show(folder: &Folder, id: Uuid, context: &Context) -> anyhow::Result<()> {
    let job = folder.store.job(id).await?.ok_or_else(|| unknown(id))?;
    print(&job, context)
}

async fn cancel(folder: &Folder, id: Uuid, context: &Context) -> anyhow::Result<()> {
    match folder.store.cancel_job(id).await?.ok_or_else(|| unknown(id))? {
        (job, true) => print(&job, context),
        (job, false) => Err(bad_input(format_args!("job {id} is {} already", word(job.state)))),
    }
}

async fn resume(folder: &Folder, id: Uuid, signals: StopSignals, context: &Context) -> anyhow::Result<()> {
    let (job, resumed) = folder.store.resume_job(id).await?.ok_or_else(|| unknown(id))?;
    if !resumed && job.state == JobState::Done {
        return Err(bad_input(format_args!("job {id} is done")));
    }
    follow(folder, job, signals, context).await
}

fn unknown(id: Uuid) -> anyhow::Error {
    bad_input(format_args!("there is no job {id}; see `leadscore jobs list`"))
}

/// Does a job here, or watches it while a running server does; prints how it ended.
///
/// # Errors
/// Where the job failed, or was stopped before its end.
pub async fn follow(folder: &Folder, job: Job, signals: StopSignals, context: &Context) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let job = tokio::select! {
        ended = until_ended(folder, job, &stop, context) => ended?,
        insisted = signals.insisted(stop.clone()) => {
            insisted?;
            anyhow::bail!("stopped at once; the job goes on where it was after 30 seconds")
        }
    };
    match job.state {
        JobState::Queued | JobState::Running => anyhow::bail!(
            "stopped at {} of {} leads; run `leadscore jobs resume {}` or `leadscore serve` to go on",
            job.done,
            job.total,
            job.id
        ),
        JobState::Failed => anyhow::bail!(
            "the job failed at {} of {} leads: {}; `leadscore jobs resume {}` goes on",
            job.done,
            job.total,
            job.error.unwrap_or_default(),
            job.id
        ),
        JobState::Done | JobState::Cancelled => print(&job, context),
    }
}

async fn until_ended(folder: &Folder, job: Job, stop: &CancellationToken, context: &Context) -> anyhow::Result<Job> {
    let id = job.id;
    let bar = progress::bar(context.output, "scoring", Some(job.total));
    let mut runner = None;
    let ended = loop {
        let job = folder.store.job(id).await?.ok_or_else(|| unknown(id))?;
        bar.set_position(job.done);
        if stop.is_cancelled() || !matches!(job.state, JobState::Queued | JobState::Running) {
            break job;
        }
        // A server does its jobs itself; a job of a process that was killed can be taken over after its lease.
        if folder.store.present(presence::SCORER).await? == 0 {
            let here = match runner.take() {
                Some(here) => here,
                None => topology::job_runner(folder.pipeline(context)?).await?,
            };
            let ran = here.run_next(Some(id), stop, &|job| bar.set_position(job.done)).await?;
            runner = Some(here);
            if ran {
                continue;
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    };
    bar.finish_and_clear();
    Ok(ended)
}

fn print(job: &Job, context: &Context) -> anyhow::Result<()> {
    context.output.result(job, || table(std::slice::from_ref(job)))?;
    Ok(())
}

fn table(jobs: &[Job]) -> String {
    let mut table = Table::new(["id", "kind", "state", "done", "of", "asked", "ended", "error"]);
    for job in jobs {
        table.row([
            job.id.to_string(),
            job.kind.clone(),
            word(job.state).to_owned(),
            job.done.to_string(),
            job.total.to_string(),
            job.created_at.to_string(),
            job.finished_at.map(|at| at.to_string()).unwrap_or_default(),
            job.error.clone().unwrap_or_default(),
        ]);
    }
    table.render()
}

const fn word(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}

//! `leadscore dead`: what could not be applied, looked at, tried again or dropped.

use clap::{Args, Subcommand, ValueEnum};
use leadscore_pipeline::dead::{Replayed, replay};
use leadscore_store::{DeadFilter, DeadOrigin, DeadRecord, Store};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{context::Context, failure::bad_input, folder::Folder, output::Table};

/// Letters that are read at once.
const PAGE: usize = 1_000;

/// What can be asked of it.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  leadscore dead list --reason late
  leadscore dead show 5d3c1f2e-6a0b-5c43-9a53-0d3a8f9e1b77
  leadscore dead replay --all
  leadscore dead drop --all --reason late

Late events, damaged records of the log and what other systems wrote and nobody can read are kept here. An event that
is replayed is checked and applied as if it had come now, however late it is. A running server scores it within a
second, otherwise the next one does.")]
pub enum Command {
    /// List dead letters, the newest first
    #[command(after_help = "Examples:\n  leadscore dead list\n  leadscore dead list --origin log --limit 10 --json")]
    List(List),
    /// Show one dead letter with what came, which is personal data, in the clear
    #[command(after_help = "Examples:\n  leadscore dead show 5d3c1f2e-6a0b-5c43-9a53-0d3a8f9e1b77")]
    Show {
        /// The letter's id
        id: Uuid,
    },
    /// Try dead letters again; those that still cannot be applied stay
    #[command(after_help = "\
Examples:
  leadscore dead replay 5d3c1f2e-6a0b-5c43-9a53-0d3a8f9e1b77
  leadscore dead replay --all --reason late")]
    Replay(Which),
    /// Remove dead letters for good
    #[command(after_help = "\
Examples:
  leadscore dead drop 5d3c1f2e-6a0b-5c43-9a53-0d3a8f9e1b77
  leadscore dead drop --all --origin topic")]
    Drop(Which),
}

/// Which letters to list.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    only: Only,
    /// Most letters to list, at most 10000
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
}

/// What letters have in common.
#[derive(Debug, Args)]
struct Only {
    /// Only those from here
    #[arg(long)]
    origin: Option<Origin>,
    /// Only those with this reason, as the list shows it
    #[arg(long)]
    reason: Option<String>,
}

/// Letters by id, or all.
#[derive(Debug, Args)]
pub struct Which {
    /// The letters' ids
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<Uuid>,
    /// All that --origin and --reason leave
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    only: Only,
}

/// Where letters come from.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Origin {
    /// Records of the log that cannot be read
    Log,
    /// Records that other systems wrote to a topic
    Topic,
    /// Events that came by the API
    Api,
}

impl Only {
    fn filter(&self) -> DeadFilter {
        let origin = self.origin.map(|origin| match origin {
            Origin::Log => DeadOrigin::Log,
            Origin::Topic => DeadOrigin::Topic,
            Origin::Api => DeadOrigin::Api,
        });
        DeadFilter { origin, reason: self.reason.clone(), after: None }
    }
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let folder = Folder::open(context).await?;
    match &command {
        Command::List(_) => {}
        Command::Show { .. } => folder.record(context, "dead show", None).await?,
        Command::Replay(_) => folder.record(context, "dead replay", None).await?,
        Command::Drop(_) => folder.record(context, "dead drop", None).await?,
    }
    let done = match command {
        Command::List(options) => list(&folder.store, &options, context).await,
        Command::Show { id } => show(&folder.store, id, context).await,
        Command::Replay(which) => replay_all(&folder.store, &which, context).await,
        Command::Drop(which) => drop_all(&folder.store, &which, context).await,
    };
    folder.store.close().await;
    done
}

async fn list(store: &Store, options: &List, context: &Context) -> anyhow::Result<()> {
    let letters = store.dead_letters(&options.only.filter(), usize::from(options.limit)).await?;
    context.output.result(&json!({ "dead_letters": letters }), || table(&letters))?;
    Ok(())
}

fn table(letters: &[DeadRecord]) -> String {
    if letters.is_empty() {
        return "no dead letters: everything that came was applied".to_owned();
    }
    let mut table = Table::new(["id", "recorded", "origin", "place", "tries", "reason"]);
    for letter in letters {
        let place = letter.place.as_ref();
        table.row([
            letter.id.to_string(),
            letter.recorded_at.to_string(),
            word(letter.origin).to_owned(),
            place.map(|place| format!("{}/{}:{}", place.group, place.partition, place.position)).unwrap_or_default(),
            letter.tries.to_string(),
            letter.reason.clone(),
        ]);
    }
    table.render()
}

const fn word(origin: DeadOrigin) -> &'static str {
    match origin {
        DeadOrigin::Log => "log",
        DeadOrigin::Topic => "topic",
        DeadOrigin::Api => "api",
    }
}

async fn show(store: &Store, id: Uuid, context: &Context) -> anyhow::Result<()> {
    let (letter, payload) = store.dead_letter(id).await?.ok_or_else(|| unknown(id))?;
    let payload = payload.map(|bytes| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    });
    let shown = json!({ "dead_letter": letter, "payload": payload });
    context.output.result(&shown, || {
        let mut text = table(std::slice::from_ref(&letter));
        let named = [("event", letter.event_id.map(|id| id.0)), ("lead", letter.lead_id.map(|id| id.0))];
        for (what, id) in named {
            text.extend(id.map(|id| format!("{what} {id}\n")));
        }
        text.extend(payload.map(|payload| format!("\n{payload:#}\n")));
        text
    })?;
    Ok(())
}

fn unknown(id: Uuid) -> anyhow::Error {
    bad_input(format_args!("there is no dead letter {id}; see `leadscore dead list`"))
}

/// The letters that were asked for. All of them are named before one is touched, so that none is met twice.
async fn chosen(store: &Store, which: &Which) -> anyhow::Result<Vec<Uuid>> {
    if !which.all {
        for &id in &which.ids {
            store.dead_letter(id).await?.ok_or_else(|| unknown(id))?;
        }
        return Ok(which.ids.clone());
    }
    let mut filter = which.only.filter();
    let mut ids = Vec::new();
    loop {
        let page = store.dead_letters(&filter, PAGE).await?;
        let Some(last) = page.last() else { return Ok(ids) };
        filter.after = Some((last.recorded_at, last.id));
        ids.extend(page.iter().map(|letter| letter.id));
    }
}

async fn drop_all(store: &Store, which: &Which, context: &Context) -> anyhow::Result<()> {
    let mut dropped = 0;
    for id in chosen(store, which).await? {
        dropped += u64::from(store.drop_dead_letter(id).await?);
    }
    context.output.result(&json!({ "dropped": dropped }), || format!("{dropped} dropped"))?;
    Ok(())
}

/// What became of the letters.
#[derive(Debug, Default, Serialize)]
struct Fates {
    applied: u64,
    duplicates: u64,
    rebuilt: u64,
    erased: u64,
    stay: Vec<Stay>,
}

/// A letter that still cannot be applied.
#[derive(Debug, Serialize)]
struct Stay {
    id: Uuid,
    reason: String,
}

async fn replay_all(store: &Store, which: &Which, context: &Context) -> anyhow::Result<()> {
    let region = context.config.import.region()?;
    let mut fates = Fates::default();
    for id in chosen(store, which).await? {
        match replay(store, id, context.clock.now(), region).await? {
            Replayed::Applied(_) => fates.applied += 1,
            Replayed::Duplicate(_) => fates.duplicates += 1,
            Replayed::Rebuilds(_) => fates.rebuilt += 1,
            Replayed::Erased => fates.erased += 1,
            Replayed::Stays(reason) => fates.stay.push(Stay { id, reason }),
            // Somebody else was faster.
            Replayed::Unknown => {}
        }
    }
    context.output.result(&fates, || {
        let Fates { applied, duplicates, rebuilt, erased, stay } = &fates;
        let mut text = format!(
            "{applied} applied, {duplicates} were there before, {rebuilt} read again from the log, {erased} erased, {} \
             stay\n",
            stay.len()
        );
        text.extend(stay.iter().map(|Stay { id, reason }| format!("{id}  {reason}\n")));
        text
    })?;
    Ok(())
}

//! `leadscore retention`: removes what is too old, or says what would go.

use anyhow::Context as _;
use clap::Args;
use leadscore_store::Expired;
use serde_json::json;

use crate::{context::Context, folder::Folder, output::Table};

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore retention --dry-run
  leadscore retention

Removes whole months that are older than [retention] in the configuration says; a server with the role trainer does the
same every day. A lead's latest score stays until another one takes its place, an event until it was scored.")]
pub struct Options {
    /// Say what would go, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub async fn run(options: &Options, context: &Context) -> anyhow::Result<()> {
    let folder = Folder::open(context).await?;
    if !options.dry_run {
        folder.record(context, "retention", None).await?;
    }
    let retained = folder.store.retain(&context.config.retention.months(), options.dry_run).await;
    folder.store.close().await;
    let expired = retained.context("removing what is too old")?;
    let document = json!({ "dry_run": options.dry_run, "tables": expired });
    context.output.result(&document, || table(&expired, options.dry_run))?;
    Ok(())
}

fn table(expired: &[Expired], dry_run: bool) -> String {
    if expired.is_empty() {
        return "everything is kept for ever; see [retention] in the configuration".to_owned();
    }
    let mut table = Table::new(["table", "before", if dry_run { "would go" } else { "removed" }, "old but kept"]);
    for one in expired {
        let day = one.before.to_string().chars().take_while(|c| *c != 'T').collect();
        table.row([one.table.to_owned(), day, one.removed.to_string(), one.kept.to_string()]);
    }
    table.render()
}

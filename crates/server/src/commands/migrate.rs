//! `leadscore migrate`: the schema of the database, forward.

use anyhow::Context as _;
use clap::Args;
use leadscore_store::{Migrated, Store};
use serde_json::json;

use crate::{context::Context, folder};

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore migrate
  LEADSCORE_STORE__POSTGRES=postgres://owner@db/leadscore leadscore migrate

A PostgreSQL server is migrated by this command alone: a newer release refuses to start before. The embedded database
is migrated when it is opened. A step runs whole or not at all; there is no way back but a backup.")]
pub struct Options {}

/// Runs the command.
pub async fn run(Options {}: &Options, context: &Context) -> anyhow::Result<()> {
    let Migrated { from, to } =
        Store::migrate(&folder::options(context).await?).await.context("migrating the database")?;
    context.output.result(&json!({ "from": from, "to": to }), || {
        if from == to { format!("schema {to}: nothing to do") } else { format!("schema {from} became {to}") }
    })?;
    Ok(())
}

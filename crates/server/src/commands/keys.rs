//! `leadscore keys`: the keys that sign access tokens.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use leadscore_store::{Rotation, SigningKey};
use serde_json::json;

use crate::{context::Context, folder::Folder, output::Table};

/// What can be asked of it.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  leadscore keys list
  leadscore keys rotate-signing
  leadscore keys rotate-signing --compromised")]
pub enum Command {
    /// List the keys that sign access tokens, will sign or still verify
    List(List),
    /// Make a new key that signs access tokens
    RotateSigning(RotateSigning),
}

/// Nothing more.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore keys list")]
pub struct List {}

/// How to rotate.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore keys rotate-signing
  leadscore keys rotate-signing --compromised

The new key is published at once and signs a quarter of an hour later; the old one verifies for more
than an hour after that, so that no valid token is refused. Servers take part without a restart, and
rotate by themselves as access.signing_key_d says.")]
pub struct RotateSigning {
    /// End the old keys and their access tokens now; sessions go on
    #[arg(long)]
    compromised: bool,
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let folder = Folder::open(context).await?;
    let done = async {
        if let Command::RotateSigning(RotateSigning { compromised }) = command {
            let rotation = if compromised { Rotation::Compromised } else { Rotation::Asked };
            folder.store.rotate_signing_key(rotation).await.context("rotating the signing key")?;
        }
        folder.store.signing_keys().await.context("reading the signing keys")
    };
    let keys = done.await;
    folder.store.close().await;
    let keys = keys?;
    let rows: Vec<_> = keys.iter().map(row).collect();
    context.output.result(&json!({ "keys": rows }), || table(&keys))?;
    Ok(())
}

fn row(key: &SigningKey) -> serde_json::Value {
    json!({ "kid": key.kid(), "signs_from": key.signs_from, "retired_at": key.retired_at })
}

fn table(keys: &[SigningKey]) -> String {
    if keys.is_empty() {
        return "no key yet; the first log-in makes one".to_owned();
    }
    let mut table = Table::new(["key", "signs from", "until"]);
    for key in keys {
        let until = key.retired_at.map_or_else(String::new, |at| at.to_string());
        table.row([key.kid().to_owned(), key.signs_from.to_string(), until]);
    }
    table.render()
}

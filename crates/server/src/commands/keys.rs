//! `leadscore keys`: the master key, and the keys that sign access tokens.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use leadscore_store::{NextMasterKey, Rotation, SigningKey};
use serde_json::json;

use crate::{context::Context, failure::bad_input, folder::Folder, output::Table};

/// What can be asked of it.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  leadscore keys list
  leadscore keys rotate-signing
  leadscore keys rotate-signing --compromised
  leadscore keys rotate-master")]
pub enum Command {
    /// List the keys that sign access tokens, will sign or still verify
    List(List),
    /// Make a new key that signs access tokens
    RotateSigning(RotateSigning),
    /// Exchange the master key, which opens everything
    RotateMaster(RotateMaster),
}

/// By which key.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore keys rotate-master
  openssl rand -hex 32 > next.key && leadscore keys rotate-master --new-key-file next.key

Takes a moment, whatever the size: the master key wraps one key in the database, from which all others come. Servers
that run go on; the next start takes the new key. Backups from before still take the old one: keep it as long as them.")]
pub struct RotateMaster {
    /// File with the new key, where keys are kept outside the data folder (store.master_key_file)
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
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
    let rotation = match command {
        Command::RotateMaster(options) => return rotate_master(options, context).await,
        Command::RotateSigning(RotateSigning { compromised: true }) => Some(Rotation::Compromised),
        Command::RotateSigning(RotateSigning { compromised: false }) => Some(Rotation::Asked),
        Command::List(List {}) => None,
    };
    let folder = Folder::open(context).await?;
    let done = async {
        if let Some(rotation) = rotation {
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

async fn rotate_master(RotateMaster { new_key_file }: RotateMaster, context: &Context) -> anyhow::Result<()> {
    let (next, file) = match (new_key_file, context.config.store.has_master_key_file()) {
        (Some(file), _) => {
            (NextMasterKey::Given(context.config.store.read_master_key("--new-key-file", &file).await?), file)
        }
        (None, true) => {
            return Err(bad_input("store.master_key_file is set: name the file of the new key with --new-key-file"));
        }
        (None, false) => {
            (NextMasterKey::InFolder(context.data.clone()), context.config.store.master_key_file(&context.data))
        }
    };
    let folder = Folder::open(context).await?;
    let done = async {
        folder.record(context, "rotate_master_key", None).await?;
        folder.store.rotate_master_key(next).await.context("exchanging the master key")
    };
    let done = done.await;
    folder.store.close().await;
    done?;
    let file = file.display().to_string();
    context.output.result(&json!({ "master_key": file }), || {
        format!(
            "from now on {file} opens everything; the next start takes it (store.master_key_file, where it is not in the \
             data folder). Backups from before take the old key."
        )
    })?;
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

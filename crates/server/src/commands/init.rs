//! `leadscore init`: a data folder with its configuration, keys, first user and an API key.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use leadscore_store::{Role, Scope, Store};
use rand::{TryRng as _, rngs::SysRng};
use serde::{Deserialize, Serialize};

use crate::{
    config::DEFAULT_FILE,
    context::{CONFIG_FILE, Context},
    failure::bad_input,
    folder::{self, Folder},
};

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore init
  leadscore init --data /srv/leadscore --email you@example.com
  KEY=$(leadscore init --json | jq -r .api_key)

The password and the API key are shown once. A folder that exists is left as it is.")]
pub struct Options {
    /// E-mail address that the first user, an administrator, logs in with
    #[arg(long, default_value = "admin@localhost.localdomain")]
    email: String,
}

/// What a new folder's owner needs; shown once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Credentials {
    pub email: String,
    pub password: String,
    pub api_key: String,
}

#[derive(Serialize)]
struct Made<'a> {
    data: &'a str,
    config: String,
    /// The file of the key.
    master_key: String,
    #[serde(flatten)]
    credentials: Credentials,
}

/// Runs the command.
pub async fn run(options: Options, context: &Context) -> anyhow::Result<()> {
    if folder::exists(&context.data) {
        return Err(bad_input(format_args!(
            "{} is a data folder already; nothing was changed (see `leadscore doctor`)",
            context.data.display()
        )));
    }
    let config = lay_out(context)?;
    let folder = Folder::open_or_create(context).await?;
    folder.record(context, "init", None).await?;
    let credentials = first_user(&folder.store, &options.email).await;
    folder.store.close().await;
    let data = context.data.display().to_string();
    let master_key = context.config.store.master_key_file(&context.data).display().to_string();
    let made = Made { data: &data, config: config.display().to_string(), master_key, credentials: credentials? };
    context.output.result(&made, || text(&made))?;
    Ok(())
}

fn text(made: &Made<'_>) -> String {
    let Made { data, config, master_key: key, credentials: Credentials { email, password, api_key } } = made;
    format!(
        "data folder    {data} (back it up whole; {key} opens everything in it)\n\
         configuration  {config}\n\
         log-in         {email}  {password}\n\
         API key        {api_key}\n\
         Password and key are not shown again.\n\n\
         Next: leadscore import inspect YOUR_FILE.csv --out mapping.toml"
    )
}

/// Makes the folder and its configuration file, where they are missing; the path of the latter.
pub fn lay_out(context: &Context) -> anyhow::Result<PathBuf> {
    folder::make(&context.data)?;
    let config = context.data.join(CONFIG_FILE);
    if !config.exists() {
        folder::replace(&config, DEFAULT_FILE)?;
    }
    Ok(config)
}

/// Makes the first user, and a key for programs.
pub async fn first_user(store: &Store, email: &str) -> anyhow::Result<Credentials> {
    let password = password()?;
    store.create_user(email, &password, Role::Admin).await?;
    let (api_key, _) = store.create_api_key("first key", Scope::Admin.into(), None).await?;
    Ok(Credentials { email: email.to_owned(), password, api_key })
}

/// A password of 120 bits from the system's generator, in characters that are hard to confuse.
fn password() -> anyhow::Result<String> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    const LENGTH: usize = 24;
    let mut bytes = [0_u8; LENGTH];
    SysRng.try_fill_bytes(&mut bytes).context("the system gives no random numbers")?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}

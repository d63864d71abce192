//! `leadscore serve`: the API, and every lead's score kept up to date.

use std::{
    future::{self, Future},
    net::SocketAddr,
};

use clap::Args;
use serde_json::json;

use crate::{config::Role, context::Context, folder::Folder, lifecycle::StopSignals, serving};

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore serve
  leadscore serve --listen 0.0.0.0:80
  leadscore serve --roles scorer,trainer --listen 127.0.0.1:0   # beside others with --roles api
  LEADSCORE_LISTEN=127.0.0.1:0 leadscore serve --json   # a free port, printed as JSON

Stop it with Ctrl-C or SIGTERM: it takes no new requests, answers what it has begun, and closes.")]
pub struct Options {
    /// Address and port; port 0 takes a free one [default: server.listen of the configuration]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// What this process does, of what several share [default: server.roles of the configuration]
    #[arg(long, value_name = "ROLE", value_delimiter = ',')]
    roles: Vec<Role>,
}

/// Runs the command until a signal ends it.
pub async fn run(options: Options, mut context: Context) -> anyhow::Result<()> {
    let signals = StopSignals::listen()?;
    if !options.roles.is_empty() {
        context.config = context.config.with_roles(options.roles)?;
    }
    let context = &context;
    let folder = Folder::open(context).await?;
    let listener = serving::bind(options.listen.unwrap_or(context.config.server.listen)).await?;
    let address = format!("{}://{}", context.config.server.tls.scheme(), listener.local_addr()?);
    context.output.result(&json!({ "address": address }), || format!("leadscore serves {address}"))?;
    serving::serve(context, folder, listener, signals, |_| nothing_beside()).await
}

fn nothing_beside() -> impl Future<Output = anyhow::Result<()>> {
    future::ready(Ok(()))
}

//! `leadscore voice`: what helps with voice agents.

mod dial;
mod script;

use clap::Subcommand;

use crate::context::Context;

/// What can be asked.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  leadscore voice dial --phone '+1 512 555 0123'
  leadscore voice dial --lead 0198c2c4-5b1e-7f3a-9d7e-2f6a1c0b4d5e --script call.txt")]
pub enum Command {
    /// Play a call against a running server, turn by turn, and watch the score move
    Dial(dial::Options),
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    match command {
        Command::Dial(options) => dial::run(options, context).await,
    }
}

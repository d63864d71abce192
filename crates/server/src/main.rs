//! The `leadscore` binary: command line, configuration, telemetry and life cycle.
//!
//! Owns: how a person starts things, what is printed, exit codes, the system clock, shutdown.
//! Invariant: standard output carries results only; everything else goes to standard error.
//! Deliberately absent: logic. What a command does is a call into `pipeline`, `store`, `api` or `simulator`.

use std::process::ExitCode;

use clap::Parser;

mod cli;
mod clock;
mod commands;
mod config;
mod context;
mod failure;
mod folder;
mod lifecycle;
mod listener;
mod member;
mod outbound;
mod output;
mod progress;
mod serving;
mod telemetry;

use cli::Cli;

/// Training allocates and frees by the gigabyte from several threads: faster and smaller than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refusal) => return failure::usage(&refusal, std::env::args_os().any(|argument| argument == "--json")),
    };
    let json = cli.global.json;
    match run(cli) {
        Ok(code) => code,
        Err(error) => failure::report(&error, json),
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(commands::run(cli))
}

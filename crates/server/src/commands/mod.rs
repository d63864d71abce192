//! The commands, one a file: each parses its options, calls what does the work, and prints the result.

use std::process::ExitCode;

use crate::{
    cli::{Cli, Command},
    context::Context,
};

pub mod audit;
pub mod bench;
pub mod completions;
pub mod dead;
pub mod demo;
pub mod doctor;
pub mod evaluate;
pub mod export;
pub mod fairness;
pub mod import;
pub mod init;
pub mod jobs;
pub mod keys;
pub mod migrate;
pub mod models;
pub mod performance;
pub mod replay;
pub mod retention;
pub mod score;
pub mod score_all;
pub mod sentiment;
pub mod serve;
pub mod simulate;
pub mod train;
pub mod voice;

/// Runs the command that was asked for.
///
/// # Errors
/// What the command failed with.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let global = cli.global;
    let context = |serves| Context::new(global.clone(), serves);
    match cli.command {
        Command::Init(options) => init::run(options, &context(false)?).await,
        Command::Migrate(options) => migrate::run(&options, &context(false)?).await,
        Command::Demo(options) => demo::run(options, &context(true)?).await,
        Command::Serve(options) => serve::run(options, context(true)?).await,
        Command::Dead(command) => dead::run(command, &context(false)?).await,
        Command::Simulate(options) => simulate::run(&options, &context(false)?),
        Command::Import(command) => import::run(command, &context(false)?).await,
        Command::Train(options) => train::run(options, &context(false)?).await,
        Command::Evaluate(options) => evaluate::run(options, &context(false)?).await,
        Command::Models(command) => models::run(command, &context(false)?).await,
        Command::Score(options) => score::run(options, &context(false)?).await,
        Command::Export(options) => export::run(options, &context(false)?).await,
        Command::Voice(command) => voice::run(command, &context(false)?).await,
        Command::Bench(command) => bench::run(command, &context(false)?).await,
        Command::Sentiment(command) => sentiment::run(&command, &context(false)?),
        Command::Doctor(options) => return doctor::run(&options, &global).await,
        Command::Fairness(options) => return fairness::run(options, &context(false)?).await,
        Command::Audit(command) => return audit::run(command, &context(false)?).await,
        Command::Replay(options) => return replay::run(&options, &context(false)?).await,
        Command::Retention(options) => retention::run(&options, &context(false)?).await,
        Command::Jobs(command) => jobs::run(command, &context(false)?).await,
        Command::Keys(command) => keys::run(command, &context(false)?).await,
        Command::Completions(options) => {
            completions::run(&options);
            Ok(())
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

//! The command line: its words, their help and examples.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::{commands, telemetry::LogFormat};

/// Ranks a brokerage's leads: imports what happened, trains a model, serves scores.
#[derive(Debug, Parser)]
#[command(name = "leadscore", version, propagate_version = true, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  leadscore demo                                  A simulated brokerage, trained and served
  leadscore init                                  A folder of your own: keys, configuration, first user
  leadscore import inspect leads.csv --out m.toml Draft how a file is to be read
  leadscore import leads leads.csv --mapping m.toml
  leadscore train && leadscore serve

Exit codes: 0 done; 1 failed; 2 bad input or command line.";

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Folder that holds everything: database, keys, models, configuration
    #[arg(
        long,
        global = true,
        env = "LEADSCORE_DATA",
        value_name = "DIR",
        default_value = "leadscore-data",
        hide_env_values = true
    )]
    pub data: PathBuf,
    /// Configuration file [default: config.toml in the data folder]
    #[arg(long, global = true, env = "LEADSCORE_CONFIG", value_name = "FILE", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Print one JSON document instead of text; errors too
    #[arg(long, global = true)]
    pub json: bool,
    /// Log more: -v info, -vv debug, -vvv trace
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Print results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Form of log lines
    #[arg(long, global = true, value_name = "FORM")]
    pub log_format: Option<LogFormat>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create the data folder: configuration, keys, the first user and an API key
    Init(commands::init::Options),
    /// Bring the database's schema to what this release works with
    Migrate(commands::migrate::Options),
    /// Simulate a brokerage, train on it and serve it; running it again goes on
    Demo(commands::demo::Options),
    /// Serve the API and keep every lead's score up to date
    Serve(commands::serve::Options),
    /// Write a simulated brokerage as files
    Simulate(commands::simulate::Options),
    /// Read leads, events, outcomes or market data from a file
    #[command(subcommand)]
    Import(commands::import::Command),
    /// Train a model on what has been imported, and promote it
    Train(commands::train::Options),
    /// Measure how well a model trained on the past predicts what came after
    Evaluate(commands::evaluate::Options),
    /// Compare how scores treat groups of people, named by a file that nothing else reads
    Fairness(commands::fairness::Options),
    /// List, show, promote and roll back models
    #[command(subcommand)]
    Models(commands::models::Command),
    /// Score leads now, or every lead anew
    Score(commands::score::Options),
    /// List, show, cancel and resume long work in the background
    #[command(subcommand)]
    Jobs(commands::jobs::Command),
    /// List, show, replay and drop what could not be applied
    #[command(subcommand)]
    Dead(commands::dead::Command),
    /// Compare states and scores with the event log, and write anew what differs
    Replay(commands::replay::Options),
    /// Verify and export the log of who saw or changed what
    #[command(subcommand)]
    Audit(commands::audit::Command),
    /// Remove what is older than the configuration says
    Retention(commands::retention::Options),
    /// List and rotate the keys that sign access tokens
    #[command(subcommand)]
    Keys(commands::keys::Command),
    /// Write scores, features, leads, events, training examples or models to files
    Export(commands::export::Options),
    /// Judge the sentiment of texts and read calls, by a model of your own or the one that is built in
    #[command(subcommand)]
    Sentiment(commands::sentiment::Command),
    /// Play calls against a running server
    #[command(subcommand)]
    Voice(commands::voice::Command),
    /// Put load on a running server and say how it copes
    #[command(subcommand)]
    Bench(commands::bench::Command),
    /// Say what is configured, what is reachable and what is wrong
    Doctor(commands::doctor::Options),
    /// Print a completion script for a shell
    Completions(commands::completions::Options),
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        fn visit(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "`{}` shows no example", path.trim());
            command.get_subcommands().for_each(|inner| visit(inner, &path));
        }
        visit(&Cli::command(), "");
    }

    /// The committed manual is what `--help` prints; `make docs` writes it anew.
    #[test]
    fn the_manual_is_what_help_prints() {
        let manual = manual();
        let path = format!("{}/../../docs/CLI.md", std::env::var("CARGO_MANIFEST_DIR").unwrap());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &manual).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(committed == manual, "docs/CLI.md is not what --help prints; run `make docs` and commit it");
    }

    fn manual() -> String {
        let mut text = String::from(
            "# Command line\n\nWhat `leadscore COMMAND --help` prints; written by `make docs`.\n\
             Results go to standard output, everything else to standard error.\n",
        );
        let mut root = Cli::command().term_width(100);
        root.build();
        section(&mut root, "", &mut text);
        let defaults = crate::config::DEFAULT_FILE.trim_end();
        write!(
            text,
            "\n## Configuration\n\n`config.toml` in the data folder, or the file that `--config` names. \
             `leadscore init` writes it like this:\n\n```toml\n{defaults}\n```\n\n\
             | variable | what |\n|---|---|\n\
             | `LEADSCORE_DATA` | the data folder, as `--data` |\n\
             | `LEADSCORE_CONFIG` | the configuration file, as `--config` |\n\
             | `LEADSCORE_LISTEN` | `server.listen` |\n\
             | `LEADSCORE_SECTION__KEY` | any other key |\n"
        )
        .unwrap();
        text
    }

    fn section(command: &mut clap::Command, path: &str, text: &mut String) {
        let path = format!("{path} {}", command.get_name()).trim().to_owned();
        let help = command.render_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        write!(text, "\n## `{path}`\n\n```text\n{}\n```\n", help.join("\n").trim_end()).unwrap();
        for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
            section(inner, &path, text);
        }
    }
}

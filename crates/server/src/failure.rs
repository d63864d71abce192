//! How a command fails: one line on standard error (or one JSON document), and an exit code.
//!
//! 2 says that the input or the command line is wrong and must be changed; 1 that the command failed.

use std::{
    fmt,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::error::ErrorKind;
use leadscore_domain::Invalid;
use leadscore_pipeline::ingest::files::ImportError;
use leadscore_simulator::SimulationError;
use leadscore_store::{RegistryError, StoreError};
use serde_json::json;

/// Exit code of a command that failed on good input.
const FAILED: u8 = 1;
/// Exit code of a command that was given bad input.
const BAD_INPUT: u8 = 2;

/// Input that has to be changed by whoever gave it.
#[derive(Debug)]
pub struct BadInput(String);

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadInput {}

/// An error for input that has to be changed; `message` says what is wrong and what to do.
pub fn bad_input(message: impl fmt::Display) -> anyhow::Error {
    anyhow::Error::new(BadInput(message.to_string()))
}

/// Reports what a command failed with.
pub fn report(error: &anyhow::Error, json: bool) -> ExitCode {
    if error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(is_closed_pipe)) {
        return ExitCode::SUCCESS; // whoever read the output has seen enough: `leadscore export | head`
    }
    let code = if error.chain().any(is_bad_input) { BAD_INPUT } else { FAILED };
    print(&one_line(error), code, json);
    ExitCode::from(code)
}

/// Whether the one who gave the command can mend this by giving another.
fn is_bad_input(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.is::<BadInput>()
        || cause.is::<Invalid>()
        || matches!(cause.downcast_ref(), Some(StoreError::Invalid(_)))
        || matches!(cause.downcast_ref(), Some(SimulationError::Invalid(_) | SimulationError::Options { .. }))
        || matches!(
            cause.downcast_ref(),
            Some(RegistryError::UnknownVersion(_) | RegistryError::NothingEarlier(_) | RegistryError::Refused(_))
        )
        || cause
            .downcast_ref()
            .is_some_and(|error| !matches!(error, ImportError::Store(_) | ImportError::Rejects { .. }))
}

/// Reports a command line that clap refused, or prints the help that was asked for.
pub fn usage(refusal: &clap::Error, json: bool) -> ExitCode {
    let kind = refusal.kind();
    if matches!(kind, ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A closed pipe (`leadscore --help | head`) is no failure.
        let _ = refusal.print();
        return ExitCode::SUCCESS;
    }
    if kind == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand && !json {
        // As above: there is nobody left to tell.
        let _ = refusal.print();
        return ExitCode::from(BAD_INPUT);
    }
    let text = refusal.to_string();
    let problem: Vec<&str> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let problem = problem.join(" ");
    let problem = problem.strip_prefix("error: ").unwrap_or(&problem);
    print(&format!("{problem}; see --help"), BAD_INPUT, json);
    ExitCode::from(BAD_INPUT)
}

/// The chain of causes on one line, without a cause that only repeats what stands before it.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if line.contains(&text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_closed_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

fn print(message: &str, code: u8, json: bool) {
    let kind = if code == BAD_INPUT { "bad_input" } else { "failed" };
    // Nothing can be done where standard error or output is closed; the exit code still tells.
    let _ = if json {
        writeln!(io::stdout(), "{}", json!({"error": {"kind": kind, "message": message, "exit_code": code}}))
    } else {
        writeln!(io::stderr(), "error: {message}")
    };
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_chain_of_causes_becomes_one_line() {
        let error = Err::<(), _>(bad_input("line 3 is no TOML\nat all")).context("reading the mapping").unwrap_err();
        assert_eq!(one_line(&error), "reading the mapping: line 3 is no TOML at all");
    }

    #[test]
    fn a_cause_that_repeats_its_outer_error_is_said_once() {
        let error = Err::<(), _>(bad_input("disk full")).context("cannot write: disk full").unwrap_err();
        assert_eq!(one_line(&error), "cannot write: disk full");
    }
}

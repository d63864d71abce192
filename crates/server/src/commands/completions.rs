//! `leadscore completions`: a script that lets a shell complete commands and options.

use std::io;

use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::{Shell, generate};

use crate::cli::Cli;

/// What can be asked of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  leadscore completions bash > ~/.local/share/bash-completion/completions/leadscore
  leadscore completions zsh > \"${fpath[1]}/_leadscore\"
  leadscore completions fish > ~/.config/fish/completions/leadscore.fish")]
pub struct Options {
    /// Which shell
    shell: ShellName,
}

/// Shells that can complete.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ShellName {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script.
pub fn run(options: &Options) {
    let shell = match options.shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
    };
    generate(shell, &mut Cli::command(), "leadscore", &mut io::stdout());
}

//! `flowgate completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::args::Cli;
use super::terminal;
use flowgate_base::error::{Error, Result};

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate completions bash > ~/.local/share/bash-completion/completions/flowgate
  flowgate completions zsh > ~/.zfunc/_flowgate
  flowgate completions fish > ~/.config/fish/completions/flowgate.fish";

/// Arguments of `flowgate completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "flowgate", &mut script);
    terminal::print(&String::from_utf8(script).map_err(|e| Error::internal(e.to_string()))?)
}

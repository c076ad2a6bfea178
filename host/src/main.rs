//! The `flowgate` program: reads the command line, runs one command, says how it ended.
//!
//! Results go to standard output, messages to standard error. The commands are in [`flowgate::cli`], one file each.

use std::process::ExitCode;

use clap::Parser;
use flowgate::cli::{self, Cli};

fn main() -> ExitCode {
    // The hidden command with which the wall compiles a component in a limited child.
    if std::env::args_os().nth(1).is_some_and(|a| a == flowgate::plugin::CHILD_ARGUMENT) {
        return flowgate::plugin::child_main();
    }
    match Cli::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::say(&error);
            ExitCode::from(cli::exit_code(&error))
        }
    }
}

//! The command line: one file for each command.

mod args;
mod check;
mod completions;
mod exit;
mod graph;
mod job_file;
mod plugins;
mod schema;
mod terminal;

pub use args::{Cli, Command, JobArgs};
pub use exit::{exit_code, say};

//! The command line: one file for each command.

mod args;
mod check;
mod completions;
mod exit;
mod figures;
mod graph;
mod job_file;
mod plugin_build;
mod plugin_new;
mod plugins;
mod run;
mod schema;
mod status;
mod summary;
mod terminal;

pub use args::{Cli, Command, JobArgs};
pub use exit::{exit_code, say};

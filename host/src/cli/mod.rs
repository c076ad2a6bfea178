//! The command line: one file for each command.

mod args;
mod check;
mod completions;
mod diff;
mod dump;
mod exit;
mod figures;
mod graph;
mod infer;
mod job_file;
mod limit;
mod log_level;
mod new_job;
mod plugin_build;
mod plugin_inspect;
mod plugin_new;
mod plugin_test;
mod plugins;
mod rows;
mod run;
mod sample;
mod schema;
mod signals;
mod status;
mod status_line;
mod summary;
mod terminal;
mod trial;
mod trial_join;
mod trial_process;

pub use args::{Cli, Command, JobArgs};
pub use exit::{exit_code, say};

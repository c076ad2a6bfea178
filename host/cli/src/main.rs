//! The `flowgate` program: reads the command line, runs one command, reports how it ended. One file for each command.
//!
//! Results go to standard output, messages to standard error.

#![forbid(unsafe_code)]

mod args;
mod canary;
mod check;
mod checkpoint_diff;
mod checkpoint_list;
mod checkpoint_record;
mod checkpoint_show;
mod checkpoint_store;
mod checkpoint_verify;
mod code;
mod columns;
mod completions;
mod connectors;
mod diff;
mod dump;
mod error;
mod exit;
mod explain;
mod graph;
mod infer;
mod job_canary;
mod job_explain;
mod job_file;
mod job_found;
mod job_list;
mod job_savepoint;
mod job_status;
mod job_stop;
mod job_swap;
mod job_tap;
mod limit;
mod log_level;
mod new_job;
mod node;
mod plugin_build;
mod plugin_inspect;
mod plugin_new;
mod plugin_replay;
mod plugin_test;
mod run;
mod sample;
mod savepoint;
mod schema;
mod serve;
mod service_manager;
mod signals;
mod state_cell;
mod state_read;
mod state_row;
mod status;
mod status_line;
mod terminal;
mod trial;
mod trial_join;
mod trial_process;

use std::process::ExitCode;

use clap::Parser;

/// Rows are allocated on one worker and freed on another, all the time. glibc's allocator takes a lock for that, which costs two
/// workers more than the second one gains.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The hidden command with which the wall compiles a component in a limited child.
    if std::env::args_os().nth(1).is_some_and(|a| a == flowgate_wall::CHILD_ARGUMENT) {
        return flowgate_wall::child_main();
    }
    // The hidden command with which a node runs a job in a process of its own.
    if std::env::args_os().nth(1).is_some_and(|a| a == flowgate_worker::ARGUMENT) {
        return flowgate_worker::main(&checkpoint_store::stores());
    }
    match args::Cli::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            exit::say(&error);
            ExitCode::from(exit::exit_code(&error))
        }
    }
}

//! Arguments of the commands about jobs on a node.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use flowgate::job::load::Override;

use super::Shown;
use crate::node::session::Target;

pub(super) const SUBMIT_EXAMPLES: &str = "\
Examples:
  flowgate job submit job.yaml
  flowgate job submit job.yaml --check                    # checks it there; nothing runs
  flowgate job submit job.yaml -p 4 --key \"$BUILD\" --wait
  flowgate job submit job.yaml --set sources.in.generator.rate=10

The job is called as its file says (`job:`). A job that is wrong is reported as by `flowgate check`, with exit code 2. With --set, the \
job is sent as JSON, and places in the report are those of the JSON.";

pub(super) const CANCEL_EXAMPLES: &str = "\
Examples:
  flowgate job cancel web

`flowgate job start` goes on from the last checkpoint. `flowgate job stop` takes one.";

pub(super) const START_EXAMPLES: &str = "\
Examples:
  flowgate job start web";

pub(super) const RESTART_EXAMPLES: &str = "\
Examples:
  flowgate job restart web";

pub(super) const RESCALE_EXAMPLES: &str = "\
Examples:
  flowgate job rescale web -p 4";

pub(super) const CHANGE_EXAMPLES: &str = "\
Examples:
  flowgate job change web new-job.yaml
  flowgate job change web new-job.yaml --drop counts       # the new file has no operator `counts`

The new file has the same `job:`. What the node finds wrong in it is reported, and the job goes on with the file that it had. \
State of an operator that the new file does not have is given up by --drop; without it, the job does not start from the savepoint.";

pub(super) const DELETE_EXAMPLES: &str = "\
Examples:
  flowgate job stop web && flowgate job delete web";

pub(super) const LOGS_EXAMPLES: &str = "\
Examples:
  flowgate job logs web
  flowgate job logs web -f --level warn
  flowgate job logs web --operator readings -n 1000 --json | jq -r '.[].message'";

pub(super) const HISTORY_EXAMPLES: &str = "\
Examples:
  flowgate job history web
  flowgate job history web -n 1000 --json | jq '.[] | select(.kind == \"failed\")'";

pub(super) const CHECKPOINTS_EXAMPLES: &str = "\
Examples:
  flowgate job checkpoints web
  flowgate job checkpoints web --json | jq -r '.[].savepoint // empty'";

pub(super) const RECORDS_EXAMPLES: &str = "\
Examples:
  flowgate job records web
  flowgate job records web --save 3-1 && flowgate plugin replay 3-1.json sensors.wasm

A call that trapped, took too long or more than it may, or whose answer was not valid, is recorded with its rows, state, config and \
time: a few of each attempt. Secrets are not part of it.";

pub(super) const ROLLBACK_EXAMPLES: &str = "\
Examples:
  flowgate job rollback web";

pub(super) const TOP_EXAMPLES: &str = "\
Examples:
  flowgate top
  flowgate top --tenant acme

Up and down choose a job, Enter shows its operators, Escape goes back, q ends.";

/// A job file that is sent.
#[derive(Debug, Args)]
pub(crate) struct NewFile {
    /// The job file: YAML, or by its name JSON or TOML; `-` is standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Workers, whatever the job file says.
    #[arg(long, short = 'p', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) parallelism: Option<u32>,
    /// Set a field of the job before it is sent, as in `--set sources.in.generator.rate=10`. The value is YAML.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = Override::parse)]
    pub(crate) set: Vec<Override>,
}

/// Arguments of `flowgate job submit`.
#[derive(Debug, Args)]
pub(crate) struct JobSubmit {
    /// The job file.
    #[command(flatten)]
    pub(crate) file: NewFile,
    /// Check the job on the node, with its plugins, quotas and grants. Nothing runs.
    #[arg(long, conflicts_with_all = ["key", "wait"])]
    pub(crate) check: bool,
    /// A key of your own: the same request with the same key submits the job once.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Wait until the job runs, or has failed to start.
    #[arg(long)]
    pub(crate) wait: bool,
    /// The node.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Arguments of commands that do something with a job.
#[derive(Debug, Args)]
pub(crate) struct JobDo {
    /// The job.
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
    /// The node.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Arguments of `flowgate job rescale`.
#[derive(Debug, Args)]
pub(crate) struct JobRescale {
    /// The job.
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
    /// Workers from now on.
    #[arg(long, short = 'p', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) parallelism: u32,
    /// The node.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Arguments of `flowgate job change`.
#[derive(Debug, Args)]
pub(crate) struct JobChangeArgs {
    /// The job.
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
    /// The new job file, with the same `job:`.
    #[command(flatten)]
    pub(crate) file: NewFile,
    /// An operator or slot whose state may be dropped. May be used several times.
    #[arg(long, value_name = "OPERATOR[/SLOT]")]
    pub(crate) drop: Vec<String>,
    /// The node.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Arguments of `flowgate job logs`.
#[derive(Debug, Args)]
pub(crate) struct JobLogs {
    /// The job.
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
    /// Show new lines as they come, over restarts of the job, until Ctrl-C.
    #[arg(long, short = 'f')]
    pub(crate) follow: bool,
    /// Lines of this operator alone.
    #[arg(long, value_name = "OPERATOR")]
    pub(crate) operator: Option<String>,
    /// The least level of lines that are shown.
    #[arg(long, value_name = "LEVEL", value_parser = ["trace", "debug", "info", "warn", "error"])]
    pub(crate) level: Option<String>,
    /// The attempt [default: the present or last one].
    #[arg(long, value_name = "N")]
    pub(crate) attempt: Option<u64>,
    /// The last N lines of the log, of which those of the operator and level are shown.
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) lines: u32,
    /// Print JSON; with --follow, an object a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// The node.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Arguments of `flowgate job history` and `flowgate job checkpoints`.
#[derive(Debug, Args)]
pub(crate) struct JobPast {
    /// The job.
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
    /// The newest N.
    #[arg(short = 'n', long = "most", value_name = "N", default_value_t = 50)]
    pub(crate) most: usize,
    /// How it is shown, and of which node.
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// Arguments of `flowgate job records`.
#[derive(Debug, Args)]
pub(crate) struct JobRecords {
    /// The job.
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
    /// Save this one.
    #[arg(long, value_name = "ID", conflicts_with_all = ["most", "json"])]
    pub(crate) save: Option<String>,
    /// The file to be created [default: ID.json].
    #[arg(long, short, value_name = "FILE", requires = "save", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// The newest N.
    #[arg(short = 'n', long = "most", value_name = "N", default_value_t = 50)]
    pub(crate) most: usize,
    /// How it is shown, and of which node.
    #[command(flatten)]
    pub(crate) shown: Shown,
}

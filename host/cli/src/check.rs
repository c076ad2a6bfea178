//! `flowgate check`.

use clap::Args;

use super::args::JobArgs;
use super::checkpoint_store::stores;
use super::job_file::{checked_graph, plugins};
use super::log_level::LogLevelArg;
use super::savepoint::{self, FromArgs};
use super::terminal;
use flowgate::job::picture;
use flowgate::submit;
use flowgate_base::error::Result;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate check job.yaml
  flowgate check job.yaml --set sources.lines.file.path=other.log
  flowgate check new-job.yaml --from './checkpoints#before-upgrade'
  generate-job | flowgate check -";

/// Arguments of `flowgate check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The job.
    #[command(flatten)]
    pub job: JobArgs,
    /// The savepoint from which the job would start: what becomes of its state is reported, and each value of a plugin's state whose
    /// version has changed is migrated, to count those that fail.
    #[command(flatten)]
    pub from: FromArgs,
}

pub(super) fn run(args: &CheckArgs) -> Result<()> {
    let mut plugins = plugins(LogLevelArg::default())?;
    let graph = checked_graph(&args.job, &mut plugins)?;
    let try_savepoint = |from| submit::prospect(&graph, &mut plugins, &stores(), &from, true);
    let prospect = args.from.savepoint().map(try_savepoint).transpose()?;
    terminal::print(&picture::edges(&graph))?;
    if let Some(prospect) = prospect {
        terminal::print(&savepoint::text(&prospect))?;
        prospect.check()?;
    }
    terminal::print("ok\n")
}

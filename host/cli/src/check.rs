//! `flowgate check`.

use clap::Args;

use super::args::JobArgs;
use super::job_file::{checked_graph, plugins};
use super::log_level::LogLevelArg;
use super::terminal;
use flowgate::job::picture;
use flowgate_base::error::Result;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate check job.yaml
  flowgate check job.yaml --set sources.lines.file.path=other.log
  generate-job | flowgate check -";

/// Arguments of `flowgate check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The job.
    #[command(flatten)]
    pub job: JobArgs,
}

pub(super) fn run(args: &CheckArgs) -> Result<()> {
    let graph = checked_graph(&args.job, &mut plugins(LogLevelArg::default())?)?;
    terminal::print(&format!("{}ok\n", picture::edges(&graph)))
}

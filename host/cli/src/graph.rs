//! `flowgate graph`.

use clap::{Args, ValueEnum};

use super::args::JobArgs;
use super::job_file::{checked_graph, plugins};
use super::log_level::LogLevelArg;
use super::terminal;
use flowgate::job::picture;
use flowgate_base::error::Result;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate graph job.yaml
  flowgate graph job.yaml --format mermaid > job.mmd";

/// Arguments of `flowgate graph`.
#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// The job.
    #[command(flatten)]
    pub job: JobArgs,
    /// How to show it.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// How a graph is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A tree for the terminal.
    Text,
    /// A Mermaid flowchart, which GitHub and many editors draw.
    Mermaid,
}

pub(super) fn run(args: &GraphArgs) -> Result<()> {
    let graph = checked_graph(&args.job, &mut plugins(LogLevelArg::default())?)?;
    terminal::print(&match args.format {
        Format::Text => picture::tree(&graph),
        Format::Mermaid => picture::mermaid(&graph),
    })
}

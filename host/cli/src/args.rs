//! The command line: commands and their arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

use super::{
    check, checkpoint_diff, checkpoint_list, checkpoint_show, checkpoint_verify, completions, connectors, explain,
    graph, infer, job_explain, job_list, job_savepoint, job_status, job_stop, job_swap, job_tap, new_job, node,
    plugin_build, plugin_inspect, plugin_new, plugin_replay, plugin_test, run, schema, serve, state_read,
};
use flowgate::job::load::Override;
use flowgate_base::error::Result;

/// The end of every command's help.
const AFTER_HELP: &str = "\
Exit codes:
  0    all went well; also where the reader of our output went away (`| head`)
  1    the job failed: a file, a disk, the network
  2    wrong usage, or a job or plugin that is wrong
  3    a mistake in Flowgate
  130  interrupted twice; while a command waited for a node, once

Environment:
  FLOWGATE_PLUGIN_PATH  folders with plugins, separated as in PATH
  FLOWGATE_HOME         the folder for caches: compiled plugins, the SDK, the toolchain [default: ~/.cache/flowgate]
  FLOWGATE_EXE          the program that compiles plugins in a limited child [default: this one]
  FLOWGATE_NODE         the address of the node that commands ask [default: that of `flowgate login`]
  FLOWGATE_TOKEN        the token for it
  FLOWGATE_TENANT       the tenant that commands are about
  NO_COLOR              no colours";

/// Stream processing whose functions are sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "flowgate", version, about, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a job until its sources end, or until Ctrl-C.
    #[command(after_help = run::EXAMPLES)]
    Run(run::RunArgs),
    /// Check a job: its file, its plugins, the type of every edge. Nothing runs.
    #[command(after_help = check::EXAMPLES)]
    Check(check::CheckArgs),
    /// Show a job's graph. Nothing runs.
    #[command(after_help = graph::EXAMPLES)]
    Graph(graph::GraphArgs),
    /// Ask running jobs: which run, how they are, why nothing comes out; and stop them.
    #[command(subcommand)]
    Job(JobCommand),
    /// Take a savepoint of a running job, from which a changed job can start.
    #[command(after_help = job_savepoint::EXAMPLES)]
    Savepoint(job_savepoint::SavepointArgs),
    /// Run a node: jobs of many tenants, with an HTTP API and a page.
    #[command(after_help = serve::EXAMPLES)]
    Serve(serve::ServeArgs),
    /// Look into a checkpoint store: what is in it, whether it is damaged. The job may run or not.
    #[command(subcommand)]
    Checkpoint(CheckpointCommand),
    /// Read the state of operators in a checkpoint.
    #[command(subcommand)]
    State(StateCommand),
    /// Start a job.
    #[command(subcommand)]
    New(NewCommand),
    /// Describe a file as a source: print the columns and types of a sample of JSON lines or CSV.
    #[command(after_help = infer::EXAMPLES)]
    Infer(infer::InferArgs),
    /// Make plugins.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Ask a node, which `flowgate serve` starts.
    #[command(flatten)]
    Node(node::args::Command),
    /// Print the JSON Schema of the job file, or of a node's settings, with which editors complete and check it.
    #[command(after_help = schema::EXAMPLES)]
    Schema(schema::SchemaArgs),
    /// List the sources and sinks, with their guarantees.
    #[command(after_help = connectors::EXAMPLES)]
    Connectors,
    /// Say what the code of an error means.
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::ExplainArgs),
    /// Print a completion script for a shell.
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::CompletionsArgs),
}

/// The `job` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// List the jobs that run.
    #[command(after_help = job_list::EXAMPLES)]
    List(job_list::ListArgs),
    /// Show rows, watermark, state and deliveries of a running job.
    #[command(after_help = job_status::EXAMPLES)]
    Status(job_status::StatusArgs),
    /// Take a savepoint of a running job, from which a changed job can start; as `flowgate savepoint`.
    #[command(after_help = job_savepoint::EXAMPLES)]
    Savepoint(job_savepoint::SavepointArgs),
    /// Stop a running job, and wait for its end.
    #[command(after_help = job_stop::EXAMPLES)]
    Stop(job_stop::StopArgs),
    /// Put another version of a plugin in the place of the one that runs, with the state kept.
    #[command(after_help = job_swap::EXAMPLES)]
    Swap(job_swap::SwapArgs),
    /// Say why nothing comes out of an operator of a running job.
    #[command(after_help = job_explain::EXAMPLES)]
    Explain(job_explain::ExplainArgs),
    /// Show a sample of the rows that leave an operator of a running job, as JSON lines.
    #[command(after_help = job_tap::EXAMPLES)]
    Tap(job_tap::TapArgs),
    /// About a node.
    #[command(flatten)]
    OnNode(node::args::JobCommand),
}

/// The `checkpoint` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum CheckpointCommand {
    /// List the checkpoints and attempts of a store, newest first.
    #[command(after_help = checkpoint_list::EXAMPLES)]
    List(checkpoint_list::ListArgs),
    /// Show what is in a checkpoint: state, positions of sources, what sinks commit, files.
    #[command(after_help = checkpoint_show::EXAMPLES)]
    Show(checkpoint_show::ShowArgs),
    /// Read every byte, and name what is damaged.
    #[command(after_help = checkpoint_verify::EXAMPLES)]
    Verify(checkpoint_verify::VerifyArgs),
    /// Show what changed from one checkpoint to another.
    #[command(after_help = checkpoint_diff::EXAMPLES)]
    Diff(checkpoint_diff::DiffArgs),
}

/// The `state` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// Print the state of an operator in a checkpoint.
    #[command(after_help = state_read::EXAMPLES)]
    Read(state_read::ReadArgs),
}

/// The `new` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum NewCommand {
    /// Write a job that runs, to be changed.
    #[command(after_help = new_job::EXAMPLES)]
    Job(new_job::NewJobArgs),
}

/// The `plugin` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Start a plugin in Rust.
    New(plugin_new::NewArgs),
    /// Compile a plugin in Rust to a component.
    Build(plugin_build::BuildArgs),
    /// Show what a plugin has: functions, columns, config, imports.
    #[command(after_help = plugin_inspect::EXAMPLES)]
    Inspect(plugin_inspect::InspectArgs),
    /// Make a call again that ended without an answer: on this machine, without the job.
    #[command(after_help = plugin_replay::EXAMPLES)]
    Replay(Box<plugin_replay::ReplayArgs>),
    /// Feed sample rows to one function and show its output.
    #[command(after_help = plugin_test::EXAMPLES)]
    Test(Box<plugin_test::TestArgs>),
    /// About a node.
    #[command(flatten)]
    OnNode(node::args::PluginCommand),
}

/// A job file and what the command line changes in it.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobArgs {
    /// The job file: YAML, or by its name JSON or TOML; `-` is standard input.
    #[arg(value_hint = ValueHint::FilePath)]
    pub job: PathBuf,
    /// Set a field of the job, as in `--set sources.lines.file.path=other.log`. The value is YAML. A source or a sink gets
    /// another connector by `--set sinks.out='print: {}'`; its other fields stay.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = Override::parse)]
    pub set: Vec<Override>,
    /// Worker threads, whatever the job file says.
    #[arg(long, short = 'p', value_name = "N")]
    pub parallelism: Option<usize>,
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// What ended it; [`super::exit_code`] returns the exit code for it.
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Command::Run(args) => run::run(&args),
            Command::Check(args) => check::run(&args),
            Command::Serve(args) => serve::run(&args),
            Command::Graph(args) => graph::run(&args),
            Command::Job(JobCommand::List(args)) => job_list::run(&args),
            Command::Job(JobCommand::Status(args)) => job_status::run(&args),
            Command::Savepoint(args) | Command::Job(JobCommand::Savepoint(args)) => job_savepoint::run(&args),
            Command::Job(JobCommand::Stop(args)) => job_stop::run(&args),
            Command::Job(JobCommand::Swap(args)) => job_swap::run(&args),
            Command::Job(JobCommand::Explain(args)) => job_explain::run(&args),
            Command::Job(JobCommand::Tap(args)) => job_tap::run(&args),
            Command::Job(JobCommand::OnNode(command)) => command.run(),
            Command::Checkpoint(CheckpointCommand::List(args)) => checkpoint_list::run(&args),
            Command::Checkpoint(CheckpointCommand::Show(args)) => checkpoint_show::run(&args),
            Command::Checkpoint(CheckpointCommand::Verify(args)) => checkpoint_verify::run(&args),
            Command::Checkpoint(CheckpointCommand::Diff(args)) => checkpoint_diff::run(&args),
            Command::State(StateCommand::Read(args)) => state_read::run(&args),
            Command::New(NewCommand::Job(args)) => new_job::run(&args),
            Command::Infer(args) => infer::run(&args),
            Command::Plugin(PluginCommand::New(args)) => plugin_new::run(&args),
            Command::Plugin(PluginCommand::Build(args)) => plugin_build::run(&args),
            Command::Plugin(PluginCommand::Inspect(args)) => plugin_inspect::run(&args),
            Command::Plugin(PluginCommand::Replay(args)) => plugin_replay::run(&args),
            Command::Plugin(PluginCommand::Test(args)) => plugin_test::run(&args),
            Command::Plugin(PluginCommand::OnNode(command)) => command.run(),
            Command::Node(command) => command.run(),
            Command::Schema(args) => schema::run(&args),
            Command::Connectors => connectors::run(),
            Command::Explain(args) => explain::run(&args),
            Command::Completions(args) => completions::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_job_may_be_left_out_in_front_of_an_operator() {
        let explained = |arguments: &[&str]| {
            let cli = Cli::try_parse_from([&["flowgate", "job", "explain"], arguments].concat()).unwrap();
            let Command::Job(JobCommand::Explain(args)) = cli.command else { panic!() };
            args.names()
        };
        assert_eq!(explained(&["counts"]), (None, "counts".into()));
        assert_eq!(explained(&["web", "counts"]), (Some("web".into()), "counts".into()));
    }

    #[test]
    fn settings_are_read() {
        let cli = Cli::try_parse_from(["flowgate", "check", "job.yaml", "--set", "a.b=c=d", "-p", "4"]).unwrap();
        let Command::Check(args) = cli.command else { panic!() };
        assert_eq!(args.job.parallelism, Some(4));
        assert_eq!((args.job.set[0].steps.join("/"), args.job.set[0].value.as_str()), ("a/b".into(), "c=d"));
        assert!(Cli::try_parse_from(["flowgate", "check", "job.yaml", "--set", "x"]).is_err());
    }
}

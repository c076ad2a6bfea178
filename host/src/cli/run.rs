//! `flowgate run`.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::args::JobArgs;
use super::job_file::checked_graph;
use super::log_level::LogLevelArg;
use super::plugins::Plugins;
use super::status::{Screen, Status};
use super::{dump, summary, terminal};
use crate::connector;
use crate::connector::print::{PrintLayout, PrintSink};
use crate::connector::sink::{Boundedness, SinkWriter};
use crate::dataflow::job_state::JobState;
use crate::dataflow::worker;
use crate::error::{Error, Result};
use crate::job::graph::{JobGraph, SinkConnector, SinkNode};
use crate::job::spec::PrintFormat;
use crate::schema::Schema;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate run job.yaml
  flowgate run job.yaml -p 4 --set sources.lines.file.path=other.log
  flowgate run job.yaml | jq .path
  tail -F access.log | flowgate run -q job-from-stdin.yaml
  flowgate run job.yaml --log-level debug

Ctrl-C ends the job cleanly: sources stop, rows under way are finished; windows that are still open give no result.
A webhook that fails is tried for five more seconds. A file that was to be replaced at the end stays as it was.
Ctrl-C again ends it at once. `kill -USR1` shows rows and state of every operator.";

/// The exit code of a process that was interrupted twice.
const INTERRUPTED: i32 = 130;

/// Arguments of `flowgate run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The job.
    #[command(flatten)]
    pub job: JobArgs,
    /// No status line and no summary.
    #[arg(long, short)]
    pub quiet: bool,
    /// How much of what plugins log is shown.
    #[command(flatten)]
    pub log: LogLevelArg,
}

pub(super) fn run(args: &RunArgs) -> Result<()> {
    connector::on_notice(terminal::message);
    raise_open_files();
    let mut plugins = Plugins::logging(args.log);
    let graph = checked_graph(&args.job, &mut plugins)?;
    let screen = Arc::new(Screen::new(!args.quiet && std::io::stderr().is_terminal()));
    let summary_of = graph.clone();
    let started = Instant::now();
    let job = {
        let screen = Arc::clone(&screen);
        let limits = graph.limits.clone();
        let mut open_sink = move |sink: &SinkNode, schema: &Schema, ends| open_sink(&screen, sink, schema, ends);
        worker::start(graph, plugins.wall(&limits)?, &mut open_sink)?
    };
    let state = Arc::clone(job.state());
    let told_on = Arc::clone(&screen);
    state.tell_warnings(move |warning| told_on.message(&format!("warning: {warning}\n")));
    listen_to_signals(summary_of.clone(), Arc::clone(&state))?;
    let status = Status::start(&screen, &summary_of, Arc::clone(&state));
    let result = job.wait();
    drop(status);
    if !args.quiet && !result.as_ref().is_err_and(|e| e.closed_pipe) {
        terminal::message(&summary::of(&summary_of, &state, started.elapsed(), result.is_ok()));
    }
    // Not part of the summary: where rows are that are not in their file must be known with `-q`, too.
    for note in state.sinks.notes() {
        terminal::message(&format!("note: {note}\n"));
    }
    result
}

/// Lets the process open as many files as the system allows it to: each followed file is open, and what shells set at first
/// (often 1,024) is for programs that cannot have more.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // With the old limit fewer files can be followed, and the error says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

fn open_sink(
    screen: &Arc<Screen>,
    sink: &SinkNode,
    schema: &Schema,
    boundedness: Boundedness,
) -> Result<Box<dyn SinkWriter>> {
    match &sink.connector {
        SinkConnector::Print(print) if std::io::stdout().is_terminal() => {
            let layout = match print.format {
                PrintFormat::Auto | PrintFormat::Table => PrintLayout::Table { width: terminal::width() },
                PrintFormat::Json => PrintLayout::JsonLines,
            };
            Ok(Box::new(PrintSink::new(Box::new(screen.stdout()), layout, schema)))
        }
        connector => connector::open_sink(connector, schema, boundedness),
    }
}

/// The first signal stops the job, the second ends the process; SIGUSR1 shows how the job does.
fn listen_to_signals(graph: JobGraph, state: Arc<JobState>) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1]).map_err(|e| Error::io("cannot handle signals", &e))?;
    let handle = move || {
        let mut stops = 0;
        for signal in signals.forever() {
            if signal == SIGUSR1 {
                terminal::message(&dump::of(&graph, &state));
                continue;
            }
            stops += 1;
            if stops > 1 {
                std::process::exit(INTERRUPTED);
            }
            terminal::message("\nstopping; Ctrl-C again ends the job at once\n");
            state.request_stop();
        }
    };
    let thread = std::thread::Builder::new().name("flowgate-signals".into()).spawn(handle);
    thread.map(drop).map_err(|e| Error::io("cannot start a thread for signals", &e))
}

//! `flowgate run`.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::args::JobArgs;
use super::job_file::checked_graph;
use super::plugins::Plugins;
use super::status::{Screen, Status};
use super::{dump, summary, terminal};
use crate::connector;
use crate::connector::print::{PrintLayout, PrintSink};
use crate::connector::sink::SinkWriter;
use crate::dataflow::job_state::JobState;
use crate::dataflow::worker;
use crate::error::{Error, Result};
use crate::job::graph::{JobGraph, SinkConnector, SinkNode};
use crate::job::spec::PrintFormat;
use crate::schema::Schema;
use crate::{shown, standard_error};

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate run job.yaml
  flowgate run job.yaml -p 4 --set sources.lines.file.path=other.log
  flowgate run job.yaml | jq .path
  tail -F access.log | flowgate run -q job-from-stdin.yaml

Ctrl-C ends the job cleanly: sources stop, rows under way are finished; windows that are still open give no result.
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
}

pub(super) fn run(args: &RunArgs) -> Result<()> {
    let mut plugins = Plugins::default();
    let graph = checked_graph(&args.job, &mut plugins)?;
    let screen = Arc::new(Screen::new(!args.quiet && std::io::stderr().is_terminal()));
    let summary_of = graph.clone();
    let started = Instant::now();
    let job = {
        let screen = Arc::clone(&screen);
        let limits = graph.limits.clone();
        let mut open_sink = move |sink: &SinkNode, schema: &Schema| open_sink(&screen, sink, schema);
        worker::start(graph, plugins.wall(&limits)?, &mut open_sink)?
    };
    let state = Arc::clone(job.state());
    listen_to_signals(summary_of.clone(), Arc::clone(&state))?;
    let status = Status::start(&screen, &summary_of, Arc::clone(&state));
    let result = job.wait();
    drop(status);
    standard_error::flush();
    if !args.quiet && !result.as_ref().is_err_and(|e| e.closed_pipe) {
        terminal::message(&summary::of(&summary_of, &state, started.elapsed(), result.is_ok()));
    }
    result
}

fn open_sink(screen: &Arc<Screen>, sink: &SinkNode, schema: &Schema) -> Result<Box<dyn SinkWriter>> {
    match &sink.connector {
        SinkConnector::Print(print) if std::io::stdout().is_terminal() => {
            let layout = match print.format {
                PrintFormat::Auto | PrintFormat::Table => PrintLayout::Table { width: terminal::width() },
                PrintFormat::Json => PrintLayout::JsonLines,
            };
            Ok(Box::new(PrintSink::new(Box::new(screen.stdout()), layout, schema)))
        }
        connector => connector::open_sink(connector, schema),
    }
}

/// The first signal stops the job, the second ends the process; SIGUSR1 shows how the job does.
fn listen_to_signals(graph: JobGraph, state: Arc<JobState>) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1]).map_err(|e| Error::io("cannot handle signals", &e))?;
    let handle = move || {
        let mut stops = 0;
        for signal in signals.forever() {
            // This thread waits for nobody: whoever reads standard error may have stopped reading.
            if signal == SIGUSR1 {
                standard_error::line(shown::lines(dump::of(&graph, &state).trim_end()));
                continue;
            }
            stops += 1;
            if stops > 1 {
                std::process::exit(INTERRUPTED);
            }
            state.request_stop();
            standard_error::line("\nstopping; Ctrl-C again ends the job at once");
        }
    };
    let thread = std::thread::Builder::new().name("flowgate-signals".into()).spawn(handle);
    thread.map(drop).map_err(|e| Error::io("cannot start a thread for signals", &e))
}

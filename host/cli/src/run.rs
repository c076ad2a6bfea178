//! `flowgate run`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueHint};

use super::args::JobArgs;
use super::checkpoint_store::stores;
use super::error::CommandError;
use super::job_file::{self, checked};
use super::limit::Limit;
use super::log_level::LogLevelArg;
use super::savepoint::{self, FromArgs};
use super::signals::{self, OpenWindows};
use super::status::{Screen, Status};
use super::terminal;
use flowgate::job::graph::{JobGraph, SinkNode};
use flowgate::job::spec::{Print, PrintFormat, Tap};
use flowgate::job::tap;
use flowgate::running::{Beginning, JobState, Started};
use flowgate::submit;
use flowgate_base::clock;
use flowgate_base::error::Result;
use flowgate_base::schema::Schema;
use flowgate_base::standard_error;
use flowgate_connect::print::{PrintLayout, PrintSink};
use flowgate_connect::sink::{Boundedness, SinkWriter};
use flowgate_connect::tap::TapSink;
use flowgate_control::message::About;
use flowgate_control::place::Place;
use flowgate_control::server::Server;
use flowgate_wall::RecordLog;
use flowgate_worker::job_swaps::JobSwaps;
use flowgate_worker::records::{self, Recorded, Records};
use flowgate_worker::subject::{self, RunningSubject};
use flowgate_worker::subject_figures::Process;
use flowgate_worker::summary;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate run job.yaml
  flowgate run job.yaml -p 4 --set sources.lines.file.path=other.log
  flowgate run job.yaml | jq .path
  flowgate run job.yaml --limit 10 --set sinks.out='print: {}'
  flowgate run job.yaml --tap requests --tap requests.errors 2> tapped.jsonl
  tail -F access.log | flowgate run -q job-from-stdin.yaml
  flowgate run job.yaml --log-level debug
  flowgate run job.yaml --resume
  flowgate run new-job.yaml --from './checkpoints#before-upgrade'

Ctrl-C, SIGTERM and SIGHUP stop the job cleanly: sources stop, and rows in flight reach their sinks. Windows that are \
still open emit nothing, unless `--drain` is given. A webhook that fails is tried for five more seconds. A file that was to be \
replaced at the end stays as it was. Ctrl-C or SIGTERM again ends the job at once. SIGUSR1 (`kill -USR1 PID`) shows rows and \
state of every operator. `flowgate job` does the same from another terminal, and more.";

/// The longest wait for recorded calls to be written, at the end of a job.
const RECORDS_FLUSH: Duration = Duration::from_secs(5);

/// Arguments of `flowgate run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The job.
    #[command(flatten)]
    pub job: JobArgs,
    /// No status line and no summary.
    #[arg(long, short)]
    pub quiet: bool,
    /// How much of what plugins log is shown.
    #[command(flatten)]
    pub log: LogLevelArg,
    /// Record calls of plugins that end without an answer in this folder, with their rows and state: a few of each operator, for
    /// `flowgate plugin replay`.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub record: Option<PathBuf>,
    /// End the job when each sink has written N rows. Sinks of side outputs (`x.errors`, `x.late`) write N rows at most, but
    /// are not waited for.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Print what leaves a source or an operator to standard error, as JSON lines, next to the job's own sinks: `requests`, or
    /// a side output, `requests.errors`. May be given several times.
    #[arg(long, value_name = "OPERATOR")]
    pub tap: Vec<String>,
    /// Continue from the newest complete checkpoint of the job; begin where there is none.
    #[arg(long, conflicts_with_all = ["fresh", "from"])]
    pub resume: bool,
    /// Begin, though the job has checkpoints: they do not count any more.
    #[arg(long, conflicts_with = "from")]
    pub fresh: bool,
    /// The savepoint from which the job starts. Checkpoints that the job has do not count any more.
    #[command(flatten)]
    pub from: FromArgs,
    /// Do not answer `flowgate job` of other terminals: there is no socket.
    #[arg(long)]
    pub no_control: bool,
    /// When the job is stopped, windows that are open emit the results that they have so far. Without it they emit none.
    #[arg(long)]
    pub drain: bool,
}

pub(super) fn run(args: &RunArgs) -> Result<()> {
    flowgate_connect::on_notice(terminal::message);
    raise_open_files();
    let records = args.record.clone().map(records).transpose()?;
    let mut plugins =
        job_file::recorded_plugins(args.log, records.clone().map(|records| records as Arc<dyn RecordLog>))?;
    let accepted = checked(&args.job, &mut plugins)?;
    let swaps = JobSwaps {
        recheck: accepted.recheck().with_taps(&args.tap),
        limit: Box::new(|_| {}),
        plugins: plugins.wall(&accepted.graph.limits)?.clone(),
        stores: stores(),
        tell: Box::new(tell),
    };
    let mut graph = accepted.graph;
    for output in &args.tap {
        tap::add(&mut graph, output).map_err(|wrong| CommandError::Arguments(format!("--tap {output}: {wrong}")))?;
    }
    if args.limit.is_some() && graph.checkpoint.is_some() {
        let wrong =
            "--limit ends a job in the middle of its rows, without a checkpoint; leave `checkpoint:` out".into();
        return Err(CommandError::Arguments(wrong).into());
    }
    if let Some(from) = args.from.savepoint() {
        // What is wrong with it is the error of the start.
        let prospect = submit::prospect(&graph, &mut plugins, &stores(), &from, false)?;
        if prospect.problems.is_empty() {
            terminal::message(&savepoint::text(&prospect));
        }
    }
    let limit = args.limit.map(|rows| Limit::new(rows, &graph)).transpose()?;
    let screen = Arc::new(Screen::new(!args.quiet && std::io::stderr().is_terminal()));
    let summary_of = graph.clone();
    let (started, since_ms) = (Instant::now(), clock::now_ms());
    let job = {
        let screen = Arc::clone(&screen);
        let limit = limit.clone();
        let mut open_sink = move |sink: &SinkNode, schema: &Schema, ends| {
            let writer = open_sink(&screen, sink, schema, ends)?;
            Ok(match &limit {
                Some(limit) => limit.over(sink, writer),
                None => writer,
            })
        };
        match submit::start_from(graph, &mut plugins, &mut open_sink, &stores(), beginning(args))? {
            Started::Running(job) => job,
            Started::HasEnded => {
                let name = &summary_of.name;
                terminal::message(&format!("`{name}` has ended, by its last checkpoint; --fresh runs it again\n"));
                return Ok(());
            }
        }
    };
    let state = Arc::clone(job.state());
    let told_on = Arc::clone(&screen);
    state.show_warnings(move |warning| told_on.message(&format!("warning: {warning}\n")));
    screen.attach(&state);
    if let Some(limit) = &limit {
        limit.attach(&state);
    }
    let windows = if args.drain { OpenWindows::Drained } else { OpenWindows::Dropped };
    signals::listen(summary_of.clone(), Arc::clone(&state), windows)?;
    let about =
        About { job: summary_of.name.clone(), pid: std::process::id(), since_ms, job_file: job_file(&args.job) };
    let control = if args.no_control { None } else { control(summary_of.clone(), Arc::clone(&state), about, swaps) };
    let status = Status::start(&screen, &summary_of, Arc::clone(&state));
    let result = job.wait();
    drop(status);
    if let Some(records) = records {
        records.flush(RECORDS_FLUSH);
    }
    standard_error::flush();
    let summary = summary::of(&summary_of, &state, started.elapsed(), result.as_ref().err());
    if let Some(control) = control {
        // Before the summary is written: standard error may have a reader that is slow.
        control.end(subject::ended(summary.clone(), result.as_ref().err()));
    }
    if !args.quiet && !result.as_ref().is_err_and(|e| e.is_reader_gone()) {
        terminal::message(&summary);
    }
    // Not part of the summary: rows that are not in their file must be found with `-q`, too.
    for note in state.sinks.notes() {
        terminal::message(&format!("note: {note}\n"));
    }
    result
}

/// Starts answering `flowgate job`. A job that cannot be asked runs nevertheless: the user is warned.
fn control(graph: JobGraph, state: Arc<JobState>, about: About, swaps: JobSwaps) -> Option<Server> {
    let tell = Box::new(tell);
    let subject = RunningSubject { graph, state, about, tell, process: Process::default(), swaps };
    match subject::serve(&Place::of_user(), subject) {
        Ok(server) => Some(server),
        Err(error) => {
            let what = "`flowgate job` cannot reach this job";
            terminal::message(&format!("warning: {what}: {error}; `--no-control` does without\n"));
            None
        }
    }
}

/// Records calls in a folder, and says so.
fn records(folder: PathBuf) -> Result<Arc<Records>> {
    let within = folder.clone();
    let tell = move |what: std::result::Result<&Recorded, &str>| match what {
        Ok(call) => {
            let file = records::file(&within, call.number);
            tell(&format!("`{}`: recorded a call in {}: {}", call.operator, file.display(), call.reason));
        }
        Err(why) => tell(why),
    };
    Ok(Arc::new(Records::begin(folder, Box::new(tell))?))
}

/// Returns what becomes of the checkpoints of the job.
fn beginning(args: &RunArgs) -> Beginning {
    if let Some(from) = args.from.savepoint() {
        return Beginning::From(from);
    }
    match (args.resume, args.fresh) {
        (true, _) => Beginning::Resume,
        (_, true) => Beginning::Fresh,
        (false, false) => Beginning::New,
    }
}

/// Returns the absolute path of the job file; `None` for standard input.
fn job_file(args: &JobArgs) -> Option<String> {
    let path = std::path::absolute(&args.job).ok().filter(|path| path.is_file())?;
    Some(path.display().to_string())
}

/// Raises the limit of open files to the system's maximum: each followed file is open, and the usual limit of shells (often
/// 1,024) is for programs that cannot have more.
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
    let connector = &sink.connector;
    if let Some(print) = connector.settings_of::<Print>().filter(|_| std::io::stdout().is_terminal()) {
        let layout = match print.format {
            PrintFormat::Auto | PrintFormat::Table => PrintLayout::Table { width: terminal::width() },
            PrintFormat::Json => PrintLayout::JsonLines,
        };
        return Ok(Box::new(PrintSink::new(Box::new(screen.stdout()), layout, schema)));
    }
    match connector.settings_of::<Tap>() {
        Some(tap) => Ok(Box::new(TapSink::new(Box::new(screen.stderr()), &tap.output, schema))),
        None => submit::open_sink(sink, schema, boundedness),
    }
}

/// Tells whoever watches the job what happens to it. A reader of standard error that is slow delays nobody.
fn tell(line: &str) {
    standard_error::line(format!("{line}\n"));
}

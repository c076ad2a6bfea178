//! The task that runs a job, from its start to its end.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::assignment::{Assignment, Level};
use crate::concealed::concealed;
use crate::files::{self, ENDED, Ended, Failure, LastCheckpoint, Outcome, ProcessId, STARTED, Started};
use crate::job_swaps::JobSwaps;
use crate::limits::LOG_FLUSH;
use crate::log::guest::GuestLines;
use crate::log::rotated::Rotated;
use crate::log::{Log, OUTPUT};
use crate::prepare::Told;
use crate::program::Program;
use crate::records::{Recorded, Records};
use crate::signals::Stop;
use crate::subject::{self, RunningSubject};
use crate::subject_figures::Process;
use crate::{newest, pending, prepare, summary};
use flowgate::code::JOB_PROBLEMS;
use flowgate::job::graph::{JobGraph, SinkNode};
use flowgate::job::spec::Print;
use flowgate::running::{JobState, RunningJob};
use flowgate::submit;
use flowgate_base::clock;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;
use flowgate_checkpoint::store::Stores;
use flowgate_connect::print::{PrintLayout, PrintSink};
use flowgate_connect::sink::{Boundedness, SinkWriter};
use flowgate_control::message::About;
use flowgate_control::place::{BoundSocket, Place, PlaceError};
use flowgate_control::server::Server;

/// Runs the job of an assignment, and writes how it has ended.
///
/// # Errors
/// That cannot be written.
pub(crate) fn run(
    assignment: &Assignment,
    stores: &Stores,
    log: &Arc<Log>,
    stop: &Arc<Stop>,
    socket: Option<BoundSocket>,
) -> Result<Outcome> {
    note_start(assignment, None, false)?;
    let ended = match job(assignment, stores, log, stop, socket) {
        Ok(ended) => ended,
        Err(error) => failed(&error),
    };
    match &ended.outcome {
        Outcome::Finished => log.say(Level::Info, "the job has finished"),
        Outcome::Stopped => log.say(Level::Info, "the job was stopped"),
        Outcome::Failed(failure) => {
            log.say(Level::Error, format!("the job has failed with {}: {}", failure.code, failure.message));
        }
    }
    log.flush(LOG_FLUSH);
    end(assignment, ended)
}

/// Writes how the process ends.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn end(assignment: &Assignment, ended: Ended) -> Result<Outcome> {
    let ended = concealed(ended);
    files::write(&assignment.folder, ENDED, &ended)?;
    Ok(ended.outcome)
}

/// Returns the end of a job that did not run.
pub(crate) fn failed(error: &Error) -> Ended {
    let (at_ms, outcome) = (clock::now_ms(), Outcome::Failed(Failure::of(error)));
    Ended { at_ms, outcome, summary: String::new(), checkpoint: None }
}

fn note_start(assignment: &Assignment, server: Option<&Server>, swapped: bool) -> Result<()> {
    let process = ProcessId::of(std::process::id());
    let process = process.ok_or_else(|| Error::internal("this process is not in /proc"))?;
    let socket = server.map(|server| server.path().to_path_buf());
    let started = Started { process, socket, swapped, program: Program::own() };
    files::write(&assignment.folder, STARTED, &started)
}

fn job(
    assignment: &Assignment,
    stores: &Stores,
    log: &Arc<Log>,
    stop: &Stop,
    socket: Option<BoundSocket>,
) -> Result<Ended> {
    let guests = Arc::new(GuestLines::new(Arc::clone(log)));
    let records = Arc::new(records(assignment, log)?);
    let told = Told { log: Arc::<GuestLines>::clone(&guests), records: Some(Arc::<Records>::clone(&records)) };
    let mut plugins = prepare::plugins(assignment, told);
    let mut check = |assignment: &Assignment| {
        let checked = prepare::check(assignment, &mut plugins);
        plugins.take_note().into_iter().for_each(|note| log.say(Level::Warn, note));
        checked.map_err(|rejected| Error::new(&JOB_PROBLEMS, rejected.report(false)))
    };
    let mut accepted = check(assignment)?;
    let swapped = pending::swapped(assignment, &accepted.graph, stores)?;
    if let Some(swapped) = &swapped {
        log.say(Level::Info, "a swap had happened before this attempt: the job begins with the new version");
        accepted = check(swapped)?;
    }
    let assignment = swapped.as_ref().unwrap_or(assignment);
    let tells = Arc::clone(log);
    let swaps = JobSwaps {
        recheck: accepted.recheck(),
        limit: prepare::limiter(assignment),
        plugins: plugins.wall(&accepted.graph.limits)?.clone(),
        stores: stores.clone(),
        tell: Box::new(move |line: &str| tells.say(Level::Info, line)),
    };
    let warnings = accepted.warnings(false);
    if !warnings.is_empty() {
        log.say(Level::Warn, warnings.trim_end());
    }
    let graph = accepted.graph;
    guests.know(&graph);
    prepare::compare_digests(&graph, assignment, &mut plugins)?;
    let spill = prepare::spill(assignment);
    std::fs::create_dir_all(&spill).map_err(|e| Error::io(format_args!("cannot create {}", spill.display()), &e))?;
    let printed = Printed::open(assignment)?;
    let mut open_sink = |sink: &SinkNode, schema: &Schema, ends| open_sink(&printed, sink, schema, ends);
    let (began, since_ms) = (clock::monotonic(), clock::now_ms());
    let beginning = assignment.beginning.beginning(&assignment.files, |store| newest::number(store, stores))?;
    let options = prepare::options(&assignment.limits);
    let started = submit::start_with(graph.clone(), &mut plugins, &mut open_sink, stores, beginning, options)?;
    let flowgate::running::Started::Running(job) = started else {
        log.say(Level::Info, "the job has ended before, by its last checkpoint");
        return Ok(Ended {
            at_ms: clock::now_ms(),
            outcome: Outcome::Finished,
            summary: String::new(),
            checkpoint: None,
        });
    };
    let state = Arc::clone(job.state());
    let warns = Arc::clone(log);
    state.show_warnings(move |warning| warns.say(Level::Warn, warning));
    let about = About { job: graph.name.clone(), pid: std::process::id(), since_ms, job_file: None };
    let server = serve(socket, &graph, &state, about, log, swaps);
    note_start(assignment, server.as_ref(), swapped.is_some())?;
    log.say(Level::Info, "the job runs");
    stop.attach(&state);
    let ended = ended(&graph, job, server, began, log);
    records.flush(LOG_FLUSH);
    Ok(ended)
}

/// Records calls that end without an answer, and says so in the log.
fn records(assignment: &Assignment, log: &Arc<Log>) -> Result<Records> {
    let log = Arc::clone(log);
    let attempt = assignment.attempt;
    let tell = move |what: std::result::Result<&Recorded, &str>| {
        match what {
        Ok(Recorded { number, operator, called, reason, .. }) => log.say(
            Level::Warn,
            format!("`{operator}`: the call `{called}` that ended without an answer is recorded as {attempt}-{number}: {reason}"),
        ),
        Err(why) => log.say(Level::Warn, why),
    }
    };
    Records::of_attempt(&assignment.folder, Box::new(tell))
}

/// Binds the socket on which the job will answer, before the process is confined. A job that cannot be asked runs nevertheless.
///
/// # Errors
/// There is no place for it.
pub(crate) fn bind(assignment: &Assignment) -> std::result::Result<BoundSocket, PlaceError> {
    let folders = std::iter::once(&assignment.folder).chain(&assignment.socket_folder);
    Place::in_folders(folders.cloned().collect()).bind(&assignment.job, std::process::id())
}

/// Answers questions about the job.
fn serve(
    socket: Option<BoundSocket>,
    graph: &JobGraph,
    state: &Arc<JobState>,
    about: About,
    log: &Arc<Log>,
    swaps: JobSwaps,
) -> Option<Server> {
    let tells = Arc::clone(log);
    let tell = Box::new(move |line: &str| tells.say(Level::Info, line));
    let subject = RunningSubject {
        graph: graph.clone(),
        state: Arc::clone(state),
        about,
        tell,
        process: Process::default(),
        swaps,
    };
    let served = subject::serve_on(socket?, subject);
    served.inspect_err(|e| log.say(Level::Error, format!("nobody can ask this job: {e}"))).ok()
}

/// Waits for the end of the job, and tells those who wait for it.
fn ended(graph: &JobGraph, job: RunningJob, server: Option<Server>, began: Instant, log: &Log) -> Ended {
    let state = Arc::clone(job.state());
    let result = job.wait();
    let summary = summary::of(graph, &state, began.elapsed(), result.as_ref().err());
    if let Some(server) = server {
        server.end(concealed(subject::ended(summary.clone(), result.as_ref().err())));
    }
    for note in state.sinks.notes() {
        log.say(Level::Warn, note);
    }
    let outcome = match &result {
        Err(error) => Outcome::Failed(Failure::of(error)),
        Ok(()) if state.stop_requested() => Outcome::Stopped,
        Ok(()) => Outcome::Finished,
    };
    let last = state.checkpoint_status.last();
    let checkpoint = last.map(|last| LastCheckpoint { number: last.number, at_ms: last.at.0 });
    Ended { at_ms: clock::now_ms(), outcome, summary, checkpoint }
}

/// What `print` sinks print: a bounded file, since nobody looks at the standard output of this process.
#[derive(Clone)]
struct Printed(Arc<Mutex<Rotated>>);

impl Printed {
    fn open(assignment: &Assignment) -> Result<Printed> {
        let file = Rotated::open(&assignment.folder, OUTPUT, assignment.limits.output_file_bytes);
        let file = file.map_err(|e| Error::io(format_args!("cannot write in {}", assignment.folder.display()), &e))?;
        Ok(Printed(Arc::new(Mutex::new(file))))
    }
}

impl Write for Printed {
    /// Takes whole lines. Where they do not fit on the disk, they are lost: the job is not what it shows.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open_sink(
    printed: &Printed,
    sink: &SinkNode,
    schema: &Schema,
    boundedness: Boundedness,
) -> Result<Box<dyn SinkWriter>> {
    match sink.connector.settings_of::<Print>() {
        Some(_) => Ok(Box::new(PrintSink::new(Box::new(printed.clone()), PrintLayout::JsonLines, schema))),
        None => submit::open_sink(sink, schema, boundedness),
    }
}

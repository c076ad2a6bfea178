//! The process: reads its assignment and does what it says.

use std::io::Write;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::answer::Answer;
use crate::assignment::{Assignment, Level, Task};
use crate::check;
use crate::confine::confine;
use crate::files::Outcome;
use crate::limits::LOG_FLUSH;
use crate::log::{Identity, Log};
use crate::{inspect, run, signals};
use flowgate_base::error::{Error, Result};
use flowgate_base::{folders, secret};
use flowgate_checkpoint::store::Stores;

/// The command with which this program is a worker process.
pub const ARGUMENT: &str = "worker";

/// The log of this process, for notices and panics, which have no other way to it.
static LOG: OnceLock<Arc<Log>> = OnceLock::new();

/// The first panic of this process.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Is a worker process: the assignment is on standard input, or the component to be inspected. `stores` are the kinds of checkpoint stores that the program knows.
///
/// Returns 0 if the job has finished, was stopped, or was checked; 1 otherwise. What happened is in the files of the attempt, or on
/// standard output after a check.
pub fn main(stores: &Stores) -> ExitCode {
    // Ctrl-C at the terminal of the node is for the node. Not a session of its own: Linux would schedule it as a group (autogroup, sched(7)),
    // in which the threads of others that wake up wait for a tick. It fails only in a process that leads a session, and so has its group.
    let _ = rustix::process::setpgid(None, None);
    if std::env::args_os().nth(2).is_some_and(|task| task == inspect::TASK) {
        return code_of(Answer::of(inspect::answer(std::io::stdin().lock())).print());
    }
    let assignment = match Assignment::read(std::io::stdin().lock()) {
        Ok(assignment) => assignment,
        Err(error) => return refuse(&error),
    };
    secret::hide(&assignment.secrets);
    folders::hide(&assignment.hidden);
    let done = match assignment.task {
        Task::Check | Task::DryRun => check::answer(&assignment, stores).print(),
        Task::Run => attempt(&assignment, stores),
    };
    code_of(done)
}

/// Returns 0 if it ended well.
fn code_of(done: Result<bool>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => refuse(&error),
    }
}

/// Says why there is nothing to be done. Nobody may read it.
fn refuse(error: &Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error[{}]: {}", error.code, secret::conceal(&error.to_string()));
    ExitCode::FAILURE
}

/// Runs the job. Returns whether it ended well.
fn attempt(assignment: &Assignment, stores: &Stores) -> Result<bool> {
    // Before there is another thread: some limits are those of a thread.
    let (socket, confined) = (run::bind(assignment), confine(assignment));
    let identity =
        Identity { tenant: assignment.tenant.clone(), job: assignment.job.clone(), attempt: assignment.attempt };
    let log =
        Log::start(&assignment.folder, identity, &assignment.limits, assignment.log_level, assignment.log_format)?;
    // One assignment a process.
    let _ = LOG.set(Arc::clone(&log));
    flowgate_connect::on_notice(notice);
    std::panic::set_hook(Box::new(note_panic));
    let run = || {
        let stop = signals::listen(&log)?;
        for lacking in confined?.not_enforced {
            log.say(Level::Warn, format!("this system does not enforce: {lacking}"));
        }
        let socket = socket.inspect_err(|e| log.say(Level::Error, format!("nobody can ask this job: {e}"))).ok();
        run::run(assignment, stores, &log, &stop, socket)
    };
    let error = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(outcome)) => return Ok(!matches!(outcome, Outcome::Failed(_))),
        Ok(Err(error)) => error,
        Err(_) => {
            let panic = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
            Error::internal(panic.unwrap_or_else(|| "a panic".into()))
        }
    };
    run::end(assignment, run::failed(&error)).map(|_| false)
}

/// Takes a notice of a source or a sink, a line with its line end, into the log.
fn notice(line: &str) {
    if let Some(log) = LOG.get() {
        log.say(Level::Info, line.trim_end());
    }
}

/// Logs a panic, and keeps it for the end of the job. Operators and connectors catch theirs, so that the job ends with its error.
fn note_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.to_string();
    if let Some(log) = LOG.get() {
        log.say(Level::Error, format!("a mistake in Flowgate: {message}"));
        // It may be the last that this process does.
        log.flush(LOG_FLUSH);
    }
    PANIC.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
}

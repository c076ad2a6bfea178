//! Worker processes, as the node starts them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answer::Answer;
use crate::assignment::{Assignment, Task};
use crate::check::Checked;
use crate::files::{self, Failure, ProcessId, STARTED, Started};
use crate::inspect::{self, Inspected, Inspection};
use crate::limits::{ANSWER_BYTES_MAX, ASSIGN_WITHIN};
use crate::process::ARGUMENT;
use flowgate_confine::cgroup::{Group, kill_first};

/// The folder for temporary files of the process, in that of the attempt.
const SCRATCH: &str = "scratch";

/// The file with what the process writes to standard error, in the folder of the attempt: almost nothing, because it has a log.
pub const STANDARD_ERROR: &str = "stderr.txt";

/// Why a job was not checked, or a component not inspected.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The process could not be started or asked.
    #[error("cannot start the process that checks it: {0}")]
    Io(#[from] io::Error),
    /// It took too long, and was killed.
    #[error("checking it took longer than {} s", .0.as_secs())]
    TooLong(Duration),
    /// It ended without an answer.
    #[error("the process that checks it ended without an answer: {0}")]
    Gone(String),
    /// It could not.
    #[error("{}", .0.message)]
    Failed(Failure),
}

/// Starts a worker process that runs a job, with the program `exe`, in a group if there is one: it is there before it has its assignment.
/// It has an environment of its own, no file of this process, and goes on when this process ends.
///
/// # Errors
/// The system refuses, or the process ended before it had read its assignment.
pub fn spawn(exe: &Path, assignment: &Assignment, group: Option<&Group>) -> io::Result<Child> {
    let scratch = assignment.folder.join(SCRATCH);
    std::fs::create_dir_all(&scratch)?;
    let mut command = command(exe);
    command.env("TMPDIR", &scratch).current_dir(&assignment.folder);
    command.stdout(Stdio::null()).stderr(File::create(assignment.folder.join(STANDARD_ERROR))?);
    let mut child = command.spawn()?;
    let noted = note(&child, assignment).and_then(|()| group.map_or(Ok(()), |group| place(group, &child)));
    let assigned = noted.and_then(|()| tell(&mut child, assignment)).and_then(|written| {
        match written.recv_timeout(ASSIGN_WITHIN) {
            Ok(written) => written,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    });
    if let Err(error) = assigned {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    Ok(child)
}

/// Checks a job in a process of its own, with the program `exe`, within a time. The task of the assignment is [`Task::Check`] or
/// [`Task::DryRun`].
///
/// # Errors
/// The process cannot be started, took too long, or failed. A job that is wrong is no error.
pub fn check(
    exe: &Path,
    assignment: &Assignment,
    within: Duration,
    group: Option<&Group>,
) -> Result<Checked, CheckError> {
    debug_assert!(assignment.task != Task::Run, "a job that runs gives no answer");
    ask(command(exe), assignment, within, group)
}

/// Looks at a component in a process of its own, with the program `exe`, within a time: admits, compiles and describes it.
///
/// # Errors
/// The process cannot be started, took too long, or failed, as it does if this is no plugin.
pub fn inspect(
    exe: &Path,
    inspection: &Inspection,
    within: Duration,
    group: Option<&Group>,
) -> Result<Inspected, CheckError> {
    let mut command = command(exe);
    command.arg(inspect::TASK);
    ask(command, inspection, within, group)
}

/// Starts a process, in a group if there is one, tells it what to do, and returns what it found.
fn ask<T: DeserializeOwned>(
    mut command: Command,
    told: &impl Serialize,
    within: Duration,
    group: Option<&Group>,
) -> Result<T, CheckError> {
    command.current_dir("/").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let placed = group.map_or(Ok(()), |group| place_check(group, &child));
    let answer = placed.map_err(CheckError::from).and_then(|()| answer(&mut child, told, within));
    // It has ended, or is not waited for any longer.
    let _ = child.kill();
    let status = child.wait()?;
    match answer? {
        Some(Answer::Found(found)) => Ok(*found),
        Some(Answer::Failed(failure)) => Err(CheckError::Failed(failure)),
        None => {
            let mut said = String::new();
            if let Some(stderr) = child.stderr.take() {
                let _ = stderr.take(4 << 10).read_to_string(&mut said);
            }
            Err(CheckError::Gone(format!("{status} {}", said.trim())))
        }
    }
}

/// Puts a process that checks or compiles into a group. What runs for the tenant is worth more: where memory is short, the kernel kills the
/// check first.
fn place_check(group: &Group, child: &Child) -> io::Result<()> {
    place(group, child)?;
    kill_first(child.id())
}

fn place(group: &Group, child: &Child) -> io::Result<()> {
    group.take(child.id()).map_err(|e| io::Error::new(e.kind(), format!("it cannot enter its group: {e}")))
}

/// Returns the answer of a process; `None` if it has none.
fn answer<T: DeserializeOwned>(
    child: &mut Child,
    told: &impl Serialize,
    within: Duration,
) -> Result<Option<Answer<T>>, CheckError> {
    let Some(stdout) = child.stdout.take() else { return Ok(None) };
    let (send, received) = channel();
    // Reads while it is told. It ends with the child, which is killed in time.
    thread::Builder::new().name("flowgate-check".into()).spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes);
        // Nobody waits for a late answer.
        let _ = send.send(read.map(|_| bytes));
    })?;
    let written = tell(child, told)?;
    match received.recv_timeout(within) {
        Ok(bytes) => {
            let answer = serde_json::from_slice(&bytes?).ok();
            if let (None, Ok(Err(error))) = (&answer, written.try_recv()) {
                return Err(error.into());
            }
            Ok(answer)
        }
        Err(RecvTimeoutError::Timeout) => Err(CheckError::TooLong(within)),
        Err(RecvTimeoutError::Disconnected) => Ok(None),
    }
}

/// Returns the command of a worker process. Nothing of the environment of this process is in its own.
fn command(exe: &Path) -> Command {
    let mut command = Command::new(exe);
    command.arg(ARGUMENT).env_clear().envs(flowgate_confine::ALLOCATOR_ENVIRONMENT).stdin(Stdio::piped());
    command
}

/// Notes the process before it has its assignment: a process that works is known, also to a node that starts when this one was
/// killed now.
fn note(child: &Child, assignment: &Assignment) -> io::Result<()> {
    // One that has ended already says so by not reading its assignment.
    let Some(process) = ProcessId::of(child.id()) else { return Ok(()) };
    files::write(&assignment.folder, STARTED, &Started { process, socket: None, swapped: false, program: None })
        .map_err(io::Error::other)
}

/// Writes what it is to do to the process, on a thread of its own: a process that is paused does not read. The thread ends with the
/// process.
fn tell(child: &mut Child, told: &impl Serialize) -> io::Result<Receiver<io::Result<()>>> {
    let mut stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let text = serde_json::to_vec(told).map_err(io::Error::from)?;
    let (send, written) = channel();
    // Nobody waits for a late outcome.
    let write = move || _ = send.send(stdin.write_all(&text));
    thread::Builder::new().name("flowgate-assign".into()).spawn(write)?;
    Ok(written)
}

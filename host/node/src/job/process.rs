//! A worker process, as the node sees it: its own child, or one that an earlier node has left running.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};

use flowgate_api::job::{Fault, JobError};
use flowgate_base::error::{Error, Result};
use flowgate_base::secret;
use flowgate_worker::files::{self, Outcome, ProcessId};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::task::block_in_place;

use super::machine::Exit;
use crate::groups::{JobGroup, MemoryOf};
use crate::log;

/// A worker process.
pub(crate) struct Process {
    pid: Pid,
    /// Readable when the process has ended; this tells it from a later one of the same number.
    ends: AsyncFd<OwnedFd>,
    /// Absent for one that was found.
    child: Option<Child>,
    /// The folder of its attempt.
    folder: PathBuf,
    /// The group that it is in, where there are groups.
    group: Option<JobGroup>,
}

impl Process {
    /// Watches a child, which is in a group where there are groups.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn of_child(child: Child, folder: &Path, group: Option<JobGroup>) -> Result<Process> {
        let pid = Pid::from_child(&child);
        Ok(Process { group, ..Process::watch(pid, Some(child), folder)? })
    }

    /// Notes the group of a process that was found, and moves it there if it is elsewhere.
    pub(crate) fn found_in(self, group: Option<JobGroup>) -> Process {
        if let Some(Err(error)) = group.as_ref().map(|group| group.take(self.pid())) {
            log::warning(&format!("{}: the process cannot be put into its group: {error}", self.folder.display()));
        }
        Process { group, ..self }
    }

    /// Finds the process of an attempt; `None` if it has ended.
    ///
    /// # Errors
    /// What it has written cannot be read, or the system refuses.
    pub(crate) fn found(folder: &Path) -> Result<Option<Process>> {
        let Some(started) = files::started(folder)? else { return Ok(None) };
        let id: ProcessId = started.process;
        let Some(pid) = i32::try_from(id.pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        let Ok(process) = Process::watch(pid, None, folder) else { return Ok(None) };
        // Only now: from here on, the number stays that of the watched process.
        Ok(id.is_alive().then_some(process))
    }

    fn watch(pid: Pid, child: Option<Child>, folder: &Path) -> Result<Process> {
        let cannot = |error: std::io::Error| Error::io("cannot watch a worker process", &error);
        let fd = pidfd_open(pid, PidfdFlags::NONBLOCK).map_err(|error| cannot(error.into()))?;
        #[expect(
            deprecated,
            reason = "what is unsound of it is a descriptor that closes while it is registered; an OwnedFd does not"
        )]
        let ends = AsyncFd::new(fd).map_err(cannot)?;
        Ok(Process { pid, ends, child, folder: folder.into(), group: None })
    }

    /// Returns its number.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Asks it to stop, by a signal.
    pub(crate) fn terminate(&self) {
        // It may have ended.
        let _ = kill_process(self.pid, Signal::TERM);
    }

    /// Ends it.
    pub(crate) fn kill(&self) {
        let _ = kill_process(self.pid, Signal::KILL);
    }

    /// Waits for its end. May be called again when it was interrupted.
    pub(crate) async fn ended(&mut self) -> Exit {
        // An error would be the system's, at a descriptor that is ours: whether it has ended is seen below.
        let _ = self.ends.readable().await;
        let status = self.child.as_mut().and_then(|child| child.wait().ok());
        let group = self.group.take();
        exit_of(&self.folder, status, block_in_place(|| group.and_then(JobGroup::end)))
    }
}

/// Returns how the process of an attempt has ended: as it says, or as its group or its status does.
pub(crate) fn exit_of(folder: &Path, status: Option<ExitStatus>, short: Option<MemoryOf>) -> Exit {
    match files::ended(folder) {
        Ok(Some(ended)) => match ended.outcome {
            Outcome::Finished => Exit::Finished,
            Outcome::Stopped => Exit::Stopped,
            Outcome::Failed(failure) => Exit::Failed {
                error: JobError {
                    code: failure.code,
                    fault: failure.fault,
                    operator: failure.operator,
                    message: failure.message,
                },
                // One that is not the user's may go better another time.
                retry: failure.retry || failure.fault != Fault::User,
            },
        },
        Ok(None) => crashed(status, short),
        Err(error) => Exit::Failed { error: job_error(Fault::Internal, error.message), retry: true },
    }
}

/// The end of a process that has not said how it ended.
fn crashed(status: Option<ExitStatus>, short: Option<MemoryOf>) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    let signal = status.and_then(|status| status.signal());
    if let Some(short) = short {
        let (fault, why) = match short {
            MemoryOf::Job => (Fault::User, "the job has used up its memory, the quota `job_memory_bytes`"),
            MemoryOf::Tenant => (Fault::User, "the tenant has used up its memory, the quota `memory_bytes`"),
            MemoryOf::Machine => (Fault::External, "the machine's memory was short; the job is within its own"),
        };
        let message = format!("the worker process was killed by the kernel: {why}");
        return Exit::Failed { error: job_error(fault, message), retry: true };
    }
    let (fault, how) = match (signal.map(Signal::from_named_raw), status) {
        (Some(Some(Signal::KILL)), _) => (
            Fault::External,
            "was killed by signal 9: by the system, because memory was short, or by somebody".to_string(),
        ),
        (Some(Some(Signal::ABORT)), _) => (
            Fault::User,
            "gave up (signal 6): most likely it had no more memory; its quota is `job_memory_bytes`".into(),
        ),
        (Some(_), _) => (Fault::Internal, format!("crashed with signal {}", signal.unwrap_or_default())),
        (None, Some(status)) => (Fault::Internal, format!("ended without saying how ({status})")),
        (None, None) => (Fault::External, "ended while the node was away, and has not said how".into()),
    };
    Exit::Failed { error: job_error(fault, format!("the worker process {how}")), retry: true }
}

/// Returns an error of the node's own about an attempt.
pub(super) fn job_error(fault: Fault, message: String) -> JobError {
    let code = match fault {
        Fault::User => flowgate_base::code::NO_SPACE.to_string(),
        Fault::External => flowgate_base::code::IO.to_string(),
        Fault::Internal => flowgate_base::code::INTERNAL.to_string(),
    };
    JobError { code, fault, operator: None, message: secret::conceal(&message).into_owned() }
}

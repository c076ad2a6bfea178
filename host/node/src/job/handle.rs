//! The handle of a job: what requests of the API use.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use flowgate_api::job::Phase;
use flowgate_api::problem::Code;
use flowgate_control::client::EndsCanary;
use flowgate_control::place::Found;
use flowgate_worker::program::Program;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::{mpsc, oneshot, watch};

use super::machine::{Input, Machine};
use crate::api::refusal::{Answer, Refusal};
use crate::traces::Cause;

/// The state of a job, as its manager last published it.
#[derive(Debug, Clone)]
pub(crate) struct JobState {
    pub(crate) machine: Machine,
    /// Its worker process.
    pub(crate) pid: Option<u32>,
    /// Where that answers.
    pub(crate) socket: Option<PathBuf>,
    /// The program that it runs.
    pub(crate) program: Option<Program>,
}

/// What a manager is told.
pub(super) enum Command {
    /// Take an input. The reply is the address of the savepoint with which the job stops, if there is one.
    /// With `for_now`, the catalog says still that somebody wants the job to do what it did.
    Take {
        input: Input,
        by: Option<String>,
        for_now: bool,
        /// The span in which somebody waits for the reply.
        cause: Cause,
        reply: oneshot::Sender<Answer<Option<String>>>,
    },
    /// The job is being deleted: the manager ends, unless it has a worker process or will have one.
    End { reply: oneshot::Sender<Answer<()>> },
}

/// A job of the node.
#[derive(Debug)]
pub(crate) struct JobHandle {
    pub(crate) tenant: String,
    pub(crate) name: String,
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<JobState>,
    /// The operation that changes the job now.
    busy: Mutex<Option<String>>,
    /// What ends the canary that runs.
    canary: Mutex<Option<EndsCanary>>,
}

/// A canary of a job that runs, until this is dropped.
#[derive(Debug)]
pub(crate) struct HeldCanary(Arc<JobHandle>);

/// An operation that changes a job. Until this is dropped, another one is refused.
#[derive(Debug)]
pub(crate) struct Busy(Arc<JobHandle>);

impl JobHandle {
    pub(super) fn new(
        tenant: &str,
        name: &str,
        commands: mpsc::Sender<Command>,
        state: watch::Receiver<JobState>,
    ) -> JobHandle {
        JobHandle {
            tenant: tenant.into(),
            name: name.into(),
            commands,
            state,
            busy: Mutex::default(),
            canary: Mutex::default(),
        }
    }

    /// Returns its state.
    pub(crate) fn state(&self) -> JobState {
        self.state.borrow().clone()
    }

    /// Returns a receiver of its states.
    pub(crate) fn watch(&self) -> watch::Receiver<JobState> {
        self.state.clone()
    }

    /// Has the job take an input.
    ///
    /// # Errors
    /// It is in a state in which that cannot be done.
    pub(crate) async fn take(&self, input: Input, by: Option<String>) -> Answer<Option<String>> {
        self.command(input, by, false).await
    }

    /// Stops the job to start it again: if the node ends meanwhile, the next one does.
    ///
    /// # Errors
    /// It is in a state in which that cannot be done.
    pub(crate) async fn stop_for_now(&self, savepoint: String, by: Option<String>) -> Answer<Option<String>> {
        self.command(Input::Stop { drain: false, savepoint: Some(savepoint) }, by, true).await
    }

    async fn command(&self, input: Input, by: Option<String>, for_now: bool) -> Answer<Option<String>> {
        let cause = Cause::here();
        self.told(|reply| Command::Take { input, by, for_now, cause, reply }).await
    }

    /// Ends the manager of a job that is being deleted.
    ///
    /// # Errors
    /// The job runs, or will run again.
    pub(crate) async fn end(&self) -> Answer<()> {
        self.told(|reply| Command::End { reply }).await
    }

    /// Tells the manager something, and returns what it answers.
    async fn told<T>(&self, command: impl FnOnce(oneshot::Sender<Answer<T>>) -> Command) -> Answer<T> {
        let gone = || Refusal::new(Code::Unavailable, "the node stops, or the job was deleted");
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Returns where the running job answers.
    ///
    /// # Errors
    /// It does not run.
    pub(crate) fn found(&self) -> Answer<Found> {
        let state = self.state();
        match (state.socket, state.pid) {
            (Some(path), Some(pid)) if matches!(state.machine.phase, Phase::Running | Phase::Stopping) => {
                Ok(Found { path, name: self.name.clone(), pid })
            }
            _ => Err(Refusal::new(Code::Conflict, absent(&self.name, state.machine.phase))),
        }
    }

    /// Begins an operation that changes the job.
    ///
    /// # Errors
    /// Another one goes on.
    pub(crate) fn begin(self: &Arc<Self>, operation: &str) -> Answer<Busy> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = &*busy {
            let detail = format!("a {other} of `{}` goes on; wait for its end", self.name);
            return Err(Refusal::new(Code::Conflict, detail));
        }
        *busy = Some(operation.into());
        Ok(Busy(Arc::clone(self)))
    }

    /// Holds what ends a canary, so that a request can end it.
    ///
    /// # Errors
    /// Another one runs.
    pub(crate) fn hold_canary(self: &Arc<Self>, ends: EndsCanary) -> Answer<HeldCanary> {
        let mut canary = self.canary.lock().unwrap_or_else(PoisonError::into_inner);
        if canary.is_some() {
            return Err(Refusal::new(Code::Conflict, format!("a canary of `{}` runs", self.name)));
        }
        *canary = Some(ends);
        Ok(HeldCanary(Arc::clone(self)))
    }

    /// Ends the canary that runs. Returns whether one does.
    pub(crate) fn end_canary(&self) -> bool {
        let canary = self.canary.lock().unwrap_or_else(PoisonError::into_inner);
        canary.as_ref().map(EndsCanary::end).is_some()
    }

    /// Asks the worker process to stop, by a signal, without a word to anybody: the next node starts the job again.
    pub(crate) fn terminate(&self) {
        let pid = self.state().pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if let Some(pid) = pid {
            // It may have ended.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// Waits until the job no longer has a worker process.
    pub(crate) async fn rested(&self) -> JobState {
        let mut state = self.watch();
        // A manager that is gone has no worker process.
        let _ = state.wait_for(|state| !state.machine.is_live()).await;
        self.state()
    }
}

impl Drop for HeldCanary {
    fn drop(&mut self) {
        *self.0.canary.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Says why a job cannot be asked.
fn absent(name: &str, phase: Phase) -> String {
    match phase {
        Phase::Starting | Phase::Running => format!("the job `{name}` is starting; try again when it runs"),
        Phase::Restarting => format!("the job `{name}` is restarting; try again when it runs"),
        _ => format!("the job `{name}` does not run"),
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.busy.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

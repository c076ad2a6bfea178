//! The JobManager: the task that owns a job. It alone changes the job's state, starts its worker process and sees it end.

use std::collections::VecDeque;
use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flowgate_api::job::{Fault, Phase};
use flowgate_api::problem::Code;
use flowgate_base::{clock, shown};
use flowgate_control::client::{self, AskError};
use flowgate_control::place::Found;
use flowgate_worker::assignment::{Begins, Task};
use flowgate_worker::program::Program;
use flowgate_worker::{files, spawn};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, block_in_place};
use tokio::time::{Instant, sleep_until};

use super::assign::{self, Assigned};
use super::folder::JobFolder;
use super::handle::{Command, JobHandle, JobState};
use super::history;
use super::machine::{Act, Exit, Input, Machine};
use super::process::{Process, exit_of, job_error};
use super::spans::Spans;
use super::wanted;
use crate::api::refusal::{Answer, Refusal};
use crate::catalog::{CatalogError, JobRecord, Pinned, Want, key};
use crate::groups::JobGroup;
use crate::log::{Line, log};
use crate::node::Node;
use crate::{registry, swap};

/// Commands that wait for a manager. Each is a request that somebody waits for.
const COMMANDS_MAX: usize = 64;

/// The shortest pause between two looks for the socket of a worker process: first rows are expected within a second.
const LOOK_EVERY: Duration = Duration::from_millis(4);

/// The longest one.
const LOOK_EVERY_MAX: Duration = Duration::from_millis(100);

/// What others tell the manager.
enum Note {
    /// The worker process of an attempt answers on this socket.
    Ready { attempt: u64, socket: PathBuf, swapped: bool, program: Option<Program> },
    /// The worker process was asked to stop.
    Asked { reply: Option<Reply>, answer: Result<Option<String>, AskError> },
}

type Reply = oneshot::Sender<Answer<Option<String>>>;

/// The JobManager of one job.
struct Manager {
    node: Arc<Node>,
    tenant: String,
    name: String,
    folder: JobFolder,
    machine: Machine,
    process: Option<Process>,
    socket: Option<PathBuf>,
    program: Option<Program>,
    pause_until: Option<Instant>,
    looking: Option<JoinHandle<()>>,
    /// Whether the attempt is to say what became of a swap that was pending when it began.
    settles: bool,
    commands: mpsc::Receiver<Command>,
    notes: mpsc::Receiver<Note>,
    notes_sender: mpsc::Sender<Note>,
    state: watch::Sender<JobState>,
    spans: Spans,
}

/// Starts the manager of a job of the catalog. With `resumes`, it takes over what an earlier node has left: finds the worker
/// process, or what became of it.
pub(crate) fn adopt(node: &Arc<Node>, tenant: &str, name: &str, record: &JobRecord, resumes: bool) -> Arc<JobHandle> {
    let machine = Machine::resting(record.phase, record.attempt, record.restarts, record.failure.clone());
    let (commands_sender, commands) = mpsc::channel(COMMANDS_MAX);
    let (notes_sender, notes) = mpsc::channel(COMMANDS_MAX);
    let published = JobState { machine: machine.clone(), pid: None, socket: None, program: None };
    let (state, watched) = watch::channel(published);
    let mut manager = Manager {
        node: Arc::clone(node),
        tenant: tenant.into(),
        name: name.into(),
        folder: JobFolder::of(&node.settings.data, tenant, name),
        machine,
        process: None,
        socket: None,
        program: None,
        pause_until: None,
        looking: None,
        settles: false,
        commands,
        notes,
        notes_sender,
        state,
        spans: Spans::of(tenant, name),
    };
    let handle = Arc::new(JobHandle::new(tenant, name, commands_sender, watched));
    let record = record.clone();
    tokio::spawn(async move {
        if resumes {
            manager.resume(&record);
        }
        manager.run().await;
    });
    handle
}

impl Manager {
    /// Goes on with a job where an earlier node has left it.
    fn resume(&mut self, record: &JobRecord) {
        if !self.machine.is_active() {
            // Between its submission and its start, or within a change, the node ended.
            if self.machine.phase == Phase::Stopped && record.want == Want::Runs {
                self.apply(Input::Start, None, "started", "started, because the node ended before it was");
            }
            return;
        }
        let was = self.machine.phase;
        let folder = self.folder.attempt(record.attempt);
        let group = self.node.groups.found_of_job(&self.tenant, &self.name).unwrap_or_else(|refusal| {
            self.line(log().warn(refusal.into_problem().detail)).write();
            None
        });
        match Process::found(&folder) {
            Ok(Some(process)) => {
                self.process = Some(process.found_in(group));
                self.machine.phase = Phase::Stopped;
                let since_ms = record.attempt_ms.unwrap_or_else(clock::now_ms);
                self.apply(Input::Found { since_ms }, None, "found", "the node found the running worker process");
                // One that cannot be read is looked for again.
                if let Ok(Some(started)) = files::started(&folder) {
                    (self.socket, self.program) = (started.socket, started.program);
                }
                self.look(record.attempt);
                if let Some(input) = wanted::end(&record.want) {
                    self.apply(input, None, "stopping", "it is ended as somebody wanted before the node ended");
                }
            }
            found => {
                if let Err(error) = found {
                    self.line(log().warn(error)).write();
                }
                // It has ended meanwhile; one that was to be stopped has stopped.
                let exit = match was {
                    Phase::Restarting => Exit::Stopped,
                    _ => exit_of(&folder, None, block_in_place(|| group.and_then(JobGroup::end))),
                };
                self.machine.phase = if record.want == Want::Runs { Phase::Running } else { Phase::Stopping };
                self.machine.attempt_ms = record.attempt_ms;
                self.exited(exit);
            }
        }
    }

    async fn run(mut self) {
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Take { input, by, for_now, cause, reply }) => {
                        self.spans.caused(cause);
                        self.command(input, by, for_now, reply);
                    }
                    Some(Command::End { reply }) => {
                        let ends = self.end();
                        let has_ended = ends.is_ok();
                        // Whoever asked may have gone.
                        let _ = reply.send(ends);
                        if has_ended {
                            return;
                        }
                    }
                    None => return,
                },
                exit = ended(&mut self.process) => {
                    self.process = None;
                    self.exited(exit);
                }
                note = self.notes.recv() => match note {
                    Some(Note::Ready { attempt, socket, swapped, program }) if attempt == self.machine.attempt => {
                        self.ready(socket, swapped, program);
                    }
                    Some(Note::Ready { .. }) | None => {}
                    Some(Note::Asked { reply, answer }) => self.asked(reply, answer),
                },
                () = over(self.pause_until), if !self.node.stops() => {
                    self.pause_until = None;
                    self.apply(Input::PauseOver, None, "restarted", "another attempt begins");
                }
            }
        }
    }

    /// Says whether the job may be deleted: what it has would else be taken from under its worker process.
    fn end(&self) -> Answer<()> {
        if !self.machine.is_active() {
            return Ok(());
        }
        let how = match self.machine.phase {
            Phase::Stopping => "is stopping; try again when it has stopped",
            _ => "runs; stop or cancel it first",
        };
        Err(Refusal::new(Code::Conflict, format!("`{}` {how}", self.name)))
    }

    fn command(&mut self, input: Input, by: Option<String>, for_now: bool, reply: Reply) {
        let (kind, text) = match &input {
            Input::Start => ("started", "started"),
            Input::Restart => ("restarted", "restarted"),
            Input::Stop { drain: true, .. } => ("stopping", "stopped; open windows emit their results"),
            Input::Stop { .. } => ("stopping", "stopped"),
            Input::Cancel => ("cancelled", "cancelled, without a last checkpoint"),
            _ => ("changed", "changed"),
        };
        let want = wanted::by(&input).filter(|_| !for_now);
        let before = self.machine.clone();
        match self.machine.take(input, clock::now_ms()) {
            Err(refused) => drop(reply.send(Err(Refusal::new(Code::Conflict, refused)))),
            Ok(acts) => match self.save(want, kind, by.as_deref(), text) {
                Ok(()) => self.act(acts, Some(reply)),
                // What the catalog does not have would be gone with the node, and so it does not happen.
                Err(error) => {
                    self.machine = before;
                    drop(reply.send(Err(error.into())));
                }
            },
        }
    }

    /// Says in a line of the log which job it is about.
    fn line(&self, line: Line) -> Line {
        line.tenant(&self.tenant).job(&self.name).field("attempt", self.machine.attempt)
    }

    /// Takes an input that nobody waits for.
    fn apply(&mut self, input: Input, want: Option<Want>, kind: &str, text: &str) {
        let before = self.machine.phase;
        match self.machine.take(input, clock::now_ms()) {
            Ok(acts) => {
                if self.machine.phase != before || !acts.is_empty() {
                    self.note(want, kind, text);
                }
                self.act(acts, None);
            }
            Err(refused) => self.line(log().warn(refused)).write(),
        }
    }

    fn note(&mut self, want: Option<Want>, kind: &str, text: &str) {
        if let Err(error) = self.save(want, kind, None, text) {
            self.line(log().error(error)).write();
        }
    }

    /// Does what the machine says; what fails on the way is an input again.
    fn act(&mut self, acts: Vec<Act>, mut reply: Option<Reply>) {
        let mut acts = VecDeque::from(acts);
        while let Some(act) = acts.pop_front() {
            match act {
                Act::Spawn { attempt } => match self.spans.begins(attempt).in_scope(|| self.spawn(attempt)) {
                    Ok((process, settles)) => {
                        self.process = Some(process);
                        self.settles = settles;
                        self.look(attempt);
                    }
                    Err(refusal) => {
                        let problem = refusal.into_problem();
                        let fault = if problem.code == Code::Internal { Fault::Internal } else { Fault::External };
                        let error = job_error(fault, problem.detail);
                        acts.extend(self.exit(Exit::Failed { error, retry: true }));
                    }
                },
                Act::AskToStop { drain, savepoint } => {
                    self.spans.stops("stop", self.machine.attempt);
                    self.ask_to_stop(drain, savepoint, reply.take());
                }
                Act::Kill => {
                    self.spans.stops("cancel", self.machine.attempt);
                    self.process.iter().for_each(Process::kill);
                }
                Act::Pause(pause) => {
                    self.spans.fails(self.machine.attempt, self.machine.failure.as_ref());
                    self.pause_until = Some(Instant::now() + pause);
                }
            }
        }
        self.publish();
        if let Some(reply) = reply {
            // Whoever asked may have gone.
            let _ = reply.send(Ok(None));
        }
    }

    /// Starts a worker process. Returns, too, whether it will say what became of a swap that is pending.
    fn spawn(&self, attempt: u64) -> Answer<(Process, bool)> {
        block_in_place(|| {
            let folder = self.folder.prepare(attempt)?;
            let record = self.record()?;
            let pending = swap::pending(&self.node, &self.tenant, &self.name)?.map(|swap| swap.behind);
            let versions: Vec<Pinned> = record.pinned.iter().chain(&pending).cloned().collect();
            registry::compile_again(&self.node, &self.tenant, &versions)?;
            let beginning = record.from.clone().unwrap_or(Begins::Resume);
            let assigned = Assigned::of(&self.tenant, &self.name, &record);
            let mut assignment = assigned.assignment(&self.node, Task::Run, attempt, beginning)?;
            assignment.pending = pending.as_ref().map(|behind| assign::assigned(&self.node, &self.tenant, behind));
            let group = self.node.groups.of_job(&self.tenant, &self.name, &self.node.tenant(&self.tenant)?.quotas)?;
            let in_group = group.as_ref().map(JobGroup::group);
            let child = spawn::spawn(&self.node.settings.exe, &assignment, in_group).map_err(|error| {
                Refusal::new(Code::Unavailable, format!("the worker process cannot be started: {error}"))
            })?;
            Ok((Process::of_child(child, &folder, group)?, pending.is_some()))
        })
    }

    /// Looks for the socket of the worker process.
    fn look(&mut self, attempt: u64) {
        let (folder, notes) = (self.folder.attempt(attempt), self.notes_sender.clone());
        self.looking = Some(tokio::spawn(async move {
            let mut pause = LOOK_EVERY;
            loop {
                if let Ok(Some(started)) = files::started(&folder)
                    && let files::Started { socket: Some(socket), swapped, program, .. } = started
                {
                    // A manager that is gone has nothing to know.
                    let _ = notes.send(Note::Ready { attempt, socket, swapped, program }).await;
                    return;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 9 / 8).min(LOOK_EVERY_MAX);
            }
        }));
    }

    fn ready(&mut self, socket: PathBuf, swapped: bool, program: Option<Program>) {
        (self.socket, self.program) = (Some(socket), program);
        self.spans.runs();
        self.apply(Input::Ready, None, "running", &format!("attempt {} runs", self.machine.attempt));
        if std::mem::take(&mut self.settles)
            && let Err(refusal) = block_in_place(|| swap::settle(&self.node, &self.tenant, &self.name, swapped))
        {
            self.line(log().error(refusal.into_problem().detail)).write();
        }
        // It has begun where it was to begin; from now on it resumes.
        let begun = self.change(|record| record.from = None);
        if let Err(error) = begun {
            self.line(log().error(error)).write();
        }
        self.publish();
    }

    fn ask_to_stop(&mut self, drain: bool, savepoint: Option<String>, reply: Option<Reply>) {
        let Some(process) = &self.process else { return };
        let Some(socket) = self.socket.clone() else {
            if savepoint.is_some() {
                let refusal = Refusal::new(Code::Conflict, "the job starts; it takes a savepoint when it runs");
                return self.answer(reply, Err(refusal));
            }
            process.terminate();
            return self.answer(reply, Ok(None));
        };
        let found = Found { path: socket, name: self.name.clone(), pid: process.pid() };
        let notes = self.notes_sender.clone();
        tokio::spawn(async move {
            let asked = tokio::task::spawn_blocking(move || client::stop(&found, drain, false, savepoint));
            let answer = asked.await.unwrap_or(Err(AskError::Confused)).map(|stopped| stopped.savepoint);
            // A manager that is gone has no worker process.
            let _ = notes.send(Note::Asked { reply, answer }).await;
        });
    }

    /// Takes the worker process's answer to a stop.
    fn asked(&mut self, reply: Option<Reply>, answer: Result<Option<String>, AskError>) {
        let answer = match answer {
            Ok(savepoint) => Ok(savepoint),
            // It ends already.
            Err(AskError::Gone) => Ok(None),
            Err(AskError::Refused(refusal)) => Err(Refusal::new(Code::Conflict, refusal.message)),
            // One that does not answer does not read its socket; a signal reaches it.
            Err(_) => {
                self.process.iter().for_each(Process::terminate);
                Ok(None)
            }
        };
        self.answer(reply, answer);
    }

    /// Answers a stop: a job that refuses one goes on.
    fn answer(&mut self, reply: Option<Reply>, answer: Answer<Option<String>>) {
        match (&reply, &answer) {
            (Some(_), Err(_)) => self.apply(Input::StopRefused, Some(Want::Runs), "running", "the job goes on"),
            // It was wanted of an earlier node, and nobody is here who would want something else: it rests.
            (None, Err(_)) => self.process.iter().for_each(Process::terminate),
            (_, Ok(_)) => {}
        }
        self.publish();
        // Whoever asked may have gone.
        drop(reply.map(|reply| reply.send(answer)));
    }

    fn exited(&mut self, exit: Exit) {
        let acts = self.exit(exit);
        self.act(acts, None);
    }

    fn exit(&mut self, exit: Exit) -> Vec<Act> {
        (self.socket, self.program) = (None, None);
        if let Some(looking) = self.looking.take() {
            looking.abort();
        }
        let attempt = self.machine.attempt;
        let acts = self.machine.take(Input::Exited(exit), clock::now_ms()).unwrap_or_default();
        self.spans.ended(self.machine.failure.as_ref());
        let (kind, text) = match (self.machine.phase, &self.machine.failure) {
            (Phase::Finished, _) => ("finished", "the sources have ended, and all rows are written".to_string()),
            (phase, Some(error)) => {
                let whose = match error.fault {
                    Fault::User => "the job's, its config's or its plugin's",
                    Fault::External => "that of the world outside",
                    Fault::Internal => "Flowgate's",
                };
                let next = match (phase, self.machine.next_attempt_ms) {
                    (Phase::Restarting, Some(at)) => {
                        format!("; another attempt in {} s", (at - clock::now_ms() + 999).max(0) / 1_000)
                    }
                    _ => String::new(),
                };
                let message = shown::one_line(&error.message, 1_024);
                (
                    "failed",
                    format!("attempt {attempt} failed, and the fault is {whose}: [{}] {message}{next}", error.code),
                )
            }
            (Phase::Restarting, None) => {
                ("ended", format!("attempt {attempt} was stopped by a signal; another one begins"))
            }
            _ => ("stopped", format!("attempt {attempt} has stopped")),
        };
        self.note(None, kind, &text);
        acts
    }

    fn publish(&self) {
        let (pid, program) = (self.process.as_ref().map(Process::pid), self.program.clone());
        let published = JobState { machine: self.machine.clone(), pid, socket: self.socket.clone(), program };
        self.state.send_replace(published);
    }

    fn record(&self) -> Result<JobRecord, CatalogError> {
        let found = self.node.catalog.read(|view| view.get::<JobRecord>(&key::within(&self.tenant, &self.name)))?;
        found.ok_or_else(|| CatalogError::Missing(format!("{}/{}", self.tenant, self.name)))
    }

    fn change(&self, change: impl FnOnce(&mut JobRecord)) -> Result<(), CatalogError> {
        block_in_place(|| {
            self.node.catalog.change(|catalog| {
                let key = key::within(&self.tenant, &self.name);
                let Some(mut record) = catalog.get::<JobRecord>(&key)? else { return Ok(()) };
                change(&mut record);
                catalog.put(&key, &record)
            })
        })
    }

    /// N1: the state of the machine and the event are in the catalog before anything happens.
    fn save(&self, want: Option<Want>, kind: &str, by: Option<&str>, text: &str) -> Result<(), CatalogError> {
        block_in_place(|| {
            self.node.catalog.change(|catalog| {
                let key = key::within(&self.tenant, &self.name);
                let Some(mut record) = catalog.get::<JobRecord>(&key)? else { return Ok(()) };
                record.want = want.unwrap_or(record.want);
                record.phase = self.machine.phase;
                record.attempt = self.machine.attempt;
                record.attempt_ms = self.machine.attempt_ms;
                record.restarts = self.machine.restarts;
                record.failure = self.machine.failure.clone();
                catalog.put(&key, &record)?;
                let kept = self.node.history_kept(catalog, &self.tenant)?;
                history::add(catalog, (&self.tenant, &self.name), kind, by, text.into(), kept)
            })
        })
    }
}

async fn ended(process: &mut Option<Process>) -> Exit {
    match process {
        Some(process) => process.ended().await,
        None => pending().await,
    }
}

async fn over(pause: Option<Instant>) {
    match pause {
        Some(until) => sleep_until(until).await,
        None => pending().await,
    }
}

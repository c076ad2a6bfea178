//! `flowgate job stop`, `savepoint`, `cancel`, `start`, `restart` and `delete`, of jobs on a node.

use flowgate_api::job::{Job, NewSavepoint, Stop};
use flowgate_api::operation::Operation;
use flowgate_base::error::Result;
use serde_json::{Value, json};

use super::args::{JobDelete, JobDo};
use super::job_ask::{named, word};
use super::operation;
use super::session::Session;
use crate::terminal;
use flowgate_worker::figures;

/// Stops a job; `savepoint` is the name of the savepoint that it takes.
pub(crate) fn stop(
    session: &Session,
    job: Option<&str>,
    drain: bool,
    savepoint: Option<String>,
    wait: bool,
) -> Result<()> {
    let job = named(session, job)?;
    let path = session.path(&["jobs", &job, "stop"])?;
    let begun: Operation = session.client.post(&path, &Stop { drain, savepoint })?.value;
    if !wait {
        return terminal::print(&format!("{job} is stopping; `flowgate job status {job}` says when it has\n"));
    }
    let result = operation::wait(session, begun)?;
    terminal::print(&format!("{job} has stopped\n"))?;
    match result.get("savepoint").and_then(Value::as_str) {
        Some(savepoint) => terminal::print(&format!("savepoint {savepoint}\n{}", next_step(&job))),
        None => Ok(()),
    }
}

/// Takes a savepoint; the job goes on.
pub(crate) fn savepoint(session: &Session, job: Option<&str>, name: Option<String>) -> Result<()> {
    let job = named(session, job)?;
    let path = session.path(&["jobs", &job, "savepoints"])?;
    let begun: Operation = session.client.post(&path, &NewSavepoint { name })?.value;
    let result = operation::wait(session, begun)?;
    let savepoint = result.get("savepoint").and_then(Value::as_str).unwrap_or("taken");
    let bytes =
        result.get("bytes").and_then(Value::as_u64).map_or_else(String::new, |n| format!(", {}", figures::bytes(n)));
    terminal::print(&format!("savepoint {savepoint}{bytes}\n{}", next_step(&job)))
}

fn next_step(job: &str) -> String {
    format!(
        "`flowgate job start {job}` goes on from the last checkpoint, `flowgate job change {job} FILE` with a changed job file\n"
    )
}

pub(super) fn cancel(args: &JobDo) -> Result<()> {
    act(args, "cancel")
}

pub(super) fn start(args: &JobDo) -> Result<()> {
    act(args, "start")
}

pub(super) fn restart(args: &JobDo) -> Result<()> {
    act(args, "restart")
}

fn act(args: &JobDo, what: &str) -> Result<()> {
    let session = args.target.session()?;
    let job: Job = session.client.post(&session.path(&["jobs", &args.job, what])?, &json!({}))?.value;
    terminal::print(&format!("{}: {}\n", job.name, word(job.phase)))
}

pub(super) fn delete(args: &JobDelete) -> Result<()> {
    let session = args.target.session()?;
    session.client.delete(&session.path(&["jobs", &args.job])?)?;
    terminal::print(&format!("deleted {}, its checkpoints and its history\n", args.job))
}

//! `flowgate job stop`, `savepoint`, `cancel`, `start`, `restart` and `delete`, of jobs on a node.

use std::time::Duration;

use flowgate_api::job::{Job, NewSavepoint, Stop};
use flowgate_api::operation::Operation;
use flowgate_base::error::Result;
use serde_json::{Value, json};

use super::args::JobDo;
use super::job_ask::{detail, is_active, named, word};
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
    terminal::print(&format!(
        "savepoint {savepoint}{bytes}\n`flowgate job checkpoints {job}` lists it; the job goes on\n"
    ))
}

fn next_step(job: &str) -> String {
    format!(
        "`flowgate job start {job}` goes on from the last checkpoint, `flowgate job change {job} FILE` with a changed job file\n"
    )
}

/// The time between two looks at a job that ends.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Ends a job at once, and waits for the end of its process, so that it can be deleted then.
pub(super) fn cancel(args: &JobDo) -> Result<()> {
    let (session, mut job) = act(args, "cancel")?;
    while is_active(job.phase) {
        std::thread::sleep(LOOK_EVERY);
        job = detail(&session, &args.job)?.job;
    }
    say(&job)
}

pub(super) fn start(args: &JobDo) -> Result<()> {
    say(&act(args, "start")?.1)
}

pub(super) fn restart(args: &JobDo) -> Result<()> {
    say(&act(args, "restart")?.1)
}

fn act(args: &JobDo, what: &str) -> Result<(Session, Job)> {
    let session = args.target.session()?;
    let job = session.client.post(&session.path(&["jobs", &args.job, what])?, &json!({}))?.value;
    Ok((session, job))
}

fn say(job: &Job) -> Result<()> {
    terminal::print(&format!("{}: {}\n", job.name, word(job.phase)))
}

pub(super) fn delete(args: &JobDo) -> Result<()> {
    let session = args.target.session()?;
    session.client.delete(&session.path(&["jobs", &args.job])?)?;
    terminal::print(&format!("deleted {}, its checkpoints and its history\n", args.job))
}

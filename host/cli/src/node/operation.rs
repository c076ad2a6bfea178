//! Waiting for an operation of a node: what takes longer than a request.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flowgate_api::operation::Operation;
use flowgate_base::error::{Error, Result};
use flowgate_base::{clock, shown};
use serde_json::Value;
use signal_hook::consts::SIGINT;

use super::error::{NodeError, of_problem};
use super::hidden::INTERRUPTED;
use super::session::Session;
use super::{limits, listing};
use crate::terminal::{self, Line};

/// The time between two looks at Ctrl-C.
const SLICE: Duration = Duration::from_millis(25);

/// Maximum bytes of a step.
const STEP_BYTES_MAX: usize = 200;

/// Waits for the end of an operation, and returns its result. On a terminal, its step is shown. Ctrl-C ends the program, and the
/// operation goes on.
///
/// # Errors
/// The operation failed, or the node does not answer for [`limits::AWAY_MAX`].
pub(super) fn wait(session: &Session, begun: Operation) -> Result<Value> {
    wait_with(session, begun, None)
}

/// Waits as [`wait`] does, but Ctrl-C ends the operation by `ends`, and its result is waited for; a second one ends the program.
/// `ends` returns false where the operation cannot be ended yet, and is called again.
///
/// # Errors
/// As [`wait`].
pub(super) fn wait_or_end(session: &Session, begun: Operation, ends: &dyn Fn() -> Result<bool>) -> Result<Value> {
    wait_with(session, begun, Some(ends))
}

/// What ends an operation.
type Ends<'a> = Option<&'a dyn Fn() -> Result<bool>>;

fn wait_with(session: &Session, begun: Operation, ends: Ends<'_>) -> Result<Value> {
    let path = session.path(&["operations", &begun.id])?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let handler = signal_hook::flag::register(SIGINT, Arc::clone(&interrupted));
    let handler = handler.map_err(|e| Error::io("cannot handle signals", &e))?;
    let mut line = Line::on_stderr(std::io::stderr().is_terminal());
    let ended = watch(session, &path, begun, (&interrupted, ends), &mut line);
    line.erase();
    signal_hook::low_level::unregister(handler);
    let ended = ended?;
    let end = ended.end.ok_or_else(|| Error::internal("an operation that has ended has no end"))?;
    match end.problem {
        None => Ok(end.result),
        Some(problem) => Err(of_problem(session.client.url(), &problem)),
    }
}

fn watch(
    session: &Session,
    path: &str,
    begun: Operation,
    (interrupted, ends): (&AtomicBool, Ends<'_>),
    line: &mut Line,
) -> Result<Operation> {
    let (mut pause, longest) = limits::LOOK_AFTER;
    let mut away_since: Option<Instant> = None;
    let mut operation = begun;
    let (mut is_ending, mut is_ended) = (false, false);
    while operation.end.is_none() {
        line.draw(&progress(&operation, clock::now_ms()));
        let until = clock::monotonic() + pause;
        while clock::monotonic() < until {
            if interrupted.swap(false, Ordering::Relaxed) {
                line.erase();
                if ends.is_some() && !is_ending {
                    is_ending = true;
                    break;
                }
                terminal::message(&goes_on(&operation));
                std::process::exit(INTERRUPTED);
            }
            std::thread::sleep(SLICE);
        }
        if let Some(ends) = ends.filter(|_| is_ending && !is_ended) {
            is_ended = ends()?;
        }
        pause = (pause * 2).min(longest);
        match session.client.get(path) {
            Ok(found) => (operation, away_since) = (found, None),
            Err(error) if error.code == &crate::code::NODE_SILENT => {
                if away_since.is_none() {
                    line.erase();
                    let seconds = limits::AWAY_MAX.as_secs();
                    terminal::message(&format!("{}; asked again for {seconds} s\n", error.message));
                }
                let since = *away_since.get_or_insert_with(clock::monotonic);
                if since.elapsed() > limits::AWAY_MAX {
                    return Err(error);
                }
            }
            // Its catalog is another one, of a backup.
            Err(error) if error.code == &crate::code::NODE_REFUSES && away_since.is_some() => {
                let message = format!(
                    "the node was started again, and does not know the {}; {}",
                    operation.kind,
                    history(&operation)
                );
                return Err(NodeError::NotNow(message).into());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(operation)
}

/// Returns what an operation does: `swap of web: compiles sensors@2 (3s)`.
fn progress(operation: &Operation, now_ms: i64) -> String {
    let of = operation.job.as_ref().map_or_else(String::new, |job| format!(" of {job}"));
    let step = shown::one_line(&operation.step, STEP_BYTES_MAX);
    let time = listing::since(operation.began_ms, now_ms);
    format!("{}{of}: {step} ({time})", operation.kind.replace('_', " "))
}

fn goes_on(operation: &Operation) -> String {
    format!("the {} goes on; {}\n", operation.kind.replace('_', " "), history(operation))
}

fn history(operation: &Operation) -> String {
    match &operation.job {
        Some(job) => format!("`flowgate job history {job}` says how it ends"),
        None => format!("its id is {}", operation.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_says_what_it_does_and_where_it_ends() {
        let mut operation = Operation {
            id: "x".into(),
            kind: "dry_run".into(),
            job: Some("web".into()),
            began_ms: 0,
            step: "reads\u{1b} state".into(),
            so_far: serde_json::Value::Null,
            end: None,
        };
        assert_eq!(progress(&operation, 3_400), "dry run of web: reads\\u{1b} state (3s)");
        assert_eq!(goes_on(&operation), "the dry run goes on; `flowgate job history web` says how it ends\n");
        operation.job = None;
        assert!(goes_on(&operation).contains("its id is x"));
    }
}

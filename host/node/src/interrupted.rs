//! What is true of a job whose operation was interrupted by the end of the node.

use flowgate_api::job::Phase;
use flowgate_api::operation::{End, Operation};
use flowgate_api::problem::{Code, Problem};
use flowgate_api::swap::{Outcome, Swap};
use serde_json::json;

use crate::api::refusal::Answer;
use crate::catalog::{SwapRecord, key};
use crate::node::Node;

/// Adds to an operation that was interrupted what is known of its job now. Others stay as they are.
///
/// # Errors
/// The catalog cannot be read.
pub(crate) fn told(node: &Node, tenant: &str, operation: Operation) -> Answer<Operation> {
    let (Some(end), Some(job)) = (&operation.end, &operation.job) else { return Ok(operation) };
    if end.problem.as_ref().is_none_or(|problem| problem.code != Code::Interrupted) {
        return Ok(operation);
    }
    let phase = node.find_job(tenant, job).map(|job| job.state().machine.phase);
    let swap = match operation.kind.as_str() {
        "swap" | "rollback" => {
            // One at a time: the first one behind its beginning is its own.
            let of_job = key::of(&[tenant, job]);
            let all = node.catalog.read(|view| view.all::<SwapRecord>(&of_job))?;
            all.into_iter().map(|(_, record)| record.swap).find(|swap| swap.at_ms >= operation.began_ms)
        }
        _ => None,
    };
    let of_job = phase.map_or_else(|| format!("the job `{job}` is gone"), |phase| of_phase(job, phase));
    let detail = format!("the node ended while it went on; {}; {of_job}", became(&operation.kind, swap.as_ref()));
    let problem = Some(Problem::new(Code::Interrupted, detail));
    let end = End { at_ms: end.at_ms, problem, result: json!({ "phase": phase, "swap": swap }) };
    Ok(Operation { end: Some(end), ..operation })
}

/// Says what became of the operation, as far as that is known.
fn became(kind: &str, swap: Option<&Swap>) -> String {
    match (kind, swap) {
        ("swap" | "rollback", None) => "the job was not asked to swap, and has the versions that it had".into(),
        (_, Some(swap)) => {
            let what = format!("swap {} of `{}` to {}", swap.number, swap.operator, swap.to);
            let why = swap.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            match swap.outcome {
                Outcome::Pending => {
                    format!("the job was asked for {what}, and its next attempt says whether that has happened")
                }
                Outcome::Done | Outcome::Back => format!("{what} is done"),
                Outcome::Refused => format!("{what} has not happened{why}"),
                Outcome::RolledBack => format!("{what} was done, and taken back{why}"),
            }
        }
        ("dry_run" | "canary", None) => "nothing of the job was changed by it".into(),
        ("savepoint", None) => "the list of checkpoints says whether the savepoint is there".into(),
        ("stop", None) => "the job stops if it was told so".into(),
        ("change", None) => "the job's document says whether it is changed".into(),
        _ => "what became of it is in the job's history".into(),
    }
}

fn of_phase(job: &str, phase: Phase) -> String {
    let is = match phase {
        Phase::Starting => "is starting",
        Phase::Running => "runs",
        Phase::Restarting => "will be tried again",
        Phase::Stopping => "is being stopped",
        Phase::Stopped => "is stopped",
        Phase::Finished => "has finished",
        Phase::Failed => "has failed",
    };
    format!("the job `{job}` {is}")
}

//! Canaries in running jobs: from the request to what is said of it in the job's history.

use std::sync::Arc;

use flowgate_api::canary::{Canary, NewCanary};
use flowgate_api::problem::Code;
use flowgate_api::swap::NewSwap;
use flowgate_control::canary::{CanaryReport, CanaryRequest, millionths};
use flowgate_control::client::{self, AskError, Comparing};

use crate::api::refusal::{Answer, Refusal};
use crate::job::assign::component;
use crate::job::{JobHandle, history};
use crate::node::Node;
use crate::operations::Progress;
use crate::swap::Planned;

/// What ends a canary whose job has ended without a word.
const GONE: &str = "the job has ended";

/// Runs a canary until it ends.
///
/// # Errors
/// The new version does not fit, or another canary or a swap is on its way.
pub(crate) async fn run(
    node: &Arc<Node>,
    job: &Arc<JobHandle>,
    request: NewCanary,
    by: &str,
    progress: &Progress,
) -> Answer<Canary> {
    let swap = NewSwap {
        operator: request.operator.clone(),
        plugin: request.plugin.clone(),
        dry_run: false,
        drop: request.drop.clone(),
        rollback_over: None,
    };
    let planned = Planned::of(node, &job.tenant, &job.name, &swap)?;
    progress.step("checks the new version in the job");
    planned.check(node, None).await?;
    progress.step("opens the new version beside the one that runs");
    let order = CanaryRequest {
        operator: request.operator.clone(),
        plugin: Some(planned.pin.plugin.clone()),
        path: component(node, &job.tenant, &planned.pin.digest).display().to_string(),
        drop_state: planned.slots(&swap),
        share_ppm: millionths(request.share),
        for_ms: u64::from(request.for_s) * 1_000,
    };
    let canary = move |found: CanaryReport| Canary {
        from: planned.before.named(),
        to: planned.pin.named(),
        share: request.share,
        for_s: request.for_s,
        found,
    };
    let so_far = canary.clone();
    let (found, name, of_step) = (job.found()?, job.name.clone(), progress.clone());
    let holds = Arc::clone(job);
    let found = crate::api::blocking(move || {
        let refused = |error| crate::api::no_answer(&name, error);
        let comparing = client::canary(&found, order).map_err(refused)?;
        let ends = comparing.ends().map_err(|error| Refusal::new(Code::Unavailable, error.to_string()))?;
        let _held = holds.hold_canary(ends)?;
        let show = |report: &CanaryReport| of_step.found(step(report), serde_json::json!(so_far(report.clone())));
        follow(comparing, &show).map_err(refused)
    })
    .await?;
    let canary = canary(found);
    let kept = node.tenant(&job.tenant)?.quotas.history;
    node.catalog.change(|change| {
        let of = (job.tenant.as_str(), job.name.as_str());
        history::add(change, of, "canary", Some(by), sentence(&request.operator, &canary), kept)
    })?;
    Ok(canary)
}

/// Waits for the end of a canary. Where the job ends without saying so, what it has said before counts.
fn follow(mut comparing: Comparing, show: &dyn Fn(&CanaryReport)) -> Result<CanaryReport, AskError> {
    let mut last: Option<CanaryReport> = None;
    loop {
        match (comparing.report(), last.take()) {
            (Ok(Some(report)), _) => {
                show(&report);
                last = Some(report);
            }
            (Ok(None), Some(report)) => return Ok(report),
            (Err(AskError::Gone), Some(report)) => return Ok(CanaryReport { ended: Some(GONE.into()), ..report }),
            (Ok(None), None) => return Err(AskError::Confused),
            (Err(error), _) => return Err(error),
        }
    }
}

fn step(report: &CanaryReport) -> String {
    format!("compares: {} rows, {}", report.rows, outcome(report))
}

/// Returns `no differences`, or how many there are.
fn outcome(report: &CanaryReport) -> String {
    let differ = report.differ + report.new_failed + report.old_failed;
    match report.is_equal() {
        true => "no differences".into(),
        false => format!("{differ} rows and the state of {} keys differ", report.state_differs),
    }
}

/// Returns what the history says of it.
fn sentence(operator: &str, canary: &Canary) -> String {
    let Canary { from, to, found, .. } = canary;
    let why = found.ended.as_deref().unwrap_or(GONE);
    format!("a canary of `{operator}`, {to} beside {from}: {} rows compared, {} ({why})", found.rows, outcome(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_says_who_ran_beside_whom_and_what_differs() {
        let found =
            CanaryReport { rows: 10, equal: 10, ended: Some("its time is over".into()), ..CanaryReport::default() };
        let mut canary = Canary { from: "p@1".into(), to: "p@2".into(), share: 0.05, for_s: 60, found };
        let expected = "a canary of `f`, p@2 beside p@1: 10 rows compared, no differences (its time is over)";
        assert_eq!(sentence("f", &canary), expected);
        (canary.found.equal, canary.found.differ, canary.found.new_failed) = (7, 2, 1);
        assert!(sentence("f", &canary).contains("3 rows and the state of 0 keys differ"));
    }
}

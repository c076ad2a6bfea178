//! A job on its way into the catalog: checked in a process of its own, within what its tenant may take.

use std::sync::Arc;

use flowgate_api::problem::Code;
use flowgate_connect::touches::Touches;
use flowgate_control::status::Kind;
use flowgate_worker::assignment::{Begins, Task};
use flowgate_worker::check::Foreseen;
use flowgate_worker::spawn;
use tracing::Instrument;

use crate::api::refusal::{Answer, Refusal};
use crate::catalog::Pinned;
use crate::job::assign::Assigned;
use crate::job::folder::private;
use crate::node::Node;
use crate::traces;

/// A job that can run.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    /// Its name in its document.
    pub(crate) name: String,
    pub(crate) workers: u32,
    /// The plugins that it uses.
    pub(crate) pinned: Vec<Pinned>,
    pub(crate) picture: String,
    pub(crate) warnings: String,
    /// What it touches outside.
    pub(crate) touches: Touches,
    /// What would become of its last checkpoint, of a dry run.
    pub(crate) prospect: Option<Foreseen>,
    /// Why a dry run did not look for it.
    pub(crate) untried: Option<String>,
    /// Its checkpoint store, relative to its files.
    pub(crate) store: Option<String>,
}

/// Checks a job; with `dry_run`, also what would become of that checkpoint.
///
/// # Errors
/// The job is wrong: the problem has the report. A quota or the policy of the tenant does not allow it.
pub(crate) async fn check(node: &Arc<Node>, assigned: &Assigned<'_>, dry_run: Option<Begins>) -> Answer<Checked> {
    let quotas = node.tenant(assigned.tenant)?.quotas;
    private(&node.settings.compiled(assigned.tenant))?;
    let task = if dry_run.is_some() { Task::DryRun } else { Task::Check };
    let assignment = assigned.assignment(node, task, 0, dry_run.unwrap_or_default())?;
    let turn = node.compiler.turn(assigned.tenant).await?;
    let (exe, within) = (node.settings.exe.clone(), node.settings.limits.check_within);
    let group = node.groups.of_checks(assigned.tenant, &quotas)?;
    let check = move || group.said(spawn::check(&exe, &assignment, within, group.group()));
    let answer = tokio::task::spawn_blocking(check).instrument(traces::step("check", assigned.tenant)).await;
    drop(turn);
    let checked = answer.map_err(|_| Refusal::new(Code::Internal, "the check has panicked"))??;
    let Some(graph) = checked.graph.filter(|_| checked.ok) else {
        return Err(Refusal::new(Code::Invalid, checked.report));
    };
    let workers = u32::try_from(graph.parallelism).unwrap_or(u32::MAX);
    if u64::from(workers) > quotas.parallelism {
        return Err(Refusal::quota("parallelism", quotas.parallelism, &format!("the job has {workers} workers")));
    }
    let sinks = graph.operators.iter().filter(|operator| operator.kind == Kind::Sink).count();
    if sinks as u64 > quotas.sinks {
        return Err(Refusal::quota("sinks", quotas.sinks, &format!("the job has {sinks}")));
    }
    let mut pinned: Vec<Pinned> = Vec::new();
    for function in checked.plugins {
        let of_operator =
            |pin: &&Pinned| pin.plugin == function.plugin && pin.operator.as_ref() == Some(&function.operator);
        let of_all = |pin: &&Pinned| pin.plugin == function.plugin && pin.operator.is_none();
        let found = assigned.pinned.iter().find(of_operator).or_else(|| assigned.pinned.iter().find(of_all));
        let Some(pin) = found else { continue };
        let pin = Pinned { operator: Some(function.operator), ..pin.clone() };
        if !pinned.contains(&pin) {
            pinned.push(pin);
        }
    }
    Ok(Checked {
        name: graph.name,
        workers,
        pinned,
        picture: graph.text,
        warnings: checked.report,
        touches: checked.touches,
        prospect: checked.prospect,
        untried: checked.untried,
        store: graph.checkpoint_store,
    })
}

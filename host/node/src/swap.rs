//! Swaps of functions in running jobs: from the request to the record of what became of it.
//!
//! N7: a job runs with the versions in its record, or, while a swap is pending, with those or the ones behind it. A swap is done when
//! the job has completed the checkpoint of its boundary; until then a new attempt begins with the versions before it.

use std::sync::Arc;
use std::time::Duration;

use flowgate_api::job::Phase;
use flowgate_api::name::PluginRef;
use flowgate_api::problem::Code;
use flowgate_api::swap::{NewSwap, Outcome, Swap};
use flowgate_base::clock;
use flowgate_control::client::{self, AskError};
use flowgate_control::message;
use flowgate_worker::assignment::Begins;
use flowgate_worker::check::Foreseen;
use serde_json::{Value, json};
use tracing::Instrument;

use crate::api::refusal::{Answer, Refusal};
use crate::catalog::{CatalogError, Change, JobRecord, Pinned, SwapRecord, key};
use crate::checked::{self, Checked};
use crate::job::assign::{Assigned, component};
use crate::job::folder::OWN_STORE;
use crate::job::{JobHandle, history};
use crate::log::log;
use crate::node::Node;
use crate::operations::Progress;
use crate::{registry, traces};

/// Time behind a swap for which its function is watched, if it is to be taken back by itself.
const WATCHED_FOR: Duration = Duration::from_secs(60);

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Rows that a function has seen before its share of failed ones says anything.
const ROWS_MIN: u64 = 100;

/// Who takes a swap back that nobody has.
const NODE: &str = "flowgate";

/// A swap that was checked.
pub(crate) struct Planned {
    tenant: String,
    job: String,
    /// The pin that changes, with its new version.
    pub(crate) pin: Pinned,
    /// What it was.
    pub(crate) before: Pinned,
    /// All pins behind the swap.
    pinned: Vec<Pinned>,
    record: JobRecord,
}

impl Planned {
    /// Finds the function that an operator is to get.
    pub(crate) fn of(node: &Node, tenant: &str, job: &str, request: &NewSwap) -> Answer<Planned> {
        let found = node.catalog.read(|view| view.get::<JobRecord>(&key::within(tenant, job)))?;
        let record = found.ok_or_else(|| Refusal::not_found("job"))?;
        let wanted = PluginRef::parse(&request.plugin).map_err(|wrong| Refusal::new(Code::Invalid, wrong))?;
        let version = registry::version(node, tenant, &wanted.name, wanted.version)?;
        let of_operator: Vec<&Pinned> =
            record.pinned.iter().filter(|pin| pin.operator.as_deref() == Some(&request.operator)).collect();
        let same_name = of_operator.iter().find(|pin| pin.name == version.name);
        let before = match (same_name, of_operator.as_slice()) {
            (Some(pin), _) => (**pin).clone(),
            (None, [only]) => (*only).clone(),
            (None, []) => {
                let with: Vec<&str> = record.pinned.iter().filter_map(|pin| pin.operator.as_deref()).collect();
                let detail = format!(
                    "the operator `{}` uses no plugin; these do: {}",
                    request.operator,
                    if with.is_empty() { "none".into() } else { with.join(", ") }
                );
                return Err(Refusal::new(Code::Invalid, detail));
            }
            (None, several) => {
                let names: Vec<&str> = several.iter().map(|pin| pin.name.as_str()).collect();
                let detail = format!(
                    "the operator `{}` uses {}, and not `{}`",
                    request.operator,
                    names.join(" and "),
                    version.name
                );
                return Err(Refusal::new(Code::Invalid, detail));
            }
        };
        if before.digest == version.digest {
            let detail = format!("`{}` runs with {} already", request.operator, before.named());
            return Err(Refusal::new(Code::Conflict, detail));
        }
        let pin = Pinned { name: version.name, version: version.version, digest: version.digest, ..before.clone() };
        Ok(Planned::new(tenant, job, record, before, pin))
    }

    fn new(tenant: &str, job: &str, record: JobRecord, before: Pinned, pin: Pinned) -> Planned {
        let pinned =
            record.pinned.iter().map(|known| if *known == before { pin.clone() } else { known.clone() }).collect();
        Planned { tenant: tenant.into(), job: job.into(), pin, before, pinned, record }
    }

    pub(crate) async fn check(&self, node: &Arc<Node>, dry_run: Option<Begins>) -> Answer<Checked> {
        let assigned = Assigned { pinned: &self.pinned, ..Assigned::of(&self.tenant, &self.job, &self.record) };
        checked::check(node, &assigned, dry_run).await
    }

    /// Returns what the running job is asked.
    fn order(&self, node: &Node, request: &NewSwap) -> message::SwapRequest {
        message::SwapRequest {
            operator: request.operator.clone(),
            plugin: Some(self.pin.plugin.clone()),
            path: component(node, &self.tenant, &self.pin.digest).display().to_string(),
            savepoint: None,
            drop_state: self.slots(request),
            dry_run: false,
        }
    }

    /// Returns the state slots that may be dropped, which the job knows by their names within the operator.
    pub(crate) fn slots(&self, request: &NewSwap) -> Vec<String> {
        slots(&request.operator, &request.drop)
    }

    /// Puts what is known of a swap in the place of what was.
    fn put(&self, change: &Change, swap: &Swap) -> Result<(), CatalogError> {
        let record = SwapRecord { swap: swap.clone(), before: self.before.clone(), behind: self.pin.clone() };
        record.put(change, &self.tenant, &self.job)
    }
}

/// Returns the slots of an operator among `OPERATOR/SLOT`; what names no operator is a slot.
fn slots(operator: &str, drop: &[String]) -> Vec<String> {
    let slot = |name: &String| match name.split_once('/') {
        Some((of, slot)) if of == operator => slot.to_string(),
        _ => name.clone(),
    };
    drop.iter().map(slot).collect()
}

/// A swap that another one takes back, and why.
struct TakenBack {
    swap: SwapRecord,
    why: Option<String>,
}

/// Says what would become of a swap: columns are checked, and migrations tried on the last checkpoint.
///
/// # Errors
/// It cannot be tried.
pub(crate) async fn dry_run(node: &Arc<Node>, job: &JobHandle, request: NewSwap, progress: &Progress) -> Answer<Value> {
    let planned = Planned::of(node, &job.tenant, &job.name, &request)?;
    progress.step("checks columns, and tries migrations on the last checkpoint");
    let (prospect, warnings) = match job.state().machine.phase {
        // The job that runs knows what its operators read.
        Phase::Running => {
            let warnings = planned.check(node, None).await?.warnings;
            (ask(node, job, &planned, &request).await?, warnings)
        }
        _ => {
            let begins = newest_checkpoint(&planned.record, request.drop);
            let checked = planned.check(node, Some(begins)).await?;
            // No error is dropped here: a store that cannot be read has failed the check. Without a checkpoint there is nothing on which the
            // swap could be tried, and nothing that is kept: a prospect of nothing says so, and `untried` why, if there may be one.
            let mut prospect = checked.prospect.map(of_checkpoint).unwrap_or_default();
            prospect.notes.extend(checked.untried);
            (prospect, checked.warnings)
        }
    };
    let kept = prospect.kept.iter().map(|(operator, rows)| json!({ "operator": operator, "rows": rows }));
    Ok(json!({
        "from": planned.before.named(),
        "to": planned.pin.named(),
        "checkpoint": Some(prospect.from).filter(|from| !from.is_empty()),
        "kept": kept.collect::<Vec<_>>(),
        "notes": prospect.notes,
        "problems": prospect.problems,
        "warnings": warnings,
    }))
}

/// Asks the running job what it would make of a swap.
async fn ask(node: &Node, job: &JobHandle, planned: &Planned, request: &NewSwap) -> Answer<message::SwapProspect> {
    let (found, order) = (job.found()?, message::SwapRequest { dry_run: true, ..planned.order(node, request) });
    let name = job.name.clone();
    crate::api::blocking(move || {
        let no_answer = |error| crate::api::no_answer(&name, error);
        client::swap(&found, order).map_err(no_answer)?.prospect().map_err(no_answer)
    })
    .await
}

/// What a job that rests would make of a swap, by its last checkpoint.
fn of_checkpoint(foreseen: Foreseen) -> message::SwapProspect {
    message::SwapProspect {
        from: foreseen.savepoint,
        kept: foreseen.kept.into_iter().map(|kept| (kept.operator, kept.rows)).collect(),
        notes: foreseen.notes,
        problems: foreseen.problems,
    }
}

/// Returns how a job begins with the newest checkpoint of its store, without what may be dropped. Its worker process finds that checkpoint: it
/// may read what the job may, and the node would read more.
pub(crate) fn newest_checkpoint(record: &JobRecord, drop: Vec<String>) -> Begins {
    let store = record.store.clone().unwrap_or_else(|| OWN_STORE.into());
    Begins::From { store, savepoint: None, number: None, drop }
}

/// Swaps a function, and watches it if it is to be taken back by itself.
///
/// # Errors
/// The job does not take it. It goes on with the version before.
pub(crate) async fn swap(
    node: &Arc<Node>,
    job: &Arc<JobHandle>,
    request: NewSwap,
    by: &str,
    progress: &Progress,
) -> Answer<Swap> {
    let share = request.rollback_over;
    let swap = swap_once(node, job, request, None, by, progress).await?;
    if let Some(share) = share {
        let (node, job, swap) = (Arc::clone(node), Arc::clone(job), swap.clone());
        tokio::spawn(async move { watch(&node, &job, &swap, share).await });
    }
    Ok(swap)
}

async fn swap_once(
    node: &Arc<Node>,
    job: &Arc<JobHandle>,
    request: NewSwap,
    taken_back: Option<TakenBack>,
    by: &str,
    progress: &Progress,
) -> Answer<Swap> {
    let planned = Planned::of(node, &job.tenant, &job.name, &request)?;
    progress.step("checks the new version in the job");
    planned.check(node, None).await?;
    let (mut swap, savepoint) = begin(node, &planned, &request, by)?;
    progress.step("opens the new version, and takes the job to the boundary");
    let swapped = match job.state().machine.is_active() {
        true => run(node, job, &planned, &request, &savepoint).await.map(Some),
        // The next attempt begins with it.
        false => Ok(None),
    };
    match swapped {
        Ok(Some(None)) => {
            let detail = "the job ended before it answered; its next attempt says whether the swap has happened";
            return Err(Refusal::new(Code::Unavailable, detail));
        }
        Ok(swapped) => {
            let swapped = swapped.flatten();
            // A swap back is no swap that a further rollback takes back.
            swap.outcome = if taken_back.is_some() { Outcome::Back } else { Outcome::Done };
            swap.gap_us = swapped.as_ref().map(|of| of.gap_us);
            swap.migrated = swapped.as_ref().map(|of| of.migrated);
            swap.savepoint = swapped.and_then(|of| of.savepoint);
            let begins = swap.gap_us.is_none().then(|| newest_checkpoint(&planned.record, request.drop.clone()));
            done(node, &planned, &swap, taken_back, begins)?;
        }
        Err(refusal) => {
            let problem = refusal.into_problem();
            swap.outcome = Outcome::Refused;
            swap.reason = Some(problem.detail.clone());
            refused(node, &planned, &swap)?;
            return Err(problem.into());
        }
    }
    Ok(swap)
}

/// Returns the swap of a job that was requested and of which it is not known what became.
///
/// # Errors
/// The catalog cannot be read.
pub(crate) fn pending(node: &Node, tenant: &str, job: &str) -> Result<Option<SwapRecord>, CatalogError> {
    let newest =
        node.catalog.read(|view| view.newest::<SwapRecord>(&key::of(&[tenant, job]), None)?.next().transpose())?;
    // A version that was deleted since runs nowhere.
    Ok(newest.filter(|of| of.swap.outcome == Outcome::Pending && component(node, tenant, &of.behind.digest).exists()))
}

/// Notes what became of the swap that was pending when an attempt began: `swapped` if that began with the new version.
///
/// # Errors
/// The catalog cannot be written.
pub(crate) fn settle(node: &Node, tenant: &str, job: &str, swapped: bool) -> Answer<()> {
    let Some(pending) = pending(node, tenant, job)? else { return Ok(()) };
    let Some(record) = node.catalog.read(|view| view.get::<JobRecord>(&key::within(tenant, job)))? else {
        return Ok(());
    };
    let planned = Planned::new(tenant, job, record, pending.before, pending.behind);
    if swapped {
        return done(node, &planned, &Swap { outcome: Outcome::Done, ..pending.swap }, None, None);
    }
    let reason = Some("the attempt ended before the swap was durable".into());
    refused(node, &planned, &Swap { outcome: Outcome::Refused, reason, ..pending.swap })
}

/// Notes that a swap was requested.
fn begin(node: &Node, planned: &Planned, request: &NewSwap, by: &str) -> Answer<(Swap, String)> {
    let (tenant, job) = (&planned.tenant, &planned.job);
    let kept = node.tenant(tenant)?.quotas.history;
    let swap = node.catalog.change(|change| {
        let swap = Swap {
            number: SwapRecord::next(change, tenant, job, kept)?,
            at_ms: clock::now_ms(),
            by: by.into(),
            operator: request.operator.clone(),
            from: planned.before.named(),
            to: planned.pin.named(),
            outcome: Outcome::Pending,
            gap_us: None,
            migrated: None,
            savepoint: None,
            reason: None,
        };
        planned.put(change, &swap)?;
        Ok::<_, CatalogError>(swap)
    })?;
    let savepoint = format!("swap-{}-{}", swap.number, swap.at_ms);
    Ok((swap, savepoint))
}

/// Has the running job swap. `None`: it has not said whether it did.
async fn run(
    node: &Arc<Node>,
    job: &JobHandle,
    planned: &Planned,
    request: &NewSwap,
    savepoint: &str,
) -> Answer<Option<message::Swapped>> {
    let found = job.found()?;
    let order = message::SwapRequest { savepoint: Some(savepoint.to_string()), ..planned.order(node, request) };
    let name = job.name.clone();
    crate::api::blocking(move || {
        let swapping = client::swap(&found, order).map_err(|error| crate::api::no_answer(&name, error))?;
        match swapping.wait() {
            Ok(swapped) => Ok(Some(swapped)),
            Err(refused @ AskError::Refused(_)) => Err(crate::api::no_answer(&name, refused)),
            Err(_) => Ok(None),
        }
    })
    .instrument(traces::step("boundary", &job.tenant))
    .await
}

/// Notes that the job runs with the new version, or will at its next attempt.
fn done(
    node: &Node,
    planned: &Planned,
    swap: &Swap,
    taken_back: Option<TakenBack>,
    begins: Option<Begins>,
) -> Answer<()> {
    let (tenant, job) = (&planned.tenant, &planned.job);
    let kept = node.tenant(tenant)?.quotas.history;
    node.catalog.change(|change| {
        let Some(mut record) = change.get::<JobRecord>(&key::within(tenant, job))? else {
            return Err(Refusal::not_found("job"));
        };
        record.pinned.clone_from(&planned.pinned);
        if begins.is_some() {
            record.from = begins;
        }
        change.put(&key::within(tenant, job), &record)?;
        planned.put(change, swap)?;
        if let Some(TakenBack { swap: mut last, why }) = taken_back {
            last.swap.outcome = Outcome::RolledBack;
            last.swap.reason = why.or(last.swap.reason);
            last.put(change, tenant, job)?;
        }
        let gap = swap.gap_us.map_or_else(|| "while the job did not run".into(), |gap| format!("gap {gap} us"));
        let text = format!("`{}` swapped from {} to {}: {gap}", swap.operator, swap.from, swap.to);
        Ok(history::add(change, (tenant, job), "swapped", Some(&swap.by), text, kept)?)
    })
}

/// Notes that the job goes on with the version before.
fn refused(node: &Node, planned: &Planned, swap: &Swap) -> Answer<()> {
    let (tenant, job) = (&planned.tenant, &planned.job);
    let kept = node.tenant(tenant)?.quotas.history;
    node.catalog.change(|change| {
        planned.put(change, swap)?;
        let why = swap.reason.as_deref().unwrap_or_default();
        let text = format!("the swap of `{}` to {} was refused: {why}", swap.operator, swap.to);
        Ok(history::add(change, (tenant, job), "swap refused", Some(&swap.by), text, kept)?)
    })
}

/// Takes the last swap of a job back: another swap, to the version before.
///
/// # Errors
/// There is none, or the job does not take it.
pub(crate) async fn rollback(
    node: &Arc<Node>,
    job: &Arc<JobHandle>,
    by: &str,
    why: Option<String>,
    progress: &Progress,
) -> Answer<Swap> {
    let last = last_done(node, job)?;
    let none = || Refusal::new(Code::Conflict, format!("`{}` has no swap that could be taken back", job.name));
    let last = last.ok_or_else(none)?;
    let request = NewSwap {
        operator: last.swap.operator.clone(),
        plugin: last.before.named(),
        dry_run: false,
        drop: Vec::new(),
        rollback_over: None,
    };
    let savepoint = last.swap.savepoint.clone();
    let taken_back = TakenBack { swap: last, why };
    swap_once(node, job, request, Some(taken_back), by, progress).await.map_err(|refusal| {
        let mut problem = refusal.into_problem();
        if let Some(savepoint) = savepoint {
            problem.detail += &format!("; the state from before the swap is in the savepoint {savepoint}");
        }
        Refusal::from(problem)
    })
}

/// Returns the last swap of a job that was done and is not taken back.
fn last_done(node: &Node, job: &JobHandle) -> Result<Option<SwapRecord>, CatalogError> {
    // One that cannot be read ends the search with its error.
    let is_done = |record: &Result<SwapRecord, CatalogError>| {
        record.as_ref().map_or(true, |record| record.swap.outcome == Outcome::Done)
    };
    let of_job = key::of(&[&job.tenant, &job.name]);
    node.catalog.read(|view| view.newest::<SwapRecord>(&of_job, None)?.find(is_done).transpose())
}

/// Watches a function in its first minute, and takes its swap back if it fails too much.
async fn watch(node: &Arc<Node>, job: &Arc<JobHandle>, swap: &Swap, share: f64) {
    let counts =
        |status: &flowgate_control::status::Status| status.operator(&swap.operator).map(|of| (of.rows_in, of.errors));
    let until = clock::monotonic() + WATCHED_FOR;
    let mut first = None;
    while clock::monotonic() < until {
        let status = node.statuses.of(job).await;
        let now = status.as_ref().and_then(|measured| counts(&measured.status));
        let before = *first.get_or_insert(now.unwrap_or_default());
        if let Some((rows, errors)) = now
            && let (Some(rows), Some(errors)) = (rows.checked_sub(before.0), errors.checked_sub(before.1))
            && errors > 0
            && rows.max(errors) >= ROWS_MIN
            && errors as f64 > share * rows.max(1) as f64
        {
            let why = format!("{errors} of {rows} rows failed, more than the share of {share}");
            // Another operation ends some time, perhaps with another version.
            let Ok(busy) = job.begin("rollback") else {
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            };
            if !matches!(last_done(node, job), Ok(Some(last)) if last.swap.number == swap.number) {
                return;
            }
            let progress = Progress::unseen();
            if let Err(refusal) = rollback(node, job, NODE, Some(why.clone()), &progress).await {
                let detail = refusal.into_problem().detail;
                let of = &swap.operator;
                log()
                    .warn(format!("the swap of `{of}` is to be taken back ({why}), and cannot be: {detail}"))
                    .tenant(&job.tenant)
                    .job(&job.name)
                    .write();
            }
            drop(busy);
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_asked_for_slots_by_their_own_names() {
        let drop = ["risk/seen".to_string(), "seen".into(), "other/seen".into()];
        assert_eq!(slots("risk", &drop), ["seen", "seen", "other/seen"]);
    }
}

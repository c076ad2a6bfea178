//! A watermark that is held back: by whom, and since when.

use super::backpressure;
use super::explanation::Cause;
use super::story::{PAUSE_MS, QUIET_MS, Story, has_ended};
use super::words::{length, time};
use crate::status::{Activity, HeldBy, Kind, OnWorker, Operator, Split};

/// An operator on the way of a watermark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) operator: String,
    pub(super) worker: u32,
    pub(super) watermark_ms: Option<i64>,
    pub(super) moved_ms: Option<i64>,
    /// Who holds it back, in a few words.
    pub(super) held_by: String,
}

/// Follows the watermark of an operator, which waits for `due`, to the split or operator that holds it back.
pub(super) fn reason<'a>(story: &mut Story<'a>, of: &'a Operator, due: i64) {
    let Some(mut on) = slowest(of) else { return };
    let mut at = of;
    // A path has each operator at most once.
    for _ in 0..story.status.operators.len() {
        let Some(HeldBy { input, worker }) = on.held_by else {
            return nobody(story, at, on);
        };
        // A window reads its only input twice: rows, and those that were aggregated before the shuffle.
        let position = (input as usize).min(at.inputs.len().saturating_sub(1));
        let read = at.inputs.get(position).and_then(|input| story.status.operator(&input.operator));
        let Some(read) = read else { return };
        link(story, at, on, format!("`{}` on worker {worker}", read.name));
        match read.kind {
            Kind::Source => return split(story, read, Some(worker), Some(due)),
            _ if read.event_time.is_some() => {
                let text = format!(
                    "`{}` assigns event times to its rows: the watermark follows the rows that it emits.",
                    read.name
                );
                story.add(Cause::HeldBack, read, text);
                return story.reason(read);
            }
            Kind::GlobalWindow { .. } => {
                let text = format!(
                    "`{}` is one window over all rows, so there is no watermark behind it before its end.",
                    read.name
                );
                return story.add(Cause::HeldBack, read, text);
            }
            Kind::ProcessingTimeWindow => {
                let text =
                    format!("The watermark behind `{}`, which has windows by the clock, follows the clock.", read.name);
                return story.add(Cause::HeldBack, read, text);
            }
            _ => {}
        }
        let Some(next) = read.on_workers.iter().find(|on| on.worker == worker) else { return };
        (at, on) = (read, next);
    }
}

/// Returns the worker whose watermark is the least, of those for which others wait.
fn slowest(of: &Operator) -> Option<&OnWorker> {
    let active = of.on_workers.iter().filter(|on| on.activity == Activity::Active);
    active.min_by_key(|on| (on.watermark_ms, on.worker)).or(of.on_workers.first())
}

fn link(story: &mut Story<'_>, of: &Operator, on: &OnWorker, held_by: String) {
    story.links.push(Link {
        operator: of.name.clone(),
        worker: on.worker,
        watermark_ms: on.watermark_ms,
        moved_ms: on.watermark_moved_ms,
        held_by,
    });
}

/// Nobody who is active sends to this operator.
fn nobody<'a>(story: &mut Story<'a>, of: &'a Operator, on: &OnWorker) {
    let (cause, text) = match on.activity {
        Activity::Ended => (Cause::Ended, format!("All inputs of `{}` have ended: it emits what it holds.", of.name)),
        _ => {
            let stands = on.watermark_ms.map_or_else(String::new, |at| format!(" at {}", time(at)));
            let text = format!(
                "All inputs of `{}` are idle: they had no rows for their `idle_after`. The watermark stays{stands} until rows come.",
                of.name
            );
            (Cause::Idle, text)
        }
    };
    link(
        story,
        of,
        on,
        if on.activity == Activity::Ended { "nobody: all have ended" } else { "nobody: all are idle" }.into(),
    );
    story.add(cause, of, text);
    for input in &of.inputs {
        if let Some(read) = story.status.operator(&input.operator).filter(|read| read.kind == Kind::Source) {
            story.splits_of.push(read);
        }
    }
}

/// Says which split of a source holds the watermark back on a worker, and why. `due` is the watermark that is waited for.
pub(super) fn split<'a>(story: &mut Story<'a>, source: &'a Operator, worker: Option<u32>, due: Option<i64>) {
    story.splits_of.push(source);
    let Some(rule) = source.event_time else {
        let text = format!("The source `{}` has no event time, so it sends no watermark before its end.", source.name);
        return story.add(Cause::HeldBack, source, text);
    };
    // With fewer splits than workers, rows are spread over all workers.
    let is_spread = (source.splits.len() as u64) < u64::from(story.status.workers);
    let of_worker = |split: &&Split| is_spread || worker.is_none_or(|worker| split.worker == worker);
    let active = source.splits.iter().filter(of_worker).filter(|split| split.activity == Activity::Active);
    let Some(slowest) = active.min_by_key(|split| (split.watermark_ms, split.last_row_ms)) else {
        if has_ended(source) {
            return story.add(Cause::Ended, source, format!("The source `{}` has been read to its end.", source.name));
        }
        return;
    };
    let name = format!("the split `{}` of the source `{}`", slowest.name, source.name);
    let hint = match rule.idle_after_ms {
        None => " With `event_time: { idle_after: 30s }`, the source would not wait for a split without rows.".into(),
        Some(after) => format!(" The source waits for it until it has had no row for {}.", length(after)),
    };
    let on = source.on_workers.iter().find(|on| on.worker == slowest.worker);
    // A source that waits itself is not quiet.
    if story.is_older(slowest.last_row_ms, PAUSE_MS) {
        if on.is_some_and(|on| on.output_full_since_ms.is_some()) && backpressure::reason(story, source) {
            return;
        }
        if let Some(since) = on.and_then(|on| on.aligned_since_ms) {
            return super::source::aligned(story, source, since);
        }
    }
    match (slowest.last_row_ms, slowest.watermark_ms) {
        (None, _) => {
            let text =
                format!("The watermark waits for {name}, which has not had a row since the job was started.{hint}");
            story.add(Cause::NeverHadRows, source, text);
        }
        (Some(last), _) if story.status.now_ms.saturating_sub(last) > QUIET_MS => {
            let text = format!("The watermark waits for {name}, which has had no row {}.{hint}", story.since(last));
            story.add(Cause::Quiet, source, text);
        }
        (Some(_), Some(watermark)) => {
            let newest = watermark.saturating_add(rule.max_out_of_orderness_ms).saturating_add(1);
            let mut text = format!("The watermark follows {name}, whose newest row is of {}", time(newest));
            text += &match rule.max_out_of_orderness_ms {
                0 => ".".to_string(),
                bound => format!("; it lags that row by `max_out_of_orderness`, {}.", length(bound)),
            };
            if let Some(due) = due.filter(|due| *due < i64::MAX) {
                let row = due.saturating_add(rule.max_out_of_orderness_ms).saturating_add(1);
                text += &format!(" It is reached by a row of {} or later.", time(row));
            }
            story.add(Cause::OutOfOrderness, source, text);
        }
        (Some(_), None) => {
            let text = format!("None of the rows of {name} has a usable event time.");
            story.add(Cause::NoWatermark, source, text);
        }
    }
}

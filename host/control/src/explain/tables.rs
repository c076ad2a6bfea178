//! The figures behind an explanation.

use std::collections::BTreeSet;

use super::explanation::Table;
use super::story::{Story, last_out};
use super::words::{time, whole};
use crate::status::{Activity, Kind, Operator, Split, Status};

/// Splits that are shown of a source: those that hold the watermark back come first.
const SPLITS_SHOWN: usize = 10;

/// Operators that are shown on the way to one: those next to it.
const OPERATORS_SHOWN: usize = 20;

/// A figure that is not there.
const NONE: &str = "-";

/// Returns the tables of an explanation.
pub(super) fn of(story: &Story<'_>, operator: &Operator) -> Vec<Table> {
    let mut tables = vec![rows(story, operator)];
    if !story.links.is_empty() {
        tables.push(watermarks(story));
    }
    let mut shown: Vec<&str> = Vec::new();
    for source in &story.splits_of {
        if !shown.contains(&source.name.as_str()) && !source.splits.is_empty() {
            shown.push(&source.name);
            tables.push(splits(story, source));
        }
    }
    tables
}

/// Everything whose rows reach the operator, and the operator.
fn rows(story: &Story<'_>, operator: &Operator) -> Table {
    let status = story.status;
    let row = |of: &Operator| {
        let out = if of.kind == Kind::Sink { of.deliveries.unwrap_or_default().delivered } else { of.rows_out };
        vec![
            of.name.clone(),
            whole(of.rows_in),
            whole(out),
            whole(of.errors),
            whole(of.late),
            last_out(of).map_or_else(|| NONE.into(), |last| format!("{} ago", story.ago(last))),
            of.watermark_ms().map_or_else(|| NONE.into(), time),
        ]
    };
    let before = ancestors(status, operator);
    let on_path: Vec<&Operator> = status.operators.iter().filter(|of| before.contains(of.name.as_str())).collect();
    let on_path = &on_path[on_path.len().saturating_sub(OPERATORS_SHOWN)..];
    Table {
        title: format!("rows on the way to `{}`", operator.name),
        columns: ["operator", "in", "out", "errors", "late", "last out", "watermark"].map(String::from).into(),
        rows: on_path.iter().copied().map(row).collect(),
    }
}

/// Returns the names of an operator and of all whose rows reach it.
fn ancestors<'a>(status: &'a Status, operator: &'a Operator) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::from([operator.name.as_str()]);
    // Inputs come before the operators that read them.
    for of in status.operators.iter().rev() {
        if names.contains(of.name.as_str()) {
            names.extend(of.inputs.iter().map(|input| input.operator.as_str()));
        }
    }
    names
}

fn watermarks(story: &Story<'_>) -> Table {
    let row = |link: &super::watermark::Link| {
        vec![
            link.operator.clone(),
            link.worker.to_string(),
            link.watermark_ms.map_or_else(|| NONE.into(), time),
            link.moved_ms.map_or_else(|| NONE.into(), |at| format!("{} ago", story.ago(at))),
            link.held_by.clone(),
        ]
    };
    Table {
        title: "the way of the watermark".into(),
        columns: ["operator", "worker", "watermark", "moved", "held back by"].map(String::from).into(),
        rows: story.links.iter().map(row).collect(),
    }
}

fn splits(story: &Story<'_>, source: &Operator) -> Table {
    let row = |split: &&Split| {
        let state = match split.activity {
            Activity::Active => "active",
            Activity::Idle => "idle",
            Activity::Ended => "ended",
        };
        vec![
            split.name.clone(),
            split.worker.to_string(),
            state.into(),
            whole(split.rows),
            split.last_row_ms.map_or_else(|| NONE.into(), |last| format!("{} ago", story.ago(last))),
            split.watermark_ms.map_or_else(|| NONE.into(), time),
        ]
    };
    let mut sorted: Vec<&Split> = source.splits.iter().collect();
    let rank = |activity| [Activity::Active, Activity::Idle, Activity::Ended].iter().position(|of| *of == activity);
    sorted.sort_by_key(|split| (rank(split.activity), split.watermark_ms, split.last_row_ms));
    let more = source.splits_left_out + source.splits.len().saturating_sub(SPLITS_SHOWN) as u64;
    let title = match more {
        0 => format!("splits of `{}`", source.name),
        more => format!("splits of `{}` ({} more are not shown)", source.name, whole(more)),
    };
    Table {
        title,
        columns: ["split", "worker", "state", "rows", "last row", "watermark"].map(String::from).into(),
        rows: sorted.iter().take(SPLITS_SHOWN).map(row).collect(),
    }
}

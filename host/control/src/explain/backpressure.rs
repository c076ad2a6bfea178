//! Rows that are not taken: who does not take them, and since when.

use std::collections::BTreeSet;

use super::explanation::Cause;
use super::story::{PAUSE_MS, Story, last_out, waiting};
use super::words::names;
use crate::status::{Kind, Operator, Status};

/// Rows in a sink that are more than what it is just writing: a batch of most sources.
const ROWS_MIN: u64 = 8_192;

/// Says who does not take the rows of an operator, if it cannot emit. Returns whether that is so.
pub(super) fn reason<'a>(story: &mut Story<'a>, of: &'a Operator) -> bool {
    let full = |of: &Operator| of.on_workers.iter().filter_map(|on| on.output_full_since_ms).min();
    let Some(since) = full(of) else { return false };
    let pace = if story.is_older(last_out(of), PAUSE_MS) {
        "cannot emit its rows"
    } else {
        "emits rows only as fast as they are taken,"
    };
    let begin = format!("`{}` {pace} {}", of.name, story.since(since));
    match culprit(story.status, of) {
        Culprit::Sink(sink) => {
            // A sink that discards its rows has none, and delays nobody.
            let deliveries = sink.deliveries.unwrap_or_default();
            let text =
                format!("{begin}: the sink `{}` delivers slower than rows come. {}.", sink.name, waiting(deliveries));
            story.add(Cause::SinkFull, sink, text);
        }
        Culprit::Operators(slow) => {
            let named: Vec<&str> = slow.iter().map(|of| of.name.as_str()).collect();
            let text = format!("{begin}: {} takes them slower than they come.", names(&named, "or"));
            story.add(Cause::OperatorSlow, slow.first().copied().unwrap_or(of), text);
        }
    }
    true
}

/// Who does not take rows.
enum Culprit<'a> {
    Sink(&'a Operator),
    /// One of these.
    Operators(Vec<&'a Operator>),
}

/// Goes down from an operator that cannot emit to the one that takes no rows and could emit.
fn culprit<'a>(status: &'a Status, from: &'a Operator) -> Culprit<'a> {
    let mut at = from;
    // A path has each operator at most once.
    for _ in &status.operators {
        let readers: Vec<&Operator> = readers(status, at).collect();
        if let Some(sink) = readers.iter().find(|reader| is_full_sink(reader)) {
            return Culprit::Sink(sink);
        }
        if let Some(next) = readers.iter().find(|reader| is_blocked(reader)) {
            at = next;
            continue;
        }
        // Rows of a source that are in flight may be anywhere behind it.
        if let Some(sink) = behind(status, at).into_iter().find(|reader| is_full_sink(reader)) {
            return Culprit::Sink(sink);
        }
        if let Some(slow) = behind(status, at).into_iter().find(|reader| reader.rows_wait_since_ms.is_some()) {
            return Culprit::Operators(vec![slow]);
        }
        let slow: Vec<&Operator> = readers.iter().copied().filter(|reader| reader.kind != Kind::Sink).collect();
        return Culprit::Operators(if slow.is_empty() { readers } else { slow });
    }
    Culprit::Operators(vec![from])
}

fn readers<'a>(status: &'a Status, of: &'a Operator) -> impl Iterator<Item = &'a Operator> {
    status.operators.iter().filter(|reader| reader.inputs.iter().any(|input| input.operator == of.name))
}

/// Returns everything that rows of an operator reach.
fn behind<'a>(status: &'a Status, of: &'a Operator) -> Vec<&'a Operator> {
    let mut found: Vec<&Operator> = readers(status, of).collect();
    let mut known: BTreeSet<&str> = found.iter().map(|reader| reader.name.as_str()).collect();
    let mut next = 0;
    while let Some(of) = found.get(next).copied() {
        for reader in readers(status, of) {
            if known.insert(&reader.name) {
                found.push(reader);
            }
        }
        next += 1;
    }
    found
}

/// Whether a sink takes no rows, or holds those that are in flight: then its source waits before the sink is full.
fn is_full_sink(of: &Operator) -> bool {
    let holds_rows = of.deliveries.is_some_and(|of| of.waiting >= ROWS_MIN || of.retrying > 0);
    of.kind == Kind::Sink && (holds_rows || of.on_workers.iter().any(|on| on.input_full_since_ms.is_some()))
}

fn is_blocked(of: &Operator) -> bool {
    of.on_workers.iter().any(|on| on.output_full_since_ms.is_some())
}

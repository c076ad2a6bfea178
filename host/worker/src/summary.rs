//! The summary of a job at its end.

use std::fmt::Write;
use std::time::Duration;

use super::figures::{self, short, whole};
use super::rows::{self, RowTotals};
use flowgate::job::graph::{JobGraph, NodeKind};
use flowgate::running::{CheckpointStatus, JobState};
use flowgate_base::error::Error;
use flowgate_wall::Metric;

/// Returns a line for the job, one for each node, and the fate of rows that nobody reads.
pub fn of(graph: &JobGraph, state: &JobState, took: Duration, failure: Option<&Error>) -> String {
    let seconds = took.as_secs_f64();
    let end = match failure {
        Some(Error { code, operator: Some(operator), .. }) => format!("failed in `{operator}` with {code}"),
        Some(Error { code, .. }) => format!("failed with {code}"),
        None if state.stop_requested() => "stopped".into(),
        None => "done".into(),
    };
    let read = RowTotals::of(graph, &state.metrics).read;
    let rate = short(read as f64 / seconds.max(0.001));
    let mut text = format!("{}: {end}, {} rows in {seconds:.2} s ({rate} rows/s)\n", graph.name, whole(read));
    let width = graph.nodes.iter().map(|n| n.name.chars().count()).max().unwrap_or(0);
    for (id, node) in graph.numbered() {
        let metrics = state.metrics.node(id);
        let mut line = format!("  {:width$}  {}", node.name, rows::of_node(graph, id, metrics));
        for (name, value) in metrics.plugin_metrics() {
            match value {
                Metric::Counter(n) => line += &format!(", {name} {}", whole(n)),
                Metric::Gauge(v) => line += &format!(", {name} {v}"),
            }
        }
        text += &line;
        text.push('\n');
        if let Some(first) = metrics.first_error() {
            let what = if matches!(node.kind, NodeKind::Sink(_)) { "dropped" } else { "error" };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {:width$}  first {what}: {first}", "");
        }
    }
    text + &checkpoints(&state.checkpoint_status)
}

/// Returns a line for the checkpoints of the job; empty without any.
fn checkpoints(status: &CheckpointStatus) -> String {
    let Some(last) = status.last() else { return String::new() };
    let (count, bytes, took) = (whole(status.count()), figures::bytes(last.bytes), figures::took(last.duration));
    let (number, pause) = (last.number, figures::took(last.pause));
    format!("  checkpoints  {count} taken; the last, {number}: {bytes} in {took}, longest pause {pause}\n")
}

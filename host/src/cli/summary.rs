//! What a job did, told at its end.

use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::figures::{short, whole};
use crate::dataflow::job_state::JobState;
use crate::job::graph::{JobGraph, NodeId, NodeKind};
use crate::plugin::Metric;

/// A line for the job, one for each node, and what became of rows that nobody reads.
pub(super) fn of(graph: &JobGraph, state: &JobState, took: Duration, finished: bool) -> String {
    let nodes = &state.metrics.nodes;
    let sources = || graph.nodes.iter().zip(nodes).filter(|(node, _)| matches!(node.kind, NodeKind::Source(_)));
    let rows: u64 = sources().map(|(_, metrics)| metrics.rows_in.load(Relaxed)).sum();
    let seconds = took.as_secs_f64();
    let end = if !finished {
        "failed"
    } else if state.stop_requested() {
        "stopped"
    } else {
        "done"
    };
    let rate = short(rows as f64 / seconds.max(0.001));
    let mut text = format!("{}: {end}, {} rows in {seconds:.2} s ({rate} rows/s)\n", graph.name, whole(rows));
    let width = graph.nodes.iter().map(|n| n.name.chars().count()).max().unwrap_or(0);
    for (id, (node, metrics)) in graph.nodes.iter().zip(nodes).enumerate() {
        let (rows_in, rows_out) = (metrics.rows_in.load(Relaxed), metrics.rows_out.load(Relaxed));
        let flow = match &node.kind {
            NodeKind::Source(_) => format!("{} read", whole(rows_in)),
            NodeKind::Sink(_) => format!("{} taken", whole(rows_in)),
            _ => format!("{} in, {} out", whole(rows_in), whole(rows_out)),
        };
        let mut line = format!("  {:width$}  {flow}", node.name);
        let (errors, late) = (metrics.errors.load(Relaxed), metrics.late.load(Relaxed));
        for (output, count) in [("errors", errors), ("late", late)] {
            if count > 0 {
                let hint = match &node.kind {
                    NodeKind::Sink(_) => " (dropped)".into(),
                    _ if is_read(graph, id, output) => String::new(),
                    _ => format!(" (dropped; read `{}.{output}`)", node.name),
                };
                line += &format!(", {} {output}{hint}", whole(count));
            }
        }
        let open = metrics.open_groups.load(Relaxed);
        if open > 0 {
            line += &format!(", {} groups in open windows dropped", whole(open));
        }
        for (name, value) in metrics.plugin_metrics() {
            match value {
                Metric::Counter(n) => line += &format!(", {name} {}", whole(n)),
                Metric::Gauge(v) => line += &format!(", {name} {v}"),
            }
        }
        text += &line;
        text.push('\n');
        if let Some(first) = metrics.first_error() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {:width$}  first error: {first}", "");
        }
    }
    text
}

/// Whether some node reads this output.
fn is_read(graph: &JobGraph, id: usize, output: &str) -> bool {
    let Some(position) = graph.nodes[id].outputs.iter().position(|o| o.name == output) else { return false };
    graph.nodes.iter().flat_map(|n| &n.inputs).any(|i| i.node == NodeId(id) && i.output == position)
}

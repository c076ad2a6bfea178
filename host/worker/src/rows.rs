//! What became of the rows of a job, in words with one meaning each; `docs/running.md` defines them.

use std::sync::atomic::Ordering::Relaxed;

use super::figures::whole;
use flowgate::job::graph::{JobGraph, NodeId, NodeKind};
use flowgate::running::{JobMetrics, NodeMetrics};
use flowgate_connect::sink::Deliveries;

/// Returns the line about the rows of one node.
pub fn of_node(graph: &JobGraph, id: NodeId, metrics: &NodeMetrics) -> String {
    let node = graph.node(id);
    let (rows_in, rows_out) = (metrics.rows_in.load(Relaxed), metrics.rows_out.load(Relaxed));
    let (errors, late) = (metrics.errors.load(Relaxed), metrics.late.load(Relaxed));
    let mut text = match &node.kind {
        NodeKind::Source(_) => format!("{} read", whole(rows_in)),
        NodeKind::Sink(_) => {
            let deliveries = metrics.deliveries();
            let mut text = format!("{} delivered", whole(metrics.delivered()));
            for (count, what) in [
                (metrics.waiting(), "waiting"),
                (deliveries.map_or(0, Deliveries::retrying), "retrying"),
                (errors, "dropped"),
            ] {
                text += &some(count, what);
            }
            match deliveries.map_or(0, Deliveries::retries) {
                0 => {}
                1 => text += " (1 retry)",
                retries => text += &format!(" ({} retries)", whole(retries)),
            }
            return text;
        }
        _ => format!("{} in, {} out", whole(rows_in), whole(rows_out)),
    };
    for (output, count) in [("errors", errors), ("late", late)] {
        text += &some(count, output);
        if count > 0 && !is_read(graph, id, output) {
            text += &format!(" (dropped: nothing reads `{}.{output}`)", node.name);
        }
    }
    text += &some(metrics.open_groups.load(Relaxed), "groups in open windows dropped");
    text
}

fn some(count: u64, what: &str) -> String {
    if count > 0 { format!(", {} {what}", whole(count)) } else { String::new() }
}

/// The totals of a job's rows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct RowTotals {
    /// Rows that sources have read.
    pub read: u64,
    /// Rows that the outside of sinks has acknowledged.
    pub delivered: u64,
    /// Rows that have arrived at sinks and are neither delivered nor dropped.
    pub waiting: u64,
    /// Waiting rows whose delivery has failed and is tried again.
    pub retrying: u64,
    /// Rows in outputs `errors`.
    pub errors: u64,
    /// Rows in outputs `late`.
    pub late: u64,
    /// Rows that are lost: sinks dropped them, or nothing reads their output.
    pub dropped: u64,
}

impl RowTotals {
    /// Returns the totals of all nodes. Rows that failed or were late count as dropped too, where nobody reads them.
    pub fn of(graph: &JobGraph, metrics: &JobMetrics) -> RowTotals {
        let mut rows = RowTotals::default();
        for (id, node) in graph.numbered() {
            let of_node = metrics.node(id);
            let (errors, late) = (of_node.errors.load(Relaxed), of_node.late.load(Relaxed));
            match &node.kind {
                NodeKind::Sink(_) => {
                    rows.delivered += of_node.delivered();
                    rows.waiting += of_node.waiting();
                    rows.retrying += of_node.deliveries().map_or(0, Deliveries::retrying);
                    rows.dropped += errors;
                    continue;
                }
                NodeKind::Source(_) => rows.read += of_node.rows_in.load(Relaxed),
                _ => {}
            }
            rows.errors += errors;
            rows.late += late;
            for (output, count) in [("errors", errors), ("late", late)] {
                if count > 0 && !is_read(graph, id, output) {
                    rows.dropped += count;
                }
            }
        }
        rows
    }
}

/// Whether some node reads this output.
pub fn is_read(graph: &JobGraph, id: NodeId, output: &str) -> bool {
    let Some(position) = graph.node(id).outputs.iter().position(|o| o.name == output) else { return false };
    graph.nodes.iter().flat_map(|n| &n.inputs).any(|i| i.node == id && i.output == position)
}

//! What `flowgate run` shows on SIGUSR1: rows of every node, and what its operators keep.

use std::sync::atomic::Ordering::Relaxed;

use super::figures;
use crate::dataflow::job_state::JobState;
use crate::job::graph::JobGraph;

/// Lines of text, each ended.
pub(super) fn of(graph: &JobGraph, job: &JobState) -> String {
    let mut text = format!("\n{}\nrows\n", graph.name);
    for (node, metrics) in graph.nodes.iter().zip(&job.metrics.nodes) {
        let (rows_in, rows_out) = (metrics.rows_in.load(Relaxed), metrics.rows_out.load(Relaxed));
        let (errors, late) = (metrics.errors.load(Relaxed), metrics.late.load(Relaxed));
        text += &format!("  {}: {rows_in} in, {rows_out} out, {errors} errors, {late} late\n", node.name);
    }
    text += "state\n";
    let slots = job.stores.figures();
    if slots.is_empty() {
        text += "  none\n";
    }
    for slot in slots {
        text += &format!(
            "  {}.{} ({}): {} keys in {} bytes of memory, {} keys in files\n",
            slot.operator,
            slot.slot,
            slot.kind.name(),
            slot.keys,
            figures::short(slot.memory_bytes as f64),
            slot.spilled_keys
        );
    }
    text
}

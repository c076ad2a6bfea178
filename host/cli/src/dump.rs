//! The output of `flowgate run` on SIGUSR1: rows of every node, and the state of its operators.

use flowgate::job::graph::JobGraph;
use flowgate::running::JobState;
use flowgate_worker::{figures, rows};

/// Returns lines of text, each with its line end.
pub(super) fn of(graph: &JobGraph, job: &JobState) -> String {
    let mut text = format!("\n{}\nrows\n", graph.name);
    for (id, node) in graph.numbered() {
        text += &format!("  {}: {}\n", node.name, rows::of_node(graph, id, job.metrics.node(id)));
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

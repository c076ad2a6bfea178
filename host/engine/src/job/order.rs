//! Operators whose results depend on the order of rows.
//!
//! O1: rows of a key from one split reach these operators in the split's order. This holds if the rows are neither spread over
//! several workers nor pre-aggregated before the shuffle by key.

use super::graph::{Aggregate, JobGraph, NodeId, NodeKind, Trigger, WindowNode, Windows};

impl JobGraph {
    /// Whether the results of an operator that reads this node, directly or through others, depend on the order of rows.
    pub fn order_counts_behind(&self, node: NodeId) -> bool {
        let mut reached = vec![false; self.nodes.len()];
        reached[node.0] = true;
        // Inputs come before the nodes that read them: one pass reaches every node.
        self.numbered().skip(node.0 + 1).any(|(id, reader)| {
            reached[id.0] = reader.inputs.iter().any(|input| reached[input.node.0]);
            reached[id.0] && reader.kind.goes_by_order()
        })
    }
}

impl NodeKind {
    /// Whether the set of results depends on the order in which the rows of a key arrive, by more than the last digits of floats.
    fn goes_by_order(&self) -> bool {
        match self {
            NodeKind::Process(_) => true,
            NodeKind::Window(window) => window.goes_by_order(),
            NodeKind::Source(_)
            | NodeKind::Transform(_)
            | NodeKind::Join(_)
            | NodeKind::Lookup(_)
            | NodeKind::Select(_)
            | NodeKind::Union(_)
            | NodeKind::Sink(_) => false,
        }
    }
}

impl WindowNode {
    /// As [`NodeKind::goes_by_order`].
    pub fn goes_by_order(&self) -> bool {
        // `first` and `last` also depend on arrival if times are equal.
        let by_arrival = |aggregate: &Aggregate| matches!(aggregate, Aggregate::First(_) | Aggregate::Last(_));
        matches!(self.windows, Windows::Rows { .. })
            || matches!(self.trigger, Some(Trigger::Count(_)))
            || self.aggregates.iter().any(|column| by_arrival(&column.aggregate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::fake::graph;

    /// Returns whether order counts behind the source of a job with this operator over a union of the source.
    fn counts(operator: &str) -> bool {
        let job = format!(
            "
job: order
sources:
  rows: {{ generator: {{ rows: 1, columns: {{ n: {{ int: {{ min: 0, max: 9 }} }}, m: {{ int: {{ min: 0, max: 9 }} }} }} }} }}
  others: {{ generator: {{ rows: 1, columns: {{ n: {{ int: {{ min: 0, max: 9 }} }}, m: {{ int: {{ min: 0, max: 9 }} }} }} }} }}
operators:
  both: {{ union: [rows, others] }}
  result: {operator}
sinks:
  out: {{ input: result, print: {{}} }}
"
        );
        let graph = graph(&job);
        assert!(!graph.order_counts_behind(NodeId(graph.nodes.len() - 1)), "nothing is behind a sink");
        graph.order_counts_behind(NodeId(0))
    }

    #[test]
    fn process_functions_depend_on_order() {
        assert!(counts("{ input: both, key: [n], plugin: text, function: session }"));
        assert!(!counts("{ input: both, plugin: text, function: all }"));
    }

    #[test]
    fn windows_by_number_first_and_last_depend_on_order() {
        let window = |window: &str| counts(&format!("{{ input: both, key: [n], {window} }}"));
        assert!(window("window: { tumbling: 2 rows }, aggregate: { n1: count() }"));
        assert!(window("window: { global: {} }, trigger: { count: 2 }, aggregate: { n1: count() }"));
        assert!(window("window: { global: {} }, aggregate: { a: max(m), b: last(m) }"));
        assert!(!window("window: { global: {} }, aggregate: { a: max(m), b: sum(m) }"));
    }
}

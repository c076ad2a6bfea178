//! Alignment groups: sources of which the rows of one wait, in the state of an operator, for the rows of another.

use super::graph::{JobGraph, NodeId, NodeKind};

impl JobGraph {
    /// Returns the alignment group of a source, itself included: the sources whose rows reach different inputs of the same join or
    /// process function, directly or through other members. In the order of the graph; empty if there is no other member.
    pub fn alignment_group(&self, source: NodeId) -> Vec<NodeId> {
        let sources_of = self.sources_of_nodes();
        let mut group = vec![source];
        let mut seen = 0;
        while let Some(member) = group.get(seen).copied() {
            seen += 1;
            let operators =
                self.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Join(_) | NodeKind::Process(_)));
            for node in operators.filter(|node| node.inputs.len() > 1) {
                let inputs: Vec<&[NodeId]> =
                    node.inputs.iter().map(|input| sources_of[input.node.0].as_slice()).collect();
                if inputs.iter().any(|sources| sources.contains(&member)) {
                    let all = inputs.iter().flat_map(|sources| sources.iter());
                    let fresh: Vec<NodeId> = all.copied().filter(|source| !group.contains(source)).collect();
                    group.extend(fresh);
                }
            }
        }
        group.sort_unstable();
        group.dedup();
        if group.len() > 1 { group } else { Vec::new() }
    }

    /// Returns the sources whose rows reach each node.
    fn sources_of_nodes(&self) -> Vec<Vec<NodeId>> {
        let mut sources_of: Vec<Vec<NodeId>> = Vec::with_capacity(self.nodes.len());
        // Inputs come before the nodes that read them.
        for (id, node) in self.numbered() {
            let mut sources: Vec<NodeId> =
                node.inputs.iter().flat_map(|input| sources_of[input.node.0].clone()).collect();
            if matches!(node.kind, NodeKind::Source(_)) {
                sources.push(id);
            }
            sources.sort_unstable();
            sources.dedup();
            sources_of.push(sources);
        }
        sources_of
    }
}

#[cfg(test)]
mod tests {
    use crate::job::fake::graph;

    #[test]
    fn joins_form_alignment_groups_and_unions_do_not() {
        let source = "{ generator: { rows: 1, columns: { n: { int: { min: 0, max: 9 } } } } }";
        let graph = graph(&format!(
            "
job: alignment
sources:
  a: {source}
  b: {source}
  c: {source}
  d: {source}
  e: {source}
operators:
  both: {{ union: [a, d] }}
  pairs: {{ inputs: [both, b], key: [n], join: inner }}
  more: {{ inputs: [b, c], key: [n], join: inner }}
sinks:
  out: {{ input: pairs, print: {{}} }}
  out2: {{ input: more, print: {{}} }}
  out3: {{ input: e, print: {{}} }}
"
        ));
        let group = |name: &str| {
            let (id, _) = graph.numbered().find(|(_, node)| node.name == name).unwrap();
            let group = graph.alignment_group(id).into_iter();
            group.map(|member| graph.node(member).name.clone()).collect::<Vec<_>>()
        };
        for name in ["a", "b", "c", "d"] {
            assert_eq!(group(name), ["a", "b", "c", "d"], "{name}");
        }
        assert_eq!(group("e"), Vec::<String>::new());
    }
}

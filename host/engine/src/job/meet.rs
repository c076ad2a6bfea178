//! Which sources meet: rows of one wait, in the state of an operator, for rows of the other.

use super::graph::{JobGraph, NodeId, NodeKind};

impl JobGraph {
    /// The sources that meet this one, directly or through others, itself among them: those whose rows come to different
    /// inputs of one join or process function. None, where it meets nobody.
    pub fn sources_that_meet(&self, source: NodeId) -> Vec<NodeId> {
        let behind = self.sources_of_nodes();
        let mut met = vec![source.0];
        let mut seen = 0;
        while let Some(one) = met.get(seen).copied() {
            seen += 1;
            let meeting =
                self.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Join(_) | NodeKind::Process(_)));
            for node in meeting.filter(|node| node.inputs.len() > 1) {
                let inputs: Vec<&[usize]> = node.inputs.iter().map(|input| behind[input.node.0].as_slice()).collect();
                if inputs.iter().any(|sources| sources.contains(&one)) {
                    let all = inputs.iter().flat_map(|sources| sources.iter());
                    let fresh: Vec<usize> = all.copied().filter(|source| !met.contains(source)).collect();
                    met.extend(fresh);
                }
            }
        }
        met.sort_unstable();
        met.dedup();
        if met.len() > 1 { met.into_iter().map(NodeId).collect() } else { Vec::new() }
    }

    /// By node, the sources whose rows come to it.
    fn sources_of_nodes(&self) -> Vec<Vec<usize>> {
        let mut behind: Vec<Vec<usize>> = Vec::with_capacity(self.nodes.len());
        // Inputs come before the nodes that read them.
        for (id, node) in self.nodes.iter().enumerate() {
            let mut sources: Vec<usize> = node.inputs.iter().flat_map(|input| behind[input.node.0].clone()).collect();
            if matches!(node.kind, NodeKind::Source(_)) {
                sources.push(id);
            }
            sources.sort_unstable();
            sources.dedup();
            behind.push(sources);
        }
        behind
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::fake::graph;

    #[test]
    fn sources_meet_in_joins_and_not_in_unions() {
        let source = "{ generator: { rows: 1, columns: { n: { int: { min: 0, max: 9 } } } } }";
        let graph = graph(&format!(
            "
job: meet
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
        let met = |name: &str| {
            let id = graph.nodes.iter().position(|node| node.name == name).unwrap();
            let met = graph.sources_that_meet(NodeId(id)).into_iter();
            met.map(|met| graph.nodes[met.0].name.clone()).collect::<Vec<_>>()
        };
        for name in ["a", "b", "c", "d"] {
            assert_eq!(met(name), ["a", "b", "c", "d"], "{name}");
        }
        assert_eq!(met("e"), Vec::<String>::new());
    }
}

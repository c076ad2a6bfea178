//! Taps: sinks next to those of the job, which show the output of an operator while the job runs.

use super::graph::{Input, JobGraph, Node, NodeKind, SinkNode};
use super::problem::suggestion;
use super::spec::Tap;
use flowgate_connect::Connector;

/// Adds a tap of an output, named as a job names an input: `requests`, `requests.errors`.
///
/// # Errors
/// There is no such source or operator, or it has no such output; the message lists those that exist.
pub fn add(graph: &mut JobGraph, output: &str) -> Result<(), String> {
    let (name, side) = output.split_once('.').unwrap_or((output, ""));
    let readable = |node: &&Node| !node.outputs.is_empty();
    let Some((id, node)) = graph.numbered().find(|(_, node)| node.name == name && readable(node)) else {
        let names: Vec<&str> = graph.nodes.iter().filter(readable).map(|node| node.name.as_str()).collect();
        let help = suggestion(name, "sources and operators", names.iter().copied());
        return Err(format!("there is no source or operator `{name}`; {help}"));
    };
    let outputs = &node.outputs;
    let found = outputs.iter().position(|o| o.name == side).filter(|_| !output.ends_with('.'));
    let Some(position) = found else {
        let names: Vec<&str> = outputs.iter().map(|o| o.name.as_str()).filter(|name| !name.is_empty()).collect();
        let help = suggestion(side, "its side outputs", names.iter().copied());
        return Err(format!("`{name}` has no output `{side}`; {help}"));
    };
    let connector = Connector::new(&Tap { output: output.into() }, "");
    let kind = NodeKind::Sink(SinkNode { connector, reads_side_output: position > 0 });
    let inputs = vec![Input { node: id, output: position }];
    // A name in a job file has no blank: this cannot be the name of another node.
    graph.nodes.push(Node { name: format!("tap {output}"), kind, inputs, outputs: Vec::new() });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::check::check;
    use crate::job::fake::FakePlugins;
    use crate::job::graph::NodeId;
    use crate::job::load::{Document, Language, load};

    fn graph() -> JobGraph {
        let text = "job: x\nsources: { rows: { stdin: {} } }\noperators: { w: { input: rows, window: { tumbling: 1s, time: \
                    processing }, aggregate: { n: count() } } }\nsinks: { out: { input: w, print: {} } }";
        let document = Document { name: "job".into(), text: text.into(), language: Language::Yaml, base: "/".into() };
        let job = load(document, &[], &|_| None).job.unwrap();
        let mut plugins = FakePlugins::new();
        let around = plugins.around();
        check(&job, &around, &mut plugins).unwrap().graph
    }

    #[test]
    fn every_output_can_be_tapped() {
        let mut graph = graph();
        for (output, node, position) in [("rows", 0, 0), ("rows.errors", 0, 1), ("w", 1, 0), ("w.late", 1, 2)] {
            add(&mut graph, output).unwrap();
            let tap = graph.nodes.last().unwrap();
            assert_eq!(tap.inputs, [Input { node: NodeId(node), output: position }], "{output}");
            let NodeKind::Sink(sink) = &tap.kind else { panic!("{output}") };
            assert_eq!(sink.reads_side_output, position > 0);
        }
    }

    #[test]
    fn an_unknown_output_is_an_error() {
        let mut graph = graph();
        let mut message = |output| add(&mut graph, output).unwrap_err();
        assert_eq!(message("row"), "there is no source or operator `row`; did you mean `rows`?");
        assert!(message("out").contains("sources and operators"), "{}", message("out"));
        assert_eq!(message("w.lat"), "`w` has no output `lat`; did you mean `late`?");
        assert!(message("w.").starts_with("`w` has no output ``"), "{}", message("w."));
    }
}

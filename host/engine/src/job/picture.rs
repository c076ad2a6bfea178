//! Pictures of a checked graph, as text.

use std::fmt::Write;

use super::describe::describe;
use super::graph::{Input, JobGraph, Node, NodeId, NodeKind};
use flowgate_base::quantity::Millis;
use flowgate_connect::guarantee::Guarantee;
use flowgate_connect::sink::ConfiguredSink;
use flowgate_connect::source::ConfiguredSource;

/// Returns every node with its inputs and the columns of its outputs, one node a paragraph. Outputs `errors`, whose columns
/// are always the same, appear if they are read.
pub fn edges(graph: &JobGraph) -> String {
    let mut out = String::new();
    for (id, node) in graph.numbered() {
        let _ = write!(out, "{}", node.name);
        let inputs: Vec<String> = node.inputs.iter().map(|input| input_name(graph, input)).collect();
        if !inputs.is_empty() {
            let _ = write!(out, " <- {}", inputs.join(", "));
        }
        let _ = writeln!(out, "  {}", describe(node));
        for (output, edge) in node.outputs.iter().enumerate() {
            let read = readers(graph, id).any(|(_, input)| input.output == output);
            if edge.name != "errors" || read {
                let name = if edge.name.is_empty() { String::new() } else { format!(".{}", edge.name) };
                let time = if edge.has_event_time { "  [event time]" } else { "" };
                let _ = writeln!(out, "    {name}({}){time}", edge.schema);
            }
        }
    }
    if let Some(checkpoint) = &graph.checkpoint {
        let (every, store, keep) = (Millis(checkpoint.every_ms), &checkpoint.store, checkpoint.keep);
        let _ = writeln!(
            out,
            "checkpoints every {every} in {store}, of which {keep} are kept; each row counts, through a crash:"
        );
        for node in &graph.nodes {
            if let Some(guarantee) = guarantee(node) {
                let _ = writeln!(out, "    {}: {guarantee}", node.name);
            }
        }
    }
    out
}

/// Returns what a source or a sink guarantees in a job with checkpoints.
fn guarantee(node: &Node) -> Option<Guarantee> {
    // A checked graph has connectors that can be configured.
    match &node.kind {
        NodeKind::Source(source) => {
            source.connector.configure::<ConfiguredSource>().ok().map(|source| source.guarantee)
        }
        NodeKind::Sink(sink) => sink.connector.configure::<ConfiguredSink>().ok().map(|sink| sink.guarantee),
        _ => None,
    }
}

/// Returns the graph as a tree: each source with its readers below.
pub fn tree(graph: &JobGraph) -> String {
    let mut out = format!("{} (parallelism {})\n", graph.name, graph.parallelism);
    for (id, node) in graph.numbered() {
        if node.inputs.is_empty() {
            let _ = writeln!(out, "{}  {}", node.name, describe(node));
            branches(graph, id, "", &mut out);
        }
    }
    out
}

fn branches(graph: &JobGraph, id: NodeId, indent: &str, out: &mut String) {
    let all: Vec<(NodeId, &Input)> = readers(graph, id).collect();
    for (n, (reader, input)) in all.iter().enumerate() {
        let (branch, below) = if n + 1 == all.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let node = graph.node(*reader);
        let side = &graph.node(id).outputs[input.output].name;
        let side = if side.is_empty() { String::new() } else { format!(".{side} ─ ") };
        let _ = writeln!(out, "{indent}{branch}{side}{}  {}", node.name, describe(node));
        branches(graph, *reader, &format!("{indent}{below}"), out);
    }
}

/// Returns the graph as a Mermaid flowchart, with the columns on its edges.
pub fn mermaid(graph: &JobGraph) -> String {
    let mut out = String::from("flowchart LR\n");
    for (id, node) in graph.numbered() {
        let label = format!("{}<br/>{}", escape(&node.name), escape(&describe(node)));
        let _ = match node.kind {
            NodeKind::Source(_) => writeln!(out, "  n{}([\"{label}\"])", id.0),
            NodeKind::Sink(_) => writeln!(out, "  n{}[/\"{label}\"/]", id.0),
            NodeKind::Window(_) | NodeKind::Join(_) => writeln!(out, "  n{}[[\"{label}\"]]", id.0),
            _ => writeln!(out, "  n{}[\"{label}\"]", id.0),
        };
    }
    for (id, node) in graph.numbered() {
        for input in &node.inputs {
            let edge = &graph.node(input.node).outputs[input.output];
            let side = if edge.name.is_empty() { String::new() } else { format!("{}<br/>", escape(&edge.name)) };
            let columns: Vec<String> = edge.schema.fields.iter().map(|f| escape(&f.to_string())).collect();
            let arrow = if edge.name.is_empty() { "-->" } else { "-.->" };
            let _ = writeln!(out, "  n{} {arrow}|\"{side}{}\"| n{}", input.node.0, columns.join("<br/>"), id.0);
        }
    }
    out
}

/// Mermaid takes HTML entities, with `#` for `&`.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_alphanumeric() || " .,:;?!_-/()*+=".contains(c) => out.push(c),
            c if c.is_control() => out.push(' '),
            c => {
                let _ = write!(out, "#{};", u32::from(c));
            }
        }
    }
    out
}

fn readers(graph: &JobGraph, of: NodeId) -> impl Iterator<Item = (NodeId, &Input)> {
    let inputs = graph.numbered().flat_map(|(id, n)| n.inputs.iter().map(move |input| (id, input)));
    inputs.filter(move |(_, input)| input.node == of)
}

fn input_name(graph: &JobGraph, input: &Input) -> String {
    let node = graph.node(input.node);
    let side = &node.outputs[input.output].name;
    if side.is_empty() { node.name.clone() } else { format!("{}.{side}", node.name) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::job::JobBuilder;
    use crate::job::check::check;
    use crate::job::fake::FakePlugins;

    fn graph() -> JobGraph {
        let job = JobBuilder::new("pages");
        let requests = job.file("\"a\".log").name("lines").transform("weblog", "parse");
        let timed = requests.event_time("time", Duration::ZERO);
        let minute = Duration::from_secs(60);
        let pages = timed.key_by(["path"]).tumbling(minute).aggregate([("n", "count()")]);
        pages.print("out");
        pages.late().write("late", "late.csv");
        timed.errors().discard("bad");
        let mut plugins = FakePlugins::new();
        let around = plugins.around();
        check(&job.build().unwrap(), &around, &mut plugins).unwrap().graph
    }

    #[test]
    fn a_tree_shows_readers_below_their_inputs() {
        let expected = "\
pages (parallelism 1)
lines  file \"a\".log
└─ parse  weblog/parse
   ├─ window  tumbling 1m in event time by path: count
   │  ├─ out  print
   │  └─ .late ─ late  file late.csv
   └─ .errors ─ bad  blackhole
";
        assert_eq!(tree(&graph()), expected);
    }

    #[test]
    fn edges_show_columns_and_only_the_errors_that_are_read() {
        let shown = edges(&graph());
        assert!(
            shown.starts_with("lines  file \"a\".log\n    (text: text)\nparse <- lines  weblog/parse\n"),
            "{shown}"
        );
        assert!(
            shown.contains("    (path: text, window_start: timestamp, window_end: timestamp, n: int64)  [event time]")
        );
        assert_eq!(shown.matches(".errors(").count(), 1, "{shown}");
    }

    #[test]
    fn mermaid_escapes_names() {
        let shown = mermaid(&graph());
        assert!(shown.starts_with("flowchart LR\n  n0([\"lines<br/>file #34;a#34;.log\"])\n"), "{shown}");
        assert!(shown.contains("  n0 -->|\"text: text\"| n1\n"), "{shown}");
        assert!(shown.contains("  n1 -.->|\"errors<br/>operator: text<br/>"), "{shown}");
    }
}

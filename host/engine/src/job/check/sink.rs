//! Sinks: their connectors and inputs.

use flowgate_connect::sink::ConfiguredSink;

use super::checker::Checker;
use super::connector::check_connector;
use crate::job::graph::{Node, NodeKind, SinkNode};
use crate::job::problem::At;

/// Checks all sinks, and adds those without problems.
pub(super) fn check_sinks(checker: &mut Checker<'_>) {
    for (name, sink) in &checker.job.sinks {
        let at = At::job().field("sinks").field(name);
        let connector =
            check_connector::<ConfiguredSink>(checker, &sink.connectors, name, &at).map(|(connector, sink)| {
                if let Some(path) = sink.writes.file() {
                    checker.written.push((at.field(&connector.name).field("path"), path));
                }
                connector
            });
        let input = checker.input(&sink.input, at.field("input"));
        if let (Some(connector), Some((input, _))) = (connector, input) {
            let kind = NodeKind::Sink(SinkNode { connector, reads_side_output: input.output > 0 });
            checker.add(Node { name: name.clone(), kind, inputs: vec![input], outputs: Vec::new() });
        }
    }
}

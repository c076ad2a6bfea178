//! Sinks: exactly one connector each.

use std::path::Path;

use super::checker::Checker;
use super::source::place;
use crate::job::graph::{Node, NodeKind, SinkConnector, SinkNode};
use crate::job::problem::{At, Problem};
use crate::job::spec;
use flowgate_connect::sink_problems;

/// Adds every sink that is right.
pub(super) fn check_sinks(checker: &mut Checker<'_>) {
    for (name, sink) in &checker.job.sinks {
        let at = At::job().field("sinks").field(name);
        let connector = connector(checker, sink, name, &at);
        let input = checker.input(&sink.input, at.field("input"));
        if let (Some(connector), Some((input, _))) = (connector, input) {
            let kind = NodeKind::Sink(SinkNode { connector, reads_side_output: input.output > 0 });
            checker.add(Node { name: name.clone(), kind, inputs: vec![input], outputs: Vec::new() });
        }
    }
}

fn connector(checker: &mut Checker<'_>, sink: &spec::Sink, name: &str, at: &At) -> Option<SinkConnector> {
    if let Some(file) = &sink.file
        && file.path.is_empty()
    {
        checker.error(Problem::error(at.field("file").field("path"), "the path is empty"));
        return None;
    }
    let base = &checker.around.base;
    let print = sink.print.as_ref().map(|p| ("print", SinkConnector::Print(p.clone())));
    let file = sink.file.as_ref().map(|f| ("file", file(f, base)));
    let webhook = sink.webhook.as_ref().map(|w| ("webhook", SinkConnector::Webhook(w.clone())));
    let blackhole = sink.blackhole.as_ref().map(|_| ("blackhole", SinkConnector::Blackhole));
    let mut found: Vec<_> = [print, file, webhook, blackhole].into_iter().flatten().collect();
    match found.len() {
        1 => {
            let (field, connector) = found.pop()?;
            let wrong = sink_problems(&connector);
            let is_right = wrong.is_empty();
            for message in wrong {
                checker.error(Problem::error(place(&message, at.field(field)), message));
            }
            is_right.then_some(connector)
        }
        0 => {
            let message = format!("sink `{name}` has no connector");
            let help = "one of `print: {}`, `file: { path: out.jsonl }`, `webhook: { url: https://example.com/hook }` and \
                        `blackhole: {}`";
            checker.error(Problem::error(at.clone(), message).on_key().help(help));
            None
        }
        _ => {
            let all: Vec<String> = found.iter().map(|(field, _)| format!("`{field}`")).collect();
            let message = format!("sink `{name}` has {} connectors: {}", all.len(), all.join(", "));
            checker.error(Problem::error(at.clone(), message).on_key().help("a sink has exactly one"));
            None
        }
    }
}

fn file(file: &spec::FileSink, base: &Path) -> SinkConnector {
    let is_csv = Path::new(&file.path).extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    let by_name = if is_csv { spec::SinkFormat::Csv } else { spec::SinkFormat::Json };
    SinkConnector::File { path: base.join(&file.path), format: file.format.unwrap_or(by_name) }
}

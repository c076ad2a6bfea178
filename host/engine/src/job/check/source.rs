//! Sources: exactly one connector each, the columns of its rows, event time.

use super::checker::Checker;
use super::column;
use crate::job::graph::{Node, NodeKind, Output, SourceConnector, SourceNode, errors_schema};
use crate::job::problem::{At, Problem};
use crate::job::spec;
use flowgate_connect::source_schema;

/// Adds every source that is right.
pub(super) fn check_sources(checker: &mut Checker<'_>) {
    let mut stdin: Option<&str> = None;
    for (name, source) in &checker.job.sources {
        let at = At::job().field("sources").field(name);
        if source.stdin.is_some()
            && let Some(other) = stdin.replace(name)
        {
            let message = format!("`{other}` reads standard input already");
            checker.error(Problem::error(at.field("stdin"), message).on_key().help("let operators share one source"));
        }
        if let Some(node) = check_source(checker, name, source, &at) {
            checker.add(node);
        }
    }
}

fn check_source(checker: &mut Checker<'_>, name: &str, source: &spec::Source, at: &At) -> Option<Node> {
    let (field, connector) = connector(checker, source, name, at)?;
    let schema = match source_schema(&connector) {
        Ok(schema) => schema,
        Err(wrong) => {
            for message in wrong {
                checker.error(Problem::error(place(&message, at.field(field)), message));
            }
            return None;
        }
    };
    let event_time = match &source.event_time {
        Some(wanted) => Some(column::event_time(checker, wanted, &schema, name, at)?),
        None => None,
    };
    let main = Output { name: String::new(), schema, has_event_time: event_time.is_some() };
    let errors = Output { name: "errors".into(), schema: errors_schema(), has_event_time: false };
    Some(Node {
        name: name.into(),
        kind: NodeKind::Source(SourceNode { connector, event_time }),
        inputs: Vec::new(),
        outputs: vec![main, errors],
    })
}

/// The place that a message about a connector means: it begins with the field (`` `path` ... ``) or the column (``column
/// `a` ...``).
pub(super) fn place(message: &str, connector: At) -> At {
    let quoted = |text: &str| text.strip_prefix('`').and_then(|t| t.split_once('`')).map(|(name, _)| name.to_string());
    match message.strip_prefix("column ").and_then(quoted) {
        Some(column) => connector.field("columns").field(column),
        None => quoted(message).map_or(connector.clone(), |field| connector.field(field)),
    }
}

fn connector(
    checker: &mut Checker<'_>,
    source: &spec::Source,
    name: &str,
    at: &At,
) -> Option<(&'static str, SourceConnector)> {
    let base = checker.around.base.clone();
    let file = source.file.as_ref().map(|f| ("file", SourceConnector::File { spec: f.clone(), base: base.clone() }));
    let stdin = source.stdin.as_ref().map(|s| ("stdin", SourceConnector::Stdin(s.clone())));
    let generator = source.generator.as_ref().map(|g| ("generator", SourceConnector::Generator(g.clone())));
    let nexmark = source.nexmark.as_ref().map(|n| ("nexmark", SourceConnector::Nexmark { spec: n.clone(), base }));
    let system = source.system.as_ref().map(|s| ("system", SourceConnector::System(s.clone())));
    let mut found: Vec<_> = [file, stdin, generator, nexmark, system].into_iter().flatten().collect();
    match found.len() {
        1 => found.pop(),
        0 => {
            let message = format!("source `{name}` has no connector");
            let help = "one of `file: { path: access.log }`, `stdin: {}`, `generator: { columns: ... }`, `nexmark: { table: \
                        bid }` and `system: {}`";
            checker.error(Problem::error(at.clone(), message).on_key().help(help));
            None
        }
        _ => {
            let all: Vec<String> = found.iter().map(|(field, _)| format!("`{field}`")).collect();
            let message = format!("source `{name}` has {} connectors: {}", all.len(), all.join(", "));
            checker.error(Problem::error(at.clone(), message).on_key().help("a source has exactly one"));
            None
        }
    }
}

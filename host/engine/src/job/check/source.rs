//! Sources: the columns of their rows, and event time.

use flowgate_base::schema::Schema;
use flowgate_connect::source::{ConfiguredSource, Reads};

use super::checker::Checker;
use super::column;
use super::connector::{check_connector, configurable};
use crate::job::graph::{Node, NodeKind, Output, SourceNode, errors_schema};
use crate::job::problem::{At, Problem};
use crate::job::spec;

/// Checks all sources, and adds those without problems.
pub(super) fn check_sources(checker: &mut Checker<'_>) {
    let mut stdin: Option<&str> = None;
    for (name, source) in &checker.job.sources {
        let at = At::job().field("sources").field(name);
        // Several connectors are an error, but all of them are checked, so that all mistakes are reported together.
        for (field, settings) in &source.connectors {
            let Ok(ConfiguredSource { reads, .. }) = configurable(checker, field, settings).configure() else {
                continue;
            };
            match reads {
                Reads::StandardInput => {
                    if let Some(other) = stdin.replace(name) {
                        let problem =
                            Problem::error(at.field(field), format!("`{other}` reads standard input already"));
                        checker.error(problem.on_key().help("let operators share one source"));
                    }
                }
                Reads::Files(pattern) => checker.read.push((name.clone(), pattern)),
                Reads::Nothing => {}
            }
        }
        if let Some(node) = check_source(checker, name, source, &at) {
            checker.add(node);
        }
    }
}

fn check_source(checker: &mut Checker<'_>, name: &str, source: &spec::Source, at: &At) -> Option<Node> {
    let (connector, configured) = check_connector::<ConfiguredSource>(checker, &source.connectors, name, at)?;
    if checker.job.checkpoint.is_some()
        && let Some(reason) = configured.source.refuses_checkpoints()
    {
        let problem = Problem::error(
            at.field(&connector.name),
            format!("a job with `checkpoint:` cannot have this source: {reason}"),
        );
        let help = match checker.around.pinned {
            None => "leave `checkpoint:` out, or read from files",
            Some(_) => "every job on a node takes checkpoints; read from files",
        };
        checker.error(problem.on_key().help(help));
    }
    let schema = Schema::clone(&configured.source.schema());
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

//! What differs between the job that runs and the job that was checked with new versions of its functions. Pure.

use serde_json::Value;

use crate::dataflow::build::join_layouts;
use crate::job::graph::{Aggregate, Input, JobGraph, Node, NodeId, NodeKind, PluginFunction};
use flowgate_base::schema::Schema;
use flowgate_wall::binding::Binding;

/// Returns the functions of a node, to change them.
pub(crate) fn functions_mut(node: &mut Node) -> Vec<&mut PluginFunction> {
    match &mut node.kind {
        NodeKind::Transform(transform) => vec![&mut transform.function],
        NodeKind::Process(process) => vec![&mut process.function],
        NodeKind::Join(join) => join.function.iter_mut().map(|(function, _)| function).collect(),
        NodeKind::Window(window) => window
            .aggregates
            .iter_mut()
            .filter_map(|column| match &mut column.aggregate {
                Aggregate::Plugin(function) => Some(function),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Returns the nodes whose functions differ. `is_other`: the file of a function has other content than the one that runs, by the node and the
/// position of the function in it.
///
/// # Errors
/// What else differs, a sentence each.
pub(crate) fn difference(
    running: &JobGraph,
    new: &JobGraph,
    is_other: &dyn Fn(NodeId, usize) -> bool,
) -> Result<Vec<NodeId>, Vec<String>> {
    let mut problems = Vec::new();
    let without_nodes = |graph: &JobGraph| JobGraph { nodes: Vec::new(), ..graph.clone() };
    if let Some(wrong) = first_difference(&without_nodes(running), &without_nodes(new)) {
        problems.push(format!("the job differs: {wrong}"));
    }
    let names = |graph: &JobGraph| graph.nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>();
    let (had, has) = (names(running), names(new));
    if had != has {
        problems.push(format!("the job has other operators: it had {}, and has {}", had.join(", "), has.join(", ")));
        return Err(problems);
    }
    let mut changed = Vec::new();
    for ((id, had), has) in running.numbered().zip(&new.nodes) {
        let name = &had.name;
        for (old, new) in had.outputs.iter().zip(&has.outputs).enumerate().filter_map(|(at, (old, new))| {
            let differs = old.schema != new.schema && is_read(running, id, at);
            differs.then_some((old, new))
        }) {
            let output = if old.name.is_empty() { String::new() } else { format!(".{}", old.name) };
            let (was, is) = (columns(&old.schema), columns(&new.schema));
            problems.push(format!("others read `{name}{output}`, whose columns were {was}, and would be {is}"));
        }
        if let Some(wrong) = first_difference(&frame(had), &frame(has)) {
            problems.push(format!("`{name}` differs in more than its function: {wrong}"));
            continue;
        }
        if let (NodeKind::Join(had), NodeKind::Join(has)) = (&had.kind, &has.kind)
            && join_layouts(had).0.map(|side| side.columns().to_vec())
                != join_layouts(has).0.map(|side| side.columns().to_vec())
        {
            problems.push(format!(
                "the function of `{name}` reads or passes on other columns of its inputs, which the rows that the join keeps do not have; stop the \
                 job, and start it with the new version"
            ));
            continue;
        }
        let is_other = has.functions().iter().enumerate().any(|(at, _)| is_other(id, at));
        let differs = had.functions().iter().zip(has.functions()).any(|(had, has)| {
            (&had.function, &had.config, &had.binding, &had.inputs, &had.files)
                != (&has.function, &has.config, &has.binding, &has.inputs, &has.files)
        });
        if is_other || differs {
            changed.push(id);
        }
    }
    match problems.is_empty() {
        true => Ok(changed),
        false => Err(problems),
    }
}

/// Whether another node reads an output, or its event time is taken from it.
fn is_read(graph: &JobGraph, id: NodeId, output: usize) -> bool {
    let read = Input { node: id, output };
    let assigns = match &graph.node(id).kind {
        NodeKind::Transform(of) => of.event_time.is_some(),
        NodeKind::Window(of) => of.event_time.is_some(),
        NodeKind::Join(of) => of.event_time.is_some(),
        NodeKind::Process(of) => of.event_time.is_some(),
        _ => false,
    };
    (assigns && output == 0) || graph.nodes.iter().any(|node| node.inputs.contains(&read))
}

fn columns(schema: &Schema) -> String {
    let column = |field: &flowgate_base::schema::Field| {
        format!("{}: {}{}", field.name, field.data_type, if field.nullable { "?" } else { "" })
    };
    format!("({})", schema.fields.iter().map(column).collect::<Vec<_>>().join(", "))
}

/// Returns a node without what belongs to its functions, and without the columns of its outputs, which are compared on their own.
fn frame(node: &Node) -> Node {
    let mut frame = node.clone();
    for function in functions_mut(&mut frame) {
        function.path = Default::default();
        function.config = Value::Null;
        function.binding = Binding { inputs: Vec::new(), outputs: Vec::new(), state: Vec::new() };
        function.files.clear();
        for input in &mut function.inputs {
            input.offered.clear();
            input.reads.clear();
        }
    }
    match &mut frame.kind {
        NodeKind::Transform(transform) => transform.outputs.iter_mut().for_each(|output| output.columns.clear()),
        NodeKind::Process(process) => process.outputs.iter_mut().for_each(|output| output.columns.clear()),
        NodeKind::Join(join) => {
            if let Some((_, outputs)) = &mut join.function {
                outputs.iter_mut().for_each(|output| output.columns.clear());
            }
        }
        _ => {}
    }
    frame.outputs.iter_mut().for_each(|output| output.schema = Schema::new(Vec::new()));
    frame
}

/// Says where two values differ first, for people.
fn first_difference<T: serde::Serialize>(had: &T, has: &T) -> Option<String> {
    let value = |of: &T| serde_json::to_value(of).unwrap_or(Value::Null);
    let (had, has) = (value(had), value(has));
    let (path, had, has) = differs(&had, &has, String::new())?;
    let shown = |value: &Value| if value.is_null() { "nothing".into() } else { value.to_string() };
    let path = if path.is_empty() { "all of it".into() } else { format!("`{}`", path.trim_start_matches('.')) };
    Some(format!("{path} was {} and is {}", shown(&had), shown(&has)))
}

fn differs(had: &Value, has: &Value, path: String) -> Option<(String, Value, Value)> {
    match (had, has) {
        _ if had == has => None,
        (Value::Object(had), Value::Object(has)) => {
            let keys = had.keys().chain(has.keys().filter(|key| !had.contains_key(*key)));
            let of = |map: &serde_json::Map<String, Value>, key: &String| map.get(key).cloned().unwrap_or(Value::Null);
            keys.into_iter().find_map(|key| differs(&of(had, key), &of(has, key), format!("{path}.{key}")))
        }
        (Value::Array(had), Value::Array(has)) if had.len() == has.len() => {
            had.iter().zip(has).enumerate().find_map(|(at, (had, has))| differs(had, has, format!("{path}.{at}")))
        }
        _ => Some((path, had.clone(), has.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::fake;

    const JOB: &str = r#"
job: j
parallelism: 2
sources:
  lines: { file: { path: a.log, format: text } }
operators:
  words: { input: lines, plugin: text, function: split }
  shouted: { input: words, plugin: text, function: upper }
sinks:
  out: { input: shouted, blackhole: {} }
"#;

    fn none(_: NodeId, _: usize) -> bool {
        false
    }

    #[test]
    fn only_functions_may_differ() {
        let running = fake::graph(JOB);
        assert_eq!(difference(&running, &running, &none), Ok(vec![]));
        assert_eq!(difference(&running, &running, &|id, _| id == NodeId(2)), Ok(vec![NodeId(2)]));
        let other = |from: &str, to: &str| {
            let changed = JOB.replace(from, to);
            assert_ne!(changed, JOB);
            difference(&running, &fake::graph(&changed), &none).unwrap_err().join("\n")
        };
        assert!(other("parallelism: 2", "parallelism: 3").contains("the job differs: `parallelism` was 2 and is 3"));
        assert!(other("out: {", "other: {").contains("the job has other operators"));
        assert!(other("path: a.log", "path: b.log").contains("`lines` differs in more than its function"));
        let wrong = other("function: upper }", "function: upper, on_error: fail }");
        assert!(
            wrong.contains("`shouted` differs in more than its function: `kind.transform.on_error` was")
                || wrong.contains("on_error"),
            "{wrong}"
        );
        assert!(other("function: upper", "function: all").contains("function"), "another function is another operator");
    }

    #[test]
    fn the_columns_of_outputs_that_are_read_stay() {
        let running = fake::graph(JOB);
        let mut new = running.clone();
        // `odd` of `words` is behind `errors`, and nobody reads it.
        new.nodes[1].outputs[2].schema.fields.pop();
        assert_eq!(difference(&running, &new, &none), Ok(vec![]));
        new.nodes[1].outputs[0].schema.fields.pop();
        let wrong = difference(&running, &new, &none).unwrap_err();
        assert!(wrong[0].starts_with("others read `words`, whose columns were (text: "), "{wrong:?}");
    }
}

//! What the format of an operator's state depends on: it has to be the same when a job continues.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::dataflow::build::join_layouts;
use crate::dataflow::join::layout::Layout;
use crate::job::graph::{Aggregate, AggregateColumn, JobGraph, Node, NodeKind, PluginFunction};
use flowgate_base::schema::Field;

/// Returns the fingerprint of each operator that has state, by name.
pub(crate) fn fingerprints(graph: &JobGraph) -> BTreeMap<String, Value> {
    graph.nodes.iter().filter_map(|node| Some((node.name.clone(), fingerprint(graph, node)?))).collect()
}

fn fingerprint(graph: &JobGraph, node: &Node) -> Option<Value> {
    let fields = |input: usize, columns: &[usize]| -> Value {
        let schema = node.inputs.get(input).map(|input| &graph.node(input.node).outputs[input.output].schema);
        let field = |field: &Field| json!([field.name, field.data_type]);
        columns.iter().filter_map(|column| schema?.fields.get(*column)).map(field).collect()
    };
    let kept =
        |[left, right]: &[Layout; 2]| json!({ "left": fields(0, left.columns()), "right": fields(1, right.columns()) });
    Some(match &node.kind {
        NodeKind::Window(window) => json!({
            "kind": "window",
            "key": fields(0, &window.key),
            "windows": window.windows,
            "time": window.time,
            "trigger": window.trigger,
            "aggregates": window.aggregates.iter().map(|column| named(column, &fields)).collect::<Vec<_>>(),
        }),
        NodeKind::Join(join) => json!({
            "kind": "join",
            "join": join.join,
            "bound": join.bound,
            "keys": join.keys.iter().map(|(left, right)| json!([fields(0, &[*left]), fields(1, &[*right])])).collect::<Vec<_>>(),
            "columns": join.columns,
            // Kept rows have these columns.
            "rows": kept(&join_layouts(join).0),
            "function": join.function.as_ref().map(|(of, _)| function(of)),
        }),
        NodeKind::Process(process) => json!({
            "kind": "process",
            "key": process.keys.iter().enumerate().map(|(input, key)| fields(input, key)).collect::<Vec<_>>(),
            "function": function(&process.function),
            "slots": process.function.binding.state,
        }),
        _ => return None,
    })
}

/// Columns of the state have the names of aggregates.
fn named(column: &AggregateColumn, fields: &dyn Fn(usize, &[usize]) -> Value) -> Value {
    json!({ "name": column.name, "aggregate": aggregate(&column.aggregate, fields) })
}

fn aggregate(aggregate: &Aggregate, fields: &dyn Fn(usize, &[usize]) -> Value) -> Value {
    let of = |name: &str, columns: &[usize]| json!([name, fields(0, columns)]);
    match aggregate {
        Aggregate::Count(column) => of("count", column.as_slice()),
        Aggregate::Sum(column) => of("sum", &[*column]),
        Aggregate::Min(column) => of("min", &[*column]),
        Aggregate::Max(column) => of("max", &[*column]),
        Aggregate::Avg(column) => of("avg", &[*column]),
        Aggregate::First(column) => of("first", &[*column]),
        Aggregate::Last(column) => of("last", &[*column]),
        Aggregate::Distinct(column) => of("distinct", &[*column]),
        Aggregate::ApproxDistinct(column) => of("approx_distinct", &[*column]),
        // Another quantile is another question to the same sketch.
        Aggregate::Quantile { column, .. } => of("quantile", &[*column]),
        Aggregate::ArgExtreme { value, by, greatest } => json!([of("arg_extreme", &[*value, *by]), greatest]),
        Aggregate::TopK { value, by, k } => json!([of("top_k", &[*value, *by]), k]),
        Aggregate::Plugin(plugin) => function(plugin),
    }
}

fn function(function: &PluginFunction) -> Value {
    json!([function.plugin, function.function])
}

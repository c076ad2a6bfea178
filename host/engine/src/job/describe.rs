//! Short descriptions of the nodes of a checked graph.

use super::graph::{Aggregate, JoinBound, Node, NodeKind, Windows};
use super::spec::{JoinType, WindowTime};
use flowgate_base::quantity::Millis;
use flowgate_connect::Connector;
use flowgate_connect::entry::Kind;
use flowgate_connect::sink::ConfiguredSink;
use flowgate_connect::source::ConfiguredSource;

/// Describes a node in a few words.
pub(super) fn describe(node: &Node) -> String {
    match &node.kind {
        NodeKind::Source(source) => connector::<ConfiguredSource>(&source.connector, |source| source.description),
        NodeKind::Transform(transform) => format!("{}/{}", transform.function.plugin, transform.function.function),
        NodeKind::Window(window) => {
            let time = time(window.time);
            let shape = match window.windows {
                Windows::Time { size_ms, slide_ms } => format!("{} in {time}", length(size_ms, slide_ms)),
                Windows::Session { gap_ms } => format!("session {} in {time}", Millis(gap_ms)),
                Windows::Global => "global".into(),
                Windows::Rows { size, slide } if size == slide => format!("tumbling {size} rows"),
                Windows::Rows { size, slide } => format!("sliding {size} rows every {slide} rows"),
            };
            let results: Vec<String> = window.aggregates.iter().map(|a| aggregate(&a.aggregate)).collect();
            format!("{shape}{}: {}", by(node, window.key.len()), results.join(", "))
        }
        NodeKind::Join(join) => {
            let bound = match join.bound {
                JoinBound::Window { size_ms, slide_ms, time: t, .. } => {
                    format!("{} in {}", length(size_ms, slide_ms), time(t))
                }
                JoinBound::Interval { before_ms, after_ms } => {
                    format!("from {} before to {} after", Millis(before_ms), Millis(after_ms))
                }
                JoinBound::Unbounded { ttl_ms: Some(ttl) } => format!("kept for {}", Millis(ttl)),
                JoinBound::Unbounded { ttl_ms: None } => "of all rows".into(),
            };
            let function = join.function.as_ref().map(|(f, _)| format!(": {}/{}", f.plugin, f.function));
            format!("{} join {bound}{}", join_type(join.join), function.unwrap_or_default())
        }
        NodeKind::Lookup(lookup) => {
            let path = std::path::Path::new(&lookup.table.path);
            let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            format!("{} join with {file}", join_type(lookup.join))
        }
        NodeKind::Process(process) => format!("process {}/{}", process.function.plugin, process.function.function),
        NodeKind::Select(_) => {
            let names: Vec<&str> = node.outputs[0].schema.fields.iter().map(|field| field.name.as_str()).collect();
            format!("select {}", names.join(", "))
        }
        NodeKind::Union(_) => "union".into(),
        NodeKind::Sink(sink) => connector::<ConfiguredSink>(&sink.connector, |sink| sink.description),
    }
}

/// Returns the description of a connector; of one that is not configured correctly, the name. A checked graph has none of those.
fn connector<K: Kind>(connector: &Connector, description: impl FnOnce(K) -> String) -> String {
    connector.configure().map_or_else(|_| connector.name.clone(), description)
}

fn aggregate(aggregate: &Aggregate) -> String {
    match aggregate {
        Aggregate::Count(_) => "count".into(),
        Aggregate::Sum(_) => "sum".into(),
        Aggregate::Min(_) => "min".into(),
        Aggregate::Max(_) => "max".into(),
        Aggregate::Avg(_) => "avg".into(),
        Aggregate::First(_) => "first".into(),
        Aggregate::Last(_) => "last".into(),
        Aggregate::Distinct(_) => "distinct".into(),
        Aggregate::ApproxDistinct(_) => "approx_distinct".into(),
        Aggregate::Quantile { q, .. } => format!("quantile {q}"),
        Aggregate::ArgExtreme { greatest: true, .. } => "arg_max".into(),
        Aggregate::ArgExtreme { .. } => "arg_min".into(),
        Aggregate::TopK { k, .. } => format!("top {k}"),
        Aggregate::Plugin(function) => format!("{}/{}", function.plugin, function.function),
    }
}

fn time(time: WindowTime) -> &'static str {
    match time {
        WindowTime::Event => "event time",
        WindowTime::Processing => "processing time",
    }
}

fn length(size_ms: i64, slide_ms: i64) -> String {
    match size_ms == slide_ms {
        true => format!("tumbling {}", Millis(size_ms)),
        false => format!("sliding {} every {}", Millis(size_ms), Millis(slide_ms)),
    }
}

fn by(node: &Node, keys: usize) -> String {
    let keys: Vec<&str> = node.outputs[0].schema.fields.iter().take(keys).map(|f| f.name.as_str()).collect();
    if keys.is_empty() { String::new() } else { format!(" by {}", keys.join(", ")) }
}

fn join_type(join: JoinType) -> &'static str {
    match join {
        JoinType::Inner => "inner",
        JoinType::Left => "left",
        JoinType::Right => "right",
        JoinType::Full => "full",
        JoinType::Semi => "semi",
        JoinType::Anti => "anti",
    }
}

//! The checked graph: every edge has a type, every plugin function a binding, every path is resolved. What the
//! dataflow runs; it can be serialised and run in another process.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use super::join_nodes::{JoinBound, JoinNode, LookupNode, PairColumn, PairOutput};
use super::spec;
use flowgate_base::schema::Schema;
use flowgate_connect::Connector;
use flowgate_wall::binding::Binding;

/// A job that has been checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobGraph {
    /// The job's name.
    pub name: String,
    /// Worker threads.
    pub parallelism: usize,
    /// Units in which keyed state is divided.
    pub key_groups: u32,
    /// Bytes in flight for each worker before its sources wait.
    pub in_flight_bytes: u64,
    /// Ticks in flight before sources wait.
    pub in_flight_ticks: u32,
    /// Limits of plugin calls that differ from the defaults.
    pub limits: spec::Limits,
    /// Where keyed state is kept.
    pub state: StatePlace,
    /// Inputs come before the nodes that read them.
    pub nodes: Vec<Node>,
}

impl JobGraph {
    /// Returns the sinks with their names.
    pub fn sinks(&self) -> impl Iterator<Item = (&str, &Connector)> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Sink(sink) => Some((node.name.as_str(), &sink.connector)),
            _ => None,
        })
    }
}

/// Where keyed state is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatePlace {
    /// Memory for the state of all workers together; what is over it goes to files.
    pub memory_bytes_max: u64,
    /// The folder for those files, absolute; `None`: the system's for temporary files.
    pub spill: Option<PathBuf>,
}

/// Position in [`JobGraph::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(pub usize);

/// A source, an operator or a sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// The name in the job file.
    pub name: String,
    /// What it does.
    pub kind: NodeKind,
    /// What it reads; none for a source.
    pub inputs: Vec<Input>,
    /// What it gives: the main output first, then side outputs (`errors`, `late`, the function's own). None for a sink.
    pub outputs: Vec<Output>,
}

/// An edge's upper end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The node that is read.
    pub node: NodeId,
    /// Which of its outputs: a position in [`Node::outputs`].
    pub output: usize,
}

/// One output of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Empty for the main output.
    pub name: String,
    /// Its columns.
    pub schema: Schema,
    /// Whether its rows carry an event time.
    pub has_event_time: bool,
}

/// What a node does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum NodeKind {
    /// Reads the outside world. Outputs: main, `errors`.
    Source(SourceNode),
    /// Runs a plugin's transform. Outputs: main, `errors`, then the function's side outputs.
    Transform(TransformNode),
    /// Aggregates windows. Outputs: main, `errors`, `late`.
    Window(WindowNode),
    /// Joins two inputs. Outputs: main, `errors`, `late` (left rows), `late_right`, then the function's side outputs.
    Join(JoinNode),
    /// Joins a stream with a table file. Outputs: main, `errors`.
    Lookup(LookupNode),
    /// Runs a plugin's process function. Outputs: main, `errors`, then the function's side outputs.
    Process(ProcessNode),
    /// Some columns of its input. Outputs: main.
    Select(SelectNode),
    /// The rows of all inputs. Outputs: main.
    Union(UnionNode),
    /// Writes to the outside world.
    Sink(SinkNode),
}

/// A source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceNode {
    /// Where rows come from.
    pub connector: Connector,
    /// Event time of its rows.
    pub event_time: Option<EventTime>,
}

/// How a stream gets its event time and watermarks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTime {
    /// Position of a timestamp column in the main output's schema.
    pub column: usize,
    /// The watermark stays this many milliseconds behind the greatest event time.
    pub max_out_of_orderness_ms: i64,
    /// Milliseconds without rows after which a part no longer holds the watermark back.
    pub idle_after_ms: Option<i64>,
}

/// A function of a plugin, opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginFunction {
    /// The plugin's name in the job.
    pub plugin: String,
    /// The component's file.
    pub path: PathBuf,
    /// The function's name.
    pub function: String,
    /// `{}` where the job gives none.
    pub config: serde_json::Value,
    /// What `open` answered.
    pub binding: Binding,
    /// One for each of the function's inputs.
    pub inputs: Vec<FunctionInput>,
    /// Granted files, absolute.
    pub files: BTreeMap<String, PathBuf>,
}

/// How one input of a function is fed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionInput {
    /// The columns offered to `open`: for each, its field there and where it comes from.
    pub offered: Vec<Offered>,
    /// For each column that the function reads: its position in the input's schema, and whether int64 becomes float64.
    pub reads: Vec<Read>,
}

/// A column as it is offered to a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    /// The name and type under which the function sees it.
    pub field: flowgate_base::schema::Field,
    /// Its position in the input's schema.
    pub column: usize,
}

/// A column that crosses into a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Position in the input's schema.
    pub column: usize,
    /// The stream has int64, the function wants float64.
    pub widen: bool,
}

/// A plugin's transform in an operator slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransformNode {
    /// The function.
    pub function: PluginFunction,
    /// For each output of the function's binding, which node output it is and what its columns are made of.
    pub outputs: Vec<TransformOutput>,
    /// What happens to rows that fail.
    pub on_error: spec::OnError,
    /// Event time of the main output, where it is assigned again.
    pub event_time: Option<EventTime>,
}

/// How an output of a transform is assembled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransformOutput {
    /// Position in [`Node::outputs`].
    pub output: usize,
    /// One for each column of that output's schema.
    pub columns: Vec<ColumnOrigin>,
}

/// Where a column of an operator's output comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnOrigin {
    /// Passes through: position in the input's schema.
    Input(usize),
    /// Made by the function: position among the columns of the binding's output.
    Made(usize),
}

/// A window aggregation. Its main output has: the key columns; `window_start` and `window_end`, where windows have a
/// start and an end in time; `window_result`, where a window can give more than one result; then a column for each
/// aggregate. Its event time is `window_end - 1` where there is one, else that of the latest row of the group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowNode {
    /// Positions of the key columns in the input's schema; empty for one group of all rows.
    pub key: Vec<usize>,
    /// Which windows.
    pub windows: Windows,
    /// Which time.
    pub time: spec::WindowTime,
    /// Milliseconds of event time after a window's end in which rows still count.
    pub allowed_lateness_ms: i64,
    /// Results beside that at the end of a window.
    pub trigger: Option<Trigger>,
    /// Whether there is a column `window_result`.
    pub marks_results: bool,
    /// The results.
    pub aggregates: Vec<AggregateColumn>,
    /// What happens to rows that a plugin aggregate fails.
    pub on_error: spec::OnError,
    /// Event time of the main output, where it is assigned again.
    pub event_time: Option<EventTime>,
}

/// Windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Windows {
    /// Tumbling and sliding ones in time.
    Time {
        /// Length, milliseconds.
        size_ms: i64,
        /// Milliseconds between starts; equal to `size_ms` for tumbling windows.
        slide_ms: i64,
    },
    /// Of a key, until no row has come for so long.
    Session {
        /// Milliseconds.
        gap_ms: i64,
    },
    /// One for everything.
    Global,
    /// Tumbling and sliding ones by number of rows of a key.
    Rows {
        /// Rows.
        size: u64,
        /// Rows between starts; equal to `size` for tumbling windows.
        slide: u64,
    },
}

/// When a window gives results beside the end of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trigger {
    /// Whenever this number of further rows of a key has come.
    Count(u64),
    /// At this interval of processing time, milliseconds.
    Every(i64),
}

/// One aggregate of a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AggregateColumn {
    /// The name in the job. A plugin function with several result columns gives `name_column` for each.
    pub name: String,
    /// What is computed.
    pub aggregate: Aggregate,
    /// A boolean column; only rows where it is true count. `None`: all rows.
    pub filter: Option<usize>,
}

/// What an aggregate computes.
// A job has few of these, and nobody copies them: a box would only be in the way.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Aggregate {
    /// Rows (`None`), or rows with a value in this column. Result: int64.
    Count(Option<usize>),
    /// int64 or float64 column; the result has its type and is null where no row has a value. An int64 sum that
    /// overflows fails the job.
    Sum(usize),
    /// Any ordered column (all but json and bytes); result of its type, null where no row has a value.
    Min(usize),
    /// As `Min`.
    Max(usize),
    /// int64 or float64 column; result float64, null where no row has a value.
    Avg(usize),
    /// The value of the earliest row, by event time where the window goes by it, else by arrival.
    First(usize),
    /// The value of the latest row.
    Last(usize),
    /// How many different values, exactly: int64.
    Distinct(usize),
    /// About how many different values, by a sketch: int64.
    ApproxDistinct(usize),
    /// The value below which a share `q` of the values lies, within 1 % of it: float64.
    Quantile {
        /// int64 or float64 column.
        column: usize,
        /// From 0 to 1.
        q: f64,
    },
    /// The value of a row with the greatest (least) `by`; of several such rows, the least value.
    ArgExtreme {
        /// Any column but json.
        value: usize,
        /// An ordered column.
        by: usize,
        /// The greatest instead of the least.
        greatest: bool,
    },
    /// The `k` rows with the greatest `by`, as a JSON array of `{ "value": ..., "by": ... }`.
    TopK {
        /// Any column.
        value: usize,
        /// An ordered column.
        by: usize,
        /// The greatest number of rows.
        k: u32,
    },
    /// A plugin's aggregate.
    Plugin(PluginFunction),
}

/// A plugin's process function in an operator slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessNode {
    /// For each input, the positions of the key columns in its schema.
    pub keys: Vec<Vec<usize>>,
    /// The function. Its inputs are the node's.
    pub function: PluginFunction,
    /// For each output of the function's binding, which node output it is and what its columns are made of: `Left` is
    /// the first input, `Right` the second, absent in rows that come from the other one or from a timer.
    pub outputs: Vec<PairOutput>,
    /// What happens to rows that fail.
    pub on_error: spec::OnError,
    /// Event time of the main output, where it is assigned again.
    pub event_time: Option<EventTime>,
}

/// Some columns of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelectNode {
    /// Their positions in the input's schema.
    pub columns: Vec<usize>,
    /// Event time of the main output, where it is assigned again.
    pub event_time: Option<EventTime>,
}

/// A union.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnionNode {
    /// Event time of the main output, where it is assigned again.
    pub event_time: Option<EventTime>,
}

/// A sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SinkNode {
    /// Where rows go.
    pub connector: Connector,
    /// Whether it reads a side output: what the job is for does not come there.
    pub reads_side_output: bool,
}

/// The columns of every `errors` output.
pub fn errors_schema() -> Schema {
    use flowgate_base::schema::{DataType, Field};
    Schema::new(vec![
        Field::new("operator", DataType::Text),
        Field::nullable("position", DataType::Text),
        Field::new("message", DataType::Text),
        Field::new("row", DataType::Text),
    ])
}

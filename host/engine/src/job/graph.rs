//! The checked graph, which the dataflow runs: every edge has a type, every plugin function a binding, every path is resolved.
//! It can be serialised and run in another process.

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
    /// The number of key groups: the units in which keyed state is divided.
    pub key_groups: u32,
    /// Bytes in flight for each worker before its sources wait.
    pub in_flight_bytes: u64,
    /// Ticks in flight before sources wait.
    pub in_flight_ticks: u32,
    /// Limits of plugin calls that differ from the defaults.
    pub limits: spec::Limits,
    /// Where keyed state is kept.
    pub state: StatePlace,
    /// Its checkpoints; `None`: it takes none.
    pub checkpoint: Option<CheckpointSettings>,
    /// The nodes; inputs come before the nodes that read them.
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

    /// Returns the node of a number.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Returns the nodes with their numbers, inputs before the nodes that read them.
    pub fn numbered(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(id, node)| (NodeId(id), node))
    }
}

/// When a job takes checkpoints, and where they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointSettings {
    /// The time from one checkpoint to the next, in milliseconds; greater than 0.
    pub every_ms: i64,
    /// The store: an absolute folder, or a URL.
    pub store: String,
    /// The number of checkpoints that are kept; at least 1.
    pub keep: u32,
    /// The time after which a checkpoint that is not complete is reported, in milliseconds; greater than 0.
    pub timeout_ms: i64,
}

/// Where keyed state is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatePlace {
    /// Memory for the state of all workers together; state over it goes to files.
    pub memory_bytes_max: u64,
    /// The folder for these files, absolute; `None`: the system's for temporary files.
    pub spill: Option<PathBuf>,
    /// The size of these files together, in bytes; `None`: what the disk has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spill_bytes_max: Option<u64>,
    /// Bytes that are written to them a second; `None`: what the disk takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spill_bytes_per_s_max: Option<u64>,
}

/// Position in [`JobGraph::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(pub usize);

/// A source, an operator or a sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// The name in the job file.
    pub name: String,
    /// Its kind, with the settings of this kind.
    pub kind: NodeKind,
    /// Its inputs; none for a source.
    pub inputs: Vec<Input>,
    /// Its outputs: the main output, then the side outputs (`errors`, `late`, those of the function). None for a sink.
    pub outputs: Vec<Output>,
}

impl Node {
    /// Returns the functions of plugins that it has, in the order of the graph.
    pub fn functions(&self) -> Vec<&PluginFunction> {
        match &self.kind {
            NodeKind::Transform(transform) => vec![&transform.function],
            NodeKind::Process(process) => vec![&process.function],
            NodeKind::Join(join) => join.function.iter().map(|(function, _)| function).collect(),
            NodeKind::Window(window) => window
                .aggregates
                .iter()
                .filter_map(|column| match &column.aggregate {
                    Aggregate::Plugin(function) => Some(function),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// The start of an edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The node that is read.
    pub node: NodeId,
    /// The output of this node: a position in [`Node::outputs`].
    pub output: usize,
}

/// One output of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The name of a side output; empty for the main output.
    pub name: String,
    /// Its columns.
    pub schema: Schema,
    /// Whether its rows carry an event time.
    pub has_event_time: bool,
}

/// The kind of a node.
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
    /// Selects columns of its input. Outputs: main.
    Select(SelectNode),
    /// Unites the rows of all inputs. Outputs: main.
    Union(UnionNode),
    /// Writes to the outside world.
    Sink(SinkNode),
}

/// A source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceNode {
    /// The connector.
    pub connector: Connector,
    /// Event time of its rows.
    pub event_time: Option<EventTimeColumn>,
}

/// The assignment of event time and watermarks to a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTimeColumn {
    /// Position of a timestamp column in the main output's schema.
    pub column: usize,
    /// The milliseconds by which the watermark lags the greatest event time.
    pub max_out_of_orderness_ms: i64,
    /// The milliseconds without rows after which a part of the stream no longer holds the watermark back.
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
    /// The config; `{}` if the job has none.
    pub config: serde_json::Value,
    /// The binding that `open` returned.
    pub binding: Binding,
    /// The function's inputs.
    pub inputs: Vec<FunctionInput>,
    /// Granted files, absolute.
    pub files: BTreeMap<String, PathBuf>,
}

/// The columns of one input of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionInput {
    /// The columns that were offered to `open`.
    pub offered: Vec<Offered>,
    /// The columns that the function reads.
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
    /// Whether the stream has int64 and the function reads float64.
    pub widen: bool,
}

/// A plugin's transform in an operator slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransformNode {
    /// The function.
    pub function: PluginFunction,
    /// The outputs of the function's binding.
    pub outputs: Vec<TransformOutput>,
    /// What happens to rows that fail.
    pub on_error: spec::OnError,
    /// The event time of the main output, if it is assigned again.
    pub event_time: Option<EventTimeColumn>,
}

/// An output of a transform: the columns of which it is assembled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransformOutput {
    /// Position in [`Node::outputs`].
    pub output: usize,
    /// One for each column of that output's schema.
    pub columns: Vec<ColumnOrigin>,
}

/// The origin of a column of an operator's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnOrigin {
    /// The column passes through: its position in the input's schema.
    Input(usize),
    /// The function makes the column: its position among the columns of the binding's output.
    Made(usize),
}

/// A window aggregation. Its main output has the key columns; `window_start` and `window_end`, if windows have a start and an
/// end in time; `window_result`, if a window can emit more than one result; then the columns of each aggregate. Its event time
/// is `window_end - 1` if there is one, else that of the latest row of the key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowNode {
    /// Positions of the key columns in the input's schema; empty for one group of all rows.
    pub key: Vec<usize>,
    /// The windows.
    pub windows: Windows,
    /// The time by which rows fall into windows.
    pub time: spec::WindowTime,
    /// The milliseconds of event time after a window's end in which it accepts rows.
    pub allowed_lateness_ms: i64,
    /// The trigger of results besides the one at the end of a window.
    pub trigger: Option<Trigger>,
    /// Whether results have the column `window_result`.
    pub marks_results: bool,
    /// The aggregates.
    pub aggregates: Vec<AggregateColumn>,
    /// What happens to rows that a plugin aggregate fails.
    pub on_error: spec::OnError,
    /// The event time of the main output, if it is assigned again.
    pub event_time: Option<EventTimeColumn>,
}

/// Windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Windows {
    /// Tumbling and sliding windows in time.
    Time {
        /// The length, in milliseconds.
        size_ms: i64,
        /// The milliseconds between starts; equal to `size_ms` for tumbling windows.
        slide_ms: i64,
    },
    /// Session windows of a key.
    Session {
        /// The time without rows that ends a session, in milliseconds.
        gap_ms: i64,
    },
    /// One window for all rows.
    Global,
    /// Tumbling and sliding windows by number of rows of a key.
    Rows {
        /// The length, in rows.
        size: u64,
        /// The rows between starts; equal to `size` for tumbling windows.
        slide: u64,
    },
}

/// When a window emits results besides the one at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trigger {
    /// Whenever this number of further rows of a key has arrived.
    Count(u64),
    /// At this interval of processing time, milliseconds.
    Every(i64),
}

/// One aggregate of a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AggregateColumn {
    /// The name in the job. A plugin function with several result columns has one column `name_column` for each.
    pub name: String,
    /// The aggregate.
    pub aggregate: Aggregate,
    /// A boolean column; only rows where it is true count. `None`: all rows.
    pub filter: Option<usize>,
}

/// What an aggregate computes.
// A job has few of these, and they are not copied: a box is not worthwhile.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Aggregate {
    /// The number of rows (`None`), or of rows with a value in this column: int64.
    Count(Option<usize>),
    /// The sum of an int64 or float64 column; the result has its type, and is null if no row has a value. An int64 sum that
    /// overflows fails the job.
    Sum(usize),
    /// The least value of an ordered column (all but json and bytes), of its type; null if no row has a value.
    Min(usize),
    /// The greatest value, as for `Min`.
    Max(usize),
    /// The mean of an int64 or float64 column: float64, null if no row has a value.
    Avg(usize),
    /// The value of the earliest row, by event time if the windows use it, else by arrival.
    First(usize),
    /// The value of the latest row.
    Last(usize),
    /// The exact number of different values: int64.
    Distinct(usize),
    /// The approximate number of different values, by a sketch: int64.
    ApproxDistinct(usize),
    /// The value below which a share `q` of the values lies, with an error of at most 1 %: float64.
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
        /// Whether to take the greatest instead of the least.
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
    /// The positions of the key columns in the schema of each input.
    pub keys: Vec<Vec<usize>>,
    /// The function. Its inputs are the node's.
    pub function: PluginFunction,
    /// The outputs of the function's binding. `Left` is the first input, `Right` the second; their columns are null in rows that
    /// come from the other input or from a timer.
    pub outputs: Vec<PairOutput>,
    /// What happens to rows that fail.
    pub on_error: spec::OnError,
    /// The event time of the main output, if it is assigned again.
    pub event_time: Option<EventTimeColumn>,
}

/// A selection of columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelectNode {
    /// The positions of the columns in the input's schema.
    pub columns: Vec<usize>,
    /// The event time of the main output, if it is assigned again.
    pub event_time: Option<EventTimeColumn>,
}

/// A union.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnionNode {
    /// The event time of the main output, if it is assigned again.
    pub event_time: Option<EventTimeColumn>,
}

/// A sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SinkNode {
    /// The connector.
    pub connector: Connector,
    /// Whether it reads a side output, which has no main results of the job.
    pub reads_side_output: bool,
}

/// Returns the columns of every output `errors`.
pub fn errors_schema() -> Schema {
    use flowgate_base::schema::{DataType, Field};
    Schema::new(vec![
        Field::new("operator", DataType::Text),
        Field::nullable("position", DataType::Text),
        Field::new("message", DataType::Text),
        Field::new("row", DataType::Text),
    ])
}

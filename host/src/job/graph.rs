//! The checked graph: every edge has a type, every plugin function a binding, every path is resolved. What the
//! dataflow runs; it can be serialised and run in another process.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::spec;
use crate::plugin::binding::Binding;
use crate::schema::Schema;

/// A job that has been checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobGraph {
    /// The job's name.
    pub name: String,
    /// Worker threads.
    pub parallelism: usize,
    /// Units in which keyed state is divided.
    pub key_groups: u32,
    /// Bytes under way for each worker before its sources wait.
    pub in_flight_bytes: u64,
    /// Ticks under way before sources wait.
    pub in_flight_ticks: u32,
    /// Limits of plugin calls that differ from the defaults.
    pub limits: spec::Limits,
    /// Inputs come before the nodes that read them.
    pub nodes: Vec<Node>,
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
    /// Writes to the outside world.
    Sink(SinkNode),
}

/// A source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceNode {
    /// Exactly one is set; paths are absolute.
    pub connector: SourceConnector,
    /// Event time of its rows.
    pub event_time: Option<EventTime>,
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SourceConnector {
    /// Files; `base` is the folder to which the path is relative.
    File {
        /// As the user wrote it.
        spec: spec::FileSource,
        /// The job file's folder.
        base: PathBuf,
    },
    /// Standard input.
    Stdin(spec::StdinSource),
    /// Made rows.
    Generator(spec::Generator),
    /// Events of the Nexmark benchmark; `base` is the folder to which a path is relative.
    Nexmark {
        /// As the user wrote it.
        spec: spec::Nexmark,
        /// The job file's folder.
        base: PathBuf,
    },
    /// Figures of the machine.
    System(spec::System),
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
    /// The columns offered to `open`: for each, its field there and where it comes from.
    pub offered: Vec<Offered>,
    /// What `open` answered.
    pub binding: Binding,
    /// For each column that the function reads: its position in the input's schema, and whether int64 becomes float64.
    pub reads: Vec<Read>,
    /// Granted files, absolute.
    pub files: BTreeMap<String, PathBuf>,
}

/// A column as it is offered to a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    /// The name and type under which the function sees it.
    pub field: crate::schema::Field,
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
    /// Event time of the main output, where it is assigned anew.
    pub event_time: Option<EventTime>,
}

/// How an output of a transform is put together.
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

/// A window aggregation. Its main output has: the key columns, `window_start`, `window_end`, then one column for each
/// aggregate; its event time is `window_end - 1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowNode {
    /// Positions of the key columns in the input's schema; empty for one group of all rows.
    pub key: Vec<usize>,
    /// Length of a window, milliseconds.
    pub size_ms: i64,
    /// Milliseconds between the starts of windows; equal to `size_ms` for tumbling windows.
    pub slide_ms: i64,
    /// Which time.
    pub time: spec::WindowTime,
    /// Milliseconds of event time after a window's end in which rows still count.
    pub allowed_lateness_ms: i64,
    /// The results.
    pub aggregates: Vec<AggregateColumn>,
    /// What happens to rows that a plugin aggregate fails.
    pub on_error: spec::OnError,
    /// Event time of the main output, where it is assigned anew.
    pub event_time: Option<EventTime>,
}

/// One aggregate of a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AggregateColumn {
    /// The name in the job. A plugin function with several result columns gives `name_column` for each.
    pub name: String,
    /// What is computed.
    pub aggregate: Aggregate,
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
    /// A plugin's aggregate.
    Plugin(PluginFunction),
}

/// A sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SinkNode {
    /// Where rows go.
    pub connector: SinkConnector,
}

/// Where rows go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SinkConnector {
    /// Standard output.
    Print(spec::Print),
    /// A file, absolute path.
    File {
        /// Absolute.
        path: PathBuf,
        /// Resolved.
        format: spec::SinkFormat,
    },
    /// A URL.
    Webhook(spec::Webhook),
    /// Nowhere.
    Blackhole,
}

/// The columns of every `errors` output.
pub fn errors_schema() -> Schema {
    use crate::schema::{DataType, Field};
    Schema::new(vec![
        Field::new("operator", DataType::Text),
        Field::nullable("position", DataType::Text),
        Field::new("message", DataType::Text),
        Field::new("row", DataType::Text),
    ])
}

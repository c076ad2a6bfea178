//! The job file: the structures that a user writes in YAML, JSON or TOML. Unknown fields are refused.
//!
//! The doc comments here are the descriptions in the JSON Schema that `flowgate schema` prints.

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::quantity::{Bytes, Millis};
use crate::schema::DataType;

/// A stream-processing job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The job's name: letters, digits, `-` and `_`.
    pub job: String,
    /// Worker threads. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<usize>,
    /// How much may be under way between sources and sinks before sources wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<InFlight>,
    /// Key groups: the units in which keyed state is divided among workers, fixed for the life of the job. Default: 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_groups: Option<u32>,
    /// Where plugins are, by name; paths are relative to the job file. A plugin that is not listed is looked for as
    /// `NAME.wasm` beside the job file, in `plugins/` beside it, in the folders of FLOWGATE_PLUGIN_PATH, and among the
    /// plugins that come with Flowgate.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub plugins: IndexMap<String, String>,
    /// Limits of plugin calls that differ from the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Where rows come from, by name.
    pub sources: IndexMap<String, Source>,
    /// What happens to them, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub operators: IndexMap<String, Operator>,
    /// Where results go, by name.
    pub sinks: IndexMap<String, Sink>,
}

/// How much may be under way between sources and sinks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InFlight {
    /// Bytes of rows for each worker. Default: 16MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Bytes>,
    /// Ticks (distinct milliseconds of processing time). Default: 256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticks: Option<u32>,
}

/// Limits of plugin calls.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Linear memory of one plugin instance. Default: 64MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Time of one call before it is ended. Default: 1s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Millis>,
    /// Data that one call may return. Default: 64MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Bytes>,
}

/// A source: exactly one connector (`file`, `stdin` or `generator`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// Reads files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSource>,
    /// Reads standard input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<StdinSource>,
    /// Makes rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<Generator>,
    /// Which column is the event time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_time: Option<EventTime>,
}

/// How bytes become rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Lines of text: one column, `text`.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
    /// Comma-separated values (RFC 4180).
    Csv,
}

/// Compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// By the file's name: `.gz` is gzip, `.zst` is zstd.
    #[default]
    Auto,
    /// Not compressed.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// Reads files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSource {
    /// A path, or a glob (`logs/*.log`), relative to the job file.
    pub path: String,
    /// How lines become rows. Default: text.
    #[serde(default)]
    pub format: Format,
    /// Columns and their types, for `json` and `csv`: `{ time: timestamp, path: text, size: int64? }`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(schema_with = "column_types")]
    pub columns: IndexMap<String, String>,
    /// Whether to go on reading when the end is reached, as `tail -F` does. Default: false.
    #[serde(default)]
    pub follow: bool,
    /// Compression. Default: auto.
    #[serde(default)]
    pub compression: Compression,
    /// CSV: whether the first line names the columns. Default: true.
    #[serde(default = "yes")]
    pub header: bool,
    /// CSV: the character between values. Default: `,`.
    #[serde(default = "comma")]
    pub delimiter: String,
    /// Rows in a batch at the most. Default: 8192.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_rows: Option<u32>,
}

fn yes() -> bool {
    true
}

fn comma() -> String {
    ",".into()
}

/// Column names to types: `text`, or `text?` where a row may have no value.
fn column_types(_: &mut SchemaGenerator) -> Schema {
    let types: Vec<String> = DataType::ALL.iter().flat_map(|t| [t.to_string(), format!("{t}?")]).collect();
    json_schema!({ "type": "object", "additionalProperties": { "type": "string", "enum": types } })
}

/// Reads standard input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StdinSource {
    /// How lines become rows. Default: text.
    #[serde(default)]
    pub format: Format,
    /// Columns and their types, for `json` and `csv`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(schema_with = "column_types")]
    pub columns: IndexMap<String, String>,
    /// CSV: whether the first line names the columns. Default: true.
    #[serde(default = "yes")]
    pub header: bool,
    /// CSV: the character between values. Default: `,`.
    #[serde(default = "comma")]
    pub delimiter: String,
    /// Rows in a batch at the most. Default: 8192.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_rows: Option<u32>,
}

/// Makes rows: the same ones for the same seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// How many rows; without it, no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Rows a second, over all workers; without it, as fast as they are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// Start of the random sequence. Default: 0.
    #[serde(default)]
    pub seed: u64,
    /// What each column holds.
    pub columns: IndexMap<String, GeneratorColumn>,
    /// Rows in a batch at the most. Default: 8192.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_rows: Option<u32>,
}

/// What a generated column holds: exactly one of these.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GeneratorColumn {
    /// int64: `start`, `start + step`, ... by row number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Sequence>,
    /// int64: uniform in `[min, max]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub int: Option<IntRange>,
    /// float64: uniform in `[min, max)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub float: Option<FloatRange>,
    /// text: one of these values, each as likely.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<Vec<String>>,
    /// text: this many words with spaces between them, out of a fixed vocabulary of 1,000 in which a word of rank r
    /// comes up about as often as 1/r.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<u32>,
    /// timestamp: `start` plus `step` for each row, less a random part of up to `jitter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeSequence>,
    /// timestamp: when the row was made (`now: {}`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<Empty>,
}

/// No settings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// An arithmetic sequence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// Default: 0.
    #[serde(default)]
    pub start: i64,
    /// Default: 1.
    #[serde(default = "one")]
    pub step: i64,
}

fn one() -> i64 {
    1
}

/// Integers from `min` to `max`, both included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntRange {
    /// The least.
    pub min: i64,
    /// The greatest.
    pub max: i64,
}

/// Numbers from `min` up to but without `max`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FloatRange {
    /// The least.
    pub min: f64,
    /// The bound above.
    pub max: f64,
}

/// Timestamps by row number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeSequence {
    /// RFC 3339, as `2026-01-01T00:00:00Z`.
    pub start: String,
    /// Microseconds between rows. Default: 1000.
    #[serde(default = "thousand")]
    pub step_us: u64,
    /// Rows are up to this much out of order. Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Millis>,
}

fn thousand() -> u64 {
    1_000
}

/// Which column of a stream is its event time, and how watermarks follow from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventTime {
    /// A timestamp column.
    pub column: String,
    /// How far behind the greatest event time seen a row may come: the watermark stays this much behind. Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_out_of_orderness: Option<Millis>,
    /// After this long without rows, a stream's part on one worker no longer holds the watermark back. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_after: Option<Millis>,
}

/// An operator: a plugin function (`plugin`, `function`) or a window aggregation (`window`, `aggregate`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// A source or an operator, or a side output of one: `requests.errors`, `per_page.late`.
    pub input: String,
    /// The plugin that has the function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The function's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The function's config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
    /// Which of the stream's columns the function sees under another name: `{ text: line }` shows it `line` as `text`.
    /// Where other columns pass through, what the function makes in place of `text` goes on as `line`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub columns: IndexMap<String, String>,
    /// Files that the function may read, by the name under which it sees them; paths are relative to the job file.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub files: IndexMap<String, String>,
    /// What happens when the function fails a row or traps on it. Default: skip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// Columns by which rows are grouped; without them, all rows of a window are one group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Vec<String>>,
    /// The windows of an aggregation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// The results of an aggregation, by column name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub aggregate: IndexMap<String, Aggregate>,
    /// How long after its end (in event time) a window takes further rows and gives a corrected result. Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_lateness: Option<Millis>,
    /// Which column of the result is the event time. Default: event time goes on from the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<EventTime>,
}

/// What happens to a row that a function fails or traps on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// It goes to the operator's `errors` output, and the job goes on.
    #[default]
    Skip,
    /// The job fails.
    Fail,
}

/// Windows: exactly one of `tumbling` and `sliding`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Window {
    /// One window after another, each this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tumbling: Option<Millis>,
    /// Windows this long, a new one `every` so often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sliding: Option<Millis>,
    /// Time between the starts of sliding windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Millis>,
    /// Which time. Default: event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<WindowTime>,
}

/// The time by which rows fall into windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WindowTime {
    /// The rows' event time.
    #[default]
    Event,
    /// When they reach the source.
    Processing,
}

/// One aggregate: an expression, or a plugin function with its columns and config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Aggregate {
    /// `count()`, `count(c)`, `sum(c)`, `min(c)`, `max(c)`, `avg(c)`, or `plugin:NAME/FUNCTION(c, ..., setting=value)`.
    Expression(String),
    /// A plugin function.
    Plugin(PluginAggregate),
}

/// A plugin function as an aggregate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginAggregate {
    /// The plugin that has the function.
    pub plugin: String,
    /// The function's name.
    pub function: String,
    /// The stream's columns that the function reads, in the order in which it declares its own.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The function's config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
}

/// A sink: an input and exactly one connector (`print`, `file` or `blackhole`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sink {
    /// A source or an operator, or a side output of one.
    pub input: String,
    /// Writes rows to standard output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub print: Option<Print>,
    /// Writes rows to a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSink>,
    /// Takes rows and forgets them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blackhole: Option<Empty>,
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PrintFormat {
    /// A table on a terminal, JSON lines otherwise.
    #[default]
    Auto,
    /// A table.
    Table,
    /// JSON lines.
    Json,
}

/// Writes rows to standard output.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Print {
    /// Default: auto.
    pub format: PrintFormat,
}

/// How rows are written to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SinkFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// Comma-separated values with a header line.
    Csv,
}

/// Writes rows to a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSink {
    /// Relative to the job file. An existing file is replaced.
    pub path: String,
    /// Default: json, or csv where the path ends in `.csv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<SinkFormat>,
}

//! The settings of sources.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ColumnType, Empty};
use flowgate_base::quantity::Millis;

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
    /// A path, or a glob (`logs/*.log`), relative to the job file. The job must not write a file that it reads.
    pub path: String,
    /// How lines become rows. Default: text.
    #[serde(default)]
    pub format: Format,
    /// Columns and their types, for `json` and `csv`: `{ time: timestamp, path: text, size: int64? }`. Where the integers of a
    /// timestamp are not milliseconds: `{ type: timestamp, unit: us }`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub columns: IndexMap<String, ColumnType>,
    /// Whether to go on reading when the end is reached, as `tail -F` does: through rotation, replaced links and folders. Files
    /// that appear under a glob later are read from their beginning. At least one file must be there at the start.
    /// Default: false.
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

pub(super) fn yes() -> bool {
    true
}

pub(super) fn comma() -> String {
    ",".into()
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
    pub columns: IndexMap<String, ColumnType>,
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

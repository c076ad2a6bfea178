//! The settings of sinks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Relative to the job file. A job that ends by itself replaces the file when all rows are written; until then they are
    /// in `.NAME.partial` beside it. A job without end empties the file when it has started, and the file grows.
    pub path: String,
    /// Default: json, or csv where the path ends in `.csv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<SinkFormat>,
}
/// No settings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

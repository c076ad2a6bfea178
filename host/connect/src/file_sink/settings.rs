//! What a job file says about the `file` sink.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sink;
use crate::entry::ConnectorSettings;
use crate::guarantee::Guarantee;
use crate::problem::Problem;
use crate::sink::{ConfiguredSink, Writers, Writes};

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
    /// in `.NAME.partial` next to it. A job without end empties the file when it has started, and the file grows.
    pub path: String,
    /// Default: json, or csv where the path ends in `.csv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<SinkFormat>,
}

impl ConnectorSettings for FileSink {
    type Configured = ConfiguredSink;
    const NAME: &'static str = "file";
    const SUMMARY: &'static str = "Writes rows to a file.";
    const EXAMPLE: &'static str = "{ path: out.jsonl }";
    const GUARANTEE: Guarantee = Guarantee::AtLeastOnce;

    fn configure(self, base: &Path) -> Result<ConfiguredSink, Vec<Problem>> {
        if self.path.is_empty() {
            return Err(vec![Problem::of("path", "the path is empty")]);
        }
        let path = base.join(&self.path);
        let is_csv = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
        let format = self.format.unwrap_or(if is_csv { SinkFormat::Csv } else { SinkFormat::Json });
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        Ok(ConfiguredSink {
            description: format!("file {name}"),
            writes: Writes::File(path.clone()),
            writers: Writers::One,
            open: Box::new(move |schema, boundedness| {
                Ok(Box::new(sink::FileSink::open(&path, format, schema, boundedness)?))
            }),
        })
    }
}

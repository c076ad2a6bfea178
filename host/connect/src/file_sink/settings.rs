//! What a job file says about the `file` sink.

use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::encoder::RowEncoder;
use super::folder::PartFolder;
use super::parts::{PartLimits, PartsSink};
use super::sink;
use crate::entry::ConnectorSettings;
use crate::guarantee::Guarantee;
use crate::limits;
use crate::problem::Problem;
use crate::sink::{ConfiguredSink, Writers, Writes};
use crate::touches::Touches;
use flowgate_base::quantity::{Bytes, Millis};

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

/// Writes rows to a file, or to a folder of parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSink {
    /// Relative to the job file. A path that ends in `/` is a folder of parts, which appear when they are complete, with
    /// checkpoints when they are committed. Any other path is one file. A job that ends by itself replaces it when all rows are
    /// written; until then they are in `.NAME.partial` next to it. A job without end, or with checkpoints, empties the file when it
    /// has started, and the file grows; a job that resumes cuts it back to the checkpoint.
    pub path: String,
    /// Default: json, or csv where the path ends in `.csv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<SinkFormat>,
    /// Of a folder: bytes after which a part is complete. Default: 128MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_bytes: Option<Bytes>,
    /// Of a folder: the time after which a part is complete at the next checkpoint, so that frequent checkpoints do not make many
    /// small files. `0s`: each checkpoint with rows completes a part. Default: 1m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_every: Option<Millis>,
}

impl FileSink {
    /// Writes to a path, in the format of its name.
    pub fn to(path: impl Into<String>) -> FileSink {
        FileSink { path: path.into(), format: None, part_bytes: None, part_every: None }
    }

    fn guarantee(&self) -> Guarantee {
        match &self.path {
            path if path.ends_with('/') => Guarantee::ExactlyOnce,
            path if path.starts_with("/dev/") => Guarantee::AtLeastOnce,
            _ => Guarantee::ExactlyOnceVisibleEarly,
        }
    }

    /// Returns the problems of settings that are of folders only.
    fn check_parts(&self) -> Vec<Problem> {
        let is_folder = self.path.ends_with('/');
        let mut wrong = Vec::new();
        for (field, is_set) in [("part_bytes", self.part_bytes.is_some()), ("part_every", self.part_every.is_some())] {
            if is_set && !is_folder {
                let message = format!("`{field}` goes with a folder of parts: a `path` that ends in `/`");
                wrong.push(Problem::of(field, message));
            }
        }
        if self.part_bytes == Some(Bytes(0)) {
            wrong.push(Problem::of("part_bytes", "`part_bytes` is 0; it must be at least 1"));
        }
        wrong
    }
}

impl ConnectorSettings for FileSink {
    type Configured = ConfiguredSink;
    const NAME: &'static str = "file";
    const SUMMARY: &'static str = "Writes rows to a file, or to a folder of parts.";
    const EXAMPLE: &'static str = "{ path: out.jsonl }";
    const GUARANTEE: Guarantee = Guarantee::ExactlyOnceVisibleEarly;
    const GUARANTEE_CASES: &'static [(&'static str, Guarantee)] =
        &[("a folder of parts", Guarantee::ExactlyOnce), ("a pipe or a device", Guarantee::AtLeastOnce)];

    fn configure(self, base: &Path) -> Result<ConfiguredSink, Vec<Problem>> {
        if self.path.is_empty() {
            return Err(vec![Problem::of("path", "the path is empty")]);
        }
        let wrong = self.check_parts();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let guarantee = self.guarantee();
        let is_folder = guarantee == Guarantee::ExactlyOnce;
        let path = base.join(&self.path);
        let is_csv = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
        let format = self.format.unwrap_or(if is_csv { SinkFormat::Csv } else { SinkFormat::Json });
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        if !is_folder {
            return Ok(ConfiguredSink {
                description: format!("file {name}"),
                writes: Writes::File(path.clone()),
                touches: Touches::written_file(base, &self.path),
                writers: Writers::One,
                guarantee,
                open: Box::new(move |schema, boundedness, _| {
                    Ok(Box::new(sink::FileSink::open(&path, format, schema, boundedness)?))
                }),
            });
        }
        let limits = PartLimits {
            bytes: self.part_bytes.map_or(limits::PART_BYTES_DEFAULT, |bytes| bytes.0),
            every: Duration::from_millis(
                self.part_every.map_or(limits::PART_EVERY_MS_DEFAULT, |every| every.0).unsigned_abs(),
            ),
        };
        let extension = match format {
            SinkFormat::Json => "jsonl",
            SinkFormat::Csv => "csv",
        };
        Ok(ConfiguredSink {
            description: format!("folder {name}/"),
            writes: Writes::Folder { path: path.clone(), extension },
            touches: Touches::written_folder(base, &self.path),
            writers: Writers::One,
            guarantee,
            open: Box::new(move |schema, boundedness, _| {
                let (folder, encoder) = (PartFolder::open(&path, extension)?, RowEncoder::new(format, schema));
                Ok(Box::new(PartsSink::new(folder, encoder, limits, boundedness)))
            }),
        })
    }
}

//! What a job file says about the `file` source.

use std::path::Path;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pattern::is_pattern;
use super::source;
use crate::entry::ConnectorSettings;
use crate::guarantee::Guarantee;
use crate::problem::Problem;
use crate::settings::{ColumnType, Format, comma, typed, yes};
use crate::source::{ConfiguredSource, Reads};
use crate::touches::{Place, Touches};

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

/// What happens when a followed file is gone at a resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnLoss {
    /// The job does not start.
    #[default]
    Fail,
    /// The job warns, with the number of bytes that are known to be lost, and reads the present file from its beginning.
    Skip,
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
    /// Of a followed file: what happens when a job resumes and the file that it followed is gone, with lines that were not read: it
    /// was removed, compressed, or moved out of its folder. Default: fail.
    #[serde(default)]
    pub on_loss: OnLoss,
    /// Compression. Default: auto.
    #[serde(default)]
    pub compression: Compression,
    /// CSV: whether the first line names the columns. Default: true.
    #[serde(default = "yes")]
    pub header: bool,
    /// CSV: the character between values. Default: `,`.
    #[serde(default = "comma")]
    pub delimiter: String,
    /// Maximum rows in a batch. Default: 8192.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_rows: Option<u32>,
}

impl FileSource {
    /// Lines of text.
    pub fn text(path: impl Into<String>) -> FileSource {
        FileSource {
            path: path.into(),
            format: Format::Text,
            columns: IndexMap::new(),
            follow: false,
            on_loss: OnLoss::Fail,
            compression: Compression::Auto,
            header: true,
            delimiter: ",".into(),
            batch_rows: None,
        }
    }

    /// One JSON object a line; `columns` are names and types, as `("size", "int64?")` or `("at", ColumnType::timestamp(TimeUnit::Us))`.
    pub fn json<N: Into<String>, T: Into<ColumnType>>(
        path: impl Into<String>,
        columns: impl IntoIterator<Item = (N, T)>,
    ) -> FileSource {
        FileSource { format: Format::Json, columns: typed(columns), ..FileSource::text(path) }
    }

    /// Comma-separated values whose first line names the columns; `columns` are names and types.
    pub fn csv<N: Into<String>, T: Into<ColumnType>>(
        path: impl Into<String>,
        columns: impl IntoIterator<Item = (N, T)>,
    ) -> FileSource {
        FileSource { format: Format::Csv, columns: typed(columns), ..FileSource::text(path) }
    }

    /// Goes on reading when the end is reached.
    pub fn follow(self) -> FileSource {
        FileSource { follow: true, ..self }
    }
}

/// What the source reads: of a glob, and of a file that is followed through its rotation, anything in the folder.
fn touches(source: &FileSource, base: &Path) -> Touches {
    if is_pattern(&source.path) {
        return Touches::glob(base, &source.path);
    }
    match Place::file(base, &source.path) {
        Place::File(path) if source.follow => {
            Touches { reads: vec![Place::Within(path.parent().unwrap_or(&path).into())], ..Touches::default() }
        }
        place => Touches { reads: vec![place], ..Touches::default() },
    }
}

impl ConnectorSettings for FileSource {
    type Configured = ConfiguredSource;
    const NAME: &'static str = "file";
    const SUMMARY: &'static str = "Reads files.";
    const EXAMPLE: &'static str = "{ path: access.log }";
    const GUARANTEE: Guarantee = Guarantee::ExactlyOnce;
    const GUARANTEE_CASES: &'static [(&'static str, Guarantee)] = &[("a named pipe", Guarantee::AtMostOnce)];

    fn configure(self, base: &Path) -> Result<ConfiguredSource, Vec<Problem>> {
        let source = source::FileSource::new(&self, base)?;
        let description = format!("file {}", self.path);
        Ok(ConfiguredSource {
            source: Box::new(source),
            description,
            guarantee: Self::GUARANTEE,
            touches: touches(&self, base),
            reads: Reads::Files(self.path),
        })
    }
}

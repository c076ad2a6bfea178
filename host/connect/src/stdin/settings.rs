//! What a job file says about the `stdin` source.

use std::path::Path;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::source;
use crate::entry::ConnectorSettings;
use crate::guarantee::Guarantee;
use crate::problem::Problem;
use crate::settings::{ColumnType, Format, comma, typed, yes};
use crate::source::{ConfiguredSource, Reads};
use crate::touches::Touches;

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
    /// Maximum rows in a batch. Default: 8192.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_rows: Option<u32>,
}

impl StdinSource {
    /// Lines of text.
    pub fn text() -> StdinSource {
        let (format, columns) = (Format::Text, IndexMap::new());
        StdinSource { format, columns, header: true, delimiter: ",".into(), batch_rows: None }
    }

    /// One JSON object a line; `columns` are names and types, as `("size", "int64?")`.
    pub fn json<N: Into<String>, T: Into<ColumnType>>(columns: impl IntoIterator<Item = (N, T)>) -> StdinSource {
        StdinSource { format: Format::Json, columns: typed(columns), ..StdinSource::text() }
    }

    /// Comma-separated values whose first line names the columns; `columns` are names and types.
    pub fn csv<N: Into<String>, T: Into<ColumnType>>(columns: impl IntoIterator<Item = (N, T)>) -> StdinSource {
        StdinSource { format: Format::Csv, columns: typed(columns), ..StdinSource::text() }
    }
}

impl ConnectorSettings for StdinSource {
    type Configured = ConfiguredSource;
    const NAME: &'static str = "stdin";
    const SUMMARY: &'static str = "Reads standard input.";
    const EXAMPLE: &'static str = "{}";
    const GUARANTEE: Guarantee = Guarantee::AtMostOnce;

    fn configure(self, _base: &Path) -> Result<ConfiguredSource, Vec<Problem>> {
        let source = source::StdinSource::new(&self)?;
        Ok(ConfiguredSource {
            source: Box::new(source),
            description: "stdin".into(),
            guarantee: Self::GUARANTEE,
            reads: Reads::StandardInput,
            touches: Touches::standard_streams(),
        })
    }
}

//! The settings of table files.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::column::typed;
use super::format::{comma, yes};
use super::{ColumnType, Format};

/// A table in a file; it is read again when the file changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookupTable {
    /// Relative to the job file.
    pub path: String,
    /// `csv` or `json` (lines). Default: csv.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Columns and their types, the key's among them: `{ item: text, cost: int64? }`.
    pub columns: IndexMap<String, ColumnType>,
    /// CSV: whether the first line names the columns. Default: true.
    #[serde(default = "yes")]
    pub header: bool,
    /// CSV: the character between values. Default: `,`.
    #[serde(default = "comma")]
    pub delimiter: String,
}

impl LookupTable {
    /// A CSV file whose first line names the columns.
    pub fn csv<N: Into<String>, T: Into<ColumnType>>(
        path: impl Into<String>,
        columns: impl IntoIterator<Item = (N, T)>,
    ) -> Self {
        LookupTable {
            path: path.into(),
            format: Some(Format::Csv),
            columns: typed(columns),
            header: true,
            delimiter: comma(),
        }
    }
}

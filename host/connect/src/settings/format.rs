//! The format of bytes, as a user writes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// The default of `header`.
pub(crate) fn yes() -> bool {
    true
}

/// The default of `delimiter`.
pub(crate) fn comma() -> String {
    ",".into()
}

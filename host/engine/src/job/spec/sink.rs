//! Sinks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Empty, FileSink, Print, Webhook};

/// A sink: an input and exactly one connector (`print`, `file`, `webhook` or `blackhole`).
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
    /// Posts rows to a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// Takes rows and forgets them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blackhole: Option<Empty>,
}

impl Sink {
    /// The fields that are connectors.
    pub const CONNECTORS: [&str; 4] = ["print", "file", "webhook", "blackhole"];
}

//! Sources, and the event time of a stream.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FileSource, Generator, Nexmark, StdinSource, System};
use flowgate_base::quantity::Millis;

/// A source: exactly one connector (`file`, `stdin`, `generator`, `nexmark` or `system`).
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
    /// Events of the Nexmark benchmark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nexmark: Option<Nexmark>,
    /// Figures of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<System>,
    /// Which column is the event time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_time: Option<EventTime>,
}

impl Source {
    /// The fields that are connectors.
    pub const CONNECTORS: [&str; 5] = ["file", "stdin", "generator", "nexmark", "system"];
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

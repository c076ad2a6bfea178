//! Operators.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aggregate, EventTime, Window};
use crate::job::quantity::Millis;

/// An operator: a plugin function (`plugin`, `function`) or a window aggregation (`window`, `aggregate`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// A source or an operator, or a side output of one: `requests.errors`, `per_page.late`.
    pub input: String,
    /// The plugin that has the function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The function's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The function's config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
    /// Which of the stream's columns the function sees under another name: `{ text: line }` shows it `line` as `text`.
    /// Where other columns pass through, what the function makes in place of `text` goes on as `line`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub columns: IndexMap<String, String>,
    /// Files that the function may read, by the name under which it sees them; paths are relative to the job file.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub files: IndexMap<String, String>,
    /// What happens when the function fails a row or traps on it. Default: skip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// Columns by which rows are grouped; without them, all rows of a window are one group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Vec<String>>,
    /// The windows of an aggregation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// The results of an aggregation, by column name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub aggregate: IndexMap<String, Aggregate>,
    /// How long after its end (in event time) a window takes further rows and gives a corrected result. Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_lateness: Option<Millis>,
    /// Which column of the result is the event time. Default: event time goes on from the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<EventTime>,
}

/// What happens to a row that a function fails or traps on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// It goes to the operator's `errors` output, and the job goes on.
    #[default]
    Skip,
    /// The job fails.
    Fail,
}

//! Windows and what is computed over them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::quantity::Millis;

/// Windows: exactly one of `tumbling` and `sliding`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Window {
    /// One window after another, each this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tumbling: Option<Millis>,
    /// Windows this long, a new one `every` so often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sliding: Option<Millis>,
    /// Time between the starts of sliding windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Millis>,
    /// Which time. Default: event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<WindowTime>,
}

/// The time by which rows fall into windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WindowTime {
    /// The rows' event time.
    #[default]
    Event,
    /// When they reach the source.
    Processing,
}

/// One aggregate: an expression, or a plugin function with its columns and config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Aggregate {
    /// `count()`, `count(c)`, `sum(c)`, `min(c)`, `max(c)`, `avg(c)`, or `plugin:NAME/FUNCTION(c, ..., setting=value)`.
    Expression(String),
    /// A plugin function.
    Plugin(PluginAggregate),
}

/// A plugin function as an aggregate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginAggregate {
    /// The plugin that has the function.
    pub plugin: String,
    /// The function's name.
    pub function: String,
    /// The stream's columns that the function reads, in the order in which it declares its own.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The function's config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
}

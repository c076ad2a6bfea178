//! Windows, triggers and aggregates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Empty;
use flowgate_base::quantity::{Extent, Millis};

/// Windows: exactly one of `tumbling`, `sliding`, `session` and `global`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Window {
    /// Windows of this length that follow one another: `10s`, or `100 rows` of a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tumbling: Option<Extent>,
    /// Windows of this length that overlap, one for each `every`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sliding: Option<Extent>,
    /// The distance between the starts of sliding windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Extent>,
    /// Windows of a key that end after a gap of this length without rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Millis>,
    /// One window for all rows: `global: {}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global: Option<Empty>,
    /// The time by which rows fall into windows. Default: event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<WindowTime>,
}

/// When a window emits results besides the one at its end: exactly one of `count` and `every`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Trigger {
    /// Whenever this number of further rows of a key has arrived in the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// At this interval of processing time, for the keys that have changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Millis>,
}

/// The time by which rows fall into windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WindowTime {
    /// The rows' event time.
    #[default]
    Event,
    /// The time at which they reach the source.
    Processing,
}

/// One aggregate: an expression, or a plugin function with its columns and config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Aggregate {
    /// `count()`, `count(c)`, `sum(c)`, `min(c)`, `max(c)`, `avg(c)`, `first(c)`, `last(c)`, `distinct(c)`,
    /// `approx_distinct(c)`, `quantile(c, q=0.95)`, `arg_max(c, by)`, `arg_min(c, by)`, `top_k(c, by, k=3)`, each with
    /// `filter=COLUMN`; or `plugin:NAME/FUNCTION(c, ..., setting=value)`.
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

impl From<&str> for Aggregate {
    fn from(expression: &str) -> Aggregate {
        Aggregate::Expression(expression.into())
    }
}

impl From<String> for Aggregate {
    fn from(expression: String) -> Aggregate {
        Aggregate::Expression(expression)
    }
}

impl From<PluginAggregate> for Aggregate {
    fn from(function: PluginAggregate) -> Aggregate {
        Aggregate::Plugin(function)
    }
}

//! Operators.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aggregate, EventTime, JoinType, KeyColumn, LookupTable, OnError, Trigger, Window, Within};
use flowgate_base::quantity::Millis;

/// An operator: a plugin function (`plugin`, `function`), a window aggregation (`window`, `aggregate`), a join of two
/// inputs (`inputs`, `key`, `join`) or with a table (`lookup`), some columns of a stream (`select`), or a union.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Operator {
    /// A source or an operator, or a side output of one: `requests.errors`, `per_page.late`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The two inputs, left and right, of a join or of a process function.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// Inputs with the same columns, whose rows become one stream.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub union: Vec<String>,
    /// The columns of the result, in this order: names, or `NEW: COLUMN` for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub select: Option<Select>,
    /// The plugin that has the function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The function's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The function's config.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
    /// The stream's columns that the function sees under another name: `{ text: line }` shows it `line` as `text`. If
    /// columns pass through, a column `text` that the function makes takes the place and the name of `line`.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub columns: IndexMap<String, String>,
    /// Files that the function may read, by the name under which it sees them; paths are relative to the job file.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub files: IndexMap<String, String>,
    /// What happens when the function fails a row or traps on it. Default: skip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// Columns by which rows are grouped or joined. Without them, all rows of a window are one group. A column that the
    /// two inputs of a join or a process function name differently is written `{ left: seller, right: id }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Vec<KeyColumn>>,
    /// The windows of an aggregation, or those within which rows are joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// When a window emits results besides the one at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// The rows that a join emits. With `plugin` and `function`, the function makes rows of the pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<JoinType>,
    /// The bounds of an interval join: how far apart in event time the rows of a pair may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Within>,
    /// The table file with which a stream is joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookup: Option<LookupTable>,
    /// How long a join without window or interval keeps a row, in processing time. Default: without end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Millis>,
    /// The results of an aggregation, by column name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub aggregate: IndexMap<String, Aggregate>,
    /// How long after its end, in event time, a window accepts further rows and emits a corrected result. Default: 0s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_lateness: Option<Millis>,
    /// The column of the result that is the event time. Default: rows keep their event time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_time: Option<EventTime>,
}

/// Some columns of a stream, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Select {
    /// Columns under their own names.
    Names(Vec<String>),
    /// Columns under new names: `{ NEW: COLUMN }`.
    Renamed(IndexMap<String, String>),
}

impl Select {
    /// Returns each column's name, and that of the stream's column.
    pub fn columns(&self) -> Vec<(&str, &str)> {
        match self {
            Select::Names(names) => names.iter().map(|name| (name.as_str(), name.as_str())).collect(),
            Select::Renamed(names) => names.iter().map(|(new, column)| (new.as_str(), column.as_str())).collect(),
        }
    }
}

impl Operator {
    /// Returns the names of the settings that are set.
    pub fn settings(&self) -> Vec<&'static str> {
        let all = [
            ("input", self.input.is_some()),
            ("inputs", !self.inputs.is_empty()),
            ("union", !self.union.is_empty()),
            ("select", self.select.is_some()),
            ("plugin", self.plugin.is_some()),
            ("function", self.function.is_some()),
            ("config", self.config.is_some()),
            ("columns", !self.columns.is_empty()),
            ("files", !self.files.is_empty()),
            ("on_error", self.on_error.is_some()),
            ("key", self.key.is_some()),
            ("window", self.window.is_some()),
            ("trigger", self.trigger.is_some()),
            ("join", self.join.is_some()),
            ("within", self.within.is_some()),
            ("lookup", self.lookup.is_some()),
            ("ttl", self.ttl.is_some()),
            ("aggregate", !self.aggregate.is_empty()),
            ("allowed_lateness", self.allowed_lateness.is_some()),
            ("event_time", self.event_time.is_some()),
        ];
        all.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
    }

    /// Returns its inputs in order, each with its place in the job: a field, and a position in it if the field is a list.
    pub fn reads(&self) -> Vec<(&str, &'static str, Option<usize>)> {
        let lists = [("inputs", &self.inputs), ("union", &self.union)];
        let listed = lists
            .into_iter()
            .flat_map(|(field, names)| names.iter().enumerate().map(move |(i, name)| (name.as_str(), field, Some(i))));
        self.input.iter().map(|name| (name.as_str(), "input", None)).chain(listed).collect()
    }
}

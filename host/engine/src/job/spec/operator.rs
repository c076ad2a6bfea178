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
    /// The columns that go on, in this order: names, or `NEW: COLUMN` for each.
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
    /// Which of the stream's columns the function sees under another name: `{ text: line }` shows it `line` as `text`.
    /// Where other columns pass through, what the function makes in place of `text` goes on as `line`.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub columns: IndexMap<String, String>,
    /// Files that the function may read, by the name under which it sees them; paths are relative to the job file.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub files: IndexMap<String, String>,
    /// What happens when the function fails a row or traps on it. Default: skip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// Columns by which rows are grouped or joined. Without them, all rows of a window are one group. Where the two
    /// inputs of a join or a process function name a column differently: `{ left: seller, right: id }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Vec<KeyColumn>>,
    /// The windows of an aggregation, or those within which the rows of a join must lie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// When a window gives results beside the end of its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// Which rows a join gives. With `plugin` and `function`, the function makes the rows of the pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<JoinType>,
    /// How far apart in event time the rows of an interval join may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Within>,
    /// The table file with which a stream is joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookup: Option<LookupTable>,
    /// How long a join without window or interval keeps a row, in processing time. Default: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Millis>,
    /// The results of an aggregation, by column name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub aggregate: IndexMap<String, Aggregate>,
    /// How long after its end (in event time) a window takes further rows and gives a corrected result. Default: 0s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_lateness: Option<Millis>,
    /// Which column of the result is the event time. Default: event time goes on from the input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_time: Option<EventTime>,
}

/// Some columns of a stream, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Select {
    /// Under their own names.
    Names(Vec<String>),
    /// Under new names: `{ NEW: COLUMN }`.
    Renamed(IndexMap<String, String>),
}

impl Select {
    /// For each column, its name and that of the stream's column.
    pub fn columns(&self) -> Vec<(&str, &str)> {
        match self {
            Select::Names(names) => names.iter().map(|name| (name.as_str(), name.as_str())).collect(),
            Select::Renamed(names) => names.iter().map(|(new, column)| (new.as_str(), column.as_str())).collect(),
        }
    }
}

impl Operator {
    /// The names of the settings that are there.
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

    /// Everything that it reads, in the order of its inputs, with the place in the job where it stands: a field, and a
    /// position in it where the field is a list.
    pub fn reads(&self) -> Vec<(&str, &'static str, Option<usize>)> {
        let lists = [("inputs", &self.inputs), ("union", &self.union)];
        let listed = lists
            .into_iter()
            .flat_map(|(field, names)| names.iter().enumerate().map(move |(i, name)| (name.as_str(), field, Some(i))));
        self.input.iter().map(|name| (name.as_str(), "input", None)).chain(listed).collect()
    }
}

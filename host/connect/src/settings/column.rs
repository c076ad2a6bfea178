//! The types of columns that a source reads.

use std::fmt;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use flowgate_base::schema::DataType;

/// The type of a column: its name alone, or with what the integers of a timestamp count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ColumnType {
    /// `text`, or `text?` where a row may have no value.
    Name(String),
    /// `{ type: timestamp, unit: us }`.
    Counted(CountedTime),
}

/// A timestamp that may be written as an integer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountedTime {
    /// `timestamp` or `timestamp?`.
    #[serde(rename = "type")]
    pub data_type: String,
    /// What integers count since 1970. Default: ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<TimeUnit>,
}

/// What integers count, where they stand for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeUnit {
    /// Seconds.
    S,
    /// Milliseconds.
    #[default]
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

impl TimeUnit {
    /// All units, the longest first.
    pub const ALL: [TimeUnit; 4] = [TimeUnit::S, TimeUnit::Ms, TimeUnit::Us, TimeUnit::Ns];
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimeUnit::S => "s",
            TimeUnit::Ms => "ms",
            TimeUnit::Us => "us",
            TimeUnit::Ns => "ns",
        })
    }
}

impl ColumnType {
    /// Creates a timestamp whose integers have this unit.
    pub fn timestamp(unit: TimeUnit) -> Self {
        ColumnType::Counted(CountedTime { data_type: DataType::Timestamp.name().into(), unit: Some(unit) })
    }

    /// Returns the type's text, such as `int64?`.
    pub fn type_name(&self) -> &str {
        match self {
            ColumnType::Name(name) => name,
            ColumnType::Counted(counted) => &counted.data_type,
        }
    }

    /// Returns the unit of integers, where it is set.
    pub fn unit(&self) -> Option<TimeUnit> {
        match self {
            ColumnType::Name(_) => None,
            ColumnType::Counted(counted) => counted.unit,
        }
    }
}

impl From<&str> for ColumnType {
    fn from(name: &str) -> Self {
        ColumnType::Name(name.into())
    }
}

impl From<String> for ColumnType {
    fn from(name: String) -> Self {
        ColumnType::Name(name)
    }
}

impl JsonSchema for ColumnType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ColumnType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let types: Vec<String> = DataType::ALL.iter().flat_map(|t| [t.to_string(), format!("{t}?")]).collect();
        let units = TimeUnit::ALL.map(|unit| unit.to_string());
        json_schema!({
            "anyOf": [
                { "type": "string", "enum": types },
                {
                    "type": "object",
                    "properties": {
                        "type": { "type": "string", "enum": types, "description": "The column's type, as `timestamp`." },
                        "unit": {
                            "type": "string",
                            "enum": units,
                            "description": "timestamp: what integers count since 1970. Default: ms.",
                        },
                    },
                    "required": ["type"],
                    "additionalProperties": false,
                },
            ]
        })
    }
}

/// Returns columns with their types, as a job file has them.
pub(crate) fn typed<N: Into<String>, T: Into<ColumnType>>(
    columns: impl IntoIterator<Item = (N, T)>,
) -> IndexMap<String, ColumnType> {
    columns.into_iter().map(|(name, data_type)| (name.into(), data_type.into())).collect()
}

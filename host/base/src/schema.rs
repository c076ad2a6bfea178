//! Data types, fields and schemas: the types of every edge of a job graph.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The type of a column. The contract with plugins (`wit/`) has the same seven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DataType {
    /// true or false.
    Boolean,
    /// 64-bit signed integer.
    Int64,
    /// IEEE 754 double.
    Float64,
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Bytes,
    /// Signed milliseconds since 1970-01-01T00:00:00Z.
    Timestamp,
    /// One JSON value as text.
    Json,
}

impl DataType {
    /// All types, in the order of the contract.
    pub const ALL: [DataType; 7] = [
        DataType::Boolean,
        DataType::Int64,
        DataType::Float64,
        DataType::Text,
        DataType::Bytes,
        DataType::Timestamp,
        DataType::Json,
    ];

    /// The name used in job files and messages.
    pub fn name(self) -> &'static str {
        match self {
            DataType::Boolean => "boolean",
            DataType::Int64 => "int64",
            DataType::Float64 => "float64",
            DataType::Text => "text",
            DataType::Bytes => "bytes",
            DataType::Timestamp => "timestamp",
            DataType::Json => "json",
        }
    }

    /// The Arrow type of the column: `Utf8` for text and JSON, `Timestamp(Millisecond, None)` for timestamps.
    pub fn arrow(self) -> arrow_schema::DataType {
        use arrow_schema::DataType as A;
        match self {
            DataType::Boolean => A::Boolean,
            DataType::Int64 => A::Int64,
            DataType::Float64 => A::Float64,
            DataType::Text | DataType::Json => A::Utf8,
            DataType::Bytes => A::Binary,
            DataType::Timestamp => A::Timestamp(arrow_schema::TimeUnit::Millisecond, None),
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One column of a schema. Displays as `name: type`, with `?` after the type if it is nullable.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    /// Unique within the schema.
    pub name: String,
    /// The type of its values.
    pub data_type: DataType,
    /// Whether a row may have no value.
    pub nullable: bool,
}

impl Field {
    /// Creates a field whose rows all have a value.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Field { name: name.into(), data_type, nullable: false }
    }

    /// Creates a field whose rows may have no value.
    pub fn nullable(name: impl Into<String>, data_type: DataType) -> Self {
        Field { name: name.into(), data_type, nullable: true }
    }

    /// Returns the type as people write it: `int64`, or `int64?` if it is nullable.
    pub fn type_name(&self) -> String {
        format!("{}{}", self.data_type, if self.nullable { "?" } else { "" })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.type_name())
    }
}

/// The columns of a stream, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Schema {
    /// Names are unique.
    pub fields: Vec<Field>,
}

/// Schemas are shared by every batch of a stream.
pub type SchemaRef = Arc<Schema>;

impl Schema {
    /// Creates a schema of these fields, whose names must be unique.
    pub fn new(fields: Vec<Field>) -> Self {
        Schema { fields }
    }

    /// Returns the position of the column of this name.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }

    /// Returns the column of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }

    /// Returns the schema as Arrow's.
    pub fn arrow(&self) -> arrow_schema::Schema {
        arrow_schema::Schema::new(
            self.fields
                .iter()
                .map(|f| arrow_schema::Field::new(&f.name, f.data_type.arrow(), f.nullable))
                .collect::<Vec<_>>(),
        )
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, field) in self.fields.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{field}")?;
        }
        Ok(())
    }
}

//! Data types and fields: how a function describes its columns.

use std::borrow::Cow;
use std::fmt;

/// The type of a column's values.
///
/// ```
/// assert_eq!(flowgate_sdk::DataType::Int64.name(), "int64");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DataType {
    /// true or false: `bool`.
    Boolean,
    /// 64-bit signed integer: `i64`.
    Int64,
    /// IEEE 754 double: `f64`.
    Float64,
    /// UTF-8 text: `&str`.
    Text,
    /// Any bytes: `&[u8]`.
    Bytes,
    /// A point in time: [`Timestamp`](crate::Timestamp).
    Timestamp,
    /// One JSON value as text: [`Json`](crate::Json).
    Json,
}

impl DataType {
    /// All data types, in the order of the contract.
    pub(crate) const ALL: [DataType; 7] = [
        DataType::Boolean,
        DataType::Int64,
        DataType::Float64,
        DataType::Text,
        DataType::Bytes,
        DataType::Timestamp,
        DataType::Json,
    ];

    /// Returns the name used in job files and messages.
    pub const fn name(self) -> &'static str {
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

    /// Returns the type of the field in a row struct.
    pub(crate) const fn rust_name(self) -> &'static str {
        match self {
            DataType::Boolean => "bool",
            DataType::Int64 => "i64",
            DataType::Float64 => "f64",
            DataType::Text => "&str",
            DataType::Bytes => "&[u8]",
            DataType::Timestamp => "Timestamp",
            DataType::Json => "Json",
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One column of a schema. Displays as `name: type`, with `?` behind the type where it is nullable.
///
/// ```
/// use flowgate_sdk::{DataType, Field};
/// assert_eq!(Field::new("size", DataType::Int64, true).to_string(), "size: int64?");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// Unique within its schema.
    pub name: Cow<'static, str>,
    /// The type of the column's values.
    pub data_type: DataType,
    /// Whether a row may have no value.
    pub nullable: bool,
}

impl Field {
    /// Creates a field with a name that is known at compile time.
    pub const fn new(name: &'static str, data_type: DataType, nullable: bool) -> Self {
        Field { name: Cow::Borrowed(name), data_type, nullable }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", self.name, self.data_type, if self.nullable { "?" } else { "" })
    }
}

//! Single values of columns: as bytes, and back to columns. Part of the format of keys and of stored rows.
//!
//! ```text
//! cell:  0, or 1 and the value: 8 bytes, little-endian | 1 byte (boolean) | length, 4 bytes, and the bytes (text, bytes, json)
//! ```

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMillisecondBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};

use super::bytes::{put_sized, take_array, take_int, take_sized};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::DataType;

/// One column's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A value of an int64 or timestamp column.
    Int(i64),
    /// A value of a float64 column.
    Float(f64),
    /// A value of a boolean column.
    Boolean(bool),
    /// A value of a text, bytes or json column.
    Bytes(&'a [u8]),
}

/// Appends the cell of a row. The column is of one of the job's types.
pub fn put(column: &ArrayRef, row: usize, out: &mut Vec<u8>) {
    use arrow_schema::DataType as A;
    if column.is_null(row) {
        out.push(0);
        return;
    }
    out.push(1);
    match column.data_type() {
        A::Boolean => out.push(column.as_boolean().value(row).into()),
        A::Int64 => out.extend_from_slice(&column.as_primitive::<Int64Type>().value(row).to_le_bytes()),
        A::Float64 => out.extend_from_slice(&column.as_primitive::<Float64Type>().value(row).to_bits().to_le_bytes()),
        A::Timestamp(..) => {
            out.extend_from_slice(&column.as_primitive::<TimestampMillisecondType>().value(row).to_le_bytes());
        }
        A::Binary => put_sized(column.as_binary::<i32>().value(row), out),
        _ => put_sized(column.as_string::<i32>().value(row).as_bytes(), out),
    }
}

/// Takes the cell of a column of this type off the beginning.
///
/// # Errors
/// The bytes are not what was written.
pub fn take<'a>(data_type: DataType, bytes: &mut &'a [u8]) -> Result<Option<Value<'a>>> {
    if take_array(bytes)? == [0] {
        return Ok(None);
    }
    Ok(Some(match data_type {
        DataType::Boolean => Value::Boolean(take_array(bytes)? != [0]),
        DataType::Int64 | DataType::Timestamp => Value::Int(take_int(bytes)?),
        DataType::Float64 => Value::Float(f64::from_bits(u64::from_le_bytes(take_array(bytes)?))),
        DataType::Text | DataType::Bytes | DataType::Json => Value::Bytes(take_sized(bytes)?),
    }))
}

/// Builds a column value by value.
pub enum ColumnBuilder {
    /// boolean
    Boolean(BooleanBuilder),
    /// int64
    Int64(Int64Builder),
    /// float64
    Float64(Float64Builder),
    /// timestamp
    Timestamp(TimestampMillisecondBuilder),
    /// text and json
    Text(StringBuilder),
    /// bytes
    Bytes(BinaryBuilder),
}

impl ColumnBuilder {
    /// Creates a builder of a column of this type, without rows.
    pub fn new(data_type: DataType) -> Self {
        match data_type {
            DataType::Boolean => ColumnBuilder::Boolean(BooleanBuilder::new()),
            DataType::Int64 => ColumnBuilder::Int64(Int64Builder::new()),
            DataType::Float64 => ColumnBuilder::Float64(Float64Builder::new()),
            DataType::Timestamp => ColumnBuilder::Timestamp(TimestampMillisecondBuilder::new()),
            DataType::Text | DataType::Json => ColumnBuilder::Text(StringBuilder::new()),
            DataType::Bytes => ColumnBuilder::Bytes(BinaryBuilder::new()),
        }
    }

    /// Appends a value.
    ///
    /// # Errors
    /// It is not of the column's type, or a text is not UTF-8: our mistake, or damage.
    pub fn push(&mut self, value: Option<Value<'_>>) -> Result<()> {
        match (self, value) {
            (ColumnBuilder::Boolean(b), Some(Value::Boolean(v))) => b.append_value(v),
            (ColumnBuilder::Int64(b), Some(Value::Int(v))) => b.append_value(v),
            (ColumnBuilder::Float64(b), Some(Value::Float(v))) => b.append_value(v),
            (ColumnBuilder::Timestamp(b), Some(Value::Int(v))) => b.append_value(v),
            (ColumnBuilder::Bytes(b), Some(Value::Bytes(v))) => b.append_value(v),
            (ColumnBuilder::Text(b), Some(Value::Bytes(v))) => {
                let text = std::str::from_utf8(v).map_err(|_| Error::internal("a stored text is not UTF-8"))?;
                b.append_value(text);
            }
            (ColumnBuilder::Boolean(b), None) => b.append_null(),
            (ColumnBuilder::Int64(b), None) => b.append_null(),
            (ColumnBuilder::Float64(b), None) => b.append_null(),
            (ColumnBuilder::Timestamp(b), None) => b.append_null(),
            (ColumnBuilder::Text(b), None) => b.append_null(),
            (ColumnBuilder::Bytes(b), None) => b.append_null(),
            (_, Some(_)) => return Err(Error::internal("a stored value has another type than its column")),
        }
        Ok(())
    }

    /// Returns the column.
    pub fn finish(self) -> ArrayRef {
        match self {
            ColumnBuilder::Boolean(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Int64(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Float64(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Timestamp(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Text(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Bytes(mut b) => Arc::new(b.finish()),
        }
    }
}

//! The encoding of rows that wait for a match, where they leave memory.
//!
//! ```text
//! row:     came 8 bytes | event time 8 bytes | flags 1 byte | a cell for each column       (integers little-endian)
//! cell:    0, or 1 and the value: 8 bytes | 1 byte (boolean) | length 4 bytes and as many bytes (text, bytes, json)
//! ```

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMillisecondBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};

use crate::error::{Error, Result};
use crate::schema::DataType;

/// Appends a row's cell of a column.
pub fn put_cell(column: &ArrayRef, row: usize, out: &mut Vec<u8>) {
    use arrow_schema::DataType as A;
    if column.is_null(row) {
        out.push(0);
        return;
    }
    out.push(1);
    let mut put = |bytes: &[u8]| {
        out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(bytes);
    };
    match column.data_type() {
        A::Boolean => out.push(column.as_boolean().value(row).into()),
        A::Int64 => out.extend_from_slice(&column.as_primitive::<Int64Type>().value(row).to_le_bytes()),
        A::Float64 => out.extend_from_slice(&column.as_primitive::<Float64Type>().value(row).to_bits().to_le_bytes()),
        A::Timestamp(..) => {
            out.extend_from_slice(&column.as_primitive::<TimestampMillisecondType>().value(row).to_le_bytes());
        }
        A::Binary => put(column.as_binary::<i32>().value(row)),
        _ => put(column.as_string::<i32>().value(row).as_bytes()),
    }
}

/// Reads what was encoded, from front to back.
pub struct RowReader<'a> {
    rest: &'a [u8],
}

impl<'a> RowReader<'a> {
    /// Over all rows of a key.
    pub fn new(bytes: &'a [u8]) -> Self {
        RowReader { rest: bytes }
    }

    /// Whether everything was read.
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let damaged = || Error::internal("stored rows of a join are damaged");
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(damaged)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next integer.
    pub fn int(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.take(8)?.try_into().expect("eight bytes were taken")))
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = u32::from_le_bytes(self.take(4)?.try_into().expect("four bytes were taken"));
        self.take(length as usize)
    }
}

/// Builds a column of cells.
pub enum CellBuilder {
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

impl CellBuilder {
    /// Of this type.
    pub fn new(data_type: DataType) -> Self {
        match data_type {
            DataType::Boolean => CellBuilder::Boolean(BooleanBuilder::new()),
            DataType::Int64 => CellBuilder::Int64(Int64Builder::new()),
            DataType::Float64 => CellBuilder::Float64(Float64Builder::new()),
            DataType::Timestamp => CellBuilder::Timestamp(TimestampMillisecondBuilder::new()),
            DataType::Text | DataType::Json => CellBuilder::Text(StringBuilder::new()),
            DataType::Bytes => CellBuilder::Bytes(BinaryBuilder::new()),
        }
    }

    /// Reads a cell; `keep`: appends it.
    pub fn read(&mut self, reader: &mut RowReader<'_>, keep: bool) -> Result<()> {
        let there = reader.take(1)?[0] != 0;
        match self {
            CellBuilder::Boolean(builder) => {
                let value = if there { Some(reader.take(1)?[0] != 0) } else { None };
                if keep {
                    builder.append_option(value)
                }
            }
            CellBuilder::Int64(builder) => {
                let value = if there { Some(reader.int()?) } else { None };
                if keep {
                    builder.append_option(value)
                }
            }
            CellBuilder::Float64(builder) => {
                let value = if there { Some(f64::from_bits(reader.int()? as u64)) } else { None };
                if keep {
                    builder.append_option(value)
                }
            }
            CellBuilder::Timestamp(builder) => {
                let value = if there { Some(reader.int()?) } else { None };
                if keep {
                    builder.append_option(value)
                }
            }
            CellBuilder::Text(builder) => {
                let damaged = |_| Error::internal("stored rows of a join are damaged: a text is not UTF-8");
                let value = if there { Some(std::str::from_utf8(reader.bytes()?).map_err(damaged)?) } else { None };
                if keep {
                    builder.append_option(value)
                }
            }
            CellBuilder::Bytes(builder) => {
                let value = if there { Some(reader.bytes()?) } else { None };
                if keep {
                    builder.append_option(value)
                }
            }
        }
        Ok(())
    }

    /// The column.
    pub fn finish(self) -> ArrayRef {
        match self {
            CellBuilder::Boolean(mut builder) => Arc::new(builder.finish()),
            CellBuilder::Int64(mut builder) => Arc::new(builder.finish()),
            CellBuilder::Float64(mut builder) => Arc::new(builder.finish()),
            CellBuilder::Timestamp(mut builder) => Arc::new(builder.finish()),
            CellBuilder::Text(mut builder) => Arc::new(builder.finish()),
            CellBuilder::Bytes(mut builder) => Arc::new(builder.finish()),
        }
    }
}

//! Single values of columns of any type, for aggregates that keep some of them.
//!
//! A value of up to 8 bytes is kept as an integer with the same order. Of floats, NaN is greater than every number; all NaNs are
//! equal, and so are both zeros. Texts and bytes are kept as bytes.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::BooleanBuffer;

use flowgate_base::error::{Error, Result};
use flowgate_base::schema::DataType;
use flowgate_state::bytes::{put_sized, take_array, take_int, take_sized};
use flowgate_state::cell::{ColumnBuilder, Value};

/// Maps a float to an integer with the same order: IEEE 754's totalOrder, with one NaN and one zero.
pub(super) fn float_order(value: f64) -> i64 {
    // -0.0 + 0.0 is 0.0.
    let value = if value.is_nan() { f64::NAN } else { value + 0.0 };
    let bits = value.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The inverse of [`float_order`].
pub(super) fn order_float(order: i64) -> f64 {
    f64::from_bits((order ^ (((order >> 63) as u64) >> 1) as i64) as u64)
}

/// One value. The order of the variants does not matter: a column has values of one variant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Cell {
    Int(i64),
    Bytes(Box<[u8]>),
}

impl Cell {
    /// Appends a tag (1 byte), then 8 bytes, or a length and bytes.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Cell::Int(value) => {
                out.push(0);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Cell::Bytes(bytes) => {
                out.push(1);
                put_sized(bytes, out);
            }
        }
    }

    pub(super) fn decode(bytes: &mut &[u8]) -> Result<Cell> {
        Ok(match take_array::<1>(bytes)? {
            [0] => Cell::Int(take_int(bytes)?),
            [1] => Cell::Bytes(take_sized(bytes)?.into()),
            [tag] => return Err(Error::internal(format!("an encoded value has the tag {tag}"))),
        })
    }

    /// Returns the memory in bytes that it owns on the heap.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Cell::Int(_) => 0,
            Cell::Bytes(bytes) => bytes.len() + 16,
        }
    }

    /// Compares a row of a column with this value.
    pub(super) fn compare(&self, column: &Cells<'_>, row: usize) -> std::cmp::Ordering {
        match (self, column) {
            (Cell::Bytes(mine), Cells::Texts(_) | Cells::Bytes(_)) => column.bytes_at(row).cmp(mine),
            (Cell::Int(mine), _) => column.int_at(row).cmp(mine),
            (Cell::Bytes(_), _) => std::cmp::Ordering::Less,
        }
    }
}

/// A column that is read value by value.
#[derive(Clone, Copy)]
pub(super) enum Cells<'a> {
    Ints(&'a [i64]),
    Floats(&'a [f64]),
    Booleans(&'a BooleanBuffer),
    Texts(&'a arrow_array::StringArray),
    Bytes(&'a arrow_array::BinaryArray),
}

impl<'a> Cells<'a> {
    pub(super) fn of(column: &'a ArrayRef) -> Result<Self> {
        use arrow_schema::DataType as A;
        Ok(match column.data_type() {
            A::Int64 => Cells::Ints(column.as_primitive::<Int64Type>().values()),
            A::Timestamp(..) => Cells::Ints(column.as_primitive::<TimestampMillisecondType>().values()),
            A::Float64 => Cells::Floats(column.as_primitive::<Float64Type>().values()),
            A::Boolean => Cells::Booleans(column.as_boolean().values()),
            A::Utf8 => Cells::Texts(column.as_string::<i32>()),
            A::Binary => Cells::Bytes(column.as_binary::<i32>()),
            other => return Err(Error::internal(format!("no aggregate reads a column of type {other}"))),
        })
    }

    /// Returns a value of a column of 8-byte values or booleans.
    #[inline(always)]
    pub(super) fn int_at(&self, row: usize) -> i64 {
        match self {
            Cells::Ints(values) => values[row],
            Cells::Floats(values) => float_order(values[row]),
            Cells::Booleans(values) => values.value(row).into(),
            Cells::Texts(_) | Cells::Bytes(_) => 0,
        }
    }

    /// Returns a value of a column of texts or bytes.
    #[inline]
    pub(super) fn bytes_at(&self, row: usize) -> &'a [u8] {
        match self {
            Cells::Texts(values) => values.value(row).as_bytes(),
            Cells::Bytes(values) => values.value(row),
            _ => &[],
        }
    }

    /// Whether the values are texts or bytes.
    pub(super) fn is_bytes(&self) -> bool {
        matches!(self, Cells::Texts(_) | Cells::Bytes(_))
    }

    pub(super) fn at(&self, row: usize) -> Cell {
        if self.is_bytes() { Cell::Bytes(self.bytes_at(row).into()) } else { Cell::Int(self.int_at(row)) }
    }
}

/// Builds a column of a type.
pub(super) fn column<'a>(of: DataType, cells: impl Iterator<Item = Option<&'a Cell>>) -> Result<ArrayRef> {
    let mut builder = ColumnBuilder::new(of);
    for cell in cells {
        builder.push(cell.map(|cell| match (cell, of) {
            (Cell::Int(order), DataType::Float64) => Value::Float(order_float(*order)),
            (Cell::Int(value), DataType::Boolean) => Value::Boolean(*value != 0),
            (Cell::Int(value), _) => Value::Int(*value),
            (Cell::Bytes(bytes), _) => Value::Bytes(bytes),
        }))?;
    }
    Ok(builder.finish())
}

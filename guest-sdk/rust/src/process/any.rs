//! Columns whose type is known when a function is opened, not when it is compiled.

use crate::column::batch::{Column, Values, bit};
use crate::timestamp::Timestamp;

/// A value of a column that [`Process::choose`](crate::Process::choose) chose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AnyValue<'a> {
    /// The row has no value.
    None,
    /// A value of a `boolean` column.
    Boolean(bool),
    /// A value of an `int64` column.
    Int64(i64),
    /// A value of a `float64` column.
    Float64(f64),
    /// A value of a `text` or `json` column.
    Text(&'a str),
    /// A value of a `bytes` column.
    Bytes(&'a [u8]),
    /// A value of a `timestamp` column.
    Timestamp(Timestamp),
}

impl<'a> AnyValue<'a> {
    /// Reads the value of a row. Panics where there is no such row.
    #[inline]
    pub(crate) fn read(column: &'a Column, row: usize) -> Self {
        if column.validity.as_ref().is_some_and(|bits| !bit(bits, row)) {
            return AnyValue::None;
        }
        match &column.values {
            Values::Booleans(bits) => AnyValue::Boolean(bit(bits, row)),
            Values::Int64s(values) => AnyValue::Int64(values[row]),
            Values::Float64s(values) => AnyValue::Float64(values[row]),
            Values::Texts(values) => {
                // SAFETY: texts of a batch are UTF-8.
                AnyValue::Text(unsafe { std::str::from_utf8_unchecked(values.get(row)) })
            }
            Values::ByteStrings(values) => AnyValue::Bytes(values.get(row)),
            Values::Timestamps(values) => AnyValue::Timestamp(values[row]),
        }
    }
}

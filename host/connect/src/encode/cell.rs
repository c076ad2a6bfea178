//! The values of one column, typed once for a whole batch.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, StringArray};
use arrow_buffer::NullBuffer;

use crate::instant;
use flowgate_base::schema::DataType;

/// A column's values.
pub(crate) struct Cells<'a> {
    pub(super) values: Values<'a>,
    nulls: Option<&'a NullBuffer>,
}

pub(super) enum Values<'a> {
    Boolean(&'a BooleanArray),
    Int64(&'a [i64]),
    Float64(&'a [f64]),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Timestamp(&'a [i64]),
    Json(&'a StringArray),
}

impl<'a> Cells<'a> {
    /// Creates the cells of a column, which must have the Arrow type of `data_type`: edges of a job graph are typed, so it has.
    pub(crate) fn new(data_type: DataType, column: &'a ArrayRef) -> Self {
        let values = match data_type {
            DataType::Boolean => Values::Boolean(column.as_boolean()),
            DataType::Int64 => Values::Int64(column.as_primitive::<Int64Type>().values()),
            DataType::Float64 => Values::Float64(column.as_primitive::<Float64Type>().values()),
            DataType::Text => Values::Text(column.as_string()),
            DataType::Bytes => Values::Bytes(column.as_binary()),
            DataType::Timestamp => Values::Timestamp(column.as_primitive::<TimestampMillisecondType>().values()),
            DataType::Json => Values::Json(column.as_string()),
        };
        Cells { values, nulls: column.nulls() }
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|n| n.is_null(row))
    }

    /// Appends the value as plain text, as in CSV and in tables; nothing where there is no value. Numbers as in JSON, but `NaN`,
    /// `inf` and `-inf`; timestamps in RFC 3339; bytes in base64.
    pub(crate) fn plain(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            return;
        }
        match &self.values {
            Values::Boolean(v) => out.extend_from_slice(if v.value(row) { b"true" } else { b"false" }),
            Values::Int64(v) => integer(v[row], out),
            Values::Float64(v) if v[row].is_finite() => float(v[row], out),
            Values::Float64(v) => out.extend_from_slice(non_finite(v[row])),
            Values::Text(v) | Values::Json(v) => out.extend_from_slice(v.value(row).as_bytes()),
            Values::Bytes(v) => base64(v.value(row), out),
            Values::Timestamp(v) => {
                if !instant::write_rfc3339(v[row], out) {
                    integer(v[row], out);
                }
            }
        }
    }
}

pub(super) fn integer(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends the shortest text that reads back as the same finite number.
pub(super) fn float(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
}

fn non_finite(value: f64) -> &'static [u8] {
    if value.is_nan() {
        b"NaN"
    } else if value > 0.0 {
        b"inf"
    } else {
        b"-inf"
    }
}

pub(super) fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + data_encoding::BASE64.encode_len(bytes.len()), 0);
    data_encoding::BASE64.encode_mut(bytes, &mut out[start..]);
}

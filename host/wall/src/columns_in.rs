//! Arrow's columns on their way into a plugin: borrowed from Arrow's buffers, so that each buffer is copied once, by
//! the engine. Only a slice that does not begin at a whole byte, or whose texts do not begin at offset 0, needs a copy.

use std::borrow::Cow;

use arrow_array::{Array, ArrayRef, cast::AsArray, types};
use arrow_buffer::{BooleanBuffer, OffsetBuffer};

use super::wire::{ColumnIn, ValuesIn, VarIn};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::{DataType, Field};

/// The columns of a call. Each array must have its field's type and `row_count` rows: that is the caller's obligation,
/// so an error is internal.
pub(super) fn columns_in<'a>(arrays: &'a [ArrayRef], fields: &[Field], row_count: usize) -> Result<Vec<ColumnIn<'a>>> {
    if arrays.len() != fields.len() {
        return Err(Error::internal(format!("a function of {} columns was given {}", fields.len(), arrays.len())));
    }
    arrays.iter().zip(fields).map(|(array, field)| column_in(array, field, row_count)).collect()
}

/// Bytes of the columns that cross, roughly: what varies.
pub(super) fn bytes_in(arrays: &[ArrayRef], row_count: usize) -> usize {
    arrays
        .iter()
        .map(|array| match array.data_type() {
            arrow_schema::DataType::Utf8 => var_bytes(array.as_string::<i32>().value_offsets()) + 4 * row_count,
            arrow_schema::DataType::Binary => var_bytes(array.as_binary::<i32>().value_offsets()) + 4 * row_count,
            _ => 8 * row_count,
        })
        .sum()
}

fn var_bytes(offsets: &[i32]) -> usize {
    match (offsets.first(), offsets.last()) {
        (Some(first), Some(last)) => usize::try_from(last - first).unwrap_or(0),
        _ => 0,
    }
}

fn column_in<'a>(array: &'a ArrayRef, field: &Field, row_count: usize) -> Result<ColumnIn<'a>> {
    let wrong = || {
        let (given, name) = (array.data_type(), &field.name);
        Error::internal(format!("column `{name}` is {}, {row_count} rows, but was given as {given}", field.data_type))
    };
    if array.len() != row_count {
        return Err(wrong());
    }
    let values = match field.data_type {
        DataType::Boolean => ValuesIn::Booleans(bits(array.as_boolean_opt().ok_or_else(wrong)?.values())),
        DataType::Int64 => ValuesIn::Int64s(array.as_primitive_opt::<types::Int64Type>().ok_or_else(wrong)?.values()),
        DataType::Float64 => {
            ValuesIn::Float64s(array.as_primitive_opt::<types::Float64Type>().ok_or_else(wrong)?.values())
        }
        DataType::Timestamp => {
            let array = array.as_primitive_opt::<types::TimestampMillisecondType>().ok_or_else(wrong)?;
            ValuesIn::Timestamps(array.values())
        }
        DataType::Text | DataType::Json => {
            let array = array.as_string_opt::<i32>().ok_or_else(wrong)?;
            ValuesIn::Texts(var_in(array.offsets(), array.values()).ok_or_else(wrong)?)
        }
        DataType::Bytes => {
            let array = array.as_binary_opt::<i32>().ok_or_else(wrong)?;
            ValuesIn::ByteStrings(var_in(array.offsets(), array.values()).ok_or_else(wrong)?)
        }
    };
    let validity = match array.nulls() {
        Some(nulls) if nulls.null_count() > 0 => {
            if !field.nullable {
                return Err(Error::internal(format!("column `{}` has rows without a value", field.name)));
            }
            Some(bits(nulls.inner()))
        }
        _ => None,
    };
    Ok(ColumnIn { values, validity })
}

fn bits(buffer: &BooleanBuffer) -> Cow<'_, [u8]> {
    let bytes = buffer.len().div_ceil(8);
    if buffer.offset().is_multiple_of(8) {
        let first = buffer.offset() / 8;
        if let Some(aligned) = buffer.values().get(first..first + bytes) {
            return Cow::Borrowed(aligned);
        }
    }
    let aligned = buffer.inner().bit_slice(buffer.offset(), buffer.len());
    Cow::Owned(aligned.as_slice().get(..bytes).unwrap_or_default().to_vec())
}

/// Values of varying length; `None` where the offsets are not those of the values.
pub(super) fn var_in<'a>(offsets: &'a OffsetBuffer<i32>, values: &'a [u8]) -> Option<VarIn<'a>> {
    // The same bits: an offset is never negative.
    let offsets: &[u32] = offsets.inner().inner().typed_data();
    let (&first, &last) = (offsets.first()?, offsets.last()?);
    let data = values.get(first as usize..last as usize)?;
    let offsets = match first {
        0 => Cow::Borrowed(offsets),
        _ => Cow::Owned(offsets.iter().map(|o| o - first).collect()),
    };
    Some(VarIn { offsets, data })
}
